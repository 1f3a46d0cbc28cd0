/* One side: reads, passthrough, and writes while only one side is written.
 *
 *              +-- body needs no look --> STREAMING --+
 *   start -----+-- names to rewrite  --> REWRITING ---+--> (request sent) ANSWERING --> end
 *              +-- aliases to check  --> COLLECTING --+
 *
 * The answer may begin before the request is sent whole; then nothing more is sent. Both directions stream with
 * back-pressure: whoever has more than XF_STREAM_HIGH_BYTES waiting pauses his source.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/fanout_int.h"

#include "common/codec/decode.h"
#include "proxy/fanout/words.h"
#include "proxy/scan/rewrite.h"

#include <stdlib.h>

enum { COLLECTED_BYTES_MAX = 1024 * 1024, REWRITTEN_BYTES_MAX = 64 * 1024 * 1024 };

enum relay_body { STREAMING, REWRITING, COLLECTING };

struct relay {
    struct xf_request request; /* first */
    struct xf_leg leg;
    enum relay_body body;
    struct xf_rewrite *rewrite;
    struct xf_decoder *decoder;
    struct xf_buf held; /* rewritten or collected bytes on their way */
    struct xf_words words; /* of a write's answer */
    bool is_proven;        /* nothing that was sent may still land */
    bool has_framing;   /* of the request's body, where that was left open */
    uint16_t status;
    bool has_answer, is_answer_chunked, ends_with_close, is_body_paused, is_answer_paused;
};

static struct relay *of_request(struct xf_request *request)
{
    return (struct relay *)(void *)request;
}

static struct relay *of_leg(struct xf_leg *leg)
{
    return (struct relay *)(void *)((char *)leg - offsetof(struct relay, leg));
}

/* A write of a migration that went to this side alone, whose points no journal has. */
static bool is_lone_write(const struct xf_request *request)
{
    return request->plan.migration && request->plan.is_write;
}

static void fini(struct xf_request *request)
{
    struct relay *relay = of_request(request);
    const struct xf_fanout_context *context = request->fanout->context;
    if (is_lone_write(request) && relay->leg.has_sent_last && !relay->is_proven && context->on_unproven)
        context->on_unproven(context->ctx, request->plan.migration->index);
    xf_leg_fini(&relay->leg);
    xf_rewrite_free(relay->rewrite);
    xf_decoder_free(relay->decoder);
    xf_buf_fini(&relay->held);
}

/* ---- ends ---- */

static void refuse(struct relay *relay, int status, const char *text)
{
    xf_refuse(relay->request.conn, status, text);
    relay->request.conn = NULL;
    xf_request_end(&relay->request);
}

static void fail(struct relay *relay, enum xf_err err)
{
    refuse(relay, xf_err_status(err), xf_err_sentence(err));
}

static void cut(struct relay *relay)
{
    xf_conn_cut(relay->request.conn, relay->ends_with_close);
    relay->request.conn = NULL;
    xf_request_end(&relay->request);
}

/* ---- the request's body ---- */

static void pause_if_stuck(struct relay *relay)
{
    if (xf_leg_pending(&relay->leg) < XF_STREAM_HIGH_BYTES)
        return;
    relay->is_body_paused = true;
    xf_conn_pause_body(relay->request.conn);
}

static enum xf_err keep_held(void *ctx, struct xf_slice bytes)
{
    struct relay *relay = ctx;
    return xf_buf_append_slice(&relay->held, bytes);
}

static enum xf_err feed_rewrite(void *ctx, struct xf_slice bytes)
{
    struct relay *relay = ctx;
    return xf_rewrite_feed(relay->rewrite, bytes);
}

static enum xf_err rewrite_bytes(struct relay *relay, struct xf_slice bytes, bool is_end)
{
    enum xf_err err = relay->decoder ? xf_decoder_feed(relay->decoder, bytes) : feed_rewrite(relay, bytes);
    if (!err && is_end && relay->decoder)
        err = xf_decoder_finish(relay->decoder);
    if (!err && is_end)
        err = xf_rewrite_finish(relay->rewrite);
    return err;
}

/* A body that came whole keeps a length; one that is still coming is sent in chunks, since its length may change. */
static void send_rewritten(struct relay *relay, struct xf_slice bytes, bool is_end)
{
    enum xf_err err = rewrite_bytes(relay, bytes, is_end);
    if (!err && !relay->has_framing) {
        relay->has_framing = true;
        err = xf_leg_set_framing(&relay->leg, is_end ? XF_BODY_LENGTH : XF_BODY_CHUNKED, xf_buf_len(&relay->held));
    }
    if (err) {
        fail(relay, err);
        return;
    }
    xf_leg_send(&relay->leg, xf_buf_view(&relay->held), is_end);
    xf_buf_clear(&relay->held);
}

static void send_collected(struct relay *relay, struct xf_slice bytes, bool is_end)
{
    bool is_safe = false;
    enum xf_err err = xf_buf_append_slice(&relay->held, bytes);
    if (!err && !is_end)
        return;
    if (!err)
        err = xf_route_alias_change_is_safe(relay->request.view->snapshot, xf_buf_view(&relay->held), &is_safe);
    if (err == XF_ERR_FULL) {
        refuse(relay, 400, "the alias change is larger than 1 MiB: split it");
    } else if (err) {
        refuse(relay, 400, "the alias change cannot be read, and a migration is dual writing: send it as plain JSON, "
                           "{\"actions\": [...]}, without a content encoding");
    } else if (!is_safe) {
        refuse(relay, 409, xf_route_alias_refusal);
    } else {
        err = xf_leg_set_framing(&relay->leg, XF_BODY_LENGTH, xf_buf_len(&relay->held));
        if (err)
            fail(relay, err);
        else
            xf_leg_send(&relay->leg, xf_buf_view(&relay->held), true);
    }
}

static void on_body(struct xf_request *request, struct xf_slice bytes, bool is_end)
{
    struct relay *relay = of_request(request);
    if (relay->has_answer) /* an early answer: the rest of the body concerns nobody */
        return;
    switch (relay->body) {
    case STREAMING:
        xf_leg_send(&relay->leg, bytes, is_end);
        break;
    case REWRITING:
        send_rewritten(relay, bytes, is_end);
        break;
    case COLLECTING:
        send_collected(relay, bytes, is_end);
        break;
    }
    if (!request->is_ended && !is_end)
        pause_if_stuck(relay);
}

static void resume_body(struct relay *relay)
{
    if (!relay->is_body_paused)
        return;
    relay->is_body_paused = false;
    xf_conn_resume_body(relay->request.conn);
}

static void on_leg_drained(struct xf_leg *leg)
{
    resume_body(of_leg(leg));
}

/* ---- the answer ---- */

static void on_interim(struct xf_leg *leg, const struct xf_http_head *head, const char *base)
{
    struct relay *relay = of_leg(leg);
    struct xf_buf out;
    /* 100 is the proxy's own to say; others pass to clients that know them (RFC 9110 section 15.2) and read them. */
    if (head->status == 100 || relay->request.client_minor == 0 ||
        xf_conn_pending(relay->request.conn) >= XF_STREAM_HIGH_BYTES)
        return;
    xf_buf_init(&out, XF_HTTP_HEAD_BYTES_MAX * 2);
    struct xf_http_emit_response emit = {.body = XF_BODY_NONE, .keep_alive = true, .client_minor = 1};
    if (xf_http_emit_response(&out, &emit, head, base) == XF_OK) {
        struct xf_slice bytes = xf_buf_view(&out);
        xf_conn_write(relay->request.conn, &bytes, 1);
    }
    xf_buf_fini(&out);
}

/* How the client gets the body: its length if there is one, else chunks, or the end of the connection for HTTP/1.0. */
static struct xf_http_emit_response answer_framing(struct relay *relay, const struct xf_http_head *head)
{
    struct xf_http_emit_response emit = {
        .body = head->body,
        .content_length = head->content_length,
        .has_content_length = head->has_content_length,
        .keep_alive = xf_conn_keeps_alive(relay->request.conn),
        .client_minor = relay->request.client_minor,
    };
    if (head->body == XF_BODY_CHUNKED || head->body == XF_BODY_UNTIL_EOF) {
        relay->is_answer_chunked = relay->request.client_minor > 0;
        relay->ends_with_close = !relay->is_answer_chunked;
        emit.body = relay->is_answer_chunked ? XF_BODY_CHUNKED : XF_BODY_UNTIL_EOF;
        emit.keep_alive = emit.keep_alive && relay->is_answer_chunked;
    }
    return emit;
}

static void note_lease(struct relay *relay, int status)
{
    struct xf_request *request = &relay->request;
    if (!request->plan.migration || request->plan.side != XF_LEGACY)
        return;
    if (status >= 200 && status < 300)
        xf_lease_grant(request->fanout->leases, request->credential,
                       request->plan.is_write ? XF_LEASE_WRITE : XF_LEASE_READ, request->fanout->thread->loop.now_ms);
    else if (status == 401 || status == 403)
        xf_lease_end(request->fanout->leases, request->credential);
}

static void on_head(struct xf_leg *leg, const struct xf_http_head *head, const char *base)
{
    struct relay *relay = of_leg(leg);
    struct xf_conn *conn = relay->request.conn;
    struct xf_http_emit_response emit = answer_framing(relay, head);
    struct xf_buf out;
    relay->has_answer = true;
    relay->status = head->status;
    resume_body(relay); /* an early answer: the server reads no more, and the client may not read before it has sent all */
    note_lease(relay, head->status);
    if (!emit.keep_alive)
        xf_conn_set_close(conn);
    xf_buf_init(&out, XF_HTTP_HEAD_BYTES_MAX * 2);
    if (xf_http_emit_response(&out, &emit, head, base) != XF_OK) {
        xf_buf_fini(&out);
        fail(relay, XF_ERR_NOMEM);
        return;
    }
    xf_conn_push(conn, xf_buf_view(&out)); /* goes out with the first body bytes */
    xf_buf_fini(&out);
}

static void on_answer_body(struct xf_leg *leg, struct xf_slice bytes)
{
    struct relay *relay = of_leg(leg);
    struct xf_conn *conn = relay->request.conn;
    struct xf_slice slices[3] = {XF_SLICE_NONE, bytes, XF_SLICE_NONE};
    char size_line[32];
    if (is_lone_write(&relay->request))
        xf_words_feed(&relay->words, bytes);
    if (relay->is_answer_chunked) {
        slices[0] = xf_slice(size_line, xf_chunk_header_print(bytes.len, size_line));
        slices[2] = XF_SLICE("\r\n");
    }
    xf_conn_write(conn, slices, 3);
    if (xf_conn_pending(conn) >= XF_STREAM_HIGH_BYTES) {
        relay->is_answer_paused = true;
        xf_exchange_pause(leg->exchange);
    }
}

static void on_drained(struct xf_request *request)
{
    struct relay *relay = of_request(request);
    if (!relay->is_answer_paused)
        return;
    relay->is_answer_paused = false;
    xf_exchange_resume(relay->leg.exchange);
}

/* Aliases, and what a collection declares. */
static bool changes_names(const struct xf_endpoint *endpoint)
{
    return endpoint && (endpoint->class_ == XF_CLASS_ALIASES || endpoint->class_ == XF_CLASS_WRITE_INDEX ||
                        endpoint->class_ == XF_CLASS_WRITE_COLLECTION_CONFIG);
}

/* By the table of answers, as far as it can be told from what has passed by. */
static bool is_proof(const struct relay *relay)
{
    const struct xf_endpoint *endpoint = relay->request.plan.endpoint;
    if (relay->status == 408 || (relay->status >= 500 && relay->status != 503) || relay->words.has_wait_timeout)
        return false;
    bool is_write_of_points = endpoint && endpoint->class_ == XF_CLASS_WRITE_POINTS;
    return relay->status >= 300 || !is_write_of_points || relay->words.has_result;
}

static void on_end(struct xf_leg *leg)
{
    struct relay *relay = of_leg(leg);
    struct xf_conn *conn = relay->request.conn;
    struct xf_slice last = relay->is_answer_chunked ? XF_SLICE("0\r\n\r\n") : XF_SLICE_NONE;
    xf_conn_write(conn, &last, 1);
    relay->is_proven = is_proof(relay);
    if (changes_names(relay->request.plan.endpoint))
        relay->request.fanout->context->on_aliases_changed(relay->request.fanout->context->ctx);
    relay->request.conn = NULL;
    xf_request_end(&relay->request);
    xf_conn_finish(conn);
}

static void on_failed(struct xf_leg *leg, enum xf_err err, bool may_have_effect)
{
    struct relay *relay = of_leg(leg);
    relay->is_proven = !may_have_effect;
    if (relay->has_answer)
        cut(relay);
    else
        fail(relay, err);
}

static void on_abort(struct xf_request *request, enum xf_err err)
{
    (void)err;
    xf_request_end(request);
}

static const struct xf_request_class relay_class = {on_body, on_drained, on_abort, fini};
static const struct xf_leg_owner leg_owner = {on_interim, on_head, on_answer_body, on_end, on_failed, on_leg_drained};

/* ---- start ---- */

/* A name of any migration, when that migration's collection lives on the server that this request goes to. */
static bool rename_collection(void *ctx, struct xf_slice name, struct xf_slice *replacement)
{
    struct relay *relay = ctx;
    const struct xf_request *request = &relay->request;
    const struct xf_migration_view *found = xf_snapshot_find(request->view->snapshot, name);
    if (!found)
        return false;
    size_t upstream = xf_request_upstream(request, request->plan.side);
    enum xf_side side = found == request->plan.migration ? request->plan.side : xf_authority(found);
    if (found->conf->side[side].upstream != upstream)
        side = side == XF_LEGACY ? XF_NEW : XF_LEGACY;
    if (found->conf->side[side].upstream != upstream)
        return false;
    *replacement = xf_slice_of(found->conf->side[side].collection);
    return !xf_slice_eq(name, *replacement);
}

static enum xf_err start_rewriting(struct relay *relay, enum xf_coding coding)
{
    const struct xf_config *config = relay->request.view->snapshot->config;
    relay->body = REWRITING;
    enum xf_err err = xf_rewrite_new(rename_collection, keep_held, relay, &relay->rewrite);
    if (!err && coding != XF_CODING_IDENTITY)
        err = xf_decoder_new(coding, config->limits.decoded_bytes_max, feed_rewrite, relay, &relay->decoder);
    return err;
}

static void note_read(const struct xf_request *request)
{
    struct xf_stats *stats = request->fanout->thread->loop.stats;
    const struct xf_plan *plan = &request->plan;
    if (!plan->migration)
        xf_stat_add(stats, XF_STAT_PASSTHROUGH, 1);
    else if (plan->is_write)
        xf_mstat_add(stats, plan->migration->index, plan->is_setting ? XF_MSTAT_SETTINGS : XF_MSTAT_WRITES_SINGLE, 1);
    else
        xf_mstat_add(stats, plan->migration->index, plan->side == XF_LEGACY ? XF_MSTAT_READS_LEGACY : XF_MSTAT_READS_NEW, 1);
}

static enum xf_err start_body(struct relay *relay, const struct xf_arrival *arrival)
{
    const struct xf_http_head *head = arrival->head;
    const struct xf_plan *plan = &relay->request.plan;
    struct xf_request *request = &relay->request;
    enum xf_coding coding = xf_coding_of(xf_http_value(head, arrival->base, head->content_encoding));
    bool has_body = head->body != XF_BODY_NONE;
    enum xf_http_body framing = head->body;
    enum xf_err err = XF_OK;
    if (has_body && plan->needs_alias_check)
        relay->body = COLLECTING;
    else if (has_body && plan->may_rewrite_body)
        err = start_rewriting(relay, coding);
    if (relay->body != STREAMING)
        framing = XF_BODY_UNTIL_EOF; /* decided when the body is known */
    bool is_trusted = plan->migration &&
                      (xf_request_has_legacy_key(request, head, arrival->base) ||
                       xf_lease_holds(request->fanout->leases, request->credential,
                                      plan->is_write ? XF_LEASE_WRITE : XF_LEASE_READ, request->fanout->thread->loop.now_ms));
    return err ? err
               : xf_request_leg(request, &relay->leg, &leg_owner, plan->side, framing, relay->decoder != NULL, is_trusted,
                                arrival);
}

struct xf_request *xf_relay_start(struct xf_fanout_thread *fanout, struct xf_view *view, const struct xf_plan *plan,
                                  const struct xf_arrival *arrival)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay) {
        xf_view_release(fanout->thread, view);
        xf_refuse(arrival->conn, xf_err_status(XF_ERR_NOMEM), xf_err_sentence(XF_ERR_NOMEM));
        return NULL;
    }
    xf_request_init(&relay->request, &relay_class, fanout, view, plan, arrival);
    xf_buf_init(&relay->held, plan->needs_alias_check ? COLLECTED_BYTES_MAX : REWRITTEN_BYTES_MAX);
    note_read(&relay->request);
    enum xf_err err = start_body(relay, arrival);
    if (err) {
        fail(relay, err);
        return NULL;
    }
    if (arrival->head->body == XF_BODY_NONE)
        xf_leg_send(&relay->leg, XF_SLICE_NONE, true);
    else if (arrival->head->body == XF_BODY_LENGTH && arrival->head->content_length == 0)
        on_body(&relay->request, XF_SLICE_NONE, true);
    else
        xf_conn_send_continue(arrival->conn);
    return relay->request.is_ended ? NULL : &relay->request;
}
