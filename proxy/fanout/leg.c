/* A kept-alive connection may be gone by the time a request reaches it. A read is then sent once more on a fresh one; a write
 * only if the kernel took no byte of it (RFC 9110 section 9.2.2). For that the bytes sent on a used connection are
 * remembered until the answer begins, up to REPLAY_BYTES_MAX.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/leg.h"

enum { REPLAY_BYTES_MAX = 64 * 1024, HEAD_BYTES_MAX = 128 * 1024 };

#define OF_START_FAILURE(l) ((struct xf_leg *)(void *)((char *)(l) - offsetof(struct xf_leg, start_failure)))

static bool start(struct xf_leg *leg, bool is_fresh);

static void on_interim(void *ctx, const struct xf_http_head *head, const char *base)
{
    struct xf_leg *leg = ctx;
    if (leg->owner->on_interim)
        leg->owner->on_interim(leg, head, base);
}

static void on_head(void *ctx, const struct xf_http_head *head, const char *base)
{
    struct xf_leg *leg = ctx;
    leg->may_replay = false;
    xf_buf_release(&leg->replay);
    leg->owner->on_head(leg, head, base);
}

static void on_body(void *ctx, struct xf_slice bytes)
{
    struct xf_leg *leg = ctx;
    leg->owner->on_body(leg, bytes);
}

static void on_end(void *ctx)
{
    struct xf_leg *leg = ctx;
    leg->exchange = NULL;
    leg->owner->on_end(leg);
}

static void on_failed(void *ctx, const struct xf_exchange_failure *failure)
{
    struct xf_leg *leg = ctx;
    leg->exchange = NULL;
    bool is_stale = failure->was_reused && !failure->had_answer_byte && failure->err == XF_ERR_UPSTREAM_CLOSED;
    if (is_stale && leg->may_replay && !leg->is_retry && (!leg->is_write || !failure->was_taken)) {
        leg->is_retry = true;
        xf_stat_add(leg->pool->loop->stats, XF_STAT_UPSTREAM_RETRIES, 1);
        if (start(leg, true)) {
            struct xf_slice bytes = xf_buf_view(&leg->replay);
            if (leg->has_sent_last)
                xf_exchange_sends_last(leg->exchange);
            xf_exchange_send(leg->exchange, &bytes, 1);
        }
        return;
    }
    leg->owner->on_failed(leg, failure->err, failure->was_taken && leg->has_sent_last);
}

static void on_drained(void *ctx)
{
    struct xf_leg *leg = ctx;
    if (leg->owner->on_drained)
        leg->owner->on_drained(leg);
}

static const struct xf_exchange_owner exchange_owner = {on_interim, on_head, on_body, on_end, on_failed, on_drained};

static void on_start_failure(struct xf_late *late)
{
    struct xf_leg *leg = OF_START_FAILURE(late);
    leg->owner->on_failed(leg, XF_ERR_UPSTREAM_CONNECT, false);
}

static void fail_late(struct xf_leg *leg)
{
    leg->has_sent = true;
    if (!leg->start_failure.fn)
        xf_loop_late(leg->pool->loop, &leg->start_failure, on_start_failure);
}

static bool start(struct xf_leg *leg, bool is_fresh)
{
    enum xf_err err = xf_exchange_start(leg->pool, leg->method, is_fresh, leg->is_write, &exchange_owner, leg, &leg->exchange);
    if (err) {
        fail_late(leg);
        return false;
    }
    leg->may_replay = !leg->is_retry && xf_exchange_is_reused(leg->exchange);
    return true;
}

static enum xf_http_method method_of(struct xf_slice text)
{
    /* Only whether it is HEAD matters for reading the answer. */
    return xf_slice_eq(text, XF_SLICE("HEAD")) ? XF_HTTP_HEAD : XF_HTTP_GET;
}

enum xf_err xf_leg_init(struct xf_leg *leg, const struct xf_leg_owner *owner, struct xf_upstream_pool *pool, bool is_write,
                        const struct xf_http_emit_request *request, const struct xf_http_head *head, const char *base)
{
    struct xf_http_emit_request plain = *request;
    *leg = (struct xf_leg){.owner = owner, .pool = pool, .is_write = is_write, .method = method_of(request->method)};
    xf_buf_init(&leg->head, HEAD_BYTES_MAX);
    xf_buf_init(&leg->replay, REPLAY_BYTES_MAX);
    leg->is_chunked = request->body == XF_BODY_CHUNKED;
    if (request->body == XF_BODY_UNTIL_EOF)
        plain.body = XF_BODY_NONE;
    return xf_http_emit_request(&leg->head, &plain, head, base);
}

enum xf_err xf_leg_set_framing(struct xf_leg *leg, enum xf_http_body body, uint64_t content_length)
{
    XF_ASSERT(!leg->has_sent && xf_buf_len(&leg->head) > 2);
    leg->head.tail -= 2; /* the empty line */
    leg->is_chunked = body == XF_BODY_CHUNKED;
    if (leg->is_chunked)
        return xf_buf_append_slice(&leg->head, XF_SLICE("Transfer-Encoding: chunked\r\n\r\n"));
    return xf_buf_printf(&leg->head, "Content-Length: %llu\r\n\r\n", (unsigned long long)content_length);
}

static void remember(struct xf_leg *leg, const struct xf_slice *slices, size_t count)
{
    if (leg->may_replay && leg->is_write && xf_exchange_was_taken(leg->exchange)) { /* the rule for writes */
        leg->may_replay = false;
        xf_buf_release(&leg->replay);
    }
    for (size_t i = 0; leg->may_replay && i < count; i++) {
        if (xf_buf_append_slice(&leg->replay, slices[i]) != XF_OK) {
            leg->may_replay = false;
            xf_buf_release(&leg->replay);
        }
    }
}

void xf_leg_send(struct xf_leg *leg, struct xf_slice bytes, bool is_last)
{
    struct xf_slice slices[3] = {XF_SLICE_NONE, bytes, XF_SLICE_NONE};
    char size_line[32];
    if (!leg->exchange && (leg->has_sent || !start(leg, false)))
        return; /* it has failed already, or will be told late */
    if (leg->is_chunked && bytes.len) {
        size_t len = xf_chunk_header_print(bytes.len, size_line);
        slices[0] = xf_slice(size_line, len);
        slices[2] = is_last ? XF_SLICE("\r\n0\r\n\r\n") : XF_SLICE("\r\n");
    } else if (leg->is_chunked && is_last) {
        slices[2] = XF_SLICE("0\r\n\r\n");
    }
    if (!leg->has_sent) {
        if (slices[0].len && xf_buf_append_slice(&leg->head, slices[0]) != XF_OK) {
            xf_leg_cancel(leg);
            fail_late(leg);
            return;
        }
        slices[0] = xf_buf_view(&leg->head);
    }
    leg->has_sent = true;
    leg->has_sent_last = is_last;
    if (is_last)
        xf_exchange_sends_last(leg->exchange);
    xf_exchange_send(leg->exchange, slices, 3);
    remember(leg, slices, 3);
    xf_buf_release(&leg->head);
}

size_t xf_leg_pending(const struct xf_leg *leg)
{
    return leg->exchange ? xf_exchange_pending(leg->exchange) : 0;
}

void xf_leg_cancel(struct xf_leg *leg)
{
    if (leg->exchange)
        xf_exchange_cancel(leg->exchange);
    leg->exchange = NULL;
    leg->has_sent = true;
    if (leg->pool)
        xf_loop_late_cancel(leg->pool->loop, &leg->start_failure);
}

void xf_leg_fini(struct xf_leg *leg)
{
    xf_leg_cancel(leg);
    xf_buf_fini(&leg->head);
    xf_buf_fini(&leg->replay);
}
