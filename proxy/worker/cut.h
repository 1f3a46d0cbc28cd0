/* Cutting raw slices out of JSON text that a server has sent: no tree, no copy, and no number is ever read. The text is
 * followed strictly as far as its structure goes (brackets match, strings end, depth is bounded); what stands inside a
 * scalar is left to whoever gets the slice. Errors stick to the cursor, so that a caller may look once, at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_CUT_H
#define XF_PROXY_WORKER_CUT_H

#include "common/base/buf.h"

struct xf_cut {
    const char *at, *end;
    bool is_first; /* no element of the innermost container was taken yet */
    enum xf_err err;
};

struct xf_cut xf_cut(struct xf_slice text);
/* Steps into a container: `open` is '{' or '['. Then `more` until it says false, which steps out again:
 *     for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) { key = xf_cut_key(&cut); value = xf_cut_value(&cut); } */
void xf_cut_enter(struct xf_cut *cut, char open);
bool xf_cut_more(struct xf_cut *cut, char close);
/* The key's text between its quotes, escapes as they stand; the colon is taken too. */
struct xf_slice xf_cut_key(struct xf_cut *cut);
/* The next value whole; empty after an error. */
struct xf_slice xf_cut_value(struct xf_cut *cut);
/* The first byte of the next value, NUL at the end or after an error. Takes nothing but blanks. */
char xf_cut_peek(struct xf_cut *cut);

/* The member of an object, or XF_SLICE_NONE if there is none or the text is no object. */
struct xf_slice xf_cut_member(struct xf_slice object, const char *key);
static inline bool xf_cut_is_null(struct xf_slice value)
{
    return value.len == 0 || value.ptr[0] == 'n';
}
/* Two JSON strings (both without their quotes), compared after undoing escapes. */
bool xf_cut_text_eq(struct xf_slice a, struct xf_slice b);
/* A JSON string value without its quotes; empty if the value is no string. */
struct xf_slice xf_cut_unquoted(struct xf_slice value);
/* Appends the text of a JSON string (without quotes) with its escapes undone, as UTF-8. */
XF_MUST_CHECK enum xf_err xf_cut_decode(struct xf_slice text, struct xf_buf *out);

#endif
