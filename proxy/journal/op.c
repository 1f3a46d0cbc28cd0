/* An op from begin to end; the end is in op_end.c.
 *
 *   begin --> QUEUED --admitted--> ASKING --OK--> OPEN --end--> ENDING --> gone
 *                |                 |    ^           ^              |
 *                |               BUSY   |           |              +-- no answer: its ids go to the file
 *                |                 v    |           |
 *                +--patience--> PAUSING-+           +-- without Redis: its ids are in the file, it is cut off
 *
 * Nothing is sent twice. When an answer is missing, what it was about is written to the file, and the replica joins again;
 * the join drops what its older sessions have on record (and makes it dirty). An op that outlives the generation that it
 * was begun in is on no record any more, so its end is told as a mark: dirty, whatever came of it.
 *
 * The order of things that G4 rests on: the ids are on record, or in the file, before `begun`; they leave this process's
 * queue, where xf_ops_cut_off finds them, only after Redis has taken the end, or the file has.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/link_int.h"
#include "proxy/journal/pack.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAUSE_MIN_MS = 2, PAUSE_MAX_MS = 50 };

/* ---- life ---- */

static void name_op(struct xf_journal_op *op)
{
    struct xf_journal_link *link = op->link;
    int len = snprintf(op->name, sizeof op->name, "%016llx.%llx", (unsigned long long)link->random,
                       (unsigned long long)++link->last_number);
    op->name_len = (size_t)len;
}

/* One piece of memory: the op, its ids, their places in the queue, and the ids packed. */
static struct xf_journal_op *op_new(struct xf_journal_link *link, const struct xf_journal_scope *scope)
{
    size_t count = scope->is_all ? 0 : scope->id_count, bytes;
    size_t packed_bytes = xf_pack_size(scope->ids, count);
    if (__builtin_mul_overflow(count, sizeof *scope->ids + sizeof(struct xf_claim), &bytes) ||
        __builtin_add_overflow(bytes, packed_bytes + sizeof(struct xf_journal_op), &bytes))
        return NULL;
    struct xf_journal_op *op = malloc(bytes);
    if (!op)
        return NULL;
    struct xf_claim *claims = (struct xf_claim *)(void *)(op + 1);
    struct xf_point_id *ids = (struct xf_point_id *)(void *)(claims + count);
    char *packed = (char *)(ids + count);
    *op = (struct xf_journal_op){.link = link, .ticket = {ids, claims, count, scope->is_all, false, false, NULL, NULL, 0}};
    if (count)
        memcpy(ids, scope->ids, count * sizeof *ids);
    op->scope = (struct xf_op_list){ids, count, xf_slice(packed, xf_pack_ids(ids, count, packed)), scope->is_all};
    op->said = op->scope;
    link->op_count++;
    return op;
}

static struct xf_journal_op *op_of(struct xf_ticket *ticket)
{
    return (struct xf_journal_op *)(void *)((char *)ticket - offsetof(struct xf_journal_op, ticket));
}

void xf_op_free(struct xf_journal_op *op)
{
    op->link->op_count--;
    free(op->said_memory);
    free(op);
}

void xf_op_leave(struct xf_journal_op *op)
{
    struct xf_member *member = op->member;
    pthread_mutex_lock(&member->lock);
    xf_queue_leave(&member->queue, &op->ticket);
    if (atomic_load(&op->is_cut_off))
        atomic_fetch_sub(&member->cut_off_ops, 1);
    for (struct xf_ticket *next; (next = xf_queue_next(&member->queue));)
        xf_link_deliver(op->link, op_of(next));
    pthread_mutex_unlock(&member->lock);
    xf_op_free(op);
}

/* ---- the file ---- */

enum xf_err xf_op_write_list(struct xf_member *member, const struct xf_op_list *list)
{
    return list->is_all ? xf_spill_add_all(member->spill) : xf_spill_add(member->spill, list->ids, list->count);
}

bool xf_op_is_in_file(const struct xf_journal_op *op)
{
    return atomic_load(&op->spilled_at) == atomic_load(&op->member->given) + 1;
}

/* Its ids are in the file from now on, until the file is given to Redis; if they were in it before that, once more. */
static enum xf_err cut_off(struct xf_journal_op *op)
{
    struct xf_member *member = op->member;
    uint64_t given = atomic_load(&member->given) + 1;
    if (!atomic_exchange(&op->is_cut_off, true)) {
        atomic_fetch_add(&member->cut_off_ops, 1);
        atomic_fetch_add(&op->link->tally->cut_off_writes, 1);
    }
    if (xf_op_is_in_file(op))
        return XF_OK;
    enum xf_err err = xf_op_write_list(member, &op->scope);
    if (!err)
        atomic_store(&op->spilled_at, given);
    return err;
}

void xf_op_lose(struct xf_member *member, bool is_held, enum xf_err err)
{
    if (is_held)
        atomic_store(&member->is_loss_held, true);
    if (!atomic_exchange(&member->is_losing, true))
        xf_log(XF_LOG_ERROR, "journal", "migration=%s err=%s: ids of a write could not be kept; everything counts as unknown",
               xf_journal_options(member->journal)->config->migrations[member->migration].name, xf_err_name(err));
}

void xf_ops_cut_off(struct xf_member *member)
{
    pthread_mutex_lock(&member->lock);
    for (struct xf_ticket *ticket = member->queue.admitted.first; ticket; ticket = ticket->next) {
        enum xf_err err = cut_off(op_of(ticket));
        if (err)
            xf_op_lose(member, true, err);
    }
    pthread_mutex_unlock(&member->lock);
}

/* ---- begin ---- */

bool xf_op_is_on_record(const struct xf_journal_op *op)
{
    return op->is_recorded && op->generation == atomic_load(&op->member->generation);
}

/* On record, and the lease holds now. In this order: the generation that is the op's afterwards was so before. */
static bool is_covered(const struct xf_journal_op *op)
{
    return xf_member_holds(op->member) && xf_op_is_on_record(op);
}

static void pause_for(struct xf_journal_op *op, uint64_t ms)
{
    uint64_t now_ms = xf_clock_now_ms();
    if (op->deadline_ms > now_ms && op->deadline_ms - now_ms < ms)
        ms = op->deadline_ms - now_ms;
    op->state = XF_OP_PAUSING;
    xf_link_pause(op, ms);
}

/* 2, 4, 8 .. 50 ms, between half of it and the whole, so that those who wait for the same do not ask together. */
static void pause_after_busy(struct xf_journal_op *op)
{
    uint64_t whole = op->pauses < 5 ? (uint64_t)PAUSE_MIN_MS << op->pauses : PAUSE_MAX_MS;
    op->pauses++;
    pause_for(op, whole / 2 + arc4random_uniform((uint32_t)(whole / 2 + 1)));
}

static void lose_patience(struct xf_journal_op *op)
{
    if (!op->is_forced)
        atomic_fetch_add(&op->link->tally->forced, 1);
    op->is_forced = true;
}

/* The queue has let it go. BUSY: Redis is asked, or will be. OK: it is begun without Redis. */
static enum xf_err ask(struct xf_journal_op *op)
{
    struct xf_journal_link *link = op->link;
    bool is_patient = xf_clock_now_ms() < op->deadline_ms;
    if (op->was_busy && !is_patient)
        lose_patience(op);
    if (atomic_load(&op->is_cut_off) || !xf_member_holds(op->member))
        return cut_off(op);
    if (!link->has_tried && is_patient) { /* the thread has only just started */
        pause_for(op, PAUSE_MIN_MS);
        return XF_ERR_BUSY;
    }
    enum xf_err err = xf_op_send_begin(op);
    if (err == XF_ERR_NOMEM)
        return err;
    if (err)
        return cut_off(op);
    op->state = XF_OP_ASKING;
    return XF_ERR_BUSY;
}

/* Nothing of it was sent to any side. */
static void drop(struct xf_journal_op *op)
{
    op->verdict = (struct xf_verdict){.is_no_effect = true};
    xf_op_finish(op);
}

static void tell_begun(struct xf_journal_op *op, enum xf_err err)
{
    xf_journal_begun_fn *begun = op->begun;
    void *ctx = op->ctx;
    op->state = XF_OP_OPEN;
    if (err)
        drop(op);
    begun(ctx, err ? NULL : op, err);
}

void xf_op_go_on(struct xf_journal_op *op)
{
    enum xf_err err = ask(op);
    if (err != XF_ERR_BUSY)
        tell_begun(op, err);
}

bool xf_op_force(struct xf_journal_op *op)
{
    struct xf_member *member = op->member;
    pthread_mutex_lock(&member->lock);
    bool is_waiting = op->ticket.is_waiting;
    if (is_waiting)
        xf_queue_force(&member->queue, &op->ticket);
    pthread_mutex_unlock(&member->lock);
    if (is_waiting)
        lose_patience(op);
    return is_waiting;
}

void xf_op_on_begin(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_journal_op *op = ctx;
    struct xf_script_reply answer;
    atomic_fetch_sub(&op->member->unacknowledged, 1);
    xf_session_read(op->member, op->generation, err, reply, &answer);
    op->is_recorded = answer.status == XF_SCRIPT_OK;
    if (op->link->is_closing) {
        xf_op_leave(op);
    } else if (answer.status == XF_SCRIPT_BUSY) {
        if (!op->was_busy)
            atomic_fetch_add(&op->link->tally->conflicts, 1);
        op->was_busy = true;
        pause_after_busy(op);
    } else {
        tell_begun(op, is_covered(op) ? XF_OK : cut_off(op));
    }
}

void xf_op_abandon(struct xf_journal_op *op)
{
    xf_link_stop_waiting(op);
    xf_op_leave(op);
}

static bool enter(struct xf_journal_op *op)
{
    pthread_mutex_lock(&op->member->lock);
    bool is_admitted = xf_queue_enter(&op->member->queue, &op->ticket);
    pthread_mutex_unlock(&op->member->lock);
    return is_admitted;
}

enum xf_err xf_journal_begin(struct xf_journal_link *link, size_t migration, const struct xf_journal_scope *scope,
                             xf_journal_begun_fn *begun, void *ctx, struct xf_journal_op **out)
{
    struct xf_journal_op *op = op_new(link, scope);
    if (!op)
        return XF_ERR_NOMEM;
    enum xf_err err = XF_OK;
    if (!link->is_off) {
        op->member = xf_journal_member(link->journal, migration);
        op->begun = begun;
        op->ctx = ctx;
        op->deadline_ms = xf_clock_now_ms() + link->patience_ms;
        name_op(op);
        atomic_fetch_add(&link->tally->begins, 1);
        if (!enter(op)) {
            atomic_fetch_add(&link->tally->queued, 1);
            xf_link_wait_in_queue(op);
            return XF_ERR_BUSY;
        }
        err = ask(op);
    }
    if (err == XF_ERR_BUSY)
        return err;
    op->state = XF_OP_OPEN;
    if (err)
        drop(op);
    else
        *out = op;
    return err;
}

enum xf_err xf_journal_confirm(struct xf_journal_op *op)
{
    return !op->member || is_covered(op) ? XF_OK : cut_off(op);
}

bool xf_journal_is_cut_off(const struct xf_journal_op *op)
{
    return atomic_load(&op->is_cut_off);
}
