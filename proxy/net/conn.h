/* The client's side: one connection, one request at a time on it, answers in order. Heads are parsed here and bodies are freed
 * of their framing; what a request means is its owner's business.
 *
 *   IDLE -> HEAD -> BODY -> ANSWER -> IDLE ...        BODY may run beside the answer
 *                                \-> DRAIN -> closed
 *
 * A pipelined request waits in the connection's buffer until the answer before it has been handed over whole.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_NET_CONN_H
#define XF_PROXY_NET_CONN_H

#include "common/http/head.h"
#include "proxy/config/config.h"
#include "proxy/net/stream.h"

struct xf_conn;
struct xf_conns;

/* The owner of requests. Calls come from the event loop. `base` and `bytes` hold during the call. */
struct xf_conn_owner {
    /* A head is complete. The owner answers now or later; *ctx is handed to the calls below until xf_conn_finish. */
    void (*on_head)(void *owner, struct xf_conn *conn, const struct xf_http_head *head, const char *base, void **ctx);
    /* Body bytes without framing. `is_end` comes once with every body that is complete (bytes may be empty then), not
     * at all for a request without one. */
    void (*on_body)(void *ctx, struct xf_slice bytes, bool is_end);
    void (*on_drained)(void *ctx); /* the output that was stuck has gone out */
    /* The client has gone, was too slow or broke its framing; the connection is closed. No further call for this ctx. */
    void (*on_abort)(void *ctx, enum xf_err err);
};

/* All client connections of a data thread. */
struct xf_conns {
    struct xf_loop *loop;
    const struct xf_conn_owner *owner;
    void *owner_ctx;
    uint64_t head_ms, body_ms, idle_ms, write_ms;
    struct xf_conn *all;
    size_t count;
    bool is_draining; /* no keep-alive any more */
};

/* Takes an accepted, non-blocking descriptor over; closes it on failure. */
XF_MUST_CHECK enum xf_err xf_conn_new(struct xf_conns *conns, int fd);
/* Idle connections close now, the others after the answer under way. */
void xf_conns_drain(struct xf_conns *conns);
/* Closes all, with on_abort for requests under way. */
void xf_conns_close(struct xf_conns *conns);

struct xf_loop *xf_conn_loop(const struct xf_conn *conn);
/* What the answer's head must say; false also when the connection is to be closed for another reason. */
bool xf_conn_keeps_alive(const struct xf_conn *conn);
/* The answer's head has said Connection: close. */
void xf_conn_set_close(struct xf_conn *conn);

/* While paused no on_body comes. */
void xf_conn_pause_body(struct xf_conn *conn);
void xf_conn_resume_body(struct xf_conn *conn);
/* Answers "100 Continue" if the client waits for it and no byte of the body is here. */
void xf_conn_send_continue(struct xf_conn *conn);

/* Answer bytes, framing included. push queues: it goes out with the next write, or when the loop's turn is over. write sends
 * what was pushed and the slices (at most three). */
void xf_conn_push(struct xf_conn *conn, struct xf_slice bytes);
void xf_conn_write(struct xf_conn *conn, const struct xf_slice *slices, size_t count);
size_t xf_conn_pending(const struct xf_conn *conn);

/* The answer has been handed over whole. The connection goes on with the next request, or closes when its output is out: that is
 * when it is not kept alive, or when a body is left that nobody reads. No call comes for the request's ctx any more. */
void xf_conn_finish(struct xf_conn *conn);
/* Like finish for an answer that cannot be completed: the connection ends before the answer does (RFC 9112 section 8). An answer
 * that only the connection's end delimits must not look complete: `ends_with_close` makes that end a reset. */
void xf_conn_cut(struct xf_conn *conn, bool ends_with_close);
/* An error of the proxy's own, in Qdrant's shape, and finish. Only before any byte of an answer was written. */
void xf_conn_refuse(struct xf_conn *conn, int status, struct xf_slice text, unsigned retry_after_s);

#endif
