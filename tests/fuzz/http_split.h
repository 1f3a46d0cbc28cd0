/* Heads for the fuzzers: parsed whole and in pieces, which must agree. The first byte of the input says where the
 * pieces are cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_FUZZ_HTTP_SPLIT_H
#define XF_TESTS_FUZZ_HTTP_SPLIT_H

#include "common/http/head.h"

struct parsed {
    struct xf_http_head head;
    enum xf_http_progress progress;
    enum xf_err err;
    size_t head_len;
};

typedef enum xf_http_progress (*parse_fn)(struct parsed *parsed, struct xf_slice in);

/* Fields lie inside the head, one behind the other, and hold nothing that could end a line. */
static inline void assert_sound(const struct parsed *parsed, struct xf_slice in)
{
    size_t at = 0;
    XF_ASSERT(parsed->head_len >= 4 && parsed->head_len <= in.len && parsed->head_len <= XF_HTTP_HEAD_BYTES_MAX);
    XF_ASSERT(memcmp(in.ptr + parsed->head_len - 4, "\r\n\r\n", 4) == 0);
    XF_ASSERT(parsed->head.field_count <= XF_HTTP_FIELDS_MAX);
    for (unsigned i = 0; i < parsed->head.field_count; i++) {
        const struct xf_http_field *field = &parsed->head.fields[i];
        XF_ASSERT(field->name_len > 0 && field->name_off >= at && field->value_off > field->name_off + field->name_len);
        at = (size_t)field->value_off + field->value_len;
        XF_ASSERT(at < parsed->head_len);
        for (size_t j = field->name_off; j < at; j++)
            XF_ASSERT(in.ptr[j] != '\r' && in.ptr[j] != '\n' && in.ptr[j] != '\0');
    }
}

static inline void assert_same(const struct parsed *a, const struct parsed *b)
{
    XF_ASSERT(a->progress == b->progress && a->err == b->err && a->head_len == b->head_len);
    if (a->progress != XF_HTTP_DONE)
        return;
    XF_ASSERT(a->head.method == b->head.method && a->head.status == b->head.status && a->head.minor == b->head.minor);
    XF_ASSERT(a->head.target_off == b->head.target_off && a->head.target_len == b->head.target_len);
    XF_ASSERT(a->head.body == b->head.body && a->head.content_length == b->head.content_length);
    XF_ASSERT(a->head.keep_alive == b->head.keep_alive && a->head.expects_continue == b->head.expects_continue);
    XF_ASSERT(a->head.host == b->head.host && a->head.api_key == b->head.api_key);
    XF_ASSERT(a->head.field_count == b->head.field_count);
    for (unsigned i = 0; i < a->head.field_count; i++) {
        const struct xf_http_field *x = &a->head.fields[i], *y = &b->head.fields[i];
        XF_ASSERT(x->name_off == y->name_off && x->name_len == y->name_len && x->value_off == y->value_off);
        XF_ASSERT(x->value_len == y->value_len && x->id == y->id && x->is_hop == y->is_hop);
    }
}

static inline void parse_pieces(struct parsed *parsed, parse_fn parse, struct xf_slice in, size_t piece)
{
    *parsed = (struct parsed){.progress = XF_HTTP_MORE};
    xf_http_head_init(&parsed->head);
    for (size_t n = 0; n < in.len && parsed->progress == XF_HTTP_MORE;) {
        n = in.len - n < piece ? in.len : n + piece;
        parsed->progress = parse(parsed, xf_slice(in.ptr, n));
    }
}

/* The whole input, compared with pieces; `text` is at least one byte and ends in LF, so that no line is left open. */
static inline void parse_split(struct parsed *parsed, parse_fn parse, struct xf_slice in, size_t piece)
{
    struct parsed again;
    parse_pieces(parsed, parse, in, in.len);
    parse_pieces(&again, parse, in, piece);
    assert_same(parsed, &again);
    if (parsed->progress == XF_HTTP_DONE)
        assert_sound(parsed, in);
}

#endif
