/* Copies: the only way out of the dirty set.
 *
 * A copy reads an id from the authority and writes it to the follower; a write that comes in between makes what it
 * wrote old. So a running copy keeps the ids of its scope that were touched, and at its end only the others are clean.
 * Nothing is remembered of touches that no copy has to know of. Two copies never have one id in hand.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/journal_int.h"

#include "common/base/clock.h"

#include <stdlib.h>
#include <string.h>

/* A range looks through the whole dirty set only while that is short work beside its own ids. */
enum { DIRTY_WALK_MAX = 4096 };

static void unlock(struct xf_journal_migration *migration)
{
    int failed = pthread_mutex_unlock(&migration->lock);
    XF_ASSERT(!failed);
}

/* --- Scopes --- */

static int compare_ids(const void *a, const void *b)
{
    return xf_point_id_cmp(*(const struct xf_point_id *)a, *(const struct xf_point_id *)b);
}

static bool is_in_range(const struct xf_journal_copy *copy, struct xf_point_id id)
{
    return (!copy->has_from || xf_point_id_cmp(copy->from, id) <= 0) &&
           (!copy->has_to || xf_point_id_cmp(id, copy->to) < 0);
}

static bool is_in_scope(const struct xf_journal_copy *copy, struct xf_point_id id)
{
    if (copy->is_range)
        return is_in_range(copy, id);
    return copy->id_count && bsearch(&id, copy->ids, copy->id_count, sizeof id, compare_ids);
}

static bool ranges_overlap(const struct xf_journal_copy *a, const struct xf_journal_copy *b)
{
    bool a_ends_first = a->has_to && b->has_from && xf_point_id_cmp(a->to, b->from) <= 0;
    bool b_ends_first = b->has_to && a->has_from && xf_point_id_cmp(b->to, a->from) <= 0;
    return !a_ends_first && !b_ends_first;
}

static bool overlap(const struct xf_journal_copy *a, const struct xf_journal_copy *b)
{
    if (a->is_range && b->is_range)
        return ranges_overlap(a, b);
    if (a->is_range)
        return overlap(b, a); // NOLINT(misc-no-recursion): once, with the list first
    for (size_t i = 0; i < a->id_count; i++)
        if (is_in_scope(b, a->ids[i]))
            return true;
    return false;
}

/* --- Touches --- */

void xf_copies_touch(struct xf_journal_migration *migration, struct xf_point_id id)
{
    for (struct xf_journal_copy *copy = migration->copies; copy; copy = copy->next) {
        if (copy->touched_all || !is_in_scope(copy, id))
            continue;
        if (xf_idmap_reserve(&copy->touched, 1))
            copy->touched_all = true;
        else
            (void)xf_idmap_add(&copy->touched, id); /* the id is all there is to remember */
    }
}

void xf_copies_touch_all(struct xf_journal_migration *migration)
{
    for (struct xf_journal_copy *copy = migration->copies; copy; copy = copy->next)
        copy->touched_all = true;
}

/* --- Begin --- */

static size_t sort_unique(struct xf_point_id *ids, size_t count)
{
    qsort(ids, count, sizeof *ids, compare_ids);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !xf_point_id_eq(ids[kept - 1], ids[i]))
            ids[kept++] = ids[i];
    return kept;
}

static struct xf_journal_copy *copy_new(const struct xf_copy_scope *scope)
{
    size_t count = scope->is_range ? 0 : scope->id_count, bytes;
    if (__builtin_mul_overflow(count, sizeof *scope->ids, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct xf_journal_copy), &bytes))
        return NULL;
    struct xf_journal_copy *copy = malloc(bytes);
    if (!copy)
        return NULL;
    *copy = (struct xf_journal_copy){.is_range = scope->is_range,
                                     .has_from = scope->is_range && scope->from,
                                     .has_to = scope->is_range && scope->to};
    if (copy->has_from)
        copy->from = *scope->from;
    if (copy->has_to)
        copy->to = *scope->to;
    if (count) {
        memcpy(copy->ids, scope->ids, count * sizeof *copy->ids);
        copy->id_count = sort_unique(copy->ids, count);
    }
    xf_idmap_init(&copy->touched);
    return copy;
}

void xf_copy_free(struct xf_journal_copy *copy)
{
    xf_idmap_fini(&copy->touched);
    free(copy);
}

static bool is_in_hand(const struct xf_journal_migration *migration, const struct xf_journal_copy *copy)
{
    for (const struct xf_journal_copy *other = migration->copies; other; other = other->next)
        if (overlap(copy, other))
            return true;
    return false;
}

enum xf_err xf_journal_copy_begin(struct xf_journal *journal, size_t migration, const struct xf_copy_scope *scope,
                                  struct xf_journal_copy **copy)
{
    struct xf_journal_copy *made = copy_new(scope);
    if (!made)
        return XF_ERR_NOMEM;
    struct xf_journal_migration *own = xf_journal_lock(journal, migration);
    bool is_busy = is_in_hand(own, made);
    if (!is_busy) {
        made->migration = own;
        made->begin_ms = xf_clock_now_ms();
        made->next = own->copies;
        own->copies = made;
        own->copy_count++;
    }
    unlock(own);
    if (is_busy) {
        xf_copy_free(made);
        return XF_ERR_BUSY;
    }
    *copy = made;
    return XF_OK;
}

/* --- End --- */

static void unlink_copy(struct xf_journal_migration *migration, const struct xf_journal_copy *copy)
{
    struct xf_journal_copy **at = &migration->copies;
    while (*at != copy)
        at = &(*at)->next;
    *at = copy->next;
    migration->copy_count--;
}

static bool was_touched(const struct xf_journal_copy *copy, struct xf_point_id id)
{
    return copy->touched_all || !is_in_scope(copy, id) || xf_idmap_find(&copy->touched, id) ||
           xf_journal_is_in_flight(copy->migration, id);
}

/* The copy covered this dirty id: it is clean now, or waits for the next copy. */
static void settle_dirty(const struct xf_journal_copy *copy, struct xf_idmap_node *node)
{
    if (was_touched(copy, node->id))
        return;
    if (copy->begin_ms < node->hold_until_ms)
        node->retry_ms = node->hold_until_ms;
    else
        xf_idmap_remove(&copy->migration->dirty, node);
}

static void settle_written(const struct xf_journal_copy *copy, struct xf_point_id id)
{
    struct xf_idmap_node *node = xf_idmap_find(&copy->migration->dirty, id);
    if (node)
        settle_dirty(copy, node);
    else if (was_touched(copy, id))
        xf_journal_add_dirty(copy->migration, id, xf_clock_now_ms(), 0);
}

/* Dirty ids of the scope that are on neither side any more, so that nothing was written for them. */
static void settle_scope(const struct xf_journal_copy *copy, size_t written)
{
    struct xf_idmap *dirty = &copy->migration->dirty;
    for (size_t i = 0; i < copy->id_count; i++) {
        struct xf_idmap_node *node = xf_idmap_find(dirty, copy->ids[i]);
        if (node)
            settle_dirty(copy, node);
    }
    if (!copy->is_range || dirty->count > DIRTY_WALK_MAX + written)
        return;
    struct xf_idmap_node *next;
    for (struct xf_idmap_node *node = xf_idmap_first(dirty); node; node = next) {
        next = xf_idmap_next(dirty, node);
        if (is_in_range(copy, node->id))
            settle_dirty(copy, node);
    }
}

static void settle(const struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count)
{
    for (size_t i = 0; i < id_count; i++)
        settle_written(copy, ids[i]);
    settle_scope(copy, id_count);
    for (const struct xf_idmap_node *node = xf_idmap_first(&copy->touched); node;
         node = xf_idmap_next(&copy->touched, node))
        xf_journal_add_dirty(copy->migration, node->id, xf_clock_now_ms(), 0);
}

void xf_journal_copy_end(struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count, bool is_done)
{
    struct xf_journal_migration *own = copy->migration;
    int failed = pthread_mutex_lock(&own->lock);
    XF_ASSERT(!failed);
    unlink_copy(own, copy);
    if (is_done)
        settle(copy, ids, id_count);
    else
        for (size_t i = 0; i < id_count; i++)
            xf_journal_add_dirty(own, ids[i], xf_clock_now_ms(), atomic_load(&own->journal->hold_ms));
    unlock(own);
    xf_copy_free(copy);
}

/* --- The queue of repairs --- */

static bool is_copied_now(const struct xf_journal_migration *migration, struct xf_point_id id)
{
    for (const struct xf_journal_copy *copy = migration->copies; copy; copy = copy->next)
        if (is_in_scope(copy, id))
            return true;
    return false;
}

size_t xf_journal_take_dirty(struct xf_journal *journal, size_t migration, struct xf_point_id *ids, size_t max)
{
    struct xf_journal_migration *own = xf_journal_lock(journal, migration);
    uint64_t now_ms = xf_clock_now_ms();
    size_t count = 0;
    for (const struct xf_idmap_node *node = xf_idmap_first(&own->dirty); node && count < max;
         node = xf_idmap_next(&own->dirty, node))
        if (node->retry_ms <= now_ms && !xf_journal_is_in_flight(own, node->id) && !is_copied_now(own, node->id))
            ids[count++] = node->id;
    unlock(own);
    return count;
}
