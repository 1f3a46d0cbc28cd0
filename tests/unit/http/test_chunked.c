/* Chunked bodies: the data and the end of good ones, however they are cut; where bad ones fail; the limits on size
 * lines, trailers and overhead.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/chunked.h"
#include "tests/unit/http/parse.h"

struct decoded {
    enum xf_err err;
    char *data;
    size_t len;
    size_t taken;
    bool is_end;
};

/* Decodes the body in pieces of `piece` bytes. */
static struct decoded decode(struct xf_slice body, size_t piece)
{
    struct decoded out = {.data = malloc(body.len + 1)};
    struct xf_chunked chunked;
    assert_non_null(out.data);
    xf_chunked_init(&chunked);
    while (out.taken < body.len && !out.is_end) {
        size_t len = body.len - out.taken < piece ? body.len - out.taken : piece;
        char *in = exact_copy(body.ptr + out.taken, len);
        for (size_t at = 0; at < len && !out.is_end;) {
            size_t taken;
            struct xf_slice data;
            out.err = xf_chunked_feed(&chunked, xf_slice(in + at, len - at), &taken, &data, &out.is_end);
            if (out.err) {
                free(in);
                return out;
            }
            assert_true(taken > 0 && taken <= len - at);
            if (data.len)
                memcpy(out.data + out.len, data.ptr, data.len);
            out.len += data.len;
            at += taken;
            out.taken += taken;
        }
        free(in);
    }
    return out;
}

static void expect_data(struct xf_slice body, const char *data, size_t rest)
{
    for (size_t piece = 1; piece <= body.len; piece++) {
        struct decoded out = decode(body, piece);
        assert_int_equal(out.err, XF_OK);
        assert_true(out.is_end);
        assert_int_equal(out.taken, body.len - rest);
        assert_slice(xf_slice(out.data, out.len), data);
        free(out.data);
    }
}

static void expect_failure(struct xf_slice body)
{
    for (size_t piece = 1; piece <= body.len; piece += body.len > 100 ? body.len - 1 : 1) {
        struct decoded out = decode(body, piece);
        if (out.err != XF_ERR_HTTP_CHUNK)
            fail_msg("passed: %.*s", XF_SLICE_ARG(body));
        free(out.data);
    }
}

static void test_good(void **state)
{
    (void)state;
    static const struct {
        struct xf_slice body;
        const char *data;
        size_t rest;
    } rows[] = {
        {XF_SLICE("0\r\n\r\n"), "", 0},
        {XF_SLICE("5\r\nhello\r\n0\r\n\r\n"), "hello", 0},
        {XF_SLICE("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "hello world", 0},
        {XF_SLICE("b\r\n0\r\n\r\n5\r\nhe\n\r\n0\r\n\r\n"), "0\r\n\r\n5\r\nhe\n", 0},
        {XF_SLICE("A\r\n0123456789\r\n00\r\n\r\n"), "0123456789", 0},
        {XF_SLICE("0000000000002\r\nhi\r\n0000000000000\r\n\r\n"), "hi", 0},
        {XF_SLICE("2;a=b;c=\"\t\xff;\"\r\nhi\r\n0;x\r\n\r\n"), "hi", 0},
        {XF_SLICE("2\r\nhi\r\n0\r\nX-T: 1\r\nY:\r\n\r\n"), "hi", 0},
        {XF_SLICE("2\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\n"), "hi", 16},
        {XF_SLICE("0\r\n\r\n0\r\n\r\n"), "", 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_data(rows[i].body, rows[i].data, rows[i].rest);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct xf_slice rows[] = {
        XF_SLICE("\r\n"),
        XF_SLICE("\n"),
        XF_SLICE(";x\r\n"),
        XF_SLICE("-1\r\n"),
        XF_SLICE("+1\r\nx\r\n"),
        XF_SLICE("0x1\r\nx\r\n"),
        XF_SLICE(" 1\r\nx\r\n"),
        XF_SLICE("1 \r\nx\r\n"),
        XF_SLICE("1\t;a\r\nx\r\n"),
        XF_SLICE("1 ;a\r\nx\r\n"),
        XF_SLICE("1_0\r\nx\r\n"),
        XF_SLICE("g\r\n"),
        XF_SLICE("1\nx\r\n"),
        XF_SLICE("1\r\r\nx\r\n"),
        XF_SLICE("1\rx\r\n"),
        XF_SLICE("1;a\nx\r\n"),
        XF_SLICE("1;a\rx\r\n"),
        XF_SLICE("1;a\0\r\nx\r\n"),
        XF_SLICE("1;a\x01\r\nx\r\n"),
        XF_SLICE("1;\x7f\r\nx\r\n"),
        XF_SLICE("1\0\r\nx\r\n"),
        XF_SLICE("1\r\nx\n"),
        XF_SLICE("1\r\nx\rx"),
        XF_SLICE("1\r\nxx\r\n"),
        XF_SLICE("1\r\nx0\r\n"),
        XF_SLICE("2\r\nx\r\n0"),
        XF_SLICE("00000000000001\r\nx\r\n"),
        XF_SLICE("ffffffffffffff\r\n"),
        XF_SLICE("10000000000000001\r\nx\r\n"),
        XF_SLICE("0\r\n\n"),
        XF_SLICE("0\r\n\rx"),
        XF_SLICE("0\n\n"),
        XF_SLICE("0\r\nX : y\r\n\r\n"),
        XF_SLICE("0\r\n: y\r\n\r\n"),
        XF_SLICE("0\r\nX\r\n\r\n"),
        XF_SLICE("0\r\n X: y\r\n\r\n"),
        XF_SLICE("0\r\nX: y\r\n z\r\n\r\n"),
        XF_SLICE("0\r\nX: y\n\r\n"),
        XF_SLICE("0\r\nX: a\rb\r\n\r\n"),
        XF_SLICE("0\r\nX: \0\r\n\r\n"),
        XF_SLICE("0\r\nX\xe9: a\r\n\r\n"),
        XF_SLICE("GET / HTTP/1.1\r\n"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_failure(rows[i]);
}

/* A body that is cut anywhere has not ended, and says so. */
static void test_cut(void **state)
{
    (void)state;
    static const char body[] = "5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n";
    for (size_t len = 0; len < sizeof body - 1; len++) {
        struct decoded out = decode(xf_slice(body, len), len ? len : 1);
        assert_int_equal(out.err, XF_OK);
        assert_false(out.is_end);
        free(out.data);
    }
}

/* After the end nothing more is taken; after a failure it stays failed. */
static void test_after(void **state)
{
    (void)state;
    struct xf_chunked chunked;
    struct xf_slice data;
    size_t taken;
    bool is_end;
    xf_chunked_init(&chunked);
    assert_int_equal(xf_chunked_feed(&chunked, XF_SLICE("0\r\n\r\nx"), &taken, &data, &is_end), XF_OK);
    assert_int_equal(taken, 5);
    assert_int_equal(xf_chunked_feed(&chunked, XF_SLICE("1\r\nx"), &taken, &data, &is_end), XF_OK);
    assert_true(taken == 0 && is_end && data.len == 0);
    xf_chunked_init(&chunked);
    assert_int_equal(xf_chunked_feed(&chunked, XF_SLICE("x"), &taken, &data, &is_end), XF_ERR_HTTP_CHUNK);
    assert_int_equal(xf_chunked_feed(&chunked, XF_SLICE("0\r\n\r\n"), &taken, &data, &is_end), XF_ERR_HTTP_CHUNK);
}

/* `front`, then `fill` times 'a', then `back`. */
static struct xf_slice stretch(const char *front, size_t fill, const char *back)
{
    size_t len = strlen(front) + fill + strlen(back);
    char *text = malloc(len);
    assert_non_null(text);
    char *end = put(text, xf_slice_of(front));
    memset(end, 'a', fill);
    put(end + fill, xf_slice_of(back));
    return xf_slice(text, len);
}

static enum xf_err decode_stretched(const char *front, size_t fill, const char *back, size_t piece)
{
    struct xf_slice body = stretch(front, fill, back);
    struct decoded out = decode(body, piece);
    free(out.data);
    free((char *)body.ptr);
    return out.err;
}

static void test_line_limits(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 100000};
    for (unsigned i = 0; i < 2; i++) {
        size_t piece = pieces[i], limit = 8192;
        assert_int_equal(decode_stretched("0;", limit - 4, "\r\n\r\n", piece), XF_OK);
        assert_int_equal(decode_stretched("0;", limit - 3, "\r\n\r\n", piece), XF_ERR_HTTP_CHUNK);
        assert_int_equal(decode_stretched("0;", limit * 2, "", piece), XF_ERR_HTTP_CHUNK);
        assert_int_equal(decode_stretched("0\r\nx:", limit - 6, "\r\n\r\n", piece), XF_OK);
        assert_int_equal(decode_stretched("0\r\nx:", limit - 5, "\r\n\r\n", piece), XF_ERR_HTTP_CHUNK);
        assert_int_equal(decode_stretched("0\r\nx", limit * 2, "", piece), XF_ERR_HTTP_CHUNK);
    }
}

/* The first failure, in chunks, of a body made of one chunk again and again; 0 if `count` of them pass. */
static size_t chunks_until_failure(const char *chunk, size_t count)
{
    struct xf_chunked chunked;
    xf_chunked_init(&chunked);
    for (size_t i = 0; i < count; i++) {
        struct xf_slice in = xf_slice_of(chunk), data;
        while (in.len) {
            size_t taken;
            bool is_end;
            if (xf_chunked_feed(&chunked, in, &taken, &data, &is_end))
                return i + 1;
            in = xf_slice_skip(in, taken);
        }
    }
    return 0;
}

static void test_overhead(void **state)
{
    (void)state;
    size_t first = chunks_until_failure("1\r\nx\r\n", 100000);
    assert_in_range(first, 10000, 100000);
    assert_in_range(chunks_until_failure("1;aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 100000), 1000, 10000);
    assert_int_equal(chunks_until_failure("4\r\nxxxx\r\n", 1000000), 0);
}

static void test_header(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        const char *text;
    } rows[] = {
        {0, "0\r\n"},
        {1, "1\r\n"},
        {15, "f\r\n"},
        {16, "10\r\n"},
        {0xdeadbeef, "deadbeef\r\n"},
        {UINT64_MAX, "ffffffffffffffff\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[18];
        assert_slice(xf_slice(out, xf_chunk_header_print(rows[i].n, out)), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),         cmocka_unit_test(test_cut),
        cmocka_unit_test(test_after),  cmocka_unit_test(test_line_limits), cmocka_unit_test(test_overhead),
        cmocka_unit_test(test_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
