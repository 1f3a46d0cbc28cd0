/* A write that goes to both sides.
 *
 *   RECEIVING --body read--> HELD --journal--> SENT --answers--> (answered) --both sides done--> end
 *       |                     |                  |
 *       +---- refused, client gone: both requests are incomplete and have no effect
 *
 * The body streams to both sides as it comes, but the bytes with which it ends are held back until it has been read to the
 * end, understood, and written down in the journal. So the intent precedes the effect, a body of any size takes no memory, and a
 * body that turns out to be unacceptable at its last byte has reached nobody. A request without a body holds back its head.
 *
 * G7: a client's write takes effect on the new side only if the legacy side has accepted the client's credential. Where that is
 * not known from a moment ago, new's last bytes stay here until legacy's answer has come: its request is incomplete
 * meanwhile, which no server applies.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/fanout_int.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/codec/decode.h"
#include "proxy/fanout/answer.h"

#include <stdio.h>
#include <stdlib.h>

/* How far a follower may lag behind a body under `ack: authority` before the write goes on without it. */
enum { FOLLOWER_LAG_BYTES_MAX = 8 * 1024 * 1024, HELD_BYTES_MAX = 2 * XF_LOOP_SCRATCH_BYTES };

enum dual_state { RECEIVING, HELD, SENT };

struct dual_side {
    struct xf_leg leg;
    struct xf_answer answer;
    struct xf_buf held; /* the bytes with which the request ends, while they wait */
    enum xf_outcome outcome;
    enum xf_err err; /* why there is no answer */
    uint64_t sent_ns, done_ns;
    bool waits_for_legacy; /* G7 */
    bool is_done;
};

struct dual {
    struct xf_request request; /* first */
    enum dual_state state;
    enum xf_side authority;
    struct dual_side sides[XF_SIDE_COUNT];
    struct xf_write_scan *scan; /* NULL when there is nothing to scan */
    struct xf_decoder *decoder;
    struct xf_journal_op *op;
    uint64_t journal_ns;
    bool has_legacy_key;
    bool is_unreadable; /* the authority alone is asked; see read_failed */
    bool is_exact;
    bool lost_held; /* no memory for the held-back bytes: given up once the journal has answered */
    bool is_body_paused;
    bool is_detached; /* counted in detached_count */
};

static struct dual *of_request(struct xf_request *request)
{
    return (struct dual *)(void *)request;
}

static struct dual_side *of_leg(struct xf_leg *leg)
{
    return (struct dual_side *)(void *)((char *)leg - offsetof(struct dual_side, leg));
}

/* The leg's back pointer: legs know their side by position. */
static struct dual *owner_of(struct xf_leg *leg, enum xf_side *side);

static struct dual_side *follower(struct dual *dual)
{
    return &dual->sides[dual->authority == XF_LEGACY ? XF_NEW : XF_LEGACY];
}

static void settle(struct dual *dual);

static void count(const struct dual *dual, enum xf_mstat id)
{
    xf_mstat_add(dual->request.fanout->thread->loop.stats, dual->request.plan.migration->index, id, 1);
}

static void fini(struct xf_request *request)
{
    struct dual *dual = of_request(request);
    if (dual->op) {
        enum xf_outcome unknown[XF_SIDE_COUNT] = {XF_OUTCOME_UNKNOWN, XF_OUTCOME_UNKNOWN};
        xf_journal_end(dual->op, unknown, false, false);
    }
    for (int i = 0; i < XF_SIDE_COUNT; i++) {
        xf_leg_fini(&dual->sides[i].leg);
        xf_answer_fini(&dual->sides[i].answer);
        xf_buf_fini(&dual->sides[i].held);
    }
    xf_write_scan_free(dual->scan);
    xf_decoder_free(dual->decoder);
    request->fanout->detached_count -= dual->is_detached;
}

/* ---- what becomes of a side ---- */

static void side_done(struct dual_side *side, enum xf_outcome outcome, enum xf_err err)
{
    side->outcome = outcome;
    side->err = err;
    side->is_done = true;
    side->done_ns = xf_clock_now_ns();
}

/* Its request is incomplete, or was never begun: dropping it leaves no trace. */
static void drop_side(struct dual_side *side, enum xf_err err)
{
    if (side->is_done)
        return;
    xf_leg_cancel(&side->leg);
    side_done(side, XF_OUTCOME_NOT_SENT, err);
}

static void drop_both(struct dual *dual)
{
    drop_side(&dual->sides[XF_LEGACY], XF_OK);
    drop_side(&dual->sides[XF_NEW], XF_OK);
}

/* ---- ends before anything took effect ---- */

/* Both requests are incomplete: nothing has happened anywhere, and the journal is told so. */
static void give_up(struct dual *dual)
{
    enum xf_outcome nothing[XF_SIDE_COUNT] = {XF_OUTCOME_NOT_SENT, XF_OUTCOME_NOT_SENT};
    drop_both(dual);
    if (dual->op)
        xf_journal_end(dual->op, nothing, false, false);
    dual->op = NULL;
    xf_request_end(&dual->request);
}

static void refuse(struct dual *dual, int status, const char *text)
{
    struct xf_conn *conn = dual->request.conn;
    dual->request.conn = NULL;
    give_up(dual);
    xf_refuse(conn, status, text);
}

static void fail(struct dual *dual, enum xf_err err)
{
    refuse(dual, xf_err_status(err), xf_err_sentence(err));
}

/* ---- the answer to the client ---- */

static unsigned long long spent_us(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns && to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
}

static size_t print_timing(const struct dual *dual, char *out, size_t room)
{
    unsigned long long us[XF_SIDE_COUNT];
    for (int i = 0; i < XF_SIDE_COUNT; i++)
        us[i] = spent_us(dual->sides[i].sent_ns, dual->sides[i].done_ns);
    unsigned long long journal_us = dual->journal_ns / 1000;
    int len = snprintf(out, room, "legacy;dur=%llu.%03llu, new;dur=%llu.%03llu, journal;dur=%llu.%03llu", us[0] / 1000,
                       us[0] % 1000, us[1] / 1000, us[1] % 1000, journal_us / 1000, journal_us % 1000);
    return len > 0 && (size_t)len < room ? (size_t)len : 0;
}

static void relay_answer(struct dual *dual, struct dual_side *side)
{
    struct xf_conn *conn = dual->request.conn;
    struct xf_slice body = xf_buf_view(&side->answer.body);
    char timing[160];
    struct xf_buf out;
    struct xf_http_emit_response emit = {
        .body = XF_BODY_LENGTH,
        .content_length = body.len,
        .has_content_length = true,
        .keep_alive = xf_conn_keeps_alive(conn),
        .client_minor = dual->request.client_minor,
        .server_timing = xf_slice(timing, print_timing(dual, timing, sizeof timing)),
    };
    if (!emit.keep_alive)
        xf_conn_set_close(conn);
    dual->request.conn = NULL;
    xf_buf_init(&out, XF_HTTP_HEAD_BYTES_MAX * 2);
    if (xf_http_emit_response(&out, &emit, &side->answer.head, xf_buf_view(&side->answer.head_bytes).ptr) != XF_OK) {
        xf_buf_fini(&out);
        xf_conn_cut(conn, false);
        return;
    }
    struct xf_slice slices[2] = {xf_buf_view(&out), body};
    xf_conn_write(conn, slices, 2);
    xf_buf_fini(&out);
    xf_conn_finish(conn);
}

static const char *side_name(enum xf_side side)
{
    return side == XF_LEGACY ? "legacy" : "new";
}

/* The side that failed was the only one that did: the client is told which, and that repeating the write is the remedy. */
static void answer_follower_failure(struct dual *dual)
{
    struct dual_side *side = follower(dual);
    const struct xf_migration_conf *conf = dual->request.plan.migration->conf;
    enum xf_side which = side == &dual->sides[XF_NEW] ? XF_NEW : XF_LEGACY;
    char said[512], text[1024];
    size_t said_len = side->answer.is_whole ? xf_answer_error_text(&side->answer, said, sizeof said) : 0;
    const char *why = xf_err_sentence(side->err);
    int status = side->answer.is_whole ? side->answer.head.status : xf_err_status(side->err ? side->err : XF_ERR_UPSTREAM_CLOSED);
    if (status < 400)
        status = xf_err_status(XF_ERR_UPSTREAM_CLOSED); /* a redirection is no answer to a write */
    snprintf(text, sizeof text,
             "the write was applied to the %s collection '%s' but not to the %s collection '%s': %.*s. %sSending the same "
             "write again is safe",
             side_name(dual->authority), conf->side[dual->authority].collection, side_name(which),
             conf->side[which].collection, side->answer.is_whole ? (int)said_len : (int)strlen(why),
             side->answer.is_whole ? said : why,
             dual->op ? "Its points are noted as dirty and will be repaired. " : "");
    struct xf_conn *conn = dual->request.conn;
    dual->request.conn = NULL;
    xf_refuse(conn, status, text);
}

static void answer_authority_failure(struct dual *dual)
{
    struct dual_side *side = &dual->sides[dual->authority];
    const struct xf_migration_conf *conf = dual->request.plan.migration->conf;
    enum xf_err err = side->err ? side->err : XF_ERR_UPSTREAM_CLOSED;
    char text[512];
    const char *effect = side->outcome == XF_OUTCOME_NOT_SENT
                             ? "it was not applied there; send it again"
                             : "it may or may not have been applied, and the points are noted as dirty";
    snprintf(text, sizeof text, "the %s collection '%s' did not answer the write: %s; %s", side_name(dual->authority),
             conf->side[dual->authority].collection, xf_err_sentence(err), effect);
    struct xf_conn *conn = dual->request.conn;
    dual->request.conn = NULL;
    xf_refuse(conn, xf_err_status(err), text);
}

/* A follower that lacks the point because it is still being filled has not failed: the backfill brings the point. */
static bool follower_failure_counts(struct dual *dual)
{
    struct dual_side *side = follower(dual);
    if (xf_answer_is_success(&side->answer))
        return false;
    bool is_filling = !dual->request.plan.migration->follower_is_complete;
    return !(is_filling && xf_answer_is_point_missing(&side->answer));
}

static void answer_client(struct dual *dual)
{
    struct dual_side *authority = &dual->sides[dual->authority], *legacy = &dual->sides[XF_LEGACY];
    if (!authority->answer.is_whole && legacy->answer.is_whole && !xf_answer_is_success(&legacy->answer))
        relay_answer(dual, legacy); /* it did not accept the client's credential, so new was not asked */
    else if (!authority->answer.is_whole)
        answer_authority_failure(dual);
    else if (xf_answer_is_success(&authority->answer) && follower(dual)->is_done && !dual->is_unreadable &&
             dual->request.plan.migration->conf->ack == XF_ACK_BOTH && follower_failure_counts(dual))
        answer_follower_failure(dual);
    else
        relay_answer(dual, authority);
}

/* ---- when both sides are through ---- */

static void count_outcome(struct dual *dual)
{
    bool authority_ok = xf_answer_is_success(&dual->sides[dual->authority].answer);
    bool follower_ok = xf_answer_is_success(&follower(dual)->answer);
    if (authority_ok && follower_ok)
        count(dual, XF_MSTAT_WRITES_OK);
    else if (authority_ok)
        count(dual, follower_failure_counts(dual) ? XF_MSTAT_WRITES_FOLLOWER_FAILED : XF_MSTAT_WRITES_FOLLOWER_MISSING);
    else
        count(dual, follower_ok ? XF_MSTAT_WRITES_AUTHORITY_FAILED : XF_MSTAT_WRITES_BOTH_FAILED);
}

static void end_in_journal(struct dual *dual)
{
    enum xf_outcome outcomes[XF_SIDE_COUNT] = {dual->sides[0].outcome, dual->sides[1].outcome};
    if (!dual->op)
        return;
    /* A side that was asked alone may have refused in a way that proves that nothing happened. */
    for (int i = 0; i < XF_SIDE_COUNT; i++)
        if (dual->sides[1 - i].outcome == XF_OUTCOME_NOT_SENT && xf_answer_proves_no_effect(&dual->sides[i].answer))
            outcomes[i] = XF_OUTCOME_NOT_SENT;
    xf_journal_end(dual->op, outcomes, dual->is_exact, false);
    dual->op = NULL;
}

static void record_side(struct xf_hist *hist, const struct dual_side *side)
{
    if (side->sent_ns)
        xf_hist_record_us(hist, spent_us(side->sent_ns, side->done_ns));
}

static void end_both(struct dual *dual)
{
    struct xf_mstats *mstats =
        &dual->request.fanout->thread->loop.stats->migrations[dual->request.plan.migration->index];
    record_side(&mstats->legacy_write, &dual->sides[XF_LEGACY]);
    record_side(&mstats->new_write, &dual->sides[XF_NEW]);
    count_outcome(dual);
    end_in_journal(dual);
    xf_request_end(&dual->request);
}

/* The client is answered, the follower is not through: the write goes on by itself, within a bound. */
static bool may_detach(const struct dual *dual)
{
    return dual->request.plan.migration->conf->ack == XF_ACK_AUTHORITY &&
           dual->request.fanout->detached_count < XF_DETACHED_MAX;
}

static void detach(struct dual *dual)
{
    if (dual->is_detached)
        return;
    dual->is_detached = true;
    dual->request.fanout->detached_count++;
}

/* Called whenever a side is through: answers the client as soon as that may be, and ends when all is done. */
static void settle(struct dual *dual)
{
    bool is_authority_done = dual->sides[dual->authority].is_done;
    bool is_all_done = is_authority_done && follower(dual)->is_done;
    if (dual->request.conn && (is_all_done || (is_authority_done && may_detach(dual))))
        answer_client(dual);
    if (is_all_done)
        end_both(dual);
    else if (!dual->request.conn)
        detach(dual);
}

/* ---- sending ---- */

static void send_last(struct dual_side *side, struct xf_slice bytes)
{
    side->sent_ns = xf_clock_now_ns();
    xf_leg_send(&side->leg, bytes, true);
}

static bool is_trusted(const struct dual *dual)
{
    const struct xf_request *request = &dual->request;
    return dual->has_legacy_key || xf_lease_holds(request->fanout->leases, request->credential, XF_LEASE_WRITE,
                                                  request->fanout->thread->loop.now_ms);
}

/* The intent is written down: the held-back bytes go out. */
static void release(struct dual *dual, struct xf_slice last)
{
    struct dual_side *legacy = &dual->sides[XF_LEGACY], *new_side = &dual->sides[XF_NEW];
    dual->state = SENT;
    count(dual, XF_MSTAT_WRITES_DUAL);
    if (!legacy->is_done)
        send_last(legacy, last);
    if (new_side->is_done)
        return;
    if (is_trusted(dual)) {
        send_last(new_side, last);
        return;
    }
    if (!legacy->is_done && xf_buf_append_slice(&new_side->held, last) == XF_OK)
        new_side->waits_for_legacy = true;
    else
        drop_side(new_side, dual->is_unreadable ? XF_ERR_JSON_SYNTAX : legacy->is_done ? XF_ERR_UPSTREAM_CLOSED : XF_ERR_NOMEM);
}

/* Legacy has spoken on the client's credential. */
static void legacy_spoke(struct dual *dual, int status)
{
    struct xf_request *request = &dual->request;
    struct dual_side *new_side = &dual->sides[XF_NEW];
    bool is_accepted = status >= 200 && status < 300;
    if (is_accepted)
        xf_lease_grant(request->fanout->leases, request->credential, XF_LEASE_WRITE, request->fanout->thread->loop.now_ms);
    else if (status == 401 || status == 403)
        xf_lease_end(request->fanout->leases, request->credential);
    if (!new_side->waits_for_legacy)
        return;
    new_side->waits_for_legacy = false;
    if (is_accepted)
        send_last(new_side, xf_buf_view(&new_side->held));
    else
        drop_side(new_side, dual->sides[XF_LEGACY].err ? dual->sides[XF_LEGACY].err : XF_ERR_STATE);
    xf_buf_release(&new_side->held);
}

/* ---- the body ---- */

/* Bytes that nobody can read with certainty. The authority is asked alone, so that the client hears from Qdrant what is wrong;
 * should it accept them after all, everything is dirty (G6). */
static void read_failed(struct dual *dual)
{
    dual->is_unreadable = true;
    drop_side(follower(dual), XF_ERR_JSON_SYNTAX);
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
    struct dual_side *lagging = follower(dual);
    if (dual->request.plan.migration->conf->ack == XF_ACK_AUTHORITY) {
        if (!lagging->is_done && xf_leg_pending(&lagging->leg) > FOLLOWER_LAG_BYTES_MAX)
            drop_side(lagging, XF_ERR_UPSTREAM_TIMEOUT);
        if (xf_leg_pending(&dual->sides[dual->authority].leg) < XF_STREAM_HIGH_BYTES)
            return;
    } else if (xf_leg_pending(&dual->sides[0].leg) < XF_STREAM_HIGH_BYTES &&
               xf_leg_pending(&dual->sides[1].leg) < XF_STREAM_HIGH_BYTES) {
        return;
    }
    dual->is_body_paused = true;
    xf_conn_pause_body(dual->request.conn);
}

static void resume_if_flowing(struct dual *dual)
{
    if (!dual->is_body_paused || !dual->request.conn)
        return;
    dual->is_body_paused = false;
    pause_if_stuck(dual);
    if (!dual->is_body_paused)
        xf_conn_resume_body(dual->request.conn);
}

/* A side that is through before its last bytes were sent. Without the authority there is no write; without the follower it
 * goes on, no longer at the follower's pace, and the points will be dirty. */
static void ended_early(struct dual *dual, enum xf_side which)
{
    if (which != dual->authority) {
        resume_if_flowing(dual);
        return;
    }
    drop_side(follower(dual), XF_ERR_STATE);
    settle(dual);
}

static void on_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct dual *dual = ctx;
    dual->op = op;
    if (!dual->request.conn) {
        give_up(dual);
        return;
    }
    if (dual->sides[dual->authority].is_done) { /* it failed while the journal was asked: nothing has been sent whole */
        ended_early(dual, dual->authority);
        return;
    }
    if (err || dual->lost_held) {
        fail(dual, err ? err : XF_ERR_NOMEM);
        return;
    }
    release(dual, xf_buf_view(&dual->sides[dual->authority].held));
    xf_buf_release(&dual->sides[dual->authority].held);
    settle(dual);
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
        fail(dual, err);
        return;
    }
    release(dual, last);
    settle(dual);
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
        count(dual, XF_MSTAT_ODD_BODIES);
    if (verdict.is_odd && !conf->allow_odd_bodies) {
        refuse(dual, 400, verdict.odd_reason);
        return;
    }
    scope.is_all = verdict.is_odd || verdict.ids_unknown || verdict.has_filter;
    scope.ids = verdict.ids;
    scope.id_count = verdict.id_count;
    dual->is_exact = !verdict.is_odd && !verdict.ids_unknown && is_exact(dual, &verdict);
    begin(dual, &scope, last);
}

static void end_body(struct dual *dual, struct xf_slice last)
{
    /* A payload index touches no point: nothing for the journal. */
    if (dual->request.plan.endpoint->class_ == XF_CLASS_WRITE_POINTS) {
        end_points_body(dual, last);
        return;
    }
    release(dual, last);
    settle(dual);
}

static void on_body(struct xf_request *request, struct xf_slice bytes, bool is_end)
{
    struct dual *dual = of_request(request);
    if (dual->state != RECEIVING || dual->sides[dual->authority].answer.head_bytes.tail > 0)
        return; /* the authority has answered early: what still comes concerns nobody */
    scan(dual, bytes);
    if (is_end) {
        end_body(dual, bytes);
        return;
    }
    for (int i = 0; i < XF_SIDE_COUNT; i++)
        if (!dual->sides[i].is_done)
            xf_leg_send(&dual->sides[i].leg, bytes, false);
    pause_if_stuck(dual);
}

/* ---- what the sides say ---- */

static void side_ended(struct dual *dual, enum xf_side which)
{
    if (which == XF_LEGACY && dual->sides[XF_NEW].waits_for_legacy)
        legacy_spoke(dual, 0); /* no answer came at all */
    if (dual->state == SENT)
        settle(dual);
    else if (dual->state == RECEIVING)
        ended_early(dual, which); /* while HELD the journal's answer comes first */
}

static void on_leg_head(struct xf_leg *leg, const struct xf_http_head *head, const char *base)
{
    enum xf_side which;
    struct dual *dual = owner_of(leg, &which);
    if (xf_answer_take_head(&dual->sides[which].answer, head, base) != XF_OK) {
        xf_leg_cancel(leg);
        side_done(&dual->sides[which], XF_OUTCOME_UNKNOWN, XF_ERR_NOMEM);
        side_ended(dual, which);
        return;
    }
    if (which == XF_LEGACY)
        legacy_spoke(dual, head->status);
}

static void on_leg_body(struct xf_leg *leg, struct xf_slice bytes)
{
    enum xf_side which;
    struct dual *dual = owner_of(leg, &which);
    if (xf_answer_take_body(&dual->sides[which].answer, bytes) == XF_OK)
        return;
    xf_leg_cancel(leg);
    side_done(&dual->sides[which], XF_OUTCOME_UNKNOWN, XF_ERR_FULL);
    side_ended(dual, which);
}

static void on_leg_end(struct xf_leg *leg)
{
    enum xf_side which;
    struct dual *dual = owner_of(leg, &which);
    struct dual_side *side = &dual->sides[which];
    side->answer.is_whole = true;
    side_done(side, leg->has_sent_last ? xf_answer_outcome(&side->answer) : XF_OUTCOME_NOT_SENT, XF_OK);
    side_ended(dual, which);
}

static void on_leg_failed(struct xf_leg *leg, enum xf_err err, bool may_have_effect)
{
    enum xf_side which;
    struct dual *dual = owner_of(leg, &which);
    xf_log(XF_LOG_WARN, "fanout", "migration=%s side=%s err=%s: a write got no answer",
           dual->request.plan.migration->conf->name, side_name(which), xf_err_name(err));
    side_done(&dual->sides[which], may_have_effect ? XF_OUTCOME_UNKNOWN : XF_OUTCOME_NOT_SENT, err);
    side_ended(dual, which);
}

static void on_leg_drained(struct xf_leg *leg)
{
    enum xf_side which;
    resume_if_flowing(owner_of(leg, &which));
}

/* ---- the client ---- */

static void on_drained(struct xf_request *request)
{
    (void)request; /* the answer is handed over whole */
}

static void on_abort(struct xf_request *request, enum xf_err err)
{
    struct dual *dual = of_request(request);
    (void)err;
    if (dual->state == SENT)
        detach(dual);
    else if (dual->state == RECEIVING)
        give_up(dual); /* while HELD the journal's answer is still to come: on_begun gives up */
}

static const struct xf_request_class dual_class = {on_body, on_drained, on_abort, fini};
static const struct xf_leg_owner leg_owner[XF_SIDE_COUNT] = {
    [XF_LEGACY] = {NULL, on_leg_head, on_leg_body, on_leg_end, on_leg_failed, on_leg_drained},
    [XF_NEW] = {NULL, on_leg_head, on_leg_body, on_leg_end, on_leg_failed, on_leg_drained},
};

static struct dual *owner_of(struct xf_leg *leg, enum xf_side *side)
{
    *side = leg->owner == &leg_owner[XF_NEW] ? XF_NEW : XF_LEGACY;
    struct dual_side *first = of_leg(leg) - *side;
    return (struct dual *)(void *)((char *)first - offsetof(struct dual, sides));
}

/* ---- start ---- */

static enum xf_err start_scan(struct dual *dual, const struct xf_arrival *arrival)
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

static enum xf_err start_legs(struct dual *dual, const struct xf_arrival *arrival)
{
    for (int i = 0; i < XF_SIDE_COUNT; i++) {
        /* New's head names the proxy's own key from the start: its last bytes wait for the trust that goes with it. */
        enum xf_err err = xf_request_leg(&dual->request, &dual->sides[i].leg, &leg_owner[i], (enum xf_side)i,
                                         arrival->head->body, false, true, arrival);
        if (err)
            return err;
    }
    return XF_OK;
}

struct xf_request *xf_dual_start(struct xf_fanout_thread *fanout, struct xf_view *view, const struct xf_plan *plan,
                                 const struct xf_arrival *arrival)
{
    struct dual *dual = calloc(1, sizeof *dual);
    if (!dual) {
        xf_view_release(fanout->thread, view);
        xf_refuse(arrival->conn, xf_err_status(XF_ERR_NOMEM), xf_err_sentence(XF_ERR_NOMEM));
        return NULL;
    }
    dual->authority = plan->side;
    for (int i = 0; i < XF_SIDE_COUNT; i++) {
        xf_answer_init(&dual->sides[i].answer);
        xf_buf_init(&dual->sides[i].held, HELD_BYTES_MAX);
    }
    xf_request_init(&dual->request, &dual_class, fanout, view, plan, arrival);
    dual->has_legacy_key = xf_request_has_legacy_key(&dual->request, arrival->head, arrival->base);
    enum xf_err err = start_scan(dual, arrival);
    if (!err)
        err = start_legs(dual, arrival);
    if (err) {
        fail(dual, err);
        return NULL;
    }
    if (arrival->head->body == XF_BODY_NONE || (arrival->head->body == XF_BODY_LENGTH && arrival->head->content_length == 0))
        end_body(dual, XF_SLICE_NONE);
    else
        xf_conn_send_continue(arrival->conn);
    return dual->request.is_ended ? NULL : &dual->request;
}
