/* Request heads: what passes and what it says, and every hostile form with the error it must get. The groups follow the
 * order of a head: line, Host, fields, framing, Connection, limits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http/parse.h"

static const struct kind REQUEST = {false, XF_HTTP_GET};

struct row {
    struct xf_slice text;
    enum xf_err err;
};

/* Text may hold NUL. LINE stands before a whole rest, FIELDS inside a head that is sound otherwise. */
#define WHOLE(text, error)                                                                                             \
    {                                                                                                                  \
        XF_SLICE(text), XF_ERR_##error                                                                                 \
    }
#define LINE(line, error) WHOLE(line "\r\nHost: h\r\n\r\n", error)
#define FIELDS(fields, error) WHOLE("POST / HTTP/1.1\r\nHost: h\r\n" fields "\r\n\r\n", error)

static void run(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct outcome outcome;
        expect(&outcome, REQUEST, rows[i].text, rows[i].err);
    }
}
#define RUN(rows) run(rows, sizeof(rows) / sizeof *(rows))

static void test_typical(void **state)
{
    (void)state;
    static const char text[] = "PUT /collections/c/points?wait=true HTTP/1.1\r\nHost: q:6333\r\nAPI-Key: k\r\n"
                               "authorization:Bearer x\r\nContent-Type:\t application/json \t\r\n"
                               "Content-Encoding: gzip\r\nVia: 1.1 a\r\nX-Empty:\r\nX-Bytes: \xff\x80\t.\r\n"
                               "Expect: 100-Continue\r\nContent-Length: 0123\r\n\r\n";
    struct outcome o;
    expect(&o, REQUEST, xf_slice_of(text), XF_OK);
    const struct xf_http_head *head = &o.head;
    assert_int_equal(head->method, XF_HTTP_PUT);
    assert_slice(xf_http_request_method(head, text), "PUT");
    assert_slice(xf_slice(text + head->target_off, head->target_len), "/collections/c/points?wait=true");
    assert_int_equal(head->minor, 1);
    assert_int_equal(head->body, XF_BODY_LENGTH);
    assert_int_equal(head->content_length, 123);
    assert_true(head->has_content_length && head->keep_alive && head->expects_continue);
    assert_int_equal(head->field_count, 10);
    assert_slice(xf_http_value(head, text, head->host), "q:6333");
    assert_slice(xf_http_value(head, text, head->api_key), "k");
    assert_slice(xf_http_value(head, text, head->authorization), "Bearer x");
    assert_slice(xf_http_value(head, text, head->content_encoding), "gzip");
    assert_slice(xf_http_value(head, text, head->via), "1.1 a");
    assert_slice(xf_http_field_name(text, &head->fields[3]), "Content-Type");
    assert_slice(xf_http_field_value(text, &head->fields[3]), "application/json");
    assert_slice(xf_http_field_value(text, &head->fields[6]), "");
    assert_slice(xf_http_field_value(text, &head->fields[7]), "\xff\x80\t.");
    assert_null(xf_http_value(head, text, -1).ptr);
}

static void test_methods(void **state)
{
    (void)state;
    for (unsigned m = 0; m < XF_HTTP_METHOD_OTHER; m++) {
        char text[64];
        struct xf_slice name = xf_http_method_text((enum xf_http_method)m);
        int len = snprintf(text, sizeof text, "%.*s / HTTP/1.1\r\nHost: h\r\n\r\n", XF_SLICE_ARG(name));
        struct outcome o;
        expect(&o, REQUEST, xf_slice(text, (size_t)len), XF_OK);
        assert_int_equal(o.head.method, m);
    }
    static const char *const others[] = {
        "get", "PUTT", "PU", "FOO-BAR", "M", "connect", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char text[128];
        int len = snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: h\r\n\r\n", others[i]);
        struct outcome o;
        expect(&o, REQUEST, xf_slice(text, (size_t)len), XF_OK);
        assert_int_equal(o.head.method, XF_HTTP_METHOD_OTHER);
        assert_slice(xf_http_request_method(&o.head, text), others[i]);
    }
}

static void test_hostile_methods(void **state)
{
    (void)state;
    static const struct row rows[] = {
        LINE("CONNECT h:1 HTTP/1.1", HTTP_METHOD),
        LINE("TRACE / HTTP/1.1", HTTP_METHOD),
        LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456 / HTTP/1.1", HTTP_METHOD),
        LINE(" GET / HTTP/1.1", HTTP_SYNTAX),
        LINE("\tGET / HTTP/1.1", HTTP_SYNTAX),
        LINE("G\x01T / HTTP/1.1", HTTP_SYNTAX),
        LINE("G\0T / HTTP/1.1", HTTP_SYNTAX),
        LINE("G\xc3\xa9T / HTTP/1.1", HTTP_SYNTAX),
        LINE("GET: / HTTP/1.1", HTTP_SYNTAX),
        LINE("G(ET / HTTP/1.1", HTTP_SYNTAX),
        LINE("\"GET\" / HTTP/1.1", HTTP_SYNTAX),
        LINE("GET\t/ HTTP/1.1", HTTP_SYNTAX),
        LINE("GET\r/ HTTP/1.1", HTTP_SYNTAX),
        LINE("GET", HTTP_SYNTAX),
        LINE("/ HTTP/1.1", HTTP_SYNTAX),
        LINE(": x", HTTP_SYNTAX),
        WHOLE("\x16\x03\x01\x02", HTTP_SYNTAX),
        WHOLE("\n", HTTP_SYNTAX),
    };
    RUN(rows);
}

static void test_empty_lines_before(void **state)
{
    (void)state;
    static const char text[] = "\r\n\r\nMOVE / HTTP/1.1\r\nHost: h\r\n\r\n";
    struct outcome o;
    expect(&o, REQUEST, xf_slice_of(text), XF_OK);
    assert_slice(xf_http_request_method(&o.head, text), "MOVE");
    static const struct row rows[] = {
        LINE("\nGET / HTTP/1.1", HTTP_SYNTAX),
        LINE("\r\rGET / HTTP/1.1", HTTP_SYNTAX),
        LINE("\rGET / HTTP/1.1", HTTP_SYNTAX),
        LINE(" \r\nGET / HTTP/1.1", HTTP_SYNTAX),
    };
    RUN(rows);
}

static void test_request_lines(void **state)
{
    (void)state;
    static const struct row rows[] = {
        LINE("GET  / HTTP/1.1", HTTP_SYNTAX),
        LINE("GET /  HTTP/1.1", HTTP_SYNTAX),
        LINE("GET / HTTP/1.1 ", HTTP_SYNTAX),
        LINE("GET / HTTP/1.1 HTTP/1.1", HTTP_SYNTAX),
        LINE("GET /a b HTTP/1.1", HTTP_SYNTAX),
        LINE("GET /\tHTTP/1.1", HTTP_TARGET),
        LINE("GET /", HTTP_SYNTAX),
        LINE("GET / ", HTTP_SYNTAX),
        LINE("GET /HTTP/1.1", HTTP_SYNTAX),
        LINE("GET / HTTP/1.1\r", HTTP_SYNTAX),
        WHOLE("GET / HTTP/1.1\nHost: h\r\n\r\n", HTTP_SYNTAX),
        WHOLE("GET / HTTP/1.1\rHost: h\r\n\r\n", HTTP_SYNTAX),
        WHOLE("GET /\nHost: h\r\n\r\n", HTTP_SYNTAX),
    };
    RUN(rows);
}

static void test_versions(void **state)
{
    (void)state;
    static const struct row rows[] = {
        LINE("GET / HTTP/1.0", OK),
        LINE("GET / HTTP/1.2", OK),
        LINE("GET / HTTP/1.9", OK),
        LINE("GET / HTTP/0.9", HTTP_VERSION),
        LINE("GET / HTTP/2.0", HTTP_VERSION),
        LINE("GET / HTTP/9.1", HTTP_VERSION),
        WHOLE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_VERSION),
        LINE("GET / http/1.1", HTTP_SYNTAX),
        LINE("GET / Http/1.1", HTTP_SYNTAX),
        LINE("GET / HTTP/1", HTTP_SYNTAX),
        LINE("GET / HTTP/1.", HTTP_SYNTAX),
        LINE("GET / HTTP/.1", HTTP_SYNTAX),
        LINE("GET / HTTP/01.1", HTTP_SYNTAX),
        LINE("GET / HTTP/1.01", HTTP_SYNTAX),
        LINE("GET / HTTP/1.10", HTTP_SYNTAX),
        LINE("GET / HTTP/11.1", HTTP_SYNTAX),
        LINE("GET / HTTP/1,1", HTTP_SYNTAX),
        LINE("GET / HTTP/4294967297.1", HTTP_SYNTAX),
        LINE("GET / HTTPS/1.1", HTTP_SYNTAX),
        LINE("GET / HTTP /1.1", HTTP_SYNTAX),
        LINE("GET / HTTP/1.x", HTTP_SYNTAX),
        LINE("GET / HTTP/-1.1", HTTP_SYNTAX),
    };
    RUN(rows);
    struct outcome o;
    expect(&o, REQUEST, XF_SLICE("GET / HTTP/1.7\r\nHost: h\r\n\r\n"), XF_OK);
    assert_int_equal(o.head.minor, 1);
    expect(&o, REQUEST, XF_SLICE("GET / HTTP/1.0\r\n\r\n"), XF_OK);
    assert_int_equal(o.head.minor, 0);
    assert_int_equal(o.head.host, -1);
}

static void test_targets(void **state)
{
    (void)state;
    static const struct row rows[] = {
        LINE("OPTIONS * HTTP/1.1", OK),
        LINE("GET http://h/x HTTP/1.1", OK),
        LINE("GET HTTPS://h/x HTTP/1.1", OK),
        LINE("GET /a\\b\"{}|^~%zz HTTP/1.1", OK),
        LINE("GET //x HTTP/1.1", OK),
        LINE("GET * HTTP/1.1", HTTP_TARGET),
        LINE("OPTIONS ** HTTP/1.1", HTTP_TARGET),
        LINE("GET x HTTP/1.1", HTTP_TARGET),
        LINE("GET h:80 HTTP/1.1", HTTP_TARGET),
        LINE("GET ?a HTTP/1.1", HTTP_TARGET),
        LINE("GET http:// HTTP/1.1", HTTP_TARGET),
        LINE("GET https:// HTTP/1.1", HTTP_TARGET),
        LINE("GET http:/h/x HTTP/1.1", HTTP_TARGET),
        LINE("GET ftp://h/x HTTP/1.1", HTTP_TARGET),
        LINE("GET /a#b HTTP/1.1", HTTP_TARGET),
        LINE("GET /a<b HTTP/1.1", HTTP_TARGET),
        LINE("GET /a>b HTTP/1.1", HTTP_TARGET),
        LINE("GET /a`b HTTP/1.1", HTTP_TARGET),
        LINE("GET /a?q=# HTTP/1.1", HTTP_TARGET),
        LINE("GET /a\x7f HTTP/1.1", HTTP_TARGET),
        LINE("GET /a\x01 HTTP/1.1", HTTP_TARGET),
        LINE("GET /a\0b HTTP/1.1", HTTP_TARGET),
        LINE("GET /\xc3\xa9 HTTP/1.1", HTTP_TARGET),
        LINE("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff HTTP/1.1", HTTP_TARGET),
    };
    RUN(rows);
}

static void test_hosts(void **state)
{
    (void)state;
#define HOST(value, error) WHOLE("GET / HTTP/1.1\r\n" value "\r\n\r\n", error)
    static const struct row rows[] = {
        HOST("Host: a-b_c.example~", OK),
        HOST("host:127.0.0.1:6333", OK),
        HOST("HOST: h:", OK),
        HOST("Host: h:65535", OK),
        HOST("Host: [::1]", OK),
        HOST("Host: [2001:db8::1]:80", OK),
        HOST("X: y", HTTP_HOST),
        HOST("Host: h\r\nHost: h", HTTP_HOST),
        HOST("Host: h\r\nX: y\r\nhost: g", HTTP_HOST),
        HOST("Host:", HTTP_HOST),
        HOST("Host: :80", HTTP_HOST),
        HOST("Host: a,b", HTTP_HOST),
        HOST("Host: a b", HTTP_HOST),
        HOST("Host: a/b", HTTP_HOST),
        HOST("Host: u@h", HTTP_HOST),
        HOST("Host: h:65536", HTTP_HOST),
        HOST("Host: h:123456", HTTP_HOST),
        HOST("Host: h:8x", HTTP_HOST),
        HOST("Host: h:-1", HTTP_HOST),
        HOST("Host: h:80:80", HTTP_HOST),
        HOST("Host: h\xff", HTTP_HOST),
        HOST("Host: h\0", HTTP_FIELD),
        HOST("Host: []", HTTP_HOST),
        HOST("Host: [", HTTP_HOST),
        HOST("Host: [::1", HTTP_HOST),
        HOST("Host: [::1]x", HTTP_HOST),
        HOST("Host: [::1]]", HTTP_HOST),
        HOST("Host: http://h", HTTP_HOST),
        HOST("Host: h?x", HTTP_HOST),
        HOST("Host: h%00", HTTP_HOST),
        WHOLE("GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", HTTP_HOST),
        WHOLE("GET / HTTP/1.0\r\nHost: a,b\r\n\r\n", HTTP_HOST),
        WHOLE("GET http://h/ HTTP/1.1\r\n\r\n", HTTP_HOST),
    };
    RUN(rows);
}

static void test_field_lines(void **state)
{
    (void)state;
    static const struct row rows[] = {
        FIELDS("X-A!#$%&'*+-.^_`|~9: b", OK),
        FIELDS("X: a:b, \"c\" (d)", OK),
        FIELDS("X : y", HTTP_FIELD),
        FIELDS("X\t: y", HTTP_FIELD),
        FIELDS(": y", HTTP_FIELD),
        FIELDS("X", HTTP_FIELD),
        FIELDS("X y", HTTP_FIELD),
        FIELDS("X(: y", HTTP_FIELD),
        FIELDS("X\xe9: y", HTTP_FIELD),
        FIELDS("X\0: y", HTTP_FIELD),
        FIELDS("X: \0", HTTP_FIELD),
        FIELDS("X: a\0b", HTTP_FIELD),
        FIELDS("X: a\x01", HTTP_FIELD),
        FIELDS("X: a\x7f", HTTP_FIELD),
        FIELDS("X: a\x0b", HTTP_FIELD),
        FIELDS("X: a\rb", HTTP_FIELD),
        FIELDS("X: a\r\rb: c", HTTP_FIELD),
        FIELDS("X: a\nY: b", HTTP_FIELD),
        FIELDS("X: a\n", HTTP_FIELD),
        FIELDS("X:\n", HTTP_FIELD),
        FIELDS("X:\r\r", HTTP_FIELD),
        FIELDS("X: a\r\n b", HTTP_FIELD),
        FIELDS("X: a\r\n\tb", HTTP_FIELD),
        FIELDS("X: a\r\n \r\nY: b", HTTP_FIELD),
        FIELDS("Transfer-Encoding:\r\n chunked", HTTP_CODING),
        FIELDS("X: a\r\n chunked", HTTP_FIELD),
        FIELDS("X: a\r\n\n", HTTP_FIELD),
        FIELDS("X: a\r\n\rb", HTTP_SYNTAX),
        WHOLE("GET / HTTP/1.1\r\n Host: h\r\n\r\n", HTTP_FIELD),
        WHOLE("GET / HTTP/1.1\r\n\r\n", HTTP_HOST),
        WHOLE("GET / HTTP/1.1\r\nHost: h\r\n\n", HTTP_FIELD),
    };
    RUN(rows);
}

static void test_framing(void **state)
{
    (void)state;
    static const struct row rows[] = {
        FIELDS("Content-Length: 9223372036854775807", OK),
        FIELDS("Content-Length: 00000000000000000000000000000000005", OK),
        FIELDS("Content-Length: 9223372036854775808", HTTP_FRAMING),
        FIELDS("Content-Length: 18446744073709551616", HTTP_FRAMING),
        FIELDS("Content-Length: 99999999999999999999999999999999", HTTP_FRAMING),
        FIELDS("Content-Length:", HTTP_FRAMING),
        FIELDS("Content-Length: +1", HTTP_FRAMING),
        FIELDS("Content-Length: -1", HTTP_FRAMING),
        FIELDS("Content-Length: 0x10", HTTP_FRAMING),
        FIELDS("Content-Length: 1 0", HTTP_FRAMING),
        FIELDS("Content-Length: 1x", HTTP_FRAMING),
        FIELDS("Content-Length: 1.0", HTTP_FRAMING),
        FIELDS("Content-Length: 1,1", HTTP_FRAMING),
        FIELDS("Content-Length: 5, 5", HTTP_FRAMING),
        FIELDS("Content-Length: \xef\xbc\x91", HTTP_FRAMING),
        FIELDS("Content-Length: 5\r\nContent-Length: 5", HTTP_FRAMING),
        FIELDS("Content-Length: 5\r\nContent-Length: 6", HTTP_FRAMING),
        FIELDS("Content-Length: 0\r\ncontent-length: 0", HTTP_FRAMING),
        FIELDS("Content-Length : 5", HTTP_FIELD),
        FIELDS("Transfer-Encoding: chunked", OK),
        FIELDS("Transfer-Encoding: \t Chunked \t", OK),
        FIELDS("Transfer-Encoding:chunked\r\nTransfer-Encoding: chunked", HTTP_FRAMING),
        FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", HTTP_FRAMING),
        FIELDS("Transfer-Encoding: chunked, chunked", HTTP_FRAMING),
        FIELDS("Transfer-Encoding: chunked, gzip", HTTP_FRAMING),
        FIELDS("Transfer-Encoding: chunked,", HTTP_FRAMING),
        FIELDS("Transfer-Encoding: chunked\r\nContent-Length: 5", HTTP_FRAMING),
        FIELDS("Content-Length: 5\r\nTransfer-Encoding: chunked", HTTP_FRAMING),
        FIELDS("Content-Length: 5\r\nTransfer-Encoding: identity", HTTP_FRAMING),
        FIELDS("Transfer-Encoding: gzip, chunked", HTTP_CODING),
        FIELDS("Transfer-Encoding: gzip", HTTP_CODING),
        FIELDS("Transfer-Encoding: identity", HTTP_CODING),
        FIELDS("Transfer-Encoding: xchunked", HTTP_CODING),
        FIELDS("Transfer-Encoding: chunkedx", HTTP_CODING),
        FIELDS("Transfer-Encoding: \"chunked\"", HTTP_CODING),
        FIELDS("Transfer-Encoding: chunked;q=1", HTTP_CODING),
        FIELDS("Transfer-Encoding: ,chunked", HTTP_CODING),
        FIELDS("Transfer-Encoding:", HTTP_CODING),
        FIELDS("Transfer-Encoding: chunked\xa0", HTTP_CODING),
        FIELDS("Transfer-Encoding: \x0b"
               "chunked",
               HTTP_FIELD),
        FIELDS("Transfer-Encoding : chunked", HTTP_FIELD),
        WHOLE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_FRAMING),
        WHOLE("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n", HTTP_FRAMING),
    };
    RUN(rows);
}

static void test_bodies(void **state)
{
    (void)state;
    struct outcome o;
    expect(&o, REQUEST, XF_SLICE("POST / HTTP/1.1\r\nHost: h\r\n\r\n"), XF_OK);
    assert_int_equal(o.head.body, XF_BODY_NONE);
    assert_false(o.head.has_content_length);
    expect(&o, REQUEST, XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\ncontent-length:0\r\n\r\n"), XF_OK);
    assert_int_equal(o.head.body, XF_BODY_LENGTH);
    assert_int_equal(o.head.content_length, 0);
    expect(&o, REQUEST, XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n"), XF_OK);
    assert_int_equal(o.head.body, XF_BODY_CHUNKED);
    /* What follows the head is not looked at. */
    parse_whole(&o, REQUEST, XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\n\r\n\0\n\xff"));
    assert_int_equal(o.progress, XF_HTTP_DONE);
    assert_int_equal(o.head_len, 27);
}

static void test_credentials(void **state)
{
    (void)state;
    static const struct row rows[] = {
        FIELDS("api-key: a\r\nAuthorization: Bearer b", OK),
        FIELDS("api-key: a\r\nApi-Key: a", HTTP_FIELD),
        FIELDS("authorization: a\r\nX: y\r\nAuthorization: b", HTTP_FIELD),
    };
    RUN(rows);
}

static void test_expect(void **state)
{
    (void)state;
    struct outcome o;
    expect(&o, REQUEST, XF_SLICE("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), XF_OK);
    assert_false(o.head.expects_continue);
    expect(&o, REQUEST, XF_SLICE("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n"), XF_OK);
    assert_false(o.head.expects_continue);
    assert_true(o.head.fields[1].is_hop);
}

static void test_connection(void **state)
{
    (void)state;
    static const struct {
        struct xf_slice text;
        bool keep_alive;
    } rows[] = {
        {XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), true},
        {XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n"), false},
        {XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n"), false},
        {XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\nConnection: x\r\nConnection: ,,close,\r\n\r\n"), false},
        {XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n"), true},
        {XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\nConnection:\r\n\r\n"), true},
        {XF_SLICE("GET / HTTP/1.0\r\n\r\n"), false},
        {XF_SLICE("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), true},
        {XF_SLICE("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome o;
        expect(&o, REQUEST, rows[i].text, XF_OK);
        assert_int_equal(o.head.keep_alive, rows[i].keep_alive);
    }
}

static void test_nominations(void **state)
{
    (void)state;
    struct outcome o;
    expect(
        &o, REQUEST,
        XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nConnection: close, x-a ,X-C\r\nX-B: 2\r\nx-c: 3\r\nX-A: 4\r\n"
                 "Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nProxy-Connection: x\r\n"
                 "Proxy-Authorization: x\r\nTrailer: x\r\nVia: 1.1 v\r\n\r\n"),
        XF_OK);
    static const bool is_hop[] = {false, true, true, false, true, true, true,
                                  true,  true, true, true,  true, true, false};
    assert_int_equal(o.head.field_count, 14);
    for (unsigned i = 0; i < 14; i++)
        if (o.head.fields[i].is_hop != is_hop[i])
            fail_msg("field %u", i);
    static const struct row rows[] = {
        FIELDS("Connection: upgrade, HTTP2-Settings, te, trailer", OK),
        FIELDS("Connection: host", HTTP_FIELD),
        FIELDS("Connection: close, Content-Length\r\nContent-Length: 5", HTTP_FIELD),
        FIELDS("Connection: transfer-encoding", HTTP_FIELD),
        FIELDS("Connection: API-KEY", HTTP_FIELD),
        FIELDS("Connection: x\r\nConnection: y,\tauthorization", HTTP_FIELD),
        FIELDS("Connection: content-encoding", HTTP_FIELD),
        FIELDS("Connection: a b", HTTP_FIELD),
        FIELDS("Connection: close\xff", HTTP_FIELD),
        FIELDS("Connection: \"close\"", HTTP_FIELD),
        FIELDS("Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", OK),
        FIELDS("Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", HTTP_FIELD),
    };
    RUN(rows);
}

/* Names one letter away from a known one, at every place, are not taken for it. */
static void test_near_names(void **state)
{
    (void)state;
    static const char *const names[] = {"Content-Length", "Transfer-Encoding", "Host", "TE", "Api-Key", "Connection"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        for (size_t at = 0; at < strlen(names[n]); at++) {
            char text[128], name[32];
            snprintf(name, sizeof name, "%s", names[n]);
            name[at] = (char)(name[at] == '-' ? '_' : name[at] ^ 1);
            if (name[at] == '@' || name[at] == '[')
                name[at] = '9';
            int len = snprintf(text, sizeof text, "GET / HTTP/1.0\r\n%s: \"\r\n\r\n", name);
            struct outcome o;
            expect(&o, REQUEST, xf_slice(text, (size_t)len), XF_OK);
            assert_int_equal(o.head.fields[0].id, XF_FIELD_OTHER);
        }
    }
}

/* A head of exactly `total` bytes: `front`, then filler, then `back`. */
static struct xf_slice stretch(const char *front, size_t total, const char *back)
{
    char *text = malloc(total);
    assert_non_null(text);
    memset(text, 'a', total);
    put(text, xf_slice_of(front));
    put(text + total - strlen(back), xf_slice_of(back));
    return xf_slice(text, total);
}

static void expect_stretched(const char *front, size_t total, const char *back, enum xf_err err)
{
    struct outcome o;
    struct xf_slice text = stretch(front, total, back);
    expect(&o, REQUEST, text, err);
    free((char *)text.ptr);
}

static void test_sizes(void **state)
{
    (void)state;
    static const char back[] = " HTTP/1.1\r\nHost: h\r\n\r\n";
    size_t target_max = strlen("GET ") + XF_HTTP_TARGET_BYTES_MAX + strlen(back);
    expect_stretched("GET /", 4 + 8000 + strlen(back), back, XF_OK);
    expect_stretched("GET /", target_max, back, XF_OK);
    expect_stretched("GET /", target_max + 1, back, XF_ERR_HTTP_TARGET_LONG);
    expect_stretched("GET /", 40000, back, XF_ERR_HTTP_TARGET_LONG);
    expect_stretched("GET /", 40000, "", XF_ERR_HTTP_TARGET_LONG);
    expect_stretched("GET", 40000, "", XF_ERR_HTTP_METHOD);
    expect_stretched("GET / HTTP/1.1\r\nHost: h\r\nX: ", XF_HTTP_HEAD_BYTES_MAX, "\r\n\r\n", XF_OK);
    expect_stretched("GET / HTTP/1.1\r\nHost: h\r\nX: ", XF_HTTP_HEAD_BYTES_MAX + 1, "\r\n\r\n",
                     XF_ERR_HTTP_HEAD_LARGE);
    expect_stretched("GET / HTTP/1.1\r\nHost: h\r\nX: ", 40000, "", XF_ERR_HTTP_HEAD_LARGE);
    expect_stretched("GET / HTTP/1.1\r\nHost: h\r\nX", 40000, "", XF_ERR_HTTP_HEAD_LARGE);
    expect_stretched("GET / HTTP/1.1\r\nHost: h\r\nX: \x01", 40000, "", XF_ERR_HTTP_FIELD);
}

static void test_field_count(void **state)
{
    (void)state;
    char text[2048], *end = put(text, XF_SLICE("GET / HTTP/1.1\r\nHost: h\r\n"));
    for (unsigned i = 1; i < XF_HTTP_FIELDS_MAX; i++)
        end = put(end, XF_SLICE("x:y\r\n"));
    struct outcome o;
    char *full = put(end, XF_SLICE("\r\n"));
    expect(&o, REQUEST, xf_slice(text, (size_t)(full - text)), XF_OK);
    assert_int_equal(o.head.field_count, XF_HTTP_FIELDS_MAX);
    char *over = put(end, XF_SLICE("x:y\r\n\r\n"));
    expect(&o, REQUEST, xf_slice(text, (size_t)(over - text)), XF_ERR_HTTP_HEAD_LARGE);
}

/* Errors are told at the line in which they stand. */
static void test_early_errors(void **state)
{
    (void)state;
    static const struct row rows[] = {
        WHOLE("GET / HTTP/3.0\r\n", HTTP_VERSION),
        WHOLE("GET / HTTP/1.1\r\nHost: a,b\r\n", HTTP_HOST),
        WHOLE("GET / HTTP/1.1\r\nContent-Length: x\r\n", HTTP_FRAMING),
        WHOLE("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n", HTTP_CODING),
        WHOLE("GET / HTTP/1.1\r\nX: y\n", HTTP_FIELD),
    };
    RUN(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typical),         cmocka_unit_test(test_methods),
        cmocka_unit_test(test_hostile_methods), cmocka_unit_test(test_empty_lines_before),
        cmocka_unit_test(test_request_lines),   cmocka_unit_test(test_versions),
        cmocka_unit_test(test_targets),         cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_field_lines),     cmocka_unit_test(test_framing),
        cmocka_unit_test(test_bodies),          cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_expect),          cmocka_unit_test(test_connection),
        cmocka_unit_test(test_nominations),     cmocka_unit_test(test_near_names),
        cmocka_unit_test(test_sizes),           cmocka_unit_test(test_field_count),
        cmocka_unit_test(test_early_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
