/* What becomes of a dual write's points, and how it is counted. docs/outcomes.md has the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/dual_int.h"

bool xf_dual_is_success(const struct dual *dual, const struct dual_side *side)
{
    if (!xf_answer_is_success(&side->answer))
        return false;
    return !xf_dual_writes_points(dual) || side->outcome == XF_OUTCOME_COMPLETED ||
           side->outcome == XF_OUTCOME_ACKNOWLEDGED || side->outcome == XF_OUTCOME_WAIT_TIMEOUT;
}

/* What both have in their logs they will do alike: where they declare the same vectors, and where an update by id cannot
 * stop half-way at a point that is missing, each side at its own (Qdrant 1.18.3: lib/shard/src/update.rs). */
static bool will_agree(const struct dual *dual)
{
    return dual->request.plan.migration->vectors_match && !dual->may_stop_early;
}

bool xf_dual_is_with_both(const struct dual *dual)
{
    enum xf_outcome outcome = dual->sides[0].outcome;
    return outcome == dual->sides[1].outcome &&
           (outcome == XF_OUTCOME_COMPLETED || (outcome == XF_OUTCOME_ACKNOWLEDGED && will_agree(dual)));
}

/* A follower that lacks the point because it is still being filled has not failed: the backfill brings the point. */
bool xf_dual_follower_failure_counts(const struct dual *dual)
{
    const struct dual_side *side = &dual->sides[xf_dual_other(dual)];
    if (xf_dual_is_success(dual, side))
        return false;
    bool is_filling = !dual->request.plan.migration->follower_is_complete;
    return !(is_filling && xf_answer_is_point_missing(&side->answer));
}

static enum xf_mstat counter_of(const struct dual *dual)
{
    bool authority_ok = xf_dual_is_success(dual, &dual->sides[dual->authority]);
    bool follower_ok = xf_dual_is_success(dual, &dual->sides[xf_dual_other(dual)]);
    if (!authority_ok)
        return follower_ok ? XF_MSTAT_WRITES_AUTHORITY_FAILED : XF_MSTAT_WRITES_BOTH_FAILED;
    if (dual->is_resolved)
        return XF_MSTAT_WRITES_RESOLVED;
    if (follower_ok)
        return XF_MSTAT_WRITES_OK;
    return xf_dual_follower_failure_counts(dual) ? XF_MSTAT_WRITES_FOLLOWER_FAILED : XF_MSTAT_WRITES_FOLLOWER_MISSING;
}

/* It ran on the authority alone, on points that are known: these are to be copied, and nothing else. */
static bool end_resolved(struct dual *dual, enum xf_outcome outcome)
{
    size_t count;
    if (!dual->has_resolved_ids || outcome == XF_OUTCOME_NOT_SENT)
        return false;
    const struct xf_point_id *ids = xf_resolve_ids(dual->resolve, &count);
    bool is_held = outcome == XF_OUTCOME_UNKNOWN || outcome == XF_OUTCOME_WAIT_TIMEOUT;
    xf_journal_end_resolved(dual->op, ids, count, is_held);
    return true;
}

/* It was not sent there, or was refused in a way that proves that nothing happened. */
static bool has_no_effect(const struct dual_side *side)
{
    return side->outcome == XF_OUTCOME_NOT_SENT || xf_answer_proves_no_effect(&side->answer);
}

static void end_in_journal(struct dual *dual)
{
    struct xf_verdict_input input = {
        .outcome = {dual->sides[0].outcome, dual->sides[1].outcome},
        .is_exact = dual->is_exact,
        .vectors_match = will_agree(dual),
    };
    if (!dual->op)
        return;
    if (has_no_effect(&dual->sides[XF_LEGACY]) && has_no_effect(&dual->sides[XF_NEW]))
        input.outcome[XF_LEGACY] = input.outcome[XF_NEW] = XF_OUTCOME_NOT_SENT;
    if (!end_resolved(dual, input.outcome[dual->authority]))
        xf_journal_end(dual->op, &input);
    dual->op = NULL;
}

static void record_side(struct xf_hist *hist, const struct dual_side *side)
{
    if (side->sent_ns)
        xf_hist_record_us(hist, xf_dual_spent_us(side->sent_ns, side->done_ns));
}

void xf_dual_end(struct dual *dual)
{
    const struct xf_fanout_thread *fanout = dual->request.fanout;
    struct xf_mstats *mstats = &fanout->thread->loop.stats->migrations[dual->request.plan.migration->index];
    record_side(&mstats->legacy_write, &dual->sides[XF_LEGACY]);
    record_side(&mstats->new_write, &dual->sides[XF_NEW]);
    xf_dual_count(dual, counter_of(dual));
    end_in_journal(dual);
    if (dual->request.plan.endpoint->class_ == XF_CLASS_WRITE_INDEX)
        fanout->context->on_aliases_changed(fanout->context->ctx); /* looks at the indexes too */
}
