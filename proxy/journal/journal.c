/* Writes, and what they leave behind.
 *
 * Each id in flight has a counter; two writes that meet on an id mark it, and both leave it dirty at their ends, since
 * they may have reached the two sides in different order. Only the ids that were met are dirty: a write acts on each of
 * its points by itself. For the same reason a write of unknown scope (ALL) that met others leaves their ids dirty, at
 * their ends, and not everything; two of unknown scope that met leave the whole set unknown.
 *
 * Unknown is a state of the set, not of the ids: the ids in it are still dirty, but others may be too (G4). It ends
 * with a reconcile that began after the last event that caused it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/journal_int.h"

#include "common/base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { HOLD_MS_DEFAULT = 120000 };

static enum xf_err migration_init(struct xf_journal_migration *migration, const struct xf_journal *journal)
{
    if (pthread_mutex_init(&migration->lock, NULL) != 0)
        return XF_ERR_NOMEM;
    migration->journal = journal;
    migration->is_unknown = true; /* what happened before this process began is not known to it */
    xf_idmap_init(&migration->in_flight);
    xf_idmap_init(&migration->dirty);
    return XF_OK;
}

enum xf_err xf_journal_new(size_t migration_count, size_t dirty_max, struct xf_journal **journal)
{
    size_t bytes;
    if (__builtin_mul_overflow(migration_count, sizeof(struct xf_journal_migration), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct xf_journal), &bytes))
        return XF_ERR_NOMEM;
    struct xf_journal *made = calloc(1, bytes);
    if (!made)
        return XF_ERR_NOMEM;
    made->dirty_max = dirty_max;
    atomic_init(&made->hold_ms, HOLD_MS_DEFAULT);
    for (size_t i = 0; i < migration_count; i++) {
        enum xf_err err = migration_init(&made->migrations[i], made);
        if (err) {
            xf_journal_free(made);
            return err;
        }
        made->migration_count++;
    }
    *journal = made;
    return XF_OK;
}

static void migration_fini(struct xf_journal_migration *migration)
{
    while (migration->ops) {
        struct xf_journal_op *next = migration->ops->next;
        free(migration->ops);
        migration->ops = next;
    }
    while (migration->copies) {
        struct xf_journal_copy *next = migration->copies->next;
        xf_copy_free(migration->copies);
        migration->copies = next;
    }
    xf_idmap_fini(&migration->in_flight);
    xf_idmap_fini(&migration->dirty);
    (void)pthread_mutex_destroy(&migration->lock); /* fails only while somebody holds it, against the contract */
}

void xf_journal_free(struct xf_journal *journal)
{
    if (!journal)
        return;
    for (size_t i = 0; i < journal->migration_count; i++)
        migration_fini(&journal->migrations[i]);
    free(journal);
}

void xf_journal_set_hold_ms(struct xf_journal *journal, uint64_t hold_ms)
{
    atomic_store(&journal->hold_ms, hold_ms);
}

static void lock(struct xf_journal_migration *migration)
{
    int failed = pthread_mutex_lock(&migration->lock);
    XF_ASSERT(!failed);
}

static void unlock(struct xf_journal_migration *migration)
{
    int failed = pthread_mutex_unlock(&migration->lock);
    XF_ASSERT(!failed);
}

struct xf_journal_migration *xf_journal_lock(struct xf_journal *journal, size_t migration)
{
    XF_ASSERT(migration < journal->migration_count);
    lock(&journal->migrations[migration]);
    return &journal->migrations[migration];
}

/* --- Dirty and unknown --- */

static void become_unknown(struct xf_journal_migration *migration)
{
    migration->is_unknown = true;
    migration->moment++;
}

static void hold_all(struct xf_journal_migration *migration, uint64_t until_ms)
{
    if (migration->hold_all_until_ms < until_ms)
        migration->hold_all_until_ms = until_ms;
}

bool xf_journal_is_in_flight(const struct xf_journal_migration *migration, struct xf_point_id id)
{
    return migration->all_count > 0 || xf_idmap_find(&migration->in_flight, id);
}

void xf_journal_add_dirty(struct xf_journal_migration *migration, struct xf_point_id id, uint64_t now_ms,
                          uint64_t hold_ms)
{
    struct xf_idmap *dirty = &migration->dirty;
    struct xf_idmap_node *node = xf_idmap_find(dirty, id);
    xf_copies_touch(migration, id);
    if (!node) {
        if (dirty->count >= migration->journal->dirty_max || xf_idmap_reserve(dirty, 1)) {
            become_unknown(migration); /* the id is lost to the set, so the set is not known any more */
            hold_all(migration, now_ms + hold_ms);
            return;
        }
        node = xf_idmap_add(dirty, id);
        node->since_ms = now_ms;
    }
    if (hold_ms && node->hold_until_ms < now_ms + hold_ms)
        node->hold_until_ms = now_ms + hold_ms;
    node->retry_ms = 0; /* news of the id: a copy of it brings the follower nearer even while it is held */
}

static void mark_scope(struct xf_journal_migration *migration, const struct xf_journal_scope *scope, uint64_t hold_ms)
{
    uint64_t now_ms = xf_clock_now_ms();
    if (scope->is_all) {
        become_unknown(migration);
        hold_all(migration, now_ms + hold_ms);
        xf_copies_touch_all(migration);
        return;
    }
    for (size_t i = 0; i < scope->id_count; i++)
        xf_journal_add_dirty(migration, scope->ids[i], now_ms, hold_ms);
}

void xf_journal_mark_dirty(struct xf_journal *journal, size_t migration, const struct xf_journal_scope *scope)
{
    struct xf_journal_migration *own = xf_journal_lock(journal, migration);
    mark_scope(own, scope, 0);
    unlock(own);
}

void xf_journal_hold_all(struct xf_journal *journal, size_t migration)
{
    struct xf_journal_migration *own = xf_journal_lock(journal, migration);
    become_unknown(own);
    hold_all(own, xf_clock_now_ms() + atomic_load(&journal->hold_ms));
    unlock(own);
}

struct xf_journal_moment xf_journal_reconcile_begin(struct xf_journal *journal, size_t migration)
{
    struct xf_journal_migration *own = xf_journal_lock(journal, migration);
    struct xf_journal_moment moment = {own->moment, xf_clock_now_ms()};
    unlock(own);
    return moment;
}

bool xf_journal_reconcile_end(struct xf_journal *journal, size_t migration, struct xf_journal_moment began)
{
    struct xf_journal_migration *own = xf_journal_lock(journal, migration);
    if (own->moment == began.number && own->hold_all_until_ms <= began.at_ms)
        own->is_unknown = false;
    bool is_known = !own->is_unknown;
    unlock(own);
    return is_known;
}

void xf_journal_mark_known(struct xf_journal *journal, size_t migration)
{
    (void)xf_journal_reconcile_end(journal, migration, xf_journal_reconcile_begin(journal, migration));
}

/* --- Writes --- */

static struct xf_journal_op *op_new(const struct xf_journal_scope *scope)
{
    size_t count = scope->is_all ? 0 : scope->id_count, bytes;
    if (__builtin_mul_overflow(count, sizeof *scope->ids, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct xf_journal_op), &bytes))
        return NULL;
    struct xf_journal_op *op = malloc(bytes);
    if (!op)
        return NULL;
    *op = (struct xf_journal_op){.is_all = scope->is_all, .id_count = count};
    if (count)
        memcpy(op->ids, scope->ids, count * sizeof *op->ids);
    return op;
}

static void link_op(struct xf_journal_migration *migration, struct xf_journal_op *op)
{
    op->migration = migration;
    op->next = migration->ops;
    if (op->next)
        op->next->previous = op;
    migration->ops = op;
    migration->op_count++;
}

static void unlink_op(struct xf_journal_migration *migration, struct xf_journal_op *op)
{
    if (op->previous)
        op->previous->next = op->next;
    else
        migration->ops = op->next;
    if (op->next)
        op->next->previous = op->previous;
    migration->op_count--;
}

static void begin_all(struct xf_journal_migration *migration, struct xf_journal_op *op)
{
    op->met_all = migration->all_count > 0;
    for (struct xf_journal_op *other = migration->ops; other; other = other->next)
        other->met_all = true;
    migration->all_count++;
    xf_copies_touch_all(migration);
}

static void begin_ids(struct xf_journal_migration *migration, struct xf_journal_op *op)
{
    op->met_all = migration->all_count > 0;
    for (size_t i = 0; i < op->id_count; i++) {
        struct xf_idmap_node *node = xf_idmap_add(&migration->in_flight, op->ids[i]);
        if (node->writes++ > 0)
            node->is_contended = true;
        xf_copies_touch(migration, op->ids[i]);
    }
}

enum xf_err xf_journal_begin(struct xf_journal *journal, size_t migration, const struct xf_journal_scope *scope,
                             xf_journal_begun_fn *begun, void *ctx, struct xf_journal_op **op)
{
    (void)begun; /* this journal always answers at once */
    (void)ctx;
    struct xf_journal_op *made = op_new(scope);
    if (!made)
        return XF_ERR_NOMEM;
    struct xf_journal_migration *own = xf_journal_lock(journal, migration);
    enum xf_err err = xf_idmap_reserve(&own->in_flight, made->id_count);
    if (!err) {
        if (made->is_all)
            begin_all(own, made);
        else
            begin_ids(own, made);
        link_op(own, made);
    }
    unlock(own);
    if (err) {
        free(made);
        return err;
    }
    *op = made;
    return XF_OK;
}

/* What the two answers say about the points, were the write alone. */
struct end_verdict {
    bool is_no_effect, is_clean, is_held;
};

static bool may_still_land(enum xf_outcome outcome)
{
    return outcome == XF_OUTCOME_UNKNOWN || outcome == XF_OUTCOME_WAIT_TIMEOUT;
}

static struct end_verdict judge(const enum xf_outcome outcome[2], bool is_exact, bool vectors_match)
{
    bool is_same = outcome[0] == outcome[1];
    bool is_applied =
        is_same && (outcome[0] == XF_OUTCOME_COMPLETED || (outcome[0] == XF_OUTCOME_ACKNOWLEDGED && vectors_match));
    return (struct end_verdict){
        .is_no_effect = is_same && outcome[0] == XF_OUTCOME_NOT_SENT,
        .is_clean = is_exact && is_applied,
        .is_held = may_still_land(outcome[0]) || may_still_land(outcome[1]),
    };
}

/* Takes the id out of flight and says whether another write met it there. */
static bool end_id(struct xf_journal_migration *migration, struct xf_point_id id)
{
    struct xf_idmap_node *node = xf_idmap_find(&migration->in_flight, id);
    XF_ASSERT(node && node->writes > 0);
    bool is_contended = node->is_contended;
    if (--node->writes == 0)
        xf_idmap_remove(&migration->in_flight, node);
    return is_contended;
}

static void end_ids(struct xf_journal_migration *migration, const struct xf_journal_op *op,
                    const struct end_verdict *verdict, uint64_t hold_ms)
{
    uint64_t now_ms = xf_clock_now_ms();
    for (size_t i = 0; i < op->id_count; i++) {
        bool has_met = end_id(migration, op->ids[i]) || op->met_all;
        if (verdict->is_no_effect || (verdict->is_clean && !has_met))
            xf_copies_touch(migration, op->ids[i]);
        else
            xf_journal_add_dirty(migration, op->ids[i], now_ms, hold_ms);
    }
}

static void end_all(struct xf_journal_migration *migration, const struct xf_journal_op *op,
                    const struct end_verdict *verdict, uint64_t hold_ms)
{
    migration->all_count--;
    if (verdict->is_no_effect || (verdict->is_clean && !op->met_all))
        xf_copies_touch_all(migration);
    else
        mark_scope(migration, &(struct xf_journal_scope){.is_all = true}, hold_ms);
}

void xf_journal_end(struct xf_journal_op *op, const enum xf_outcome outcome[2], bool is_exact, bool vectors_match)
{
    struct xf_journal_migration *own = op->migration;
    struct end_verdict verdict = judge(outcome, is_exact, vectors_match);
    uint64_t hold_ms = verdict.is_held ? atomic_load(&own->journal->hold_ms) : 0;
    lock(own);
    unlink_op(own, op);
    if (op->is_all)
        end_all(own, op, &verdict, hold_ms);
    else
        end_ids(own, op, &verdict, hold_ms);
    unlock(own);
    free(op);
}

/* --- Looking --- */

static uint64_t hold_left_ms(const struct xf_journal_migration *migration)
{
    uint64_t now_ms = xf_clock_now_ms();
    return migration->hold_all_until_ms > now_ms ? migration->hold_all_until_ms - now_ms : 0;
}

static uint64_t oldest_age_ms(const struct xf_journal_migration *migration)
{
    const struct xf_idmap_node *first = xf_idmap_first(&migration->dirty);
    uint64_t now_ms = xf_clock_now_ms();
    return first && now_ms > first->since_ms ? now_ms - first->since_ms : 0;
}

void xf_journal_state(struct xf_journal *journal, size_t migration, struct xf_journal_state *state)
{
    struct xf_journal_migration *own = xf_journal_lock(journal, migration);
    *state = (struct xf_journal_state){.is_unknown = own->is_unknown,
                                       .dirty = own->dirty.count,
                                       .in_flight = own->op_count,
                                       .copies = own->copy_count,
                                       .oldest_dirty_age_ms = oldest_age_ms(own),
                                       .hold_all_ms = hold_left_ms(own)};
    unlock(own);
}
