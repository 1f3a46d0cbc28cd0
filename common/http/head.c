/* The line splitter of the head parser. Each line is read from left to right in one pass; a line that is not all there
 * yet is read again once its end has come, which memchr finds at no more than one look at each byte. Since reading goes
 * strictly from left to right and a limit counts from the head's first byte, a head gives the same result however it
 * was cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/class_int.h"
#include "common/http/head_int.h"

enum {
    METHOD_BYTES_MAX = 32,
    VERSION_LINE_BYTES = 10, /* "HTTP/1.1\r\n" */
    REQUEST_LINE_BYTES_MAX = METHOD_BYTES_MAX + 1 + XF_HTTP_TARGET_BYTES_MAX + 1 + VERSION_LINE_BYTES
};

enum { STATE_START, STATE_FIELDS };

enum step { STEP_MORE, STEP_LINE, STEP_END, STEP_FAILED };

struct reader {
    struct xf_http_head *head;
    const char *base;
    const char *end; /* of what has come, cut at the limit of the whole head */
    const char *at;  /* the first byte that has not been taken */
    bool is_response;
    enum xf_err err;
};

void xf_http_head_init(struct xf_http_head *head)
{
    /* The fields need no clearing: field_count says which are there. */
    head->method = XF_HTTP_METHOD_OTHER;
    head->method_off = head->method_len = 0;
    head->target_off = head->target_len = 0;
    head->status = 0;
    head->minor = 0;
    head->body = XF_BODY_NONE;
    head->content_length = 0;
    head->has_content_length = head->keep_alive = head->expects_continue = false;
    head->host = head->authorization = head->api_key = head->content_encoding = head->via = -1;
    head->field_count = 0;
    head->line_off = head->scan_off = 0;
    head->state = STATE_START;
    head->has_connection = false;
}

static enum step fail(struct reader *reader, enum xf_err err)
{
    reader->err = err;
    return STEP_FAILED;
}

static uint16_t offset(const struct reader *reader, const char *p)
{
    return (uint16_t)(p - reader->base);
}

static enum xf_http_method method_lookup(const char *text, size_t len)
{
    for (unsigned i = 0; i < XF_HTTP_METHOD_OTHER; i++) {
        struct xf_slice known = xf_http_method_text((enum xf_http_method)i);
        if (known.len == len && memcmp(known.ptr, text, len) == 0)
            return (enum xf_http_method)i;
    }
    return XF_HTTP_METHOD_OTHER;
}

static enum step read_method(struct reader *reader)
{
    struct xf_http_head *head = reader->head;
    const char *start = reader->at;
    const char *limit = reader->end - start > METHOD_BYTES_MAX ? start + METHOD_BYTES_MAX : reader->end;
    const char *p = xf_http_skip_token(start, limit);
    if (p == reader->end)
        return STEP_MORE;
    struct xf_slice text = xf_slice(start, (size_t)(p - start));
    if (text.len == METHOD_BYTES_MAX && xf_http_is(*p, XF_CHAR_TOKEN))
        return fail(reader, XF_ERR_HTTP_METHOD);
    if (text.len == 0 || *p != ' ')
        return fail(reader, XF_ERR_HTTP_SYNTAX);
    if (xf_slice_eq(text, XF_SLICE("CONNECT")) || xf_slice_eq(text, XF_SLICE("TRACE")))
        return fail(reader, XF_ERR_HTTP_METHOD);
    head->method = method_lookup(text.ptr, text.len);
    head->method_off = offset(reader, start);
    head->method_len = (uint16_t)text.len;
    reader->at = p + 1;
    return STEP_LINE;
}

static enum step read_target(struct reader *reader)
{
    struct xf_http_head *head = reader->head;
    const char *start = reader->at;
    const char *limit = reader->end - start > XF_HTTP_TARGET_BYTES_MAX ? start + XF_HTTP_TARGET_BYTES_MAX : reader->end;
    const char *p = xf_http_skip_target(start, limit);
    if (p == reader->end)
        return STEP_MORE;
    if (*p == '\r' || *p == '\n' || p == start)
        return fail(reader, XF_ERR_HTTP_SYNTAX);
    if (*p != ' ')
        return fail(reader, xf_http_is(*p, XF_CHAR_TARGET) ? XF_ERR_HTTP_TARGET_LONG : XF_ERR_HTTP_TARGET);
    head->target_off = offset(reader, start);
    head->target_len = (uint16_t)(p - start);
    reader->at = p + 1;
    return STEP_LINE;
}

/* Matches "HTTP/D.D" and what is said to follow it; 'D' stands for a digit. */
static enum step match_version(struct reader *reader, const char *shape, size_t len)
{
    const char *p = reader->at;
    for (size_t i = 0; i < len; i++, p++) {
        if (p == reader->end)
            return STEP_MORE;
        bool is_match = shape[i] == 'D' ? *p >= '0' && *p <= '9' : *p == shape[i];
        if (!is_match)
            return fail(reader, XF_ERR_HTTP_SYNTAX);
    }
    if (reader->at[5] != '1')
        return fail(reader, XF_ERR_HTTP_VERSION);
    /* RFC 9112 section 2.3: a later minor version is understood by the rules of the one that we know. */
    reader->head->minor = reader->at[7] == '0' ? 0 : 1;
    reader->at = p;
    return STEP_LINE;
}

static enum step read_version(struct reader *reader)
{
    if (reader->end - reader->at >= VERSION_LINE_BYTES && memcmp(reader->at, "HTTP/1.1\r\n", VERSION_LINE_BYTES) == 0) {
        reader->head->minor = 1;
        reader->at += VERSION_LINE_BYTES;
        return STEP_LINE;
    }
    return match_version(reader, "HTTP/D.D\r\n", VERSION_LINE_BYTES);
}

static bool is_target_form(const struct xf_http_head *head, const char *target)
{
    struct xf_slice text = xf_slice(target, head->target_len);
    if (text.ptr[0] == '/')
        return true;
    if (text.len == 1 && text.ptr[0] == '*')
        return head->method == XF_HTTP_OPTIONS;
    return (text.len > 7 && xf_slice_eq_nocase(xf_slice(text.ptr, 7), XF_SLICE("http://"))) ||
           (text.len > 8 && xf_slice_eq_nocase(xf_slice(text.ptr, 8), XF_SLICE("https://")));
}

/* Empty lines before the request line are taken (RFC 9112 section 2.2), as lines of their own. */
static enum step read_request_line(struct reader *reader)
{
    if (reader->at < reader->end && *reader->at == '\r') {
        if (reader->end - reader->at < 2)
            return STEP_MORE;
        if (reader->at[1] != '\n')
            return fail(reader, XF_ERR_HTTP_SYNTAX);
        reader->at += 2;
        return STEP_LINE;
    }
    enum step step = read_method(reader);
    if (step == STEP_LINE)
        step = read_target(reader);
    if (step == STEP_LINE)
        step = read_version(reader);
    if (step != STEP_LINE)
        return step;
    if (!is_target_form(reader->head, reader->base + reader->head->target_off))
        return fail(reader, XF_ERR_HTTP_TARGET);
    reader->head->state = STATE_FIELDS;
    return STEP_LINE;
}

/* CR LF at p, or why not; `err` for anything else that stands there. */
static enum step read_line_end(struct reader *reader, const char *p, enum xf_err err)
{
    if (p == reader->end || (*p == '\r' && p + 1 == reader->end))
        return STEP_MORE;
    if (p[0] != '\r' || p[1] != '\n')
        return fail(reader, err);
    reader->at = p + 2;
    return STEP_LINE;
}

/* "HTTP/1.1 200 OK"; some servers leave out the blank before an empty reason. */
static enum step read_status_line(struct reader *reader)
{
    enum step step = match_version(reader, "HTTP/D.D DDD", 12);
    if (step != STEP_LINE)
        return step;
    struct xf_http_head *head = reader->head;
    const char *p = reader->at;
    head->status = (uint16_t)((p[-3] - '0') * 100 + (p[-2] - '0') * 10 + (p[-1] - '0'));
    if (head->status < 100 || head->status > 599)
        return fail(reader, XF_ERR_HTTP_SYNTAX);
    const char *reason = p < reader->end && *p == ' ' ? p + 1 : p;
    if (reason > p)
        p = xf_http_skip_value(reason, reader->end);
    step = read_line_end(reader, p, XF_ERR_HTTP_SYNTAX);
    if (step != STEP_LINE)
        return step;
    head->target_off = offset(reader, reason);
    head->target_len = (uint16_t)(p - reason);
    head->state = STATE_FIELDS;
    return STEP_LINE;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static enum step add_field(struct reader *reader, struct xf_slice name, struct xf_slice value)
{
    struct xf_http_head *head = reader->head;
    if (head->field_count == XF_HTTP_FIELDS_MAX)
        return fail(reader, XF_ERR_HTTP_HEAD_LARGE);
    unsigned index = head->field_count++;
    enum xf_http_field_id id = xf_http_field_lookup(name);
    head->fields[index] = (struct xf_http_field){.name_off = offset(reader, name.ptr),
                                                 .name_len = (uint16_t)name.len,
                                                 .value_off = offset(reader, value.ptr),
                                                 .value_len = (uint16_t)value.len,
                                                 .id = (uint8_t)id,
                                                 .is_hop = xf_http_field_is_hop(id)};
    if (id == XF_FIELD_OTHER)
        return STEP_LINE;
    enum xf_err err = xf_http_field_note(head, reader->base, index, reader->is_response);
    return err ? fail(reader, err) : STEP_LINE;
}

/* A continued line (obs-fold) begins with a blank, which is no token byte, and so is refused with empty names. */
static enum step read_field_line(struct reader *reader)
{
    const char *name = reader->at, *end = reader->end;
    if (name < end && *name == '\r') {
        enum step step = read_line_end(reader, name, XF_ERR_HTTP_SYNTAX);
        return step == STEP_LINE ? STEP_END : step;
    }
    const char *colon = xf_http_skip_token(name, end);
    if (colon == end)
        return STEP_MORE;
    if (*colon != ':' || colon == name)
        return fail(reader, XF_ERR_HTTP_FIELD);
    const char *value = colon + 1;
    while (value < end && is_blank(*value))
        value++;
    const char *value_end = xf_http_skip_value(value, end);
    enum step step = read_line_end(reader, value_end, XF_ERR_HTTP_FIELD);
    if (step != STEP_LINE)
        return step;
    while (value_end > value && is_blank(value_end[-1]))
        value_end--;
    return add_field(reader, xf_slice(name, (size_t)(colon - name)), xf_slice(value, (size_t)(value_end - value)));
}

/* A line that was found incomplete is read again only when its end has come or when it has reached a limit. */
static bool is_worth_reading(const struct reader *reader)
{
    const struct xf_http_head *head = reader->head;
    size_t len = (size_t)(reader->end - reader->base);
    if (head->scan_off == head->line_off || len == XF_HTTP_HEAD_BYTES_MAX)
        return true;
    if (head->state == STATE_START && len - head->line_off >= REQUEST_LINE_BYTES_MAX)
        return true;
    return memchr(reader->base + head->scan_off, '\n', len - head->scan_off) != NULL;
}

static enum step read_line(struct reader *reader)
{
    if (reader->head->state == STATE_FIELDS)
        return read_field_line(reader);
    return reader->is_response ? read_status_line(reader) : read_request_line(reader);
}

static enum xf_http_progress read_head(struct reader *reader, struct xf_slice in)
{
    struct xf_http_head *head = reader->head;
    XF_ASSERT(in.len >= head->scan_off);
    size_t len = in.len < XF_HTTP_HEAD_BYTES_MAX ? in.len : XF_HTTP_HEAD_BYTES_MAX;
    reader->base = in.ptr;
    reader->end = in.ptr + len;
    if (!is_worth_reading(reader)) {
        head->scan_off = (uint32_t)len;
        return XF_HTTP_MORE;
    }
    reader->at = in.ptr + head->line_off;
    enum step step;
    do {
        head->line_off = head->scan_off = (uint32_t)(reader->at - in.ptr);
        step = read_line(reader);
    } while (step == STEP_LINE);
    if (step == STEP_END)
        return XF_HTTP_DONE;
    if (step == STEP_MORE && len == XF_HTTP_HEAD_BYTES_MAX)
        step = fail(reader, XF_ERR_HTTP_HEAD_LARGE);
    if (step == STEP_FAILED)
        return XF_HTTP_FAILED;
    head->scan_off = (uint32_t)len;
    return XF_HTTP_MORE;
}

static enum xf_err finish_request(struct xf_http_head *head, const char *base)
{
    if (head->host < 0 && head->minor >= 1)
        return XF_ERR_HTTP_HOST;
    if (head->body != XF_BODY_CHUNKED && head->has_content_length)
        head->body = XF_BODY_LENGTH;
    return xf_http_connection_apply(head, base);
}

/* RFC 9112 section 6.3. A 101 was never asked for: Upgrade is not relayed. */
static enum xf_err finish_response(struct xf_http_head *head, enum xf_http_method request_method, const char *base)
{
    if (head->status == 101)
        return XF_ERR_UPSTREAM_FRAMING;
    enum xf_err err = xf_http_connection_apply(head, base);
    if (err)
        return err;
    if (request_method == XF_HTTP_HEAD || head->status < 200 || head->status == 204 || head->status == 304) {
        head->body = XF_BODY_NONE;
    } else if (head->has_content_length) {
        head->body = XF_BODY_LENGTH;
    } else if (head->body != XF_BODY_CHUNKED) {
        head->body = XF_BODY_UNTIL_EOF;
        head->keep_alive = false;
    }
    return XF_OK;
}

enum xf_http_progress xf_http_parse_request(struct xf_http_head *head, struct xf_slice in, size_t *head_len,
                                            enum xf_err *err)
{
    struct reader reader = {.head = head, .is_response = false};
    enum xf_http_progress progress = read_head(&reader, in);
    if (progress == XF_HTTP_DONE) {
        reader.err = finish_request(head, in.ptr);
        *head_len = (size_t)(reader.at - in.ptr);
    }
    if (!reader.err)
        return progress;
    *err = reader.err;
    return XF_HTTP_FAILED;
}

enum xf_http_progress xf_http_parse_response(struct xf_http_head *head, enum xf_http_method request_method,
                                             struct xf_slice in, size_t *head_len, enum xf_err *err)
{
    struct reader reader = {.head = head, .is_response = true};
    enum xf_http_progress progress = read_head(&reader, in);
    if (progress == XF_HTTP_DONE) {
        reader.err = finish_response(head, request_method, in.ptr);
        *head_len = (size_t)(reader.at - in.ptr);
    }
    if (!reader.err)
        return progress;
    *err = XF_ERR_UPSTREAM_FRAMING;
    return XF_HTTP_FAILED;
}
