/* Our parser beside libhttp-parser, on generated messages with random damage: where ours accepts a message, the other
 * must read the same method, target, status, fields, framing and body, and end where ours ends. It is the more lenient
 * of the two, so what ours refuses is not compared.
 *
 * Known differences that are none of framing: libhttp-parser knows a fixed list of methods, wants no octets in a target
 * that ours lets through to Qdrant's server, and turns into a byte tunnel after an Upgrade.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/chunked.h"
#include "tests/unit/http/parse.h"

#include <http_parser.h>

enum { MESSAGE_BYTES_MAX = 2048, FIELDS_MAX = 64 };

struct text {
    char bytes[MESSAGE_BYTES_MAX];
    size_t len;
};

static void append(struct text *text, const char *bytes, size_t len)
{
    assert_true(text->len + len <= sizeof text->bytes);
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void append_text(struct text *text, const char *bytes)
{
    append(text, bytes, strlen(bytes));
}

/* What a parser has made of a message; fields as "name:value\n", the names as sent. */
struct reading {
    struct text target, fields, body;
    bool has_head, is_complete, in_value;
    unsigned method, status, field_count;
    bool is_chunked;
    uint64_t content_length;
    size_t end; /* bytes of the whole message */
    bool keep_alive;
};

/* libhttp-parser's side */

static int on_url(http_parser *parser, const char *at, size_t len)
{
    append(&((struct reading *)parser->data)->target, at, len);
    return 0;
}

static void end_value(struct reading *reading)
{
    /* It leaves the blanks behind a value to its caller. */
    while (reading->fields.len && strchr(" \t", reading->fields.bytes[reading->fields.len - 1]))
        reading->fields.len--;
    append_text(&reading->fields, "\n");
    reading->in_value = false;
}

static int on_name(http_parser *parser, const char *at, size_t len)
{
    struct reading *reading = parser->data;
    if (reading->in_value)
        end_value(reading);
    append(&reading->fields, at, len);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct reading *reading = parser->data;
    if (!reading->in_value) {
        append_text(&reading->fields, ":");
        reading->field_count++;
    }
    reading->in_value = true;
    append(&reading->fields, at, len);
    return 0;
}

static int on_head(http_parser *parser)
{
    struct reading *reading = parser->data;
    if (reading->in_value)
        end_value(reading);
    reading->has_head = true;
    reading->method = parser->method;
    reading->status = parser->status_code;
    reading->is_chunked = (parser->flags & F_CHUNKED) != 0;
    reading->content_length = parser->flags & F_CONTENTLENGTH ? parser->content_length : UINT64_MAX;
    reading->keep_alive = http_should_keep_alive(parser) != 0;
    /* Which statuses have no body it leaves to its caller: 1 says so. */
    return parser->type == HTTP_RESPONSE &&
           (parser->status_code < 200 || parser->status_code == 204 || parser->status_code == 304);
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    append(&((struct reading *)parser->data)->body, at, len);
    return 0;
}

/* Trailers come as fields; ours drops them. */
static int on_complete(http_parser *parser)
{
    ((struct reading *)parser->data)->is_complete = true;
    http_parser_pause(parser, 1);
    return 0;
}

static enum http_errno read_theirs(struct reading *reading, bool is_response, struct xf_slice in)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_name,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_head,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_complete};
    http_parser parser;
    memset(reading, 0, sizeof *reading);
    http_parser_init(&parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST);
    parser.data = reading;
    reading->end = http_parser_execute(&parser, &settings, in.ptr, in.len);
    return HTTP_PARSER_ERRNO(&parser);
}

/* Our side */

static enum xf_err read_chunked(struct reading *reading, struct xf_slice in)
{
    struct xf_chunked chunked;
    struct xf_slice data;
    xf_chunked_init(&chunked);
    while (in.len && !reading->is_complete) {
        size_t taken;
        enum xf_err err = xf_chunked_feed(&chunked, in, &taken, &data, &reading->is_complete);
        if (err)
            return err;
        append(&reading->body, data.ptr ? data.ptr : "", data.len);
        reading->end += taken;
        in = xf_slice_skip(in, taken);
    }
    return XF_OK;
}

static enum xf_err read_body(struct reading *reading, const struct xf_http_head *head, struct xf_slice rest)
{
    if (head->body == XF_BODY_CHUNKED)
        return read_chunked(reading, rest);
    size_t len =
        head->body == XF_BODY_LENGTH && head->content_length < rest.len ? (size_t)head->content_length : rest.len;
    if (head->body == XF_BODY_NONE)
        len = 0;
    append(&reading->body, rest.ptr, len);
    reading->end += len;
    reading->is_complete = head->body == XF_BODY_NONE || (head->body == XF_BODY_LENGTH && len == head->content_length);
    return XF_OK;
}

static bool read_ours(struct reading *reading, struct outcome *o, bool is_response, struct xf_slice in)
{
    memset(reading, 0, sizeof *reading);
    parse_both_ways(o, (struct kind){is_response, XF_HTTP_GET}, in);
    if (o->progress != XF_HTTP_DONE)
        return false;
    const struct xf_http_head *head = &o->head;
    reading->end = o->head_len;
    if (!is_response)
        append(&reading->target, in.ptr + head->target_off, head->target_len);
    for (unsigned i = 0; i < head->field_count; i++) {
        struct xf_slice name = xf_http_field_name(in.ptr, &head->fields[i]);
        struct xf_slice value = xf_http_field_value(in.ptr, &head->fields[i]);
        append(&reading->fields, name.ptr, name.len);
        append_text(&reading->fields, ":");
        append(&reading->fields, value.ptr, value.len);
        append_text(&reading->fields, "\n");
    }
    return read_body(reading, head, xf_slice_skip(in, o->head_len)) == XF_OK;
}

/* Messages */

static const char *pick(uint64_t *seed, const char *const *from, size_t count)
{
    return from[draw(seed) % count];
}
#define PICK(seed, from) pick(seed, from, sizeof(from) / sizeof *(from))

static void make_fields(struct text *text, uint64_t *seed)
{
    static const char *const fields[] = {
        "Host: h\r\n",
        "host:\th:80 \r\n",
        "X-A: \xff \"b\" \t\r\n",
        "Accept: */*\r\n",
        "Empty:\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive, X-A\r\n",
        "api-key: k\r\n",
        "Via: 1.1 a\r\n",
        "Expect: 100-continue\r\n",
        "TE: trailers\r\n",
        "Content-Type: a/b\r\n",
        "X_1: {\"a\": [1, 2]}\r\n",
    };
    for (size_t i = draw(seed) % 5; i > 0; i--)
        append_text(text, PICK(seed, fields));
}

static void make_body(struct text *text, uint64_t *seed)
{
    static const char *const bodies[] = {
        "\r\n",
        "Content-Length: 5\r\n\r\nhello",
        "content-length:0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello.",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    };
    append_text(text, PICK(seed, bodies));
    if (draw(seed) % 2)
        append_text(text, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
}

static void make_message(struct text *text, bool is_response, uint64_t *seed)
{
    static const char *const request_lines[] = {
        "GET / HTTP/1.1\r\n",
        "PUT /collections/c/points?wait=true HTTP/1.1\r\n",
        "POST http://h:80/a//b?c HTTP/1.1\r\n",
        "DELETE /%41/b HTTP/1.0\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "\r\nPATCH /x HTTP/1.1\r\n",
        "HEAD /x HTTP/1.1\r\n",
    };
    static const char *const status_lines[] = {
        "HTTP/1.1 200 OK\r\n",         "HTTP/1.1 404\r\n",  "HTTP/1.0 500 a b\r\n",
        "HTTP/1.1 204 No Content\r\n", "HTTP/1.1 304 \r\n", "HTTP/1.1 100 Continue\r\n",
    };
    text->len = 0;
    append_text(text, is_response ? PICK(seed, status_lines) : PICK(seed, request_lines));
    if (!is_response && draw(seed) % 4)
        append_text(text, "Host: h\r\n");
    make_fields(text, seed);
    make_body(text, seed);
}

/* Insert, overwrite, remove or repeat bytes, mostly those that mean something. */
static void damage(struct text *text, uint64_t *seed)
{
    static const char bytes[] = "\r\n\0:, \t;0123456789afA+-x\x0b\x7f\xff\"";
    size_t at = draw(seed) % text->len, len = text->len - at;
    char byte = bytes[draw(seed) % (sizeof bytes - 1)];
    switch (draw(seed) % 4) {
    case 0:
        text->bytes[at] = byte;
        return;
    case 1:
        memmove(text->bytes + at, text->bytes + at + 1, len - 1);
        text->len--;
        return;
    case 2:
        memmove(text->bytes + at + 1, text->bytes + at, len);
        text->bytes[at] = byte;
        text->len++;
        return;
    default:
        len = len > 20 ? 1 + draw(seed) % 20 : len;
        memmove(text->bytes + at + len, text->bytes + at, text->len - at);
        text->len += len;
    }
}

/* Comparison */

/* It knows the blank alone as white space behind these values. */
static bool has_tab_behind(const char *base, const struct xf_http_field *field)
{
    const char *p = base + field->value_off + field->value_len;
    return (field->id == XF_FIELD_CONTENT_LENGTH || field->id == XF_FIELD_TRANSFER_ENCODING) &&
           memchr(p, '\t', strcspn(p, "\r"));
}

static bool may_differ(const char *base, const struct outcome *o, const struct reading *ours, enum http_errno err)
{
    if (o->head.method == XF_HTTP_METHOD_OTHER && err == HPE_INVALID_METHOD)
        return true;
    for (unsigned i = 0; i < o->head.field_count; i++) {
        const struct xf_http_field *field = &o->head.fields[i];
        if (field->id == XF_FIELD_UPGRADE || has_tab_behind(base, field))
            return true;
        struct xf_slice name = xf_http_field_name(base, field);
        if (name.len > 17 && xf_slice_eq_nocase(xf_slice(name.ptr, 17), XF_SLICE("transfer-encoding")))
            return true;
    }
    return ours->target.len && (err == HPE_INVALID_URL || err == HPE_INVALID_HOST || err == HPE_INVALID_PORT ||
                                err == HPE_INVALID_PATH || err == HPE_INVALID_QUERY_STRING);
}

static void differ(const char *what, const struct text *text, enum http_errno err)
{
    fail_msg("%s (%s):\n%.*s", what, http_errno_name(err), (int)text->len, text->bytes);
}

#define CHECK(what)                                                                                                    \
    if (!(what))                                                                                                       \
    differ(#what, text, err)

static void compare(const struct text *text, bool is_response, const struct outcome *o, struct reading *ours,
                    struct reading *theirs, enum http_errno err)
{
    CHECK(theirs->has_head);
    CHECK(xf_slice_eq(xf_slice(ours->target.bytes, ours->target.len),
                      xf_slice(theirs->target.bytes, theirs->target.len)));
    if (!is_response && o->head.method != XF_HTTP_METHOD_OTHER)
        CHECK(xf_slice_eq(xf_http_method_text(o->head.method),
                          xf_slice_of(http_method_str((enum http_method)theirs->method))));
    CHECK(!is_response || o->head.status == theirs->status);
    /* Fields; theirs may go on with trailers. */
    CHECK(theirs->fields.len >= ours->fields.len &&
          memcmp(theirs->fields.bytes, ours->fields.bytes, ours->fields.len) == 0);
    bool has_no_body = is_response && o->head.body == XF_BODY_NONE;
    if (!has_no_body) {
        CHECK(theirs->is_chunked == (o->head.body == XF_BODY_CHUNKED));
        CHECK(theirs->content_length == (o->head.body == XF_BODY_LENGTH ? o->head.content_length : UINT64_MAX));
    }
    CHECK(theirs->is_complete == ours->is_complete);
    CHECK(xf_slice_eq(xf_slice(ours->body.bytes, ours->body.len), xf_slice(theirs->body.bytes, theirs->body.len)));
    CHECK(theirs->end == ours->end);
    if (!is_response)
        CHECK(theirs->keep_alive || !o->head.keep_alive);
}

static void run(bool is_response, uint64_t seed)
{
    static struct reading ours, theirs;
    unsigned accepted = 0, compared = 0;
    for (unsigned i = 0; i < 40000; i++) {
        struct text text;
        struct outcome o;
        make_message(&text, is_response, &seed);
        for (size_t n = draw(&seed) % 4; n > 0; n--)
            damage(&text, &seed);
        struct xf_slice in = xf_slice(text.bytes, text.len);
        if (!read_ours(&ours, &o, is_response, in))
            continue;
        accepted++;
        enum http_errno err = read_theirs(&theirs, is_response, in);
        if (may_differ(text.bytes, &o, &ours, err))
            continue;
        compared++;
        compare(&text, is_response, &o, &ours, &theirs, err);
    }
    assert_in_range(accepted, 5000, 39999);
    assert_in_range(compared, 5000, accepted);
}

static void test_requests(void **state)
{
    (void)state;
    run(false, 7);
}

static void test_responses(void **state)
{
    (void)state;
    run(true, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_requests), cmocka_unit_test(test_responses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
