/* The writers of heads. The room for a whole head is made once, from an upper bound; then bytes are only copied. Fields
 * that stand side by side in the input in plain form ("name: value") go out in one copy.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/emit.h"

#include "common/base/num.h"
#include "common/http/class_int.h"
#include "common/http/head_int.h"

enum {
    OWN_BYTES_MAX = 256,      /* all fixed texts of one head together */
    FIELD_OVERHEAD_BYTES = 4, /* ": " and CRLF */
    ERROR_BYTES_MAX = 64 * 1024
};

#define BIT(id) (1U << (id))

static char *put(char *out, struct xf_slice text)
{
    if (text.len)
        memcpy(out, text.ptr, text.len);
    return out + text.len;
}

#define PUT_TEXT(out, literal) put(out, XF_SLICE(literal))

static char *put_field(char *out, struct xf_slice name, struct xf_slice value)
{
    out = put(out, name);
    out = PUT_TEXT(out, ": ");
    out = put(out, value);
    return PUT_TEXT(out, "\r\n");
}

static char *put_content_length(char *out, uint64_t length)
{
    out = PUT_TEXT(out, "Content-Length: ");
    out += xf_u64_print(length, out);
    return PUT_TEXT(out, "\r\n");
}

static size_t fields_bound(const struct xf_http_head *head)
{
    size_t bound = 0;
    for (unsigned i = 0; i < head->field_count; i++)
        bound += (size_t)head->fields[i].name_len + head->fields[i].value_len + FIELD_OVERHEAD_BYTES;
    return bound;
}

/* Whether the field stands there as it would be written: one blank behind the colon, CRLF right behind the value. */
static bool is_written_plainly(const struct xf_http_field *field, const char *base)
{
    const char *value = base + field->value_off;
    return field->value_off == field->name_off + field->name_len + 2 && value[-1] == ' ' &&
           value[field->value_len] == '\r';
}

/* Writes the fields that are neither hop-by-hop nor in the set `dropped`. */
static char *put_fields(char *out, const struct xf_http_head *head, const char *base, unsigned dropped)
{
    struct xf_slice run = xf_slice(base, 0); /* not yet written */
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct xf_http_field *field = &head->fields[i];
        if (field->is_hop || (dropped & BIT(field->id)))
            continue;
        const char *start = base + field->name_off;
        if (!is_written_plainly(field, base)) {
            out = put(out, run);
            run.len = 0;
            out = put_field(out, xf_http_field_name(base, field), xf_http_field_value(base, field));
            continue;
        }
        if (start != run.ptr + run.len) {
            out = put(out, run);
            run = xf_slice(start, 0);
        }
        run.len = (size_t)(base + field->value_off + field->value_len + 2 - run.ptr);
    }
    return put(out, run);
}

static bool is_class(struct xf_slice text, unsigned class_)
{
    return xf_http_skip(text.ptr, text.ptr + text.len, class_) == text.ptr + text.len;
}

static bool is_value(struct xf_slice text)
{
    return !text.len || xf_http_skip_value(text.ptr, text.ptr + text.len) == text.ptr + text.len;
}

/* A line end in any of these would be a request of its own. They were checked where they came from; this is the last
 * place to look. */
static bool is_request_sound(const struct xf_http_emit_request *request)
{
    const struct xf_slice target = request->target;
    return request->method.len && is_class(request->method, XF_CHAR_TOKEN) && target.len &&
           xf_http_skip_target(target.ptr, target.ptr + target.len) == target.ptr + target.len &&
           is_value(request->host) && is_value(request->own_api_key) && request->body != XF_BODY_UNTIL_EOF;
}

enum xf_err xf_http_emit_request(struct xf_buf *out, const struct xf_http_emit_request *request,
                                 const struct xf_http_head *head, const char *base)
{
    if (!is_request_sound(request))
        return XF_ERR_INVALID;
    size_t room = OWN_BYTES_MAX + request->method.len + request->target.len + request->host.len +
                  request->own_api_key.len + fields_bound(head);
    enum xf_err err = xf_buf_reserve(out, room);
    if (err)
        return err;
    char *start = xf_buf_room(out, &room), *p = start;
    p = put(p, request->method);
    *p++ = ' ';
    p = put(p, request->target);
    p = PUT_TEXT(p, " HTTP/1.1\r\nHost: ");
    p = put(p, request->host);
    p = PUT_TEXT(p, "\r\n");
    unsigned dropped = BIT(XF_FIELD_HOST) | BIT(XF_FIELD_CONTENT_LENGTH);
    if (request->credentials == XF_CREDENTIALS_OWN)
        dropped |= BIT(XF_FIELD_API_KEY) | BIT(XF_FIELD_AUTHORIZATION);
    if (request->drops_content_encoding)
        dropped |= BIT(XF_FIELD_CONTENT_ENCODING);
    if (request->drops_accept_encoding)
        dropped |= BIT(XF_FIELD_ACCEPT_ENCODING);
    p = put_fields(p, head, base, dropped);
    if (request->credentials == XF_CREDENTIALS_OWN && request->own_api_key.len)
        p = put_field(p, XF_SLICE("api-key"), request->own_api_key);
    if (request->body == XF_BODY_LENGTH)
        p = put_content_length(p, request->content_length);
    else if (request->body == XF_BODY_CHUNKED)
        p = PUT_TEXT(p, "Transfer-Encoding: chunked\r\n");
    p = PUT_TEXT(p, "Via: 1.1 crossfade\r\n\r\n");
    xf_buf_commit(out, (size_t)(p - start));
    return XF_OK;
}

/* RFC 9112 section 6: 1xx and 204 have no framing fields; an HTTP/1.0 client gets a body of unknown length up to the
 * close. */
static char *put_framing(char *p, const struct xf_http_emit_response *response, uint16_t status)
{
    if (status < 200 || status == 204)
        return p;
    if (response->body == XF_BODY_LENGTH || (response->body == XF_BODY_NONE && response->has_content_length))
        return put_content_length(p, response->content_length);
    if (response->body == XF_BODY_CHUNKED && response->client_minor >= 1)
        return PUT_TEXT(p, "Transfer-Encoding: chunked\r\n");
    return p;
}

static char *put_connection(char *p, const struct xf_http_emit_response *response, uint16_t status)
{
    bool ends_with_close =
        response->body == XF_BODY_UNTIL_EOF || (response->body == XF_BODY_CHUNKED && response->client_minor == 0);
    if (status < 200)
        return p;
    if (!response->keep_alive || ends_with_close)
        return PUT_TEXT(p, "Connection: close\r\n");
    return response->client_minor == 0 ? PUT_TEXT(p, "Connection: keep-alive\r\n") : p;
}

static char *put_status_line(char *p, unsigned status, struct xf_slice reason)
{
    p = PUT_TEXT(p, "HTTP/1.1 ");
    *p++ = (char)('0' + status / 100);
    *p++ = (char)('0' + status / 10 % 10);
    *p++ = (char)('0' + status % 10);
    *p++ = ' ';
    p = put(p, reason);
    return PUT_TEXT(p, "\r\n");
}

enum xf_err xf_http_emit_response(struct xf_buf *out, const struct xf_http_emit_response *response,
                                  const struct xf_http_head *head, const char *base)
{
    if (!is_value(response->server_timing))
        return XF_ERR_INVALID;
    size_t room = OWN_BYTES_MAX + head->target_len + response->server_timing.len + fields_bound(head);
    enum xf_err err = xf_buf_reserve(out, room);
    if (err)
        return err;
    char *start = xf_buf_room(out, &room), *p = start;
    p = put_status_line(p, head->status, xf_slice(base + head->target_off, head->target_len));
    p = put_fields(p, head, base, BIT(XF_FIELD_CONTENT_LENGTH));
    if (response->server_timing.len)
        p = put_field(p, XF_SLICE("Server-Timing"), response->server_timing);
    p = put_framing(p, response, head->status);
    p = put_connection(p, response, head->status);
    p = PUT_TEXT(p, "\r\n");
    xf_buf_commit(out, (size_t)(p - start));
    return XF_OK;
}

static enum xf_err append_error_body(struct xf_buf *body, struct xf_slice text)
{
    enum xf_err err = xf_buf_append_slice(body, XF_SLICE("{\"status\":{\"error\":\""));
    if (!err)
        err = xf_buf_append_json_escaped(body, text);
    if (!err)
        err = xf_buf_append_slice(body, XF_SLICE("\"},\"time\":0.0}"));
    return err;
}

static char *put_error_head(char *p, int status, size_t body_len, bool keep_alive, unsigned retry_after_s)
{
    p = put_status_line(p, (unsigned)status, xf_slice_of(xf_http_reason(status)));
    p = PUT_TEXT(p, "Content-Type: application/json\r\n");
    p = put_content_length(p, body_len);
    if (retry_after_s) {
        p = PUT_TEXT(p, "Retry-After: ");
        p += xf_u64_print(retry_after_s, p);
        p = PUT_TEXT(p, "\r\n");
    }
    /* Said to HTTP/1.1 clients too, for whom it means nothing new: an HTTP/1.0 client needs it. */
    p = keep_alive ? PUT_TEXT(p, "Connection: keep-alive\r\n") : PUT_TEXT(p, "Connection: close\r\n");
    return PUT_TEXT(p, "\r\n");
}

enum xf_err xf_http_emit_error(struct xf_buf *out, int status, struct xf_slice text, bool keep_alive,
                               bool is_head_request, unsigned retry_after_s)
{
    XF_ASSERT(status >= 200 && status <= 599);
    struct xf_buf body;
    xf_buf_init(&body, ERROR_BYTES_MAX);
    enum xf_err err = append_error_body(&body, text);
    if (err)
        goto done;
    struct xf_slice content = xf_buf_view(&body);
    err = xf_buf_reserve(out, OWN_BYTES_MAX + content.len);
    if (err)
        goto done;
    size_t room;
    char *start = xf_buf_room(out, &room);
    char *p = put_error_head(start, status, content.len, keep_alive, retry_after_s);
    if (!is_head_request)
        p = put(p, content);
    xf_buf_commit(out, (size_t)(p - start));
done:
    xf_buf_fini(&body);
    return err;
}

/* An element of Via is "[protocol/]version received-by [comment]" (RFC 9110 section 7.6.3). */
static bool is_self(struct xf_slice element)
{
    const char *p = element.ptr, *end = element.ptr + element.len;
    while (p < end && *p != ' ' && *p != '\t')
        p++;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const char *name = p;
    while (p < end && *p != ' ' && *p != '\t')
        p++;
    return xf_slice_eq_nocase(xf_slice(name, (size_t)(p - name)), XF_SLICE("crossfade"));
}

bool xf_http_via_has_self(const struct xf_http_head *head, const char *base)
{
    for (unsigned i = head->via < 0 ? head->field_count : (unsigned)head->via; i < head->field_count; i++) {
        if (head->fields[i].id != XF_FIELD_VIA)
            continue;
        struct xf_slice list = xf_http_field_value(base, &head->fields[i]), element;
        while (xf_http_list_next(&list, &element))
            if (is_self(element))
                return true;
    }
    return false;
}
