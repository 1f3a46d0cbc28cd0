/* The one binary: `serve` runs the proxy, every other verb is the command line's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli.h"
#include "proxy/serve.h"

#include <string.h>

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return xf_serve_main(argc - 1, argv + 1);
    return xf_cli_main(argc, argv);
}
