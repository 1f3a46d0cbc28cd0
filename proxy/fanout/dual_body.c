/* The body of a dual write: it streams to both sides and past the scanner, and what it ends with is held back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/dual_int.h"

/* How far a follower may lag behind a body under `ack: authority` before the write goes on without it. */
enum { FOLLOWER_LAG_BYTES_MAX = 8 * 1024 * 1024 };

/* An update by id takes this many points at once and stops behind those among which one is missing (Qdrant 1.18.3:
 * lib/shard/src/update.rs). */
enum { SERVER_CHUNK_IDS = 32 };

static const char filter_too_long[] =
    "the filter is longer than 1 MiB, and its conditions may mean something else on the other side of the migration: give "
    "both collections the same payload indexes, split the filter, or select the points by their ids";

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
    if (!xf_dual_writes_points(dual))
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

/* The two sides may match different points: the filter looks at a payload that they index differently, at words, or at a
 * vector that the other one does not declare. */
static bool may_mean_otherwise(const struct dual *dual, const struct xf_write_verdict *verdict)
{
    const struct xf_migration_view *migration = dual->request.plan.migration;
    return verdict->has_filter && ((verdict->has_field_test && !migration->filters_match) || verdict->has_text_match ||
                                   (verdict->has_vector_test && !migration->vectors_match));
}

/* A filter that both sides apply whole leaves equal points equal; a conditional or mixed one does not promise that. */
static bool is_exact(const struct dual *dual, const struct xf_write_verdict *verdict)
{
    enum xf_write_op op = dual->request.plan.endpoint->write_op;
    bool is_plain_filter =
        verdict->has_filter && !verdict->has_condition && op != XF_WRITE_BATCH && op != XF_WRITE_UPSERT;
    if (verdict->is_odd || verdict->ids_unknown || may_mean_otherwise(dual, verdict))
        return false;
    return verdict->is_exact || is_plain_filter;
}

/* A shard key of a kind that cannot be said again leaves the write to both sides; so does a batch, whose operations rest on
 * one another. Both are then dirty as a whole. */
static bool wants_resolve(const struct dual *dual, const struct xf_write_verdict *verdict)
{
    enum xf_write_op op = dual->request.plan.endpoint->write_op;
    return op != XF_WRITE_BATCH && !verdict->is_odd && !verdict->ids_unknown && may_mean_otherwise(dual, verdict) &&
           (!verdict->has_shard_key || verdict->shard_key.len > 0);
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
        xf_dual_begin(dual, &scope, last);
        return;
    }
    if (verdict.is_odd)
        xf_dual_count(dual, XF_MSTAT_ODD_BODIES);
    if (verdict.is_odd && !conf->allow_odd_bodies) {
        xf_dual_refuse(dual, 400, verdict.odd_reason);
        return;
    }
    dual->is_exact = is_exact(dual, &verdict);
    dual->may_stop_early = verdict.is_by_id_update && verdict.id_count > SERVER_CHUNK_IDS;
    dual->wants_resolve = wants_resolve(dual, &verdict);
    dual->filter = verdict.filter;
    dual->shard_key = verdict.shard_key;
    if (dual->wants_resolve && verdict.filter.len == 0) {
        xf_dual_refuse(dual, 413, filter_too_long);
        return;
    }
    scope.is_all = verdict.is_odd || verdict.ids_unknown || verdict.has_filter;
    scope.ids = verdict.ids;
    scope.id_count = verdict.id_count;
    xf_dual_begin(dual, &scope, last);
}

void xf_dual_end_body(struct dual *dual, struct xf_slice last)
{
    /* A payload index touches no point: nothing for the journal. */
    if (xf_dual_writes_points(dual)) {
        end_points_body(dual, last);
        return;
    }
    xf_dual_release(dual, last);
    xf_dual_settle(dual);
}

static void send_on(struct dual *dual, struct xf_slice bytes)
{
    for (int i = 0; i < XF_SIDE_COUNT; i++)
        if (!dual->sides[i].is_done)
            xf_leg_send(&dual->sides[i].leg, bytes, false);
}

void xf_dual_on_body(struct xf_request *request, struct xf_slice bytes, bool is_end)
{
    struct dual *dual = (struct dual *)(void *)request;
    if (dual->state != RECEIVING || dual->sides[dual->authority].answer.head_bytes.tail > 0)
        return; /* the authority has answered early: what still comes concerns nobody */
    scan(dual, bytes);
    if (is_end && bytes.len <= XF_HELD_BYTES_MAX) {
        xf_dual_end_body(dual, bytes);
        return;
    }
    size_t held = is_end ? XF_HELD_BYTES_MAX : 0; /* what waits for the journal takes little memory */
    send_on(dual, xf_slice(bytes.ptr, bytes.len - held));
    if (is_end)
        xf_dual_end_body(dual, xf_slice_skip(bytes, bytes.len - held));
    else
        pause_if_stuck(dual);
}
