/* Upstream connections of one data thread: kept-alive pools, and one HTTP/1.1 exchange at a time on each connection.
 *
 *   CONNECTING -> BUSY -> IDLE -> BUSY ... -> closed
 *
 * A connection goes back to its pool only after a clean exchange: the request went out whole before the answer
 * began, the answer ended by its framing and nothing came behind it. Idle ones are retired before the server would close
 * them (Qdrant: 5 s).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_NET_UPSTREAM_H
#define XF_PROXY_NET_UPSTREAM_H

#include "common/http/chunked.h"
#include "common/http/head.h"
#include "proxy/config/config.h"
#include "proxy/net/stream.h"

#include <sys/socket.h>

struct xf_exchange;

/* Where an exchange stands when it fails: what decides whether it may be tried again. */
struct xf_exchange_failure {
    enum xf_err err;
    bool was_reused;      /* on a connection that had served before */
    bool was_taken;       /* some byte of the request was taken by the kernel */
    bool had_answer_byte; /* some byte of an answer had come */
};

/* All are called from the event loop, never from inside a call to this module, except that on_end or on_failed is the last and
 * leaves the exchange gone. */
struct xf_exchange_owner {
    void (*on_interim)(void *ctx, const struct xf_http_head *head, const char *base); /* 1xx */
    void (*on_head)(void *ctx, const struct xf_http_head *head, const char *base);
    void (*on_body)(void *ctx, struct xf_slice bytes);
    void (*on_end)(void *ctx);
    void (*on_failed)(void *ctx, const struct xf_exchange_failure *failure);
    void (*on_drained)(void *ctx); /* request bytes that were stuck have gone out */
};

struct xf_upstream_pool {
    struct xf_loop *loop;
    const struct xf_upstream_conf *conf;
    struct sockaddr_storage address;
    socklen_t address_len;
    uint64_t connect_ms, answer_ms, body_ms, idle_ms;
    struct xf_exchange *idle; /* most recently used first */
    struct xf_exchange *all;
};

/* Resolves the host (this may block: at start only). */
XF_MUST_CHECK enum xf_err xf_upstream_pool_init(struct xf_upstream_pool *pool, struct xf_loop *loop,
                                                const struct xf_config *config, size_t upstream);
void xf_upstream_pool_fini(struct xf_upstream_pool *pool); /* closes all; no exchange may be under way */

/* Takes an idle connection (unless `fresh`) or opens one; bytes sent before it is open wait. `checks_peer`: look whether
 * the kept-alive peer has gone before trusting it with a write. Only a lack of descriptors or memory fails here. */
XF_MUST_CHECK enum xf_err xf_exchange_start(struct xf_upstream_pool *pool, enum xf_http_method method, bool is_fresh,
                                            bool checks_peer, const struct xf_exchange_owner *owner, void *ctx,
                                            struct xf_exchange **exchange);
/* Request bytes, framing included. At most three slices, which are copied if they must wait. */
void xf_exchange_send(struct xf_exchange *exchange, const struct xf_slice *slices, size_t count);
/* Said before the send that carries the request's last byte: an answer that began earlier was early. */
void xf_exchange_sends_last(struct xf_exchange *exchange);
size_t xf_exchange_pending(const struct xf_exchange *exchange);
bool xf_exchange_is_reused(const struct xf_exchange *exchange);
bool xf_exchange_was_taken(const struct xf_exchange *exchange); /* some byte of the request was taken by the kernel */
void xf_exchange_pause(struct xf_exchange *exchange);
void xf_exchange_resume(struct xf_exchange *exchange);
/* Ends the exchange, closes the connection; no callback comes any more. */
void xf_exchange_cancel(struct xf_exchange *exchange);

#endif
