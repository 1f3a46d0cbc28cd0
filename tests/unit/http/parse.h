/* Parsing as the tests do it: each message whole and one byte at a time, from memory that ends where the bytes end, so
 * that a read too far is seen. Both must come to the same result; only that byte by byte an error may show no sooner
 * than at the end of its line.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_HTTP_PARSE_H
#define XF_TESTS_UNIT_HTTP_PARSE_H

#include "common/http/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct outcome {
    struct xf_http_head head;
    enum xf_http_progress progress;
    enum xf_err err; /* OK unless FAILED */
    size_t head_len; /* 0 unless DONE */
};

/* What the heads of requests and of responses are parsed by. */
struct kind {
    bool is_response;
    enum xf_http_method request_method;
};

static inline enum xf_http_progress step(struct outcome *outcome, struct kind kind, struct xf_slice in)
{
    return kind.is_response
               ? xf_http_parse_response(&outcome->head, kind.request_method, in, &outcome->head_len, &outcome->err)
               : xf_http_parse_request(&outcome->head, in, &outcome->head_len, &outcome->err);
}

static inline char *exact_copy(const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, bytes, len);
    return copy;
}

/* Writes the bytes and returns where they end. */
static inline char *put(char *to, struct xf_slice bytes)
{
    memcpy(to, bytes.ptr, bytes.len);
    return to + bytes.len;
}

static inline void parse_whole(struct outcome *outcome, struct kind kind, struct xf_slice in)
{
    char *copy = exact_copy(in.ptr, in.len);
    *outcome = (struct outcome){.err = XF_OK};
    xf_http_head_init(&outcome->head);
    outcome->progress = step(outcome, kind, xf_slice(copy, in.len));
    free(copy);
}

/* The buffer moves at every step, as a growing one may. */
static inline void parse_bytewise(struct outcome *outcome, struct kind kind, struct xf_slice in)
{
    *outcome = (struct outcome){.progress = XF_HTTP_MORE};
    xf_http_head_init(&outcome->head);
    for (size_t n = 0; n <= in.len && outcome->progress == XF_HTTP_MORE; n++) {
        char *copy = exact_copy(in.ptr, n);
        outcome->progress = step(outcome, kind, xf_slice(copy, n));
        free(copy);
    }
}

static inline void assert_same_head(const struct xf_http_head *a, const struct xf_http_head *b)
{
    assert_int_equal(a->method, b->method);
    assert_int_equal(a->method_off, b->method_off);
    assert_int_equal(a->method_len, b->method_len);
    assert_int_equal(a->target_off, b->target_off);
    assert_int_equal(a->target_len, b->target_len);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->minor, b->minor);
    assert_int_equal(a->body, b->body);
    assert_int_equal(a->content_length, b->content_length);
    assert_int_equal(a->has_content_length, b->has_content_length);
    assert_int_equal(a->keep_alive, b->keep_alive);
    assert_int_equal(a->expects_continue, b->expects_continue);
    assert_int_equal(a->host, b->host);
    assert_int_equal(a->authorization, b->authorization);
    assert_int_equal(a->api_key, b->api_key);
    assert_int_equal(a->content_encoding, b->content_encoding);
    assert_int_equal(a->via, b->via);
    assert_int_equal(a->field_count, b->field_count);
    for (unsigned i = 0; i < a->field_count; i++) {
        assert_int_equal(a->fields[i].name_off, b->fields[i].name_off);
        assert_int_equal(a->fields[i].name_len, b->fields[i].name_len);
        assert_int_equal(a->fields[i].value_off, b->fields[i].value_off);
        assert_int_equal(a->fields[i].value_len, b->fields[i].value_len);
        assert_int_equal(a->fields[i].id, b->fields[i].id);
        assert_int_equal(a->fields[i].is_hop, b->fields[i].is_hop);
    }
}

static inline void end_line(struct outcome *outcome, struct kind kind, struct xf_slice in)
{
    char *copy = malloc(in.len + 1);
    assert_non_null(copy);
    memcpy(copy, in.ptr, in.len);
    copy[in.len] = '\n';
    outcome->progress = step(outcome, kind, xf_slice(copy, in.len + 1));
    free(copy);
}

static inline void parse_both_ways(struct outcome *outcome, struct kind kind, struct xf_slice in)
{
    struct outcome bytewise;
    parse_whole(outcome, kind, in);
    parse_bytewise(&bytewise, kind, in);
    if (outcome->progress == XF_HTTP_FAILED && bytewise.progress == XF_HTTP_MORE)
        end_line(&bytewise, kind, in);
    if (outcome->progress != bytewise.progress || outcome->err != bytewise.err ||
        outcome->head_len != bytewise.head_len)
        fail_msg("whole: %d %s %zu, bytewise: %d %s %zu, of: %.*s", (int)outcome->progress, xf_err_name(outcome->err),
                 outcome->head_len, (int)bytewise.progress, xf_err_name(bytewise.err), bytewise.head_len,
                 XF_SLICE_ARG(in));
    if (outcome->progress == XF_HTTP_DONE)
        assert_same_head(&outcome->head, &bytewise.head);
}

/* A head that must fail with `err` (or, with XF_OK, must pass and be taken to its last byte). */
static inline void expect(struct outcome *outcome, struct kind kind, struct xf_slice in, enum xf_err err)
{
    parse_both_ways(outcome, kind, in);
    enum xf_http_progress wanted = err ? XF_HTTP_FAILED : XF_HTTP_DONE;
    if (outcome->progress != wanted || outcome->err != err || (!err && outcome->head_len != in.len))
        fail_msg("%d %s at %zu where %s was expected, of: %.*s", (int)outcome->progress, xf_err_name(outcome->err),
                 outcome->head_len, xf_err_name(err), XF_SLICE_ARG(in));
}

static inline void assert_slice(struct xf_slice got, const char *wanted)
{
    if (!xf_slice_eq(got, xf_slice_of(wanted)))
        fail_msg("'%.*s' where '%s' was expected", XF_SLICE_ARG(got), wanted);
}

/* xorshift: the same numbers on every machine and run. */
static inline uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

#endif
