/* The scripts as bytes, made by scripts_embed.cmake; for scripts.c alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_SCRIPTS_TEXT_H
#define XF_PROXY_JOURNAL_SCRIPTS_TEXT_H

#include <stddef.h>

struct xf_script_body {
    const unsigned char *text;
    size_t len;
    const char *sha; /* SHA-1 of the text, 40 hex digits */
};
extern const struct xf_script_body xf_script_bodies[]; /* by enum xf_script */

#endif
