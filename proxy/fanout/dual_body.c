/* The body of a dual write: it streams to both sides and past the scanner, and what it ends with waits for the journal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/dual_int.h"

#include "common/base/clock.h"

/* How far a follower may lag behind a body under `ack: authority` before the write goes on without it. */
enum { FOLLOWER_LAG_BYTES_MAX = 8 * 1024 * 1024 };

/* Bytes that nobody can read with certainty. The authority is asked alone, so that the client hears from Qdrant what is wrong;
 * should it accept them after all, everything is dirty (G6). */
static void read_failed(struct dual *dual)
{
    dual->is_unreadable = true;
    xf_dual_drop_side(xf_dual_follower(dual), XF_ERR_JSON_SYNTAX);
    xf_write_scan_free(dual->scan);
    dual->scan = NULL;
    xf_decoder_free(dual->decoder);
    dual->decoder = NULL;
}

static enum xf_err scan_bytes(void *ctx, struct xf_slice bytes)
{
    struct dual *dual = ctx;
    return xf_write_scan_feed(dual->scan, bytes);
}

enum xf_err xf_dual_start_scan(struct dual *dual, const struct xf_arrival *arrival)
{
    const struct xf_migration_view *migration = dual->request.plan.migration;
    const struct xf_config *config = dual->request.view->snapshot->config;
    const struct xf_http_head *head = arrival->head;
    struct xf_vector_names vectors = {migration->vector_names, migration->vector_name_count};
    if (dual->request.plan.endpoint->class_ != XF_CLASS_WRITE_POINTS)
        return XF_OK;
    enum xf_err err = xf_write_scan_new(dual->request.plan.endpoint->write_op, &vectors, config->limits.scan_ids_max, &dual->scan);
    enum xf_coding coding = xf_coding_of(xf_http_value(head, arrival->base, head->content_encoding));
    if (!err && coding != XF_CODING_IDENTITY)
        err = xf_decoder_new(coding, config->limits.decoded_bytes_max, scan_bytes, dual, &dual->decoder);
    return err;
}

static void scan(struct dual *dual, struct xf_slice bytes)
{
    if (!dual->scan || bytes.len == 0)
        return;
    enum xf_err err = dual->decoder ? xf_decoder_feed(dual->decoder, bytes) : scan_bytes(dual, bytes);
    if (err)
        read_failed(dual);
}

/* The follower may lag under `ack: authority`, within a bound; otherwise the slower side sets the pace. */
static void pause_if_stuck(struct dual *dual)
{
    struct dual_side *lagging = xf_dual_follower(dual);
    if (dual->request.plan.migration->conf->ack == XF_ACK_AUTHORITY) {
        if (!lagging->is_done && xf_leg_pending(&lagging->leg) > FOLLOWER_LAG_BYTES_MAX)
            xf_dual_drop_side(lagging, XF_ERR_UPSTREAM_TIMEOUT);
        if (xf_leg_pending(&dual->sides[dual->authority].leg) < XF_STREAM_HIGH_BYTES)
            return;
    } else if (xf_leg_pending(&dual->sides[0].leg) < XF_STREAM_HIGH_BYTES &&
               xf_leg_pending(&dual->sides[1].leg) < XF_STREAM_HIGH_BYTES) {
        return;
    }
    dual->is_body_paused = true;
    xf_conn_pause_body(dual->request.conn);
}

void xf_dual_resume_if_flowing(struct dual *dual)
{
    if (!dual->is_body_paused || !dual->request.conn)
        return;
    dual->is_body_paused = false;
    pause_if_stuck(dual);
    if (!dual->is_body_paused)
        xf_conn_resume_body(dual->request.conn);
}

static void on_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct dual *dual = ctx;
    dual->op = op;
    if (!dual->request.conn) {
        xf_dual_give_up(dual);
        return;
    }
    if (dual->sides[dual->authority].is_done) { /* it failed while the journal was asked: nothing has been sent whole */
        xf_dual_ended_early(dual, dual->authority);
        return;
    }
    if (err || dual->lost_held) {
        xf_dual_fail(dual, err ? err : XF_ERR_NOMEM);
        return;
    }
    xf_dual_release(dual, xf_buf_view(&dual->sides[dual->authority].held));
    xf_buf_release(&dual->sides[dual->authority].held);
    xf_dual_settle(dual);
}

static void begin(struct dual *dual, const struct xf_journal_scope *scope, struct xf_slice last)
{
    uint64_t before = xf_clock_now_ns();
    enum xf_err err = xf_journal_begin(dual->request.fanout->context->journal, dual->request.plan.migration->index, scope,
                                       on_begun, dual, &dual->op);
    dual->journal_ns = xf_clock_now_ns() - before;
    if (err == XF_ERR_BUSY) {
        dual->state = HELD;
        dual->lost_held = xf_buf_append_slice(&dual->sides[dual->authority].held, last) != XF_OK;
        return;
    }
    if (err) {
        xf_dual_fail(dual, err);
        return;
    }
    xf_dual_release(dual, last);
    xf_dual_settle(dual);
}

/* A filter that both sides apply whole leaves equal points equal; a conditional or mixed one does not promise that. */
static bool is_exact(const struct dual *dual, const struct xf_write_verdict *verdict)
{
    enum xf_write_op op = dual->request.plan.endpoint->write_op;
    bool is_plain_filter =
        verdict->has_filter && !verdict->has_condition && op != XF_WRITE_BATCH && op != XF_WRITE_UPSERT;
    return verdict->is_exact || is_plain_filter;
}

static enum xf_err finish_scan(struct dual *dual, struct xf_write_verdict *verdict)
{
    enum xf_err err = dual->decoder ? xf_decoder_finish(dual->decoder) : XF_OK;
    return err ? err : xf_write_scan_finish(dual->scan, verdict);
}

static void end_points_body(struct dual *dual, struct xf_slice last)
{
    struct xf_write_verdict verdict = {0};
    struct xf_journal_scope scope = {.is_all = true};
    const struct xf_migration_conf *conf = dual->request.plan.migration->conf;
    if (dual->scan && finish_scan(dual, &verdict) != XF_OK)
        read_failed(dual);
    if (!dual->scan) {
        begin(dual, &scope, last);
        return;
    }
    if (verdict.is_odd)
        xf_dual_count(dual, XF_MSTAT_ODD_BODIES);
    if (verdict.is_odd && !conf->allow_odd_bodies) {
        xf_dual_refuse(dual, 400, verdict.odd_reason);
        return;
    }
    scope.is_all = verdict.is_odd || verdict.ids_unknown || verdict.has_filter;
    scope.ids = verdict.ids;
    scope.id_count = verdict.id_count;
    dual->is_exact = !verdict.is_odd && !verdict.ids_unknown && is_exact(dual, &verdict);
    begin(dual, &scope, last);
}

void xf_dual_end_body(struct dual *dual, struct xf_slice last)
{
    /* A payload index touches no point: nothing for the journal. */
    if (dual->request.plan.endpoint->class_ == XF_CLASS_WRITE_POINTS) {
        end_points_body(dual, last);
        return;
    }
    xf_dual_release(dual, last);
    xf_dual_settle(dual);
}

void xf_dual_on_body(struct xf_request *request, struct xf_slice bytes, bool is_end)
{
    struct dual *dual = (struct dual *)(void *)request;
    if (dual->state != RECEIVING || dual->sides[dual->authority].answer.head_bytes.tail > 0)
        return; /* the authority has answered early: what still comes concerns nobody */
    scan(dual, bytes);
    if (is_end) {
        xf_dual_end_body(dual, bytes);
        return;
    }
    for (int i = 0; i < XF_SIDE_COUNT; i++)
        if (!dual->sides[i].is_done)
            xf_leg_send(&dual->sides[i].leg, bytes, false);
    pause_if_stuck(dual);
}
