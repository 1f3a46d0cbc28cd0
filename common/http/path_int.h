/* What paths need beside themselves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_HTTP_PATH_INT_H
#define XF_COMMON_HTTP_PATH_INT_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 by Unicode's table 3-7: no overlong forms, no surrogates, nothing past U+10FFFF. */
bool xf_http_is_utf8(const char *text, size_t len);

#endif
