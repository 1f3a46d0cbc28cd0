/* The command line without `serve`, for test_cli.py.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli.h"

int main(int argc, char **argv)
{
    return xf_cli_main(argc, argv);
}
