/* Targets as Qdrant 1.18.3 reads them: every spelling that its router takes for a path must come to that path's
 * canonical spelling, and what has none must be refused. Random targets are compared with a slow reading of the same
 * rules, and their canonical spelling must read back to the same segments.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/path.h"
#include "tests/unit/http/parse.h"
#include "tests/unit/http/reference_path.h"

static struct xf_pool pool;

static int set_up(void **state)
{
    (void)state;
    xf_pool_init(&pool, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    xf_pool_fini(&pool);
    return 0;
}

static enum xf_err parse(struct xf_path *path, const char *target)
{
    return xf_path_parse(path, xf_slice_of(target), &pool);
}

static void expect_path(const char *target, const char *canonical)
{
    struct xf_path path;
    if (parse(&path, target) != XF_OK)
        fail_msg("refused: %s", target);
    assert_slice(path.canonical, canonical);
}

static void expect_refused(const char *target)
{
    struct xf_path path;
    if (parse(&path, target) != XF_ERR_HTTP_TARGET)
        fail_msg("not refused: %s", target);
}

/* All of these are PUT /collections/L/points to the server. */
static void test_one_path_many_spellings(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/collections/L/points",
        "//collections//L//points//",
        "/collections/L/points/",
        "///collections/L/points",
        "/collections/%4C/p%6Fints",
        "/collections/%4c/%70%6f%69%6e%74%73",
        "/collections/%%34c/points",
        "/collections/%%34C/points",
        "/collections/%%34%63/points",
        "/%63ollections/L/points",
        "http://any/collections/L/points",
        "HTTP://any:1/collections/L/points",
        "https://[::1]:6333//collections/L/points/",
    };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct xf_path path;
        assert_int_equal(parse(&path, targets[i]), XF_OK);
        if (path.segment_count != 3 || !xf_slice_eq(path.segments[1], XF_SLICE("L")))
            fail_msg("%s: %.*s", targets[i], XF_SLICE_ARG(path.canonical));
        assert_slice(path.segments[0], "collections");
        assert_slice(path.segments[2], "points");
        assert_slice(path.canonical, "/collections/L/points");
        assert_null(path.query.ptr);
    }
}

static void test_canonical_spelling(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"/", "/"},
        {"//", "/"},
        {"http://h", "/"},
        {"http://h/", "/"},
        {"http://h?x=1", "/"},
        {"/collections/", "/collections"},
        /* The name is the three characters %4C: decoded once, no more. */
        {"/collections/%254C", "/collections/%254C"},
        {"/collections/%25%34C", "/collections/%254C"},
        {"/%%%334c", "/%254c"},
        {"/%2525", "/%2525"},
        {"/%25%30%30", "/%2500"},
        {"/%2500", "/%2500"},
        {"/%25ff", "/%25ff"},
        {"/%25%32%35", "/%2525"},
        {"/%2%35", "/%25"},
        /* %2F never separates; made by the first round it is a slash after the second. */
        {"/collections%2Fx", "/collections%2Fx"},
        {"/collections%2fx", "/collections%2Fx"},
        {"/a%2%46b", "/a%2Fb"},
        {"/a%252Fb", "/a%252Fb"},
        {"/%2F%2f", "/%2F%2F"},
        /* A plus is a plus, and a blank is a blank. */
        {"/a+b", "/a+b"},
        {"/a%2Bb", "/a+b"},
        {"/a%2bb", "/a+b"},
        {"/a%20b", "/a%20b"},
        /* Malformed escapes stand for themselves. */
        {"/%zz", "/%25zz"},
        {"/%", "/%25"},
        {"/a%/b", "/a%25/b"},
        {"/%4", "/%254"},
        {"/%4/c", "/%254/c"},
        {"/%%", "/%25%25"},
        {"/%-1", "/%25-1"},
        {"/%0x41", "/%250x41"},
        /* Dots are names. */
        {"/collections/./x/..", "/collections/./x/.."},
        {"/collections/%2e%2E", "/collections/.."},
        {"/a;x=1", "/a;x=1"},
        {"/a\"{}|\\^b", "/a%22%7B%7D%7C%5C%5Eb"},
        {"/%3C%3E%60%23%3F", "/%3C%3E%60%23%3F"},
        {"/%c3%A9", "/%C3%A9"},
        {"/%0a%7F%01", "/%0A%7F%01"},
        {"/-._~!$&'()*+,;=:@AZaz09", "/-._~!$&'()*+,;=:@AZaz09"},
        {"/%f0%9f%98%80/%ed%9f%bf", "/%F0%9F%98%80/%ED%9F%BF"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_path(rows[i][0], rows[i][1]);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "*",
        "a",
        "?x",
        "h:80",
        "http:/x",
        "http://",
        "https://",
        "http:///x",
        "http://u@h/x",
        "http://a,b/x",
        "http://h:99999/",
        "ftp://h/x",
        "/a#b",
        "/#",
        "/a?b#c",
        "/a b",
        "/a\tb",
        "/a\x01",
        "/a\x7f",
        "/a\r\n",
        "/\xc3\xa9",
        "/a?\xc3\xa9",
        "/a?b c",
        "/a<b",
        "/a>b",
        "/a`b",
        "/a?<",
        "/%00",
        "/a%00b",
        "/%%30%30",

        /* Not UTF-8 after the first round, after the second, or only before the second. */
        "/%ff",
        "/%c3",
        "/%c3/%a9",
        "/%c0%af",
        "/%ed%a0%80",
        "/%f4%90%80%80",
        "/%e2%82",

        "/%%66f",
        "/%c3%25A9",
        "/%c3%%41%39",
        "/%%63%33%A9",
        "/a%80",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_refused(rows[i]);
    struct xf_path path;
    assert_int_equal(xf_path_parse(&path, XF_SLICE("/a\0b"), &pool), XF_ERR_HTTP_TARGET);
}

static void test_views(void **state)
{
    (void)state;
    struct xf_path path;
    struct xf_pool none;
    xf_pool_init(&none, 0);
    none.used = sizeof none.first;
    static const char plain[] = "/collections/a-b/points?x=%zz&y=+";
    assert_int_equal(xf_path_parse(&path, xf_slice_of(plain), &none), XF_OK);
    assert_ptr_equal(path.canonical.ptr, plain);
    assert_ptr_equal(path.segments[1].ptr, plain + 13);
    assert_slice(path.query, "x=%zz&y=+");
    assert_int_equal(xf_path_parse(&path, XF_SLICE("/%41"), &none), XF_ERR_NOMEM);
    assert_int_equal(parse(&path, "/a?"), XF_OK);
    assert_non_null(path.query.ptr);
    assert_int_equal(path.query.len, 0);
    assert_int_equal(parse(&path, "/%41?b?c"), XF_OK);
    assert_slice(path.query, "b?c");
}

static void test_many_segments(void **state)
{
    (void)state;
    struct xf_path path;
    assert_int_equal(parse(&path, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"), XF_OK);
    assert_int_equal(path.segment_count, 16);
    assert_false(path.is_long);
    static const char *const longer[] = {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
                                         "//1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/%31%36/17/"};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(parse(&path, longer[i]), XF_OK);
        assert_int_equal(path.segment_count, 16);
        assert_true(path.is_long);
        assert_slice(path.segments[15], "16");
        assert_slice(path.canonical, longer[0]);
    }
}

static void expect_replaced(const char *target, uint16_t index, const char *name, const char *wanted)
{
    struct xf_path path;
    struct xf_slice out;
    assert_int_equal(parse(&path, target), XF_OK);
    assert_int_equal(xf_path_with_segment(&path, &pool, index, xf_slice_of(name), &out), XF_OK);
    assert_slice(out, wanted);
}

static void test_with_segment(void **state)
{
    (void)state;
    expect_replaced("/collections/L/points?wait=true", 1, "N", "/collections/N/points?wait=true");
    expect_replaced("/collections/%%34c//points/?", 1, "a b%/c+", "/collections/a%20b%25%2Fc+/points?");
    expect_replaced("/L", 0, "\xc3\xa9", "/%C3%A9");
    expect_replaced("/a/b", 1, "c", "/a/c");
    expect_replaced("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", 16, "x", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/x");
    struct xf_path path;
    struct xf_slice out;
    assert_int_equal(parse(&path, "/a/b"), XF_OK);
    assert_int_equal(xf_path_with_segment(&path, &pool, 2, XF_SLICE("x"), &out), XF_ERR_INVALID);
    assert_int_equal(xf_path_with_segment(&path, &pool, 0, XF_SLICE(""), &out), XF_ERR_INVALID);
    assert_int_equal(xf_path_with_segment(&path, &pool, 0, XF_SLICE("a\0"), &out), XF_ERR_INVALID);
    assert_int_equal(xf_path_with_segment(&path, &pool, 0, XF_SLICE("\xff"), &out), XF_ERR_INVALID);
    assert_int_equal(parse(&path, "/"), XF_OK);
    assert_int_equal(xf_path_with_segment(&path, &pool, 0, XF_SLICE("x"), &out), XF_ERR_INVALID);
    assert_int_equal(xf_path_encode_segment(&pool, XF_SLICE("a/%41?"), &out), XF_OK);
    assert_slice(out, "a%2F%2541%3F");
    assert_int_equal(xf_path_encode_segment(&pool, XF_SLICE(""), &out), XF_ERR_INVALID);
}

static void expect_query(const char *query, const char *key, enum xf_err err, const char *wanted)
{
    char target[256];
    struct xf_path path;
    struct xf_slice value;
    snprintf(target, sizeof target, "/x?%s", query);
    assert_int_equal(parse(&path, target), XF_OK);
    if (xf_query_get(&path, &pool, xf_slice_of(key), &value) != err)
        fail_msg("%s of %s", key, query);
    if (!err)
        assert_slice(value, wanted);
}

static void test_query(void **state)
{
    (void)state;
    expect_query("wait=true", "wait", XF_OK, "true");
    expect_query("a=1&wait=true&b=2", "wait", XF_OK, "true");
    expect_query("w%61it=tr%75e", "wait", XF_OK, "true");
    expect_query("&&wait=a+b%2B%zz&", "wait", XF_OK, "a b+%zz");
    expect_query("wait", "wait", XF_OK, "");
    expect_query("wait=", "wait", XF_OK, "");
    expect_query("wait=a=b", "wait", XF_OK, "a=b");
    expect_query("w+t=1", "w t", XF_OK, "1");
    expect_query("a;wait=true", "wait", XF_ERR_NOT_FOUND, NULL);
    expect_query("waiting=true", "wait", XF_ERR_NOT_FOUND, NULL);
    expect_query("wai=true", "wait", XF_ERR_NOT_FOUND, NULL);
    expect_query("Wait=true", "wait", XF_ERR_NOT_FOUND, NULL);
    expect_query("w%2561it=true", "wait", XF_ERR_NOT_FOUND, NULL);
    expect_query("", "wait", XF_ERR_NOT_FOUND, NULL);
    expect_query("x=wait=1&=2", "wait", XF_ERR_NOT_FOUND, NULL);
    expect_query("wait=1&wait=1", "wait", XF_ERR_INVALID, NULL);
    expect_query("wait&w%61it=1", "wait", XF_ERR_INVALID, NULL);
    struct xf_path path;
    struct xf_slice value;
    assert_int_equal(parse(&path, "/x"), XF_OK);
    assert_int_equal(xf_query_get(&path, &pool, XF_SLICE("a"), &value), XF_ERR_NOT_FOUND);
}

static bool is_same(const struct xf_path *path, const struct reference_path *ref)
{
    size_t count = ref->count < XF_PATH_SEGMENTS_MAX ? ref->count : XF_PATH_SEGMENTS_MAX;
    if (path->segment_count != count || path->is_long != (ref->count > count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!xf_slice_eq(path->segments[i], xf_slice(ref->segments[i], ref->lens[i])))
            return false;
    return true;
}

static void make_target(uint64_t *seed, char *text, size_t *len)
{
    static const char *const parts[] = {"/",   "/", "%", "%", "25", "2F", "2b", "34",        "c",  "C3",  "%C3%A9",
                                        "%41", "a", "L", "+", "\"", ".",  "0",  "%e2%82%ac", "00", "%3F", "f"};
    size_t count = draw(seed) % 14;
    char *end = put(text, XF_SLICE("/"));
    for (size_t i = 0; i < count; i++)
        end = put(end, xf_slice_of(parts[draw(seed) % (sizeof parts / sizeof *parts)]));
    *end = '\0';
    *len = (size_t)(end - text);
}

/* Whatever is accepted reads as the slow reference reads it, and so does its canonical spelling, which is its own. */
static void test_round_trip(void **state)
{
    (void)state;
    static struct reference_path ref;
    uint64_t seed = 20240611;
    unsigned accepted = 0;
    for (unsigned i = 0; i < 200000; i++) {
        char text[256];
        size_t len;
        struct xf_path path, again;
        make_target(&seed, text, &len);
        xf_pool_reset(&pool);
        if (xf_path_parse(&path, xf_slice(text, len), &pool) != XF_OK)
            continue;
        accepted++;
        reference_read(&ref, text, len);
        if (!is_same(&path, &ref))
            fail_msg("read otherwise: %s", text);
        reference_read(&ref, path.canonical.ptr, path.canonical.len);
        if (!is_same(&path, &ref))
            fail_msg("%s is not spelled by %.*s", text, XF_SLICE_ARG(path.canonical));
        assert_int_equal(xf_path_parse(&again, path.canonical, &pool), XF_OK);
        assert_true(xf_slice_eq(again.canonical, path.canonical));
    }
    assert_in_range(accepted, 50000, 199999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_path_many_spellings),
        cmocka_unit_test(test_canonical_spelling),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_many_segments),
        cmocka_unit_test(test_with_segment),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
