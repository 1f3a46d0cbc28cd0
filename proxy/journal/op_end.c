/* How an op ends: see op.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/link_int.h"
#include "proxy/journal/pack.h"

#include <stdlib.h>

/* An ALL that Redis sent away waits there for its turn. Only a command can say whether it still does. */
static bool may_have_turn(const struct xf_journal_op *op)
{
    return op->scope.is_all && op->was_busy && !op->is_recorded &&
           op->generation == atomic_load(&op->member->generation);
}

/* Redis may not have heard of it, so the file does; where its ids stand there since its begin, that is enough: they are
 * given later than now. `is_spill_held` comes first: who gives the file looks at it last. */
static void remember(struct xf_journal_op *op)
{
    struct xf_member *member = op->member;
    if (op->verdict.is_held)
        atomic_store(&member->is_spill_held, true);
    bool is_within_scope = !op->is_resolved || op->scope.is_all;
    if (is_within_scope && xf_op_is_in_file(op))
        return;
    enum xf_err err = xf_op_write_list(member, &op->said);
    if (err)
        xf_op_lose(member, op->verdict.is_held, err);
}

static void let_go(struct xf_journal_op *op)
{
    if (op->is_end_lost && !op->verdict.is_no_effect)
        remember(op);
    xf_op_leave(op);
}

static enum xf_err tell_end(struct xf_journal_op *op, bool was_recorded, bool may_wait)
{
    enum xf_err err = XF_OK;
    if (was_recorded && op->is_resolved)
        err = xf_op_send_end_resolved(op);
    else if (was_recorded)
        err = xf_op_send_end(op, op->verdict.is_dirty, op->verdict.is_held);
    else if (may_wait)
        err = xf_op_send_end(op, false, false);
    if (!err && !was_recorded && !op->verdict.is_no_effect)
        err = xf_op_send_mark(op);
    return err;
}

void xf_op_finish(struct xf_journal_op *op)
{
    uint64_t generation = op->generation;
    bool was_recorded = xf_op_is_on_record(op), may_wait = may_have_turn(op);
    op->state = XF_OP_ENDING;
    enum xf_err err = tell_end(op, was_recorded, may_wait);
    op->is_end_lost = err != XF_OK;
    if (err && (was_recorded || may_wait))
        xf_member_lost(op->member, generation); /* what Redis has of it goes with the session */
    if (op->answers_due == 0)
        let_go(op);
}

void xf_op_on_end(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_journal_op *op = ctx;
    struct xf_script_reply answer;
    atomic_fetch_sub(&op->member->unacknowledged, 1);
    op->answers_due--;
    xf_session_read(op->member, op->generation, err, reply, &answer);
    if (answer.status != XF_SCRIPT_OK)
        op->is_end_lost = true;
    if (op->answers_due == 0)
        let_go(op);
}

void xf_journal_end(struct xf_journal_op *op, const struct xf_verdict_input *input)
{
    if (!op->member) {
        xf_op_free(op);
        return;
    }
    XF_ASSERT(op->state == XF_OP_OPEN);
    atomic_fetch_add(&op->link->tally->ends, 1);
    op->verdict = xf_journal_judge(input);
    xf_op_finish(op);
}

/* Its own copy of the ids: they are needed until Redis has answered. */
static bool take_resolved(struct xf_journal_op *op, const struct xf_point_id *ids, size_t count)
{
    size_t packed_bytes = xf_pack_size(ids, count), bytes;
    if (__builtin_mul_overflow(count, sizeof *ids, &bytes) || __builtin_add_overflow(bytes, packed_bytes + 1, &bytes))
        return false;
    struct xf_point_id *copy = malloc(bytes);
    if (!copy)
        return false;
    char *packed = (char *)(copy + count);
    if (count)
        memcpy(copy, ids, count * sizeof *ids);
    op->said_memory = copy;
    op->said = (struct xf_op_list){copy, count, xf_slice(packed, xf_pack_ids(ids, count, packed)), false};
    op->is_resolved = true;
    return true;
}

void xf_journal_end_resolved(struct xf_journal_op *op, const struct xf_point_id *ids, size_t id_count, bool is_held)
{
    if (!op->member) {
        xf_op_free(op);
        return;
    }
    XF_ASSERT(op->state == XF_OP_OPEN);
    atomic_fetch_add(&op->link->tally->ends, 1);
    op->verdict = (struct xf_verdict){.is_dirty = true, .is_held = is_held};
    if (!take_resolved(op, ids, id_count) && !op->scope.is_all)
        xf_op_lose(op->member, is_held, XF_ERR_NOMEM); /* what is not in its scope has no place; an ALL ends as one */
    xf_op_finish(op);
}
