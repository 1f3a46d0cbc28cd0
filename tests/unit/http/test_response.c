/* Response heads: what passes and where its body ends, and every broken form an upstream may send, each of which is the
 * one error UPSTREAM_FRAMING.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http/parse.h"

static const struct kind TO_GET = {true, XF_HTTP_GET};
static const struct kind TO_HEAD = {true, XF_HTTP_HEAD};

static void test_typical(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 422 Unprocessable\tEntity \xe9\r\ncontent-length: 17\r\nvary: a\r\nvary: b\r\n"
                               "api-key: x\r\napi-key: y\r\nhost: a,b\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\n";
    struct outcome o;
    expect(&o, TO_GET, xf_slice_of(text), XF_OK);
    assert_int_equal(o.head.status, 422);
    assert_slice(xf_slice(text + o.head.target_off, o.head.target_len), "Unprocessable\tEntity \xe9");
    assert_int_equal(o.head.body, XF_BODY_LENGTH);
    assert_int_equal(o.head.content_length, 17);
    assert_true(o.head.keep_alive);
    assert_int_equal(o.head.field_count, 8);
    assert_true(o.head.fields[7].is_hop);
    assert_false(o.head.fields[2].is_hop);
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", ""},
        {"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", ""},
        {"HTTP/1.1 200  two\r\ncontent-length: 0\r\n\r\n", " two"},
        {"HTTP/1.1 599 1 2 3\r\ncontent-length: 0\r\n\r\n", "1 2 3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome o;
        expect(&o, TO_GET, xf_slice_of(rows[i].text), XF_OK);
        assert_slice(xf_slice(rows[i].text + o.head.target_off, o.head.target_len), rows[i].reason);
    }
}

struct body_row {
    const char *text;
    enum xf_http_body to_get, to_head;
    bool has_content_length, keep_alive_to_get;
};

static void test_bodies(void **state)
{
    (void)state;
    static const struct body_row rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", XF_BODY_LENGTH, XF_BODY_NONE, true, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", XF_BODY_LENGTH, XF_BODY_NONE, true, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n", XF_BODY_CHUNKED, XF_BODY_NONE, false, true},
        {"HTTP/1.1 200 OK\r\n\r\n", XF_BODY_UNTIL_EOF, XF_BODY_NONE, false, false},
        {"HTTP/1.0 200 OK\r\n\r\n", XF_BODY_UNTIL_EOF, XF_BODY_NONE, false, false},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", XF_BODY_LENGTH, XF_BODY_NONE, true,
         true},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", XF_BODY_LENGTH, XF_BODY_NONE, true,
         false},
        {"HTTP/1.1 204 No Content\r\n\r\n", XF_BODY_NONE, XF_BODY_NONE, false, true},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", XF_BODY_NONE, XF_BODY_NONE, true, true},
        {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", XF_BODY_NONE, XF_BODY_NONE, false, true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", XF_BODY_NONE, XF_BODY_NONE, true, true},
        {"HTTP/1.1 100 Continue\r\n\r\n", XF_BODY_NONE, XF_BODY_NONE, false, true},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", XF_BODY_NONE, XF_BODY_NONE, false, true},
        {"HTTP/1.1 205 Reset\r\nContent-Length: 1\r\n\r\n", XF_BODY_LENGTH, XF_BODY_NONE, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome o;
        expect(&o, TO_GET, xf_slice_of(rows[i].text), XF_OK);
        assert_int_equal(o.head.body, rows[i].to_get);
        assert_int_equal(o.head.has_content_length, rows[i].has_content_length);
        assert_int_equal(o.head.keep_alive, rows[i].keep_alive_to_get);
        expect(&o, TO_HEAD, xf_slice_of(rows[i].text), XF_OK);
        assert_int_equal(o.head.body, rows[i].to_head);
    }
}

static void test_hostile(void **state)
{
    (void)state;
#define OK_LINE "HTTP/1.1 200 OK\r\n"
    static const struct xf_slice rows[] = {
        XF_SLICE(OK_LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        XF_SLICE(OK_LINE "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
        XF_SLICE(OK_LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
        XF_SLICE(OK_LINE "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        XF_SLICE(OK_LINE "Content-Length: 5, 5\r\n\r\n"),
        XF_SLICE(OK_LINE "Content-Length: -5\r\n\r\n"),
        XF_SLICE(OK_LINE "Content-Length:\r\n\r\n"),
        XF_SLICE(OK_LINE "Content-Length: 9223372036854775808\r\n\r\n"),
        XF_SLICE(OK_LINE "Transfer-Encoding: gzip\r\n\r\n"),
        XF_SLICE(OK_LINE "Transfer-Encoding: gzip, chunked\r\n\r\n"),
        XF_SLICE(OK_LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        XF_SLICE(OK_LINE "Transfer-Encoding: identity\r\n\r\n"),
        XF_SLICE(OK_LINE "Connection: content-length\r\nContent-Length: 5\r\n\r\n"),
        XF_SLICE("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        XF_SLICE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
        XF_SLICE("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        XF_SLICE("HTTP/2.0 200 OK\r\n"),
        XF_SLICE("HTTP/0.9 200 OK\r\n"),
        XF_SLICE("http/1.1 200 OK\r\n"),
        XF_SLICE("HTTP/1.1  200 OK\r\n"),
        XF_SLICE("HTTP/1.1 20 OK\r\n"),
        XF_SLICE("HTTP/1.1 2000 OK\r\n"),
        XF_SLICE("HTTP/1.1 200OK\r\n"),
        XF_SLICE("HTTP/1.1 099 x\r\n"),
        XF_SLICE("HTTP/1.1 600 x\r\n"),
        XF_SLICE("HTTP/1.1 -20 x\r\n"),
        XF_SLICE("HTTP/1.1 0x2 x\r\n"),
        XF_SLICE("HTTP/1.1\t200 OK\r\n"),
        XF_SLICE("HTTP/1.1 200\tOK\r\n"),
        XF_SLICE("HTTP/1.1 200 O\0K\r\n"),
        XF_SLICE("HTTP/1.1 200 O\x01K\r\n"),
        XF_SLICE("HTTP/1.1 200 OK\n"),
        XF_SLICE("HTTP/1.1 200\n"),
        XF_SLICE("HTTP/1.1 200 OK\rX\r\n"),
        XF_SLICE("HTTP/1.1\r\n"),
        XF_SLICE("\r\nHTTP/1.1 200 OK\r\n"),
        XF_SLICE(" HTTP/1.1 200 OK\r\n"),
        XF_SLICE("<html>"),
        XF_SLICE("\x15\x03\x01"),
        XF_SLICE(OK_LINE " X: y\r\n"),
        XF_SLICE(OK_LINE "X : y\r\n"),
        XF_SLICE(OK_LINE "X: y\r\n folded\r\n"),
        XF_SLICE(OK_LINE "X: a\0b\r\n"),
        XF_SLICE(OK_LINE "X: a\rb\r\n"),
        XF_SLICE(OK_LINE "X: a\n"),
        XF_SLICE(OK_LINE "no colon\r\n"),
        XF_SLICE(OK_LINE ": y\r\n"),
        XF_SLICE(OK_LINE "\n"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome o;
        expect(&o, TO_GET, rows[i], XF_ERR_UPSTREAM_FRAMING);
        expect(&o, TO_HEAD, rows[i], XF_ERR_UPSTREAM_FRAMING);
    }
}

/* An endless status line, an endless field and endless fields all end at the limit. */
static void test_endless(void **state)
{
    (void)state;
    static const char *const fronts[] = {"HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\nX", "HTTP/1.1 200 OK\r\nX: "};
    size_t len = XF_HTTP_HEAD_BYTES_MAX + 100;
    char *text = malloc(len);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++) {
        struct outcome o;
        memset(text, 'a', len);
        put(text, xf_slice_of(fronts[i]));
        parse_both_ways(&o, TO_GET, xf_slice(text, XF_HTTP_HEAD_BYTES_MAX - 1));
        assert_int_equal(o.progress, XF_HTTP_MORE);
        expect(&o, TO_GET, xf_slice(text, len), XF_ERR_UPSTREAM_FRAMING);
    }
    struct outcome o;
    put(text, XF_SLICE(OK_LINE));
    for (size_t at = strlen(OK_LINE); at + 5 <= len; at += 5)
        put(text + at, XF_SLICE("x:y\r\n"));
    parse_both_ways(&o, TO_GET, xf_slice(text, strlen(OK_LINE) + (size_t)5 * XF_HTTP_FIELDS_MAX));
    assert_int_equal(o.progress, XF_HTTP_MORE);
    expect(&o, TO_GET, xf_slice(text, len), XF_ERR_UPSTREAM_FRAMING);
    free(text);
}

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(xf_http_reason(404), "Not Found");
    assert_string_equal(xf_http_reason(508), "Loop Detected");
    assert_string_equal(xf_http_reason(299), "");
    for (unsigned err = XF_ERR_OK; err < XF_ERR_COUNT; err++)
        assert_string_not_equal(xf_http_reason(xf_err_status((enum xf_err)err)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typical), cmocka_unit_test(test_reasons), cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_endless), cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
