/* Heads written anew, as exact text: what is relayed, what is the proxy's own, and that nothing else comes through.
 * What is written must also be read by the parser as it was meant.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/emit.h"
#include "tests/unit/http/parse.h"

static struct xf_buf out;

static int set_up(void **state)
{
    (void)state;
    xf_buf_init(&out, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    xf_buf_fini(&out);
    return 0;
}

static const struct kind REQUEST = {false, XF_HTTP_GET};

static void expect_request(const char *in, struct xf_http_emit_request request, const char *wanted)
{
    struct outcome o;
    expect(&o, REQUEST, xf_slice_of(in), XF_OK);
    xf_buf_clear(&out);
    assert_int_equal(xf_http_emit_request(&out, &request, &o.head, in), XF_OK);
    assert_slice(xf_buf_view(&out), wanted);
    expect(&o, REQUEST, xf_buf_view(&out), XF_OK);
}

static struct xf_http_emit_request plain_request(void)
{
    return (struct xf_http_emit_request){
        .method = XF_SLICE("PUT"), .target = XF_SLICE("/t?q"), .host = XF_SLICE("up:1"), .body = XF_BODY_NONE};
}

#define OWN_END "Via: 1.1 crossfade\r\n\r\n"

static void test_fields_kept(void **state)
{
    (void)state;
    expect_request("GET /x HTTP/1.0\r\n\r\n", plain_request(), "PUT /t?q HTTP/1.1\r\nHost: up:1\r\n" OWN_END);
    /* Order, spelling of names and every byte of values stay; only the white space around values is made one blank. */
    expect_request(
        "GET /x HTTP/1.1\r\nX-One: 1\r\nx-TWO:\t\xff \t 2 \r\nHost: h\r\nX-One:3\r\nEmpty:\r\nBlank: \r\n"
        "Date: d\r\nAuthorization: a\r\nApi-Key: k\r\nX:  y\r\n\r\n",
        plain_request(),
        "PUT /t?q HTTP/1.1\r\nHost: up:1\r\nX-One: 1\r\nx-TWO: \xff \t 2\r\nX-One: 3\r\nEmpty: \r\nBlank: \r\n"
        "Date: d\r\nAuthorization: a\r\nApi-Key: k\r\nX: y\r\n" OWN_END);
}

static void test_fields_dropped(void **state)
{
    (void)state;
    expect_request("GET /x HTTP/1.1\r\nHost: h\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep: 2\r\nKeep-Alive: 3\r\n"
                   "Proxy-Connection: 4\r\nProxy-Authorization: 5\r\nProxy-Authenticate: 6\r\nTE: trailers\r\n"
                   "Trailer: 8\r\nUpgrade: h2c\r\nHTTP2-Settings: 9\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
                   "x-hop: 10\r\nLast: 11\r\n\r\n",
                   plain_request(), "PUT /t?q HTTP/1.1\r\nHost: up:1\r\nKeep: 2\r\nLast: 11\r\n" OWN_END);
}

static void test_request_framing(void **state)
{
    (void)state;
    struct xf_http_emit_request request = plain_request();
    request.body = XF_BODY_LENGTH;
    request.content_length = 18446744073709551615U;
    const char *in = "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct outcome o;
    expect(&o, REQUEST, xf_slice_of(in), XF_OK);
    assert_int_equal(xf_http_emit_request(&out, &request, &o.head, in), XF_OK);
    assert_slice(xf_buf_view(&out),
                 "PUT /t?q HTTP/1.1\r\nHost: up:1\r\nContent-Length: 18446744073709551615\r\n" OWN_END);
    request.content_length = 0;
    expect_request(in, request, "PUT /t?q HTTP/1.1\r\nHost: up:1\r\nContent-Length: 0\r\n" OWN_END);
    request.body = XF_BODY_CHUNKED;
    expect_request("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n", request,
                   "PUT /t?q HTTP/1.1\r\nHost: up:1\r\nTransfer-Encoding: chunked\r\n" OWN_END);
}

static void test_own_fields(void **state)
{
    (void)state;
    struct xf_http_emit_request request = plain_request();
    const char *in = "GET / HTTP/1.1\r\nHost: h\r\napi-key: client\r\nA: 1\r\nauthorization: Bearer client\r\n"
                     "Content-Encoding: gzip\r\nAccept-Encoding: br\r\nVia: 1.1 other\r\n\r\n";
    request.credentials = XF_CREDENTIALS_OWN;
    expect_request(in, request,
                   "PUT /t?q HTTP/1.1\r\nHost: up:1\r\nA: 1\r\nContent-Encoding: gzip\r\nAccept-Encoding: br\r\n"
                   "Via: 1.1 other\r\n" OWN_END);
    request.own_api_key = XF_SLICE("own");
    request.drops_content_encoding = true;
    request.drops_accept_encoding = true;
    expect_request(in, request,
                   "PUT /t?q HTTP/1.1\r\nHost: up:1\r\nA: 1\r\nVia: 1.1 other\r\napi-key: own\r\n" OWN_END);
    request.credentials = XF_CREDENTIALS_PASS;
    request.drops_content_encoding = false;
    request.drops_accept_encoding = false;
    expect_request("GET / HTTP/1.1\r\nHost: h\r\napi-key: client\r\n\r\n", request,
                   "PUT /t?q HTTP/1.1\r\nHost: up:1\r\napi-key: client\r\n" OWN_END);
}

static void test_unsound_requests(void **state)
{
    (void)state;
    const char *in = "GET / HTTP/1.0\r\n\r\n";
    struct xf_http_emit_request bad[9];
    for (unsigned i = 0; i < 9; i++)
        bad[i] = plain_request();
    bad[0].method = XF_SLICE("\r\nGET");
    bad[1].method = XF_SLICE("");
    bad[2].target = XF_SLICE("/ HTTP/1.1\r\nX: y");
    bad[3].target = XF_SLICE("/a b");
    bad[4].target = XF_SLICE("");
    bad[5].host = XF_SLICE("h\r\nX: y");
    bad[6].own_api_key = XF_SLICE("k\nX: y");
    bad[7].body = XF_BODY_UNTIL_EOF;
    bad[8].own_api_key = XF_SLICE("k\0");
    struct outcome o;
    expect(&o, REQUEST, xf_slice_of(in), XF_OK);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(xf_http_emit_request(&out, &bad[i], &o.head, in), XF_ERR_INVALID);
        assert_int_equal(xf_buf_len(&out), 0);
    }
    struct xf_buf small;
    xf_buf_init(&small, 32);
    struct xf_http_emit_request request = plain_request();
    assert_int_equal(xf_http_emit_request(&small, &request, &o.head, in), XF_ERR_FULL);
    assert_int_equal(xf_buf_len(&small), 0);
    xf_buf_fini(&small);
}

static void expect_response(const char *in, struct xf_http_emit_response response, const char *wanted)
{
    struct outcome o;
    const struct kind kind = {true, XF_HTTP_GET};
    expect(&o, kind, xf_slice_of(in), XF_OK);
    xf_buf_clear(&out);
    assert_int_equal(xf_http_emit_response(&out, &response, &o.head, in), XF_OK);
    assert_slice(xf_buf_view(&out), wanted);
}

static void test_responses(void **state)
{
    (void)state;
    struct xf_http_emit_response r = {
        .body = XF_BODY_LENGTH, .content_length = 5, .keep_alive = true, .client_minor = 1};
    expect_response("HTTP/1.0 200 Fine \xe9\r\ncontent-length: 9\r\nVary: a\r\nConnection: x, close\r\nX: 1\r\n"
                    "keep-alive: 5\r\nvary: b\r\nServer-Timing: s\r\n\r\n",
                    r, "HTTP/1.1 200 Fine \xe9\r\nVary: a\r\nvary: b\r\nServer-Timing: s\r\nContent-Length: 5\r\n\r\n");
    r.server_timing = XF_SLICE("legacy;dur=1");
    r.client_minor = 0;
    const char *in = "HTTP/1.1 204\r\nA: b\r\n\r\n";
    const char *ok = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect_response(ok, r,
                    "HTTP/1.1 200 OK\r\nServer-Timing: legacy;dur=1\r\nContent-Length: 5\r\n"
                    "Connection: keep-alive\r\n\r\n");
    r.server_timing = XF_SLICE_NONE;
    r.body = XF_BODY_CHUNKED;
    expect_response(ok, r, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    r.client_minor = 1;
    expect_response(ok, r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    r.keep_alive = false;
    expect_response(ok, r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    r.keep_alive = true;
    r.body = XF_BODY_UNTIL_EOF;
    expect_response(ok, r, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    r.body = XF_BODY_NONE;
    expect_response(in, r, "HTTP/1.1 204 \r\nA: b\r\n\r\n");
    r.has_content_length = true;
    expect_response(in, r, "HTTP/1.1 204 \r\nA: b\r\n\r\n");
    expect_response("HTTP/1.1 304 NM\r\n\r\n", r, "HTTP/1.1 304 NM\r\nContent-Length: 5\r\n\r\n");
    r.keep_alive = false;
    expect_response("HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", r, "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n");
    r.server_timing = XF_SLICE("a\r\nX: y");
    struct outcome o;
    expect(&o, (struct kind){true, XF_HTTP_GET}, xf_slice_of(ok), XF_OK);
    assert_int_equal(xf_http_emit_response(&out, &r, &o.head, ok), XF_ERR_INVALID);
}

static void test_errors(void **state)
{
    (void)state;
    assert_int_equal(xf_http_emit_error(&out, 400, XF_SLICE("a \"b\"\r\n"), false, false, 0), XF_OK);
    assert_slice(xf_buf_view(&out),
                 "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 45\r\n"
                 "Connection: close\r\n\r\n{\"status\":{\"error\":\"a \\\"b\\\"\\r\\n\"},\"time\":0.0}");
    xf_buf_clear(&out);
    assert_int_equal(xf_http_emit_error(&out, 503, XF_SLICE("x"), true, true, 4294967295U), XF_OK);
    assert_slice(xf_buf_view(&out), "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                                    "Content-Length: 35\r\nRetry-After: 4294967295\r\nConnection: keep-alive\r\n\r\n");
    xf_buf_clear(&out);
    for (unsigned err = XF_ERR_OK; err < XF_ERR_COUNT; err++) {
        struct outcome o;
        int status = xf_err_status((enum xf_err)err);
        struct xf_slice text = xf_slice_of(xf_err_sentence((enum xf_err)err));
        assert_int_equal(xf_http_emit_error(&out, status, text, false, false, 1), XF_OK);
        parse_whole(&o, (struct kind){true, XF_HTTP_GET}, xf_buf_view(&out));
        assert_int_equal(o.progress, XF_HTTP_DONE);
        assert_int_equal(o.head.status, status);
        assert_int_equal(o.head_len + o.head.content_length, xf_buf_len(&out));
        xf_buf_clear(&out);
    }
}

static void test_via(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        bool has_self;
    } rows[] = {
        {"", false},
        {"Via: 1.1 crossfade\r\n", true},
        {"via: HTTP/1.1  CrossFade (c)\r\n", true},
        {"Via: 1.0 a, 1.1 b ,1.1\tcrossfade,1.1 c\r\n", true},
        {"Via: 1.1 a\r\nVIA: 1.1 crossfade\r\n", true},
        {"Via: 1.1 crossfade2\r\n", false},
        {"Via: 1.1 a (crossfade)\r\n", false},
        {"Via: crossfade\r\n", false},
        {"Via: ,,\r\n", false},
        {"X: 1.1 crossfade\r\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        struct outcome o;
        snprintf(text, sizeof text, "GET / HTTP/1.0\r\n%s\r\n", rows[i].fields);
        expect(&o, REQUEST, xf_slice_of(text), XF_OK);
        if (xf_http_via_has_self(&o.head, text) != rows[i].has_self)
            fail_msg("%s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fields_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_framing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_own_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unsound_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_responses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
        cmocka_unit_test(test_via),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
