/* HTTP/1.1 heads, strictly read (RFC 9112): a resumable parser for request heads and for response heads. Bytes in,
 * values out; no memory of its own and no I/O. A head is parsed once, normalised and written anew (emit.h): no byte of
 * a peer's framing or hop-by-hop fields is relayed.
 *
 * The parser is given all bytes of the head that have come so far, each time from the first byte on; it remembers how
 * far it got, so that a head that trickles in byte by byte costs no more than one that comes whole. Fields are kept
 * as offsets from the head's first byte: the caller's buffer may move between calls. Errors are found at the line in
 * which they stand, without waiting for the end of the head.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_HTTP_HEAD_H
#define XF_COMMON_HTTP_HEAD_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

enum {
    XF_HTTP_FIELDS_MAX = 90,             /* actix-http, Qdrant's server, takes 96 */
    XF_HTTP_HEAD_BYTES_MAX = 32 * 1024,  /* whole head; 431 past it */
    XF_HTTP_TARGET_BYTES_MAX = 16 * 1024 /* 414 past it; RFC 9112 section 3 wants 8000 at least */
};

enum xf_http_method {
    XF_HTTP_GET,
    XF_HTTP_HEAD,
    XF_HTTP_POST,
    XF_HTTP_PUT,
    XF_HTTP_PATCH,
    XF_HTTP_DELETE,
    XF_HTTP_OPTIONS,
    XF_HTTP_METHOD_OTHER, /* a valid token that is none of these (CONNECT and TRACE are refused by the parser) */
    XF_HTTP_METHOD_COUNT
};

/* The fields that mean something to a proxy; everything else is XF_FIELD_OTHER and is relayed as it is. */
enum xf_http_field_id {
    XF_FIELD_OTHER,
    XF_FIELD_HOST,
    XF_FIELD_CONTENT_LENGTH,
    XF_FIELD_TRANSFER_ENCODING,
    XF_FIELD_CONNECTION,
    XF_FIELD_KEEP_ALIVE,
    XF_FIELD_PROXY_CONNECTION,
    XF_FIELD_PROXY_AUTHORIZATION,
    XF_FIELD_PROXY_AUTHENTICATE,
    XF_FIELD_TE,
    XF_FIELD_TRAILER,
    XF_FIELD_UPGRADE,
    XF_FIELD_HTTP2_SETTINGS,
    XF_FIELD_EXPECT,
    XF_FIELD_CONTENT_ENCODING,
    XF_FIELD_CONTENT_TYPE,
    XF_FIELD_AUTHORIZATION,
    XF_FIELD_API_KEY,
    XF_FIELD_VIA,
    XF_FIELD_DATE,
    XF_FIELD_SERVER_TIMING,
    XF_FIELD_RETRY_AFTER,
    XF_FIELD_ACCEPT_ENCODING
};

struct xf_http_field {
    uint16_t name_off, name_len;
    uint16_t value_off, value_len; /* optional white space around it cut off */
    uint8_t id;                    /* enum xf_http_field_id */
    bool is_hop;                   /* hop-by-hop by itself or because Connection names it: never relayed */
};

enum xf_http_body {
    XF_BODY_NONE,    /* no body follows */
    XF_BODY_LENGTH,  /* content_length bytes follow (may be 0) */
    XF_BODY_CHUNKED, /* chunked (RFC 9112 section 7.1) */
    XF_BODY_UNTIL_EOF /* responses only: everything up to the close */
};

struct xf_http_head {
    /* Request line or status line. */
    enum xf_http_method method;          /* requests */
    uint16_t method_off, method_len;     /* past any empty lines that came before; xf_http_request_method() has the text */
    uint16_t target_off, target_len;     /* requests: as sent; responses: the reason phrase, often empty */
    uint16_t status;                     /* responses: 100..599 */
    uint8_t minor;                       /* HTTP/1.minor: 0 or 1 */
    /* What the fields say, valid once the head is complete. */
    enum xf_http_body body;
    uint64_t content_length;             /* with XF_BODY_LENGTH */
    bool has_content_length;             /* a response to HEAD may state a length without a body */
    bool keep_alive;                     /* version and Connection taken together */
    bool expects_continue;               /* Expect: 100-continue on HTTP/1.1 */
    /* The first field of the id, or -1. */
    int16_t host, authorization, api_key, content_encoding, via;
    uint16_t field_count;
    struct xf_http_field fields[XF_HTTP_FIELDS_MAX];
    /* Where the parser stands; nobody else's business. */
    uint32_t line_off, scan_off;
    uint8_t state;
    bool has_connection; /* some Connection field came */
};

enum xf_http_progress { XF_HTTP_MORE, XF_HTTP_DONE, XF_HTTP_FAILED };

/* Makes the head ready for the first byte of a message (leading empty lines before a request line are skipped). */
void xf_http_head_init(struct xf_http_head *head);

/* `in` starts at the head's first byte. DONE: *head_len bytes belong to the head (its empty line included). FAILED:
 * *err says why (HTTP_SYNTAX, HTTP_METHOD, HTTP_VERSION, HTTP_TARGET, HTTP_TARGET_LONG, HTTP_HOST, HTTP_FIELD,
 * HTTP_HEAD_LARGE, HTTP_FRAMING, HTTP_CODING). */
enum xf_http_progress xf_http_parse_request(struct xf_http_head *head, struct xf_slice in, size_t *head_len,
                                            enum xf_err *err);
/* The same for a response; `request_method` decides whether a body follows (HEAD; also 1xx, 204, 304: RFC 9112
 * section 6.3). Any violation is UPSTREAM_FRAMING. */
enum xf_http_progress xf_http_parse_response(struct xf_http_head *head, enum xf_http_method request_method,
                                             struct xf_slice in, size_t *head_len, enum xf_err *err);

/* `base` is the head's first byte. */
static inline struct xf_slice xf_http_field_name(const char *base, const struct xf_http_field *field)
{
    return xf_slice(base + field->name_off, field->name_len);
}
static inline struct xf_slice xf_http_field_value(const char *base, const struct xf_http_field *field)
{
    return xf_slice(base + field->value_off, field->value_len);
}
/* The method as sent: what to relay for XF_HTTP_METHOD_OTHER. */
static inline struct xf_slice xf_http_request_method(const struct xf_http_head *head, const char *base)
{
    return xf_slice(base + head->method_off, head->method_len);
}
/* The value of a field by its index (host, api_key, ...); an empty slice with ptr NULL for -1. */
struct xf_slice xf_http_value(const struct xf_http_head *head, const char *base, int16_t index);
struct xf_slice xf_http_method_text(enum xf_http_method method); /* "GET"; "" for OTHER */
const char *xf_http_reason(int status);                          /* "Not Found"; "" if unknown */

#endif
