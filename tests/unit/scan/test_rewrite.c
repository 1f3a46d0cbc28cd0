/* The rewriter: names change where a collection is meant and nowhere else, and every other byte stays. Cut everywhere.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct sink {
    char bytes[20000];
    size_t len;
    enum xf_err err;
};

/* "L" becomes a name that needs escaping. */
static bool rename_l(void *ctx, struct xf_slice name, struct xf_slice *replacement)
{
    (void)ctx;
    *replacement = XF_SLICE("n\"e\\w\n");
    return xf_slice_eq(name, XF_SLICE("L"));
}

#define N "\"n\\\"e\\\\w\\n\""

static enum xf_err collect(void *ctx, struct xf_slice bytes)
{
    struct sink *sink = ctx;
    assert_true(sink->len + bytes.len < sizeof sink->bytes);
    memcpy(sink->bytes + sink->len, bytes.ptr, bytes.len);
    sink->len += bytes.len;
    sink->bytes[sink->len] = 0;
    return sink->err;
}

static enum xf_err feed_piece(struct xf_rewrite *rewrite, const char *bytes, size_t n)
{
    char *piece = malloc(n ? n : 1);
    assert_non_null(piece);
    memcpy(piece, bytes, n);
    enum xf_err err = xf_rewrite_feed(rewrite, xf_slice(piece, n));
    free(piece);
    return err;
}

static void run(const char *body, size_t cut, struct sink *sink, bool *has_changed)
{
    struct xf_rewrite *rewrite;
    size_t len = strlen(body);
    sink->len = 0;
    sink->bytes[0] = 0;
    sink->err = XF_OK;
    assert_int_equal(xf_rewrite_new(rename_l, collect, sink, &rewrite), XF_OK);
    if (cut > len) {
        for (size_t i = 0; i < len; i++)
            assert_int_equal(feed_piece(rewrite, body + i, 1), XF_OK);
    } else {
        assert_int_equal(feed_piece(rewrite, body, cut), XF_OK);
        assert_int_equal(feed_piece(rewrite, body + cut, len - cut), XF_OK);
    }
    assert_int_equal(xf_rewrite_finish(rewrite), XF_OK);
    *has_changed = xf_rewrite_has_changed(rewrite);
    xf_rewrite_free(rewrite);
}

/* NULL for `want`: nothing changes. */
static void check_every_cut(const char *body, const char *want)
{
    static struct sink sink;
    for (size_t cut = 0; cut <= strlen(body) + 1; cut++) {
        bool has_changed;
        run(body, cut, &sink, &has_changed);
        assert_string_equal(sink.bytes, want ? want : body);
        assert_int_equal(has_changed, want != NULL);
    }
}

static void test_changes(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
    } rows[] = {
        {"{\"lookup_from\":{\"collection\":\"L\"}}", "{\"lookup_from\":{\"collection\":" N "}}"},
        {"{\"lookup_from\" : { \"vector\":\"L\", \"collection\" : \"L\" } }",
         "{\"lookup_from\" : { \"vector\":\"L\", \"collection\" : " N " } }"},
        {"{\"loo\\u006bup_from\":{\"collectio\\u006E\":\"\\u004c\"}}",
         "{\"loo\\u006bup_from\":{\"collectio\\u006E\":" N "}}"},
        {"{\"with_lookup\":\"L\",\"limit\":1}", "{\"with_lookup\":" N ",\"limit\":1}"},
        {"{\"with_lookup\":{\"collection\":\"L\",\"with_payload\":[\"L\"]}}",
         "{\"with_lookup\":{\"collection\":" N ",\"with_payload\":[\"L\"]}}"},
        {"{\"searches\":[{\"lookup_from\":{\"collection\":\"L\"}},{\"lookup_from\":{\"collection\":\"M\"}}]}",
         "{\"searches\":[{\"lookup_from\":{\"collection\":" N "}},{\"lookup_from\":{\"collection\":\"M\"}}]}"},
        {"{\"prefetch\":{\"prefetch\":[{\"lookup_from\":{\"collection\":\"L\"}}]}}",
         "{\"prefetch\":{\"prefetch\":[{\"lookup_from\":{\"collection\":" N "}}]}}"},
        {"{\"searches\":[{\"prefetch\":[{\"prefetch\":{\"lookup_from\":{\"collection\":\"L\"}}}]}]}",
         "{\"searches\":[{\"prefetch\":[{\"prefetch\":{\"lookup_from\":{\"collection\":" N "}}}]}]}"},
        {"{\"lookup_from\":[\"L\",\"L\"]}", "{\"lookup_from\":[" N ",\"L\"]}"},
        /* a broken body: what came before the break is changed, the rest passes */
        {"{\"with_lookup\":\"L\"]\"with_lookup\":\"L\"", "{\"with_lookup\":" N "]\"with_lookup\":\"L\""},
        {"{\"with_lookup\":\"L\",\"lookup_from\":{\"collection\":\"L",
         "{\"with_lookup\":" N ",\"lookup_from\":{\"collection\":\"L"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_every_cut(rows[i].body, rows[i].want);
}

static void test_stays(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "{\"filter\":{\"must\":[{\"lookup_from\":{\"collection\":\"L\"}}]},\"collection\":\"L\"}",
        "{\"query\":{\"lookup_from\":{\"collection\":\"L\"},\"with_lookup\":\"L\"}}",
        "{\"lookup_from\":\"L\"}",
        "{\"lookup_from\":{\"x\":{\"collection\":\"L\"},\"collection\":\"LL\"}}",
        "{\"with_lookup\":{\"with_lookup\":\"L\"}}",
        "{\"with_lookup\":{\"collection\":{\"collection\":\"L\"}}}",
        "{\"with_lookup\":{\"collection\":[\"L\"]}}",
        "{\"with_lookup\":null,\"x\":\"L\"}",
        "{\"with_lookup\":false,\"lookup_from\":7}",
        "{\"with_lookup\":[\"M\",\"L\",[\"L\"]]}",
        "{\"prefetch\":[{\"searches\":[{\"with_lookup\":\"L\"}]}]}",
        "{\"searches\":{\"with_lookup\":\"L\"}}",
        "[{\"with_lookup\":\"L\"}]",
        "{\"with_lookup\":\"\\ud800L\"}",
        "{\"with_lookup\":\"l\"}",
        "{\"with_lookup\" \"L\"}",
        "not JSON, \"with_lookup\":\"L\"",
        "\"L\"",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_every_cut(rows[i], NULL);
}

/* A text where a name may stand that is far longer than any name, in pieces. */
static void test_too_long_for_a_name(void **state)
{
    (void)state;
    static char body[16000];
    static struct sink sink;
    strcpy(body, "{\"with_lookup\":\"");
    size_t head = strlen(body);
    memset(body + head, 'x', 12000);
    strcpy(body + head + 12000, "\",\"lookup_from\":{\"collection\":\"L\"}}");
    for (size_t cut = head; cut < head + 12000; cut += 37) {
        bool has_changed;
        run(body, cut, &sink, &has_changed);
        assert_true(has_changed);
        assert_memory_equal(sink.bytes, body, head + 12000);
        assert_string_equal(sink.bytes + head + 12000, "\",\"lookup_from\":{\"collection\":" N "}}");
    }
}

static void test_the_receivers_error_comes_back(void **state)
{
    (void)state;
    struct xf_rewrite *rewrite;
    static struct sink sink = {.err = XF_ERR_FULL};
    assert_int_equal(xf_rewrite_new(rename_l, collect, &sink, &rewrite), XF_OK);
    assert_int_equal(xf_rewrite_feed(rewrite, XF_SLICE("{\"with_lookup\":\"L\"")), XF_ERR_FULL);
    assert_int_equal(xf_rewrite_feed(rewrite, XF_SLICE("}")), XF_ERR_FULL);
    assert_int_equal(xf_rewrite_finish(rewrite), XF_ERR_FULL);
    xf_rewrite_free(rewrite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_stays),
        cmocka_unit_test(test_too_long_for_a_name),
        cmocka_unit_test(test_the_receivers_error_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
