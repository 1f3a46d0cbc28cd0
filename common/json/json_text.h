/* The decoded text of one JSON string or number, gathered piece by piece while its bytes come in; internal to
 * json_scan.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_JSON_JSON_TEXT_H
#define XF_COMMON_JSON_JSON_TEXT_H

#include "common/base/slice.h"

#include <stdint.h>

/* Longer than any collection name (255 characters of four bytes), which is the longest text anybody asks for. */
enum { XF_JSON_TEXT_MAX = 1024 };

struct xf_json_text {
    uint32_t len;
    uint32_t surrogate;   /* a high surrogate that waits for its other half, or 0 */
    uint32_t code;        /* of the \u escape being read */
    uint8_t escape_state; /* 0 none, 1 behind the backslash, 2..5 in front of that hex digit of \u */
    bool is_whole;        /* false once the text was too long or had half a surrogate pair */
    bool is_bad;          /* an escape that JSON does not have: no reader takes this text */
    char bytes[XF_JSON_TEXT_MAX];
};

void xf_json_text_start(struct xf_json_text *text);
/* Plain bytes, no backslash among them. */
void xf_json_text_add(struct xf_json_text *text, const char *bytes, size_t n);
/* One byte of an escape (the first call gets the backslash). True while the escape goes on. */
bool xf_json_text_escape(struct xf_json_text *text, char c);
/* At the closing quote. */
void xf_json_text_end(struct xf_json_text *text);

#endif
