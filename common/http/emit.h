/* Heads, written anew. What is relayed is decided here and only here: end-to-end fields pass byte for byte and in order,
 * hop-by-hop fields, framing, Host and credentials are the proxy's own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_HTTP_EMIT_H
#define XF_COMMON_HTTP_EMIT_H

#include "common/base/buf.h"
#include "common/http/head.h"

enum xf_http_credentials {
    XF_CREDENTIALS_PASS, /* api-key and Authorization as the client sent them */
    XF_CREDENTIALS_OWN   /* neither of the client's; api-key from `own_api_key` if it is not empty */
};

struct xf_http_emit_request {
    struct xf_slice method;
    struct xf_slice target;
    struct xf_slice host;
    struct xf_slice own_api_key;
    enum xf_http_credentials credentials;
    enum xf_http_body body;  /* NONE, LENGTH or CHUNKED */
    uint64_t content_length;
    bool drops_content_encoding; /* the body goes on decoded */
    bool drops_accept_encoding;  /* the answer must come back plain, to be read */
};

/* Appends a whole request head, its empty line included. `head` and `base` are the client's head. Fields dropped:
 * hop-by-hop (named by Connection too), Host, Content-Length, Transfer-Encoding, Expect; Via gets "1.1 crossfade". */
XF_MUST_CHECK enum xf_err xf_http_emit_request(struct xf_buf *out, const struct xf_http_emit_request *request,
                                               const struct xf_http_head *head, const char *base);

struct xf_http_emit_response {
    enum xf_http_body body; /* as the client gets it; NONE with has_content_length for HEAD and 304 */
    uint64_t content_length;
    bool has_content_length;
    bool keep_alive;       /* of the client's connection */
    uint8_t client_minor;  /* HTTP/1.0 clients get no chunked body */
    struct xf_slice server_timing; /* value of an added Server-Timing field, or empty */
};

/* Appends a response head made from the upstream's. */
XF_MUST_CHECK enum xf_err xf_http_emit_response(struct xf_buf *out, const struct xf_http_emit_response *response,
                                                const struct xf_http_head *head, const char *base);

/* Appends a whole response of the proxy's own in Qdrant's error shape: {"status":{"error":"<text>"},"time":0.0}. */
XF_MUST_CHECK enum xf_err xf_http_emit_error(struct xf_buf *out, int status, struct xf_slice text, bool keep_alive,
                                             bool is_head_request, unsigned retry_after_s);

/* True if a Via field of the head names this proxy: the request has come round in a loop. */
bool xf_http_via_has_self(const struct xf_http_head *head, const char *base);

#endif
