/* What fields mean to the proxy. Rules of framing (RFC 9112 section 6) are stricter than the RFC must have: where it
 * lets a server choose between mending and refusing, this refuses, since the next server might mend differently.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/num.h"
#include "common/http/class_int.h"
#include "common/http/head_int.h"

enum {
    NAME_LEN_MAX = 19,
    NAMES_PER_LEN_MAX = 3,
    NOMINATIONS_MAX = 32 /* each costs a pass over the fields */
};

struct known_name {
    const char *name;
    uint8_t id;
};

/* By length; no two names of one length begin with the same letter. */
static const struct known_name known_names[NAME_LEN_MAX + 1][NAMES_PER_LEN_MAX] = {
    [2] = {{"te", XF_FIELD_TE}},
    [3] = {{"via", XF_FIELD_VIA}},
    [4] = {{"host", XF_FIELD_HOST}, {"date", XF_FIELD_DATE}},
    [6] = {{"expect", XF_FIELD_EXPECT}},
    [7] = {{"api-key", XF_FIELD_API_KEY}, {"trailer", XF_FIELD_TRAILER}, {"upgrade", XF_FIELD_UPGRADE}},
    [10] = {{"connection", XF_FIELD_CONNECTION}, {"keep-alive", XF_FIELD_KEEP_ALIVE}},
    [11] = {{"retry-after", XF_FIELD_RETRY_AFTER}},
    [12] = {{"content-type", XF_FIELD_CONTENT_TYPE}},
    [13] = {{"authorization", XF_FIELD_AUTHORIZATION}, {"server-timing", XF_FIELD_SERVER_TIMING}},
    [14] = {{"content-length", XF_FIELD_CONTENT_LENGTH}, {"http2-settings", XF_FIELD_HTTP2_SETTINGS}},
    [15] = {{"accept-encoding", XF_FIELD_ACCEPT_ENCODING}},
    [16] = {{"content-encoding", XF_FIELD_CONTENT_ENCODING}, {"proxy-connection", XF_FIELD_PROXY_CONNECTION}},
    [17] = {{"transfer-encoding", XF_FIELD_TRANSFER_ENCODING}},
    [18] = {{"proxy-authenticate", XF_FIELD_PROXY_AUTHENTICATE}},
    [19] = {{"proxy-authorization", XF_FIELD_PROXY_AUTHORIZATION}},
};

static uint64_t load8(const char *p)
{
    uint64_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return bytes;
}

/* `known` is made of a-z, 0-9 and '-' alone, and `name` of token bytes: then setting the case bit maps nothing but the
 * same letter in capitals onto a letter, and nothing but itself onto the others. */
static bool is_name(const char *name, const char *known, size_t len)
{
    const uint64_t case_bits = UINT64_C(0x2020202020202020);
    if (len >= 8) {
        for (size_t i = 0; i + 8 <= len; i += 8)
            if ((load8(name + i) | case_bits) != load8(known + i))
                return false;
        return (load8(name + len - 8) | case_bits) == load8(known + len - 8);
    }
    for (size_t i = 0; i < len; i++)
        if ((name[i] | 0x20) != known[i])
            return false;
    return true;
}

enum xf_http_field_id xf_http_field_lookup(struct xf_slice name)
{
    if (name.len > NAME_LEN_MAX || name.len == 0)
        return XF_FIELD_OTHER;
    const struct known_name *row = known_names[name.len];
    char first = (char)(name.ptr[0] | 0x20);
    for (unsigned i = 0; i < NAMES_PER_LEN_MAX && row[i].name; i++)
        if (row[i].name[0] == first && is_name(name.ptr, row[i].name, name.len))
            return (enum xf_http_field_id)row[i].id;
    return XF_FIELD_OTHER;
}

#define BIT(id) (1U << (id))

bool xf_http_field_is_hop(enum xf_http_field_id id)
{
    const unsigned hop = BIT(XF_FIELD_TRANSFER_ENCODING) | BIT(XF_FIELD_CONNECTION) | BIT(XF_FIELD_KEEP_ALIVE) |
                         BIT(XF_FIELD_PROXY_CONNECTION) | BIT(XF_FIELD_PROXY_AUTHORIZATION) |
                         BIT(XF_FIELD_PROXY_AUTHENTICATE) | BIT(XF_FIELD_TE) | BIT(XF_FIELD_TRAILER) |
                         BIT(XF_FIELD_UPGRADE) | BIT(XF_FIELD_HTTP2_SETTINGS) | BIT(XF_FIELD_EXPECT);
    return (hop & BIT(id)) != 0;
}

bool xf_http_list_next(struct xf_slice *list, struct xf_slice *element)
{
    if (!list->ptr)
        return false;
    const char *end = list->ptr + list->len;
    const char *comma = list->len ? memchr(list->ptr, ',', list->len) : NULL;
    const char *first = list->ptr, *last = comma ? comma : end;
    *list = comma ? xf_slice(comma + 1, (size_t)(end - comma - 1)) : XF_SLICE_NONE;
    while (first < last && (*first == ' ' || *first == '\t'))
        first++;
    while (last > first && (last[-1] == ' ' || last[-1] == '\t'))
        last--;
    *element = xf_slice(first, (size_t)(last - first));
    return true;
}

static bool is_port(const char *p, const char *end)
{
    unsigned port = 0;
    if (end - p > 5)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        port = port * 10 + (unsigned)(*p - '0');
    }
    return port <= UINT16_MAX;
}

bool xf_http_is_authority(struct xf_slice text)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    const char *host = p;
    if (p < end && *p == '[') {
        for (p++; p < end && (xf_http_is(*p, XF_CHAR_HOST) || *p == ':'); p++)
            ;
        if (p == host + 1 || p == end || *p++ != ']')
            return false;
    } else {
        p = xf_http_skip(p, end, XF_CHAR_HOST);
        if (p == host)
            return false;
    }
    return p == end || (*p == ':' && is_port(p + 1, end));
}

static enum xf_err note_host(struct xf_http_head *head, struct xf_slice value, unsigned index)
{
    if (head->host >= 0 || !xf_http_is_authority(value))
        return XF_ERR_HTTP_HOST;
    head->host = (int16_t)index;
    return XF_OK;
}

static enum xf_err note_content_length(struct xf_http_head *head, struct xf_slice value)
{
    uint64_t length;
    if (head->has_content_length || head->body == XF_BODY_CHUNKED)
        return XF_ERR_HTTP_FRAMING;
    if (xf_u64_parse(value, &length) != XF_OK || length > INT64_MAX)
        return XF_ERR_HTTP_FRAMING;
    head->has_content_length = true;
    head->content_length = length;
    return XF_OK;
}

/* A value that is not "chunked" alone: unknown codings are 501; one that would leave the length in doubt is 400. */
static enum xf_err coding_error(struct xf_slice value)
{
    struct xf_slice coding;
    bool has_chunked = false;
    while (xf_http_list_next(&value, &coding)) {
        if (has_chunked)
            return XF_ERR_HTTP_FRAMING;
        has_chunked = xf_slice_eq_nocase(coding, XF_SLICE("chunked"));
    }
    return XF_ERR_HTTP_CODING;
}

static enum xf_err note_transfer_encoding(struct xf_http_head *head, struct xf_slice value)
{
    if (head->body == XF_BODY_CHUNKED || head->has_content_length || head->minor == 0)
        return XF_ERR_HTTP_FRAMING;
    if (!xf_slice_eq_nocase(value, XF_SLICE("chunked")))
        return coding_error(value);
    head->body = XF_BODY_CHUNKED;
    return XF_OK;
}

/* The server looks at the first field; a client, a cache or a firewall before us may look at the last. */
static enum xf_err note_once(int16_t *first, unsigned index, bool is_response)
{
    if (*first >= 0)
        return is_response ? XF_OK : XF_ERR_HTTP_FIELD;
    *first = (int16_t)index;
    return XF_OK;
}

static void note_first(int16_t *first, unsigned index)
{
    if (*first < 0)
        *first = (int16_t)index;
}

enum xf_err xf_http_field_note(struct xf_http_head *head, const char *base, unsigned index, bool is_response)
{
    struct xf_slice value = xf_http_field_value(base, &head->fields[index]);
    switch (head->fields[index].id) {
    case XF_FIELD_HOST:
        return is_response ? XF_OK : note_host(head, value, index);
    case XF_FIELD_CONTENT_LENGTH:
        return note_content_length(head, value);
    case XF_FIELD_TRANSFER_ENCODING:
        return note_transfer_encoding(head, value);
    case XF_FIELD_AUTHORIZATION:
        return note_once(&head->authorization, index, is_response);
    case XF_FIELD_API_KEY:
        return note_once(&head->api_key, index, is_response);
    case XF_FIELD_CONTENT_ENCODING:
        note_first(&head->content_encoding, index);
        return XF_OK;
    case XF_FIELD_VIA:
        note_first(&head->via, index);
        return XF_OK;
    case XF_FIELD_CONNECTION:
        head->has_connection = true;
        return XF_OK;
    case XF_FIELD_EXPECT:
        if (head->minor >= 1 && xf_slice_eq_nocase(value, XF_SLICE("100-continue")))
            head->expects_continue = true;
        return XF_OK;
    default:
        return XF_OK;
    }
}

static void mark_hop(struct xf_http_head *head, const char *base, struct xf_slice name)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        struct xf_http_field *field = &head->fields[i];
        if (field->name_len == name.len && xf_slice_eq_nocase(xf_http_field_name(base, field), name))
            field->is_hop = true;
    }
}

/* Fields whose removal would change who asks, what for, or where the body ends: naming them is an attack or a bug. */
static bool may_be_nominated(enum xf_http_field_id id)
{
    const unsigned never = BIT(XF_FIELD_HOST) | BIT(XF_FIELD_CONTENT_LENGTH) | BIT(XF_FIELD_TRANSFER_ENCODING) |
                           BIT(XF_FIELD_CONTENT_ENCODING) | BIT(XF_FIELD_API_KEY) | BIT(XF_FIELD_AUTHORIZATION);
    return (never & BIT(id)) == 0;
}

struct connection_says {
    bool close, keep_alive;
    unsigned nominations;
};

static enum xf_err apply_option(struct xf_http_head *head, const char *base, struct xf_slice option,
                                struct connection_says *says)
{
    if (xf_http_skip_token(option.ptr, option.ptr + option.len) != option.ptr + option.len)
        return XF_ERR_HTTP_FIELD;
    if (xf_slice_eq_nocase(option, XF_SLICE("close"))) {
        says->close = true;
        return XF_OK;
    }
    if (xf_slice_eq_nocase(option, XF_SLICE("keep-alive"))) {
        says->keep_alive = true;
        return XF_OK;
    }
    enum xf_http_field_id id = xf_http_field_lookup(option);
    if (!may_be_nominated(id) || ++says->nominations > NOMINATIONS_MAX)
        return XF_ERR_HTTP_FIELD;
    if (!xf_http_field_is_hop(id))
        mark_hop(head, base, option);
    return XF_OK;
}

enum xf_err xf_http_connection_apply(struct xf_http_head *head, const char *base)
{
    struct connection_says says = {false, false, 0};
    for (unsigned i = 0; head->has_connection && i < head->field_count; i++) {
        if (head->fields[i].id != XF_FIELD_CONNECTION)
            continue;
        struct xf_slice list = xf_http_field_value(base, &head->fields[i]), option;
        while (xf_http_list_next(&list, &option)) {
            enum xf_err err = option.len ? apply_option(head, base, option, &says) : XF_OK;
            if (err)
                return err;
        }
    }
    head->keep_alive = !says.close && (head->minor >= 1 || says.keep_alive);
    return XF_OK;
}
