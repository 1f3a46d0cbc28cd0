/* `crossfade serve`: puts the parts together and runs them until a signal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SERVE_H
#define XF_PROXY_SERVE_H

/* argv[0] is "serve". Returns the process's exit status: 0 after a clean stop, 1 if it could not start, 2 for bad usage. */
int xf_serve_main(int argc, char **argv);

#endif
