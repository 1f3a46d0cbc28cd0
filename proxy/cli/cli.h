/* Every verb of the command line but `serve`: `check`, `version`, `help`, and the clients of the admin API.
 *
 * Answers go to standard output, what went wrong to standard error. The exit code says how it ended.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CLI_CLI_H
#define XF_PROXY_CLI_CLI_H

enum xf_cli_exit {
    XF_CLI_OK = 0,
    XF_CLI_FAILED = 1,      /* refused by the proxy, or it failed there; for `check`: the configuration is not valid */
    XF_CLI_USAGE = 2,       /* the command line is not right */
    XF_CLI_UNREACHABLE = 3, /* the admin API cannot be reached */
    XF_CLI_DIFFERENCES = 4  /* the validation has found differences */
};

/* Takes main's arguments and returns the exit code. Call once, from one thread: it sets up libcurl. */
int xf_cli_main(int argc, char **argv);

#endif
