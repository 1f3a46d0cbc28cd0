/* From the body's end to the sending.
 *
 *   body read --> ASKING --> HELD --> RESOLVING --> sent
 *                legacy     journal   authority
 *
 * ASKING: a write of unknown scope holds up all others while it is on record. So that nobody whom legacy does not let write
 * can bring that about, legacy is first asked about a credential that is not known, by a write that changes nothing;
 * its refusal is the client's answer. Any other answer than a yes or a refusal leaves the judgement to the write
 * itself, which then goes to legacy first.
 *
 * HELD: the journal answers when the intent is on record; nothing of the request can take effect until then.
 *
 * RESOLVING: a filter that may mean something else on the follower runs on the authority alone; which points it matches
 * there is found out beforehand. Cut off from Redis this process may tell of success only when both sides have the
 * write, so it then runs on both and everything is dirty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/dual_int.h"

#include "common/base/clock.h"

#include <stdio.h>

static struct xf_slice held(const struct dual *dual)
{
    return xf_buf_view(&dual->held);
}

static void refuse_unrecorded(struct dual *dual, enum xf_err err)
{
    char text[256];
    snprintf(text, sizeof text, "the write could not be put on record, so it was sent nowhere: %s; send it again",
             xf_err_sentence(err));
    xf_dual_refuse(dual, xf_err_status(err) == 400 ? 400 : 503, text);
}

/* The authority has begun to answer a request that is not whole. What it says is the client's answer; nothing more is sent. */
static bool waits_for_early_answer(struct dual *dual)
{
    if (dual->sides[dual->authority].answer.head_bytes.tail == 0)
        return false;
    xf_dual_drop_side(xf_dual_follower(dual), XF_ERR_STATE);
    dual->state = RECEIVING;
    return true;
}

/* ---- the filter's points ---- */

static void on_resolved(void *ctx, enum xf_resolved how)
{
    struct dual *dual = ctx;
    if (how == XF_RESOLVED_REFUSED) {
        xf_dual_relay_refusal(dual, xf_resolve_refusal(dual->resolve));
        return;
    }
    if (waits_for_early_answer(dual))
        return;
    enum xf_err err = xf_journal_confirm(dual->op);
    if (err || dual->lost_held) {
        refuse_unrecorded(dual, err ? err : XF_ERR_NOMEM);
        return;
    }
    bool may_run_alone = !xf_journal_is_cut_off(dual->op) && (dual->authority == XF_LEGACY || xf_dual_is_trusted(dual));
    dual->has_resolved_ids = may_run_alone && how == XF_RESOLVED_IDS;
    if (may_run_alone)
        xf_dual_release_to_authority(dual, held(dual));
    else
        xf_dual_release(dual, held(dual));
    xf_dual_settle(dual);
}

/* False where it cannot be done: the write then runs on both sides, and everything is dirty. */
static bool resolve(struct dual *dual, struct xf_slice last)
{
    bool is_trusted = xf_dual_is_trusted(dual);
    const struct xf_resolve_input input = {
        .request = &dual->request,
        .kept = dual->kept,
        .filter = dual->filter,
        .shard_key = dual->shard_key,
        .side = dual->authority,
        .is_trusted = is_trusted,
        .ids_max = dual->request.view->snapshot->config->limits.scan_ids_max,
    };
    if (!dual->wants_resolve || !dual->kept || xf_journal_is_cut_off(dual->op) ||
        (dual->authority == XF_NEW && !is_trusted))
        return false;
    xf_dual_hold(dual, last);
    if (xf_resolve_start(&input, on_resolved, dual, &dual->resolve) != XF_OK)
        return false;
    dual->state = RESOLVING;
    return true;
}

/* ---- the journal ---- */

static void begun(struct dual *dual, struct xf_slice last)
{
    if (resolve(dual, last))
        return;
    xf_dual_release(dual, last);
    xf_dual_settle(dual);
}

static void on_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct dual *dual = ctx;
    const struct dual_side *authority = &dual->sides[dual->authority];
    dual->op = op;
    dual->journal_ns = xf_clock_now_ns() - dual->begin_ns;
    if (!dual->request.conn)
        xf_dual_give_up(dual);
    else if (authority->is_done) /* it failed while the journal was asked: nothing has been sent whole */
        xf_dual_ended_early(dual, dual->authority);
    else if (waits_for_early_answer(dual))
        return;
    else if (err || dual->lost_held)
        refuse_unrecorded(dual, err ? err : XF_ERR_NOMEM);
    else
        begun(dual, held(dual));
}

static void begin(struct dual *dual, const struct xf_journal_scope *scope, struct xf_slice last)
{
    dual->begin_ns = xf_clock_now_ns();
    enum xf_err err = xf_journal_begin(dual->request.fanout->journal, dual->request.plan.migration->index, scope,
                                       on_begun, dual, &dual->op);
    if (err == XF_ERR_BUSY) {
        dual->state = HELD;
        xf_dual_hold(dual, last);
        return;
    }
    dual->journal_ns = xf_clock_now_ns() - dual->begin_ns;
    if (err)
        refuse_unrecorded(dual, err);
    else
        begun(dual, last);
}

/* ---- the credential ---- */

static void refuse_unasked(struct dual *dual, enum xf_err err)
{
    char text[320];
    snprintf(text, sizeof text,
             "the legacy collection '%s' could not be asked whether this credential may write: %s; the write was sent "
             "nowhere, send it again",
             dual->request.plan.migration->conf->side[XF_LEGACY].collection, xf_err_sentence(err));
    xf_dual_refuse(dual, xf_err_status(err), text);
}

static void on_asked(void *ctx)
{
    struct dual *dual = ctx;
    const struct xf_answer *answer = &dual->ask.answer;
    struct xf_request *request = &dual->request;
    const struct xf_journal_scope all = {.is_all = true};
    if (!answer->is_whole) {
        refuse_unasked(dual, dual->ask.err);
        return;
    }
    if (answer->head.status == 401 || answer->head.status == 403) {
        xf_lease_end(request->fanout->leases, request->credential);
        xf_dual_relay_refusal(dual, answer);
        return;
    }
    if (xf_answer_is_success(answer))
        xf_lease_grant(request->fanout->leases, request->credential, XF_LEASE_WRITE,
                       request->fanout->thread->loop.now_ms);
    if (waits_for_early_answer(dual))
        return;
    if (dual->lost_held)
        refuse_unrecorded(dual, XF_ERR_NOMEM);
    else
        begin(dual, &all, held(dual));
}

static bool ask_legacy(struct dual *dual, struct xf_slice last)
{
    if (!dual->kept || xf_dual_is_trusted(dual))
        return false;
    xf_dual_hold(dual, last);
    xf_ask_init(&dual->ask, on_asked, dual);
    if (xf_ask_send(&dual->ask, &dual->request, XF_LEGACY, false, dual->kept, "/points/payload/delete?wait=false",
                    XF_SLICE(XF_ASK_NOTHING "}")) != XF_OK)
        return false;
    dual->state = ASKING;
    return true;
}

void xf_dual_begin(struct dual *dual, const struct xf_journal_scope *scope, struct xf_slice last)
{
    if (!scope->is_all || !ask_legacy(dual, last))
        begin(dual, scope, last);
}
