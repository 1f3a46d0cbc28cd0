/* A streaming JSON reader that hands out one token at a time, can be cut at any byte, builds no tree and never looks at
 * a number's value. Its reader may jump over any array or object at memory speed.
 *
 * It takes every text that serde_json takes and reads it alike; it also takes some that serde_json refuses (what stands
 * inside jumped containers is not checked but for strings and depth, numbers are not checked at all, nor is UTF-8).
 * Nesting ends at 127 as there (Qdrant 1.18.3). No memory is allocated; not for use by two threads at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_JSON_JSON_SCAN_H
#define XF_COMMON_JSON_JSON_SCAN_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/json/json_find.h"
#include "common/json/json_text.h"

#include <stdint.h>

enum { XF_JSON_DEPTH_MAX = 127 };

enum xf_json_event {
    XF_JSON_MORE, /* the input is used up */
    XF_JSON_OBJECT,
    XF_JSON_OBJECT_END,
    XF_JSON_ARRAY,
    XF_JSON_ARRAY_END,
    XF_JSON_JUMPED, /* the end of a container that was jumped over, in place of its _END; `jump` says what was in it */
    XF_JSON_KEY,
    XF_JSON_STRING,
    XF_JSON_NUMBER,
    XF_JSON_TRUE,
    XF_JSON_FALSE,
    XF_JSON_NULL
};

struct xf_json_scan {
    /* For the reader. Of the last KEY, STRING (both decoded) or NUMBER; it holds until the next call or until the input
     * goes away. Not to be used unless `token_is_whole`: it was longer than XF_JSON_TEXT_MAX or had half a surrogate
     * pair. */
    struct xf_slice token;
    bool token_is_whole;
    struct xf_json_jump jump;
    /* The scan's own. */
    uint8_t state;
    uint8_t literal_at;
    bool is_key;
    uint32_t depth;
    const char *literal;
    uint64_t object_bits[2]; /* which of the open containers are objects */
    struct xf_json_text text;
};

void xf_json_scan_init(struct xf_json_scan *scan);
/* The next event; what it used is taken off the front of `in`. JSON_SYNTAX and JSON_DEPTH are final. */
XF_MUST_CHECK enum xf_err xf_json_scan_next(struct xf_json_scan *scan, struct xf_slice *in, enum xf_json_event *event);
/* Only right after OBJECT or ARRAY: the rest of that container is jumped over. */
void xf_json_scan_jump(struct xf_json_scan *scan);
/* After the last byte: JSON_SYNTAX unless there was exactly one value. */
XF_MUST_CHECK enum xf_err xf_json_scan_finish(const struct xf_json_scan *scan);

#endif
