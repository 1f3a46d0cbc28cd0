/* One side of a request: the head written for that side, the body framed again, and the one retry that is safe. Requests
 * with one side (relay.c) and with two (dual.c) are both made of legs.
 *
 * The head is sent together with the first body bytes, in one system call. Whoever owns the leg decides which bytes go out:
 * a request is complete, and can take effect, only when xf_leg_send has been told `is_last`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_LEG_H
#define XF_PROXY_FANOUT_LEG_H

#include "common/http/emit.h"
#include "proxy/net/upstream.h"

struct xf_leg;

/* Called from the event loop, except that a failure to start may be told from inside xf_leg_send: on_failed is always late. */
struct xf_leg_owner {
    void (*on_interim)(struct xf_leg *leg, const struct xf_http_head *head, const char *base);
    void (*on_head)(struct xf_leg *leg, const struct xf_http_head *head, const char *base);
    void (*on_body)(struct xf_leg *leg, struct xf_slice bytes);
    void (*on_end)(struct xf_leg *leg);
    void (*on_failed)(struct xf_leg *leg, enum xf_err err, bool may_have_effect);
    void (*on_drained)(struct xf_leg *leg);
};

struct xf_leg {
    const struct xf_leg_owner *owner;
    struct xf_upstream_pool *pool;
    struct xf_exchange *exchange; /* NULL before the first byte and after the end */
    struct xf_buf head;           /* not sent yet */
    struct xf_buf replay;         /* all bytes sent so far, while they may have to be sent again */
    struct xf_late start_failure;
    enum xf_http_method method;
    bool is_write;   /* never sent again once a byte was taken */
    bool is_chunked;
    bool has_sent;   /* some byte was handed to the exchange */
    bool has_sent_last;
    bool may_replay;
    bool is_retry;
};

/* No exchange yet. `body` of the request may be left open by XF_BODY_UNTIL_EOF: xf_leg_set_framing comes before the first send. */
XF_MUST_CHECK enum xf_err xf_leg_init(struct xf_leg *leg, const struct xf_leg_owner *owner,
                                      struct xf_upstream_pool *pool, bool is_write,
                                      const struct xf_http_emit_request *request, const struct xf_http_head *head,
                                      const char *base);
XF_MUST_CHECK enum xf_err xf_leg_set_framing(struct xf_leg *leg, enum xf_http_body body, uint64_t content_length);
/* Sends body bytes (none are fine), the head first if it has not gone out; `is_last` completes the request. */
void xf_leg_send(struct xf_leg *leg, struct xf_slice bytes, bool is_last);
size_t xf_leg_pending(const struct xf_leg *leg);
/* Stops: no callback any more. What was sent without its last byte has no effect. */
void xf_leg_cancel(struct xf_leg *leg);
void xf_leg_fini(struct xf_leg *leg); /* cancels too */

#endif
