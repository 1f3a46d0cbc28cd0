/* A write that goes to both sides.
 *
 *   RECEIVING --body read--> HELD --journal--> SENT --answers--> (answered) --both sides done--> end
 *       |                     |
 *       +---------------------+-- refused, client gone: both requests are incomplete and have no effect
 *
 * Before HELD legacy may have to be ASKED about the credential, and after it the points of a filter may have to be RESOLVED:
 * dual_begin.c.
 *
 * The body streams to both sides as it comes, but the bytes with which it ends are held back until it has been read to the
 * end, understood, and written down in the journal. So the intent precedes the effect, a body of any size takes no memory, and a
 * body that turns out to be unacceptable at its last byte has reached nobody. A request without a body holds back its head.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/dual_int.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <stdlib.h>

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

/* Without its last bytes a request has no effect, whatever its end. */
static enum xf_outcome unanswered(const struct dual_side *side)
{
    return side->leg.has_sent_last ? XF_OUTCOME_UNKNOWN : XF_OUTCOME_NOT_SENT;
}

static void fini(struct xf_request *request)
{
    struct dual *dual = of_request(request);
    if (dual->op) { /* the program ends before the answers have come */
        struct xf_verdict_input input = {.is_exact = dual->is_exact};
        for (int i = 0; i < XF_SIDE_COUNT; i++)
            input.outcome[i] = dual->sides[i].is_done ? dual->sides[i].outcome : unanswered(&dual->sides[i]);
        xf_journal_end(dual->op, &input);
    }
    xf_resolve_free(dual->resolve);
    xf_ask_fini(&dual->ask);
    free(dual->kept);
    for (int i = 0; i < XF_SIDE_COUNT; i++) {
        xf_leg_fini(&dual->sides[i].leg);
        xf_answer_fini(&dual->sides[i].answer);
    }
    xf_buf_fini(&dual->held);
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
void xf_dual_drop_side(struct dual_side *side, enum xf_err err)
{
    if (side->is_done)
        return;
    xf_leg_cancel(&side->leg);
    side_done(side, XF_OUTCOME_NOT_SENT, err);
}

static void drop_both(struct dual *dual)
{
    xf_dual_drop_side(&dual->sides[XF_LEGACY], XF_OK);
    xf_dual_drop_side(&dual->sides[XF_NEW], XF_OK);
}

/* ---- ends before anything took effect ---- */

/* Both requests are incomplete: nothing has happened anywhere, and the journal is told so. */
void xf_dual_give_up(struct dual *dual)
{
    struct xf_verdict_input nothing = {.outcome = {XF_OUTCOME_NOT_SENT, XF_OUTCOME_NOT_SENT}};
    drop_both(dual);
    if (dual->op)
        xf_journal_end(dual->op, &nothing);
    dual->op = NULL;
    xf_request_end(&dual->request);
}

void xf_dual_refuse(struct dual *dual, int status, const char *text)
{
    struct xf_conn *conn = dual->request.conn;
    dual->request.conn = NULL;
    xf_dual_give_up(dual);
    xf_refuse(conn, status, text);
}

void xf_dual_fail(struct dual *dual, enum xf_err err)
{
    xf_dual_refuse(dual, xf_err_status(err), xf_err_sentence(err));
}

/* ---- when both sides are through ---- */

static void end_both(struct dual *dual)
{
    xf_dual_end(dual);
    xf_request_end(&dual->request);
}

/* The client is answered, the follower is not through: the write goes on by itself, within a bound. */
static bool may_detach(const struct dual *dual)
{
    return dual->request.plan.migration->conf->ack == XF_ACK_AUTHORITY &&
           !(dual->op && xf_journal_is_cut_off(dual->op)) &&
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
void xf_dual_settle(struct dual *dual)
{
    bool is_authority_done = dual->sides[dual->authority].is_done;
    bool is_all_done = is_authority_done && xf_dual_follower(dual)->is_done;
    if (dual->request.conn && (is_all_done || (is_authority_done && may_detach(dual))))
        xf_dual_answer_client(dual);
    if (is_all_done)
        end_both(dual);
    else if (!dual->request.conn)
        detach(dual);
}

/* ---- what the sides say ---- */

/* A side that is through before its last bytes were sent. Without the authority there is no write; without the follower it
 * goes on, no longer at the follower's pace, and the points will be dirty. */
void xf_dual_ended_early(struct dual *dual, enum xf_side which)
{
    if (which != dual->authority) {
        xf_dual_resume_if_flowing(dual);
        return;
    }
    xf_dual_drop_side(xf_dual_follower(dual), XF_ERR_STATE);
    xf_dual_settle(dual);
}

static void side_ended(struct dual *dual, enum xf_side which)
{
    if (which == XF_LEGACY && dual->sides[XF_NEW].waits_for_legacy)
        xf_dual_legacy_spoke(dual, 0); /* no answer came at all */
    if (dual->state == SENT)
        xf_dual_settle(dual);
    else if (dual->state != HELD) /* while HELD the journal's answer comes first */
        xf_dual_ended_early(dual, which);
}

static void on_leg_head(struct xf_leg *leg, const struct xf_http_head *head, const char *base)
{
    enum xf_side which;
    struct dual *dual = owner_of(leg, &which);
    if (xf_answer_take_head(&dual->sides[which].answer, head, base) != XF_OK) {
        xf_leg_cancel(leg);
        side_done(&dual->sides[which], unanswered(&dual->sides[which]), XF_ERR_NOMEM);
        side_ended(dual, which);
        return;
    }
    if (which == XF_LEGACY)
        xf_dual_legacy_spoke(dual, head->status);
}

static void on_leg_body(struct xf_leg *leg, struct xf_slice bytes)
{
    enum xf_side which;
    struct dual *dual = owner_of(leg, &which);
    if (xf_answer_take_body(&dual->sides[which].answer, bytes) == XF_OK)
        return;
    xf_leg_cancel(leg);
    side_done(&dual->sides[which], unanswered(&dual->sides[which]), XF_ERR_FULL);
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
           dual->request.plan.migration->conf->name, xf_dual_side_name(which), xf_err_name(err));
    side_done(&dual->sides[which], may_have_effect ? XF_OUTCOME_UNKNOWN : XF_OUTCOME_NOT_SENT, err);
    side_ended(dual, which);
}

static void on_leg_drained(struct xf_leg *leg)
{
    enum xf_side which;
    xf_dual_resume_if_flowing(owner_of(leg, &which));
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
    else if (dual->state == HELD)
        drop_both(dual); /* the journal's answer is still to come, and then it is given up */
    else
        xf_dual_give_up(dual);
}

static const struct xf_request_class dual_class = {xf_dual_on_body, on_drained, on_abort, fini};
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

/* Whether a request of the proxy's own may be wanted: about the credential, or about a filter's points. */
static bool may_ask(const struct dual *dual)
{
    enum xf_write_op op = dual->request.plan.endpoint->write_op;
    bool may_have_filter = op != XF_WRITE_UPSERT && op != XF_WRITE_UPDATE_VECTORS && op != XF_WRITE_BATCH;
    return xf_dual_writes_points(dual) && (may_have_filter || !xf_dual_is_trusted(dual));
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
    for (int i = 0; i < XF_SIDE_COUNT; i++)
        xf_answer_init(&dual->sides[i].answer);
    xf_buf_init(&dual->held, XF_HELD_BYTES_MAX);
    xf_request_init(&dual->request, &dual_class, fanout, view, plan, arrival);
    dual->has_legacy_key = xf_request_has_legacy_key(&dual->request, arrival->head, arrival->base);
    enum xf_err err = xf_dual_start_scan(dual, arrival);
    if (!err && may_ask(dual))
        err = xf_request_keep_head(arrival, &dual->kept);
    if (!err)
        err = start_legs(dual, arrival);
    if (err) {
        xf_dual_fail(dual, err);
        return NULL;
    }
    if (arrival->head->body == XF_BODY_NONE || (arrival->head->body == XF_BODY_LENGTH && arrival->head->content_length == 0))
        xf_dual_end_body(dual, XF_SLICE_NONE);
    else
        xf_conn_send_continue(arrival->conn);
    return dual->request.is_ended ? NULL : &dual->request;
}
