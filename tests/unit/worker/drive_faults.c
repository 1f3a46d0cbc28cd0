/* The journal as the worker sees it, with faults, and what the worker asks of it, counted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_bool is_away;
static atomic_long looks = -1;
static atomic_ulong ends[3], exclusive_count, exclusive_ids_max;
static _Atomic(const struct xf_journal_copy *) exclusive;

enum xf_err __real_xf_journal_copy_begin(struct xf_journal *journal, size_t migration,
                                         const struct xf_copy_scope *scope, struct xf_journal_copy **copy);
bool __real_xf_journal_copy_may_write(const struct xf_journal_copy *copy);
void __real_xf_journal_copy_end(struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count,
                                enum xf_copy_end how, struct xf_copy_result_ids *result);
enum xf_err __real_xf_journal_take_dirty(struct xf_journal *journal, size_t migration, struct xf_point_id *ids,
                                         size_t max, size_t *count);
enum xf_err __real_xf_journal_mark_dirty(struct xf_journal *journal, size_t migration,
                                         const struct xf_journal_scope *scope);
enum xf_err __real_xf_journal_reconcile_begin(struct xf_journal *journal, size_t migration,
                                              struct xf_journal_moment *moment);
enum xf_err __real_xf_journal_reconcile_end(struct xf_journal *journal, size_t migration,
                                            struct xf_journal_moment moment, bool *is_known);

enum xf_err __wrap_xf_journal_copy_begin(struct xf_journal *journal, size_t migration,
                                         const struct xf_copy_scope *scope, struct xf_journal_copy **copy);
bool __wrap_xf_journal_copy_may_write(const struct xf_journal_copy *copy);
void __wrap_xf_journal_copy_end(struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count,
                                enum xf_copy_end how, struct xf_copy_result_ids *result);
enum xf_err __wrap_xf_journal_take_dirty(struct xf_journal *journal, size_t migration, struct xf_point_id *ids,
                                         size_t max, size_t *count);
enum xf_err __wrap_xf_journal_mark_dirty(struct xf_journal *journal, size_t migration,
                                         const struct xf_journal_scope *scope);
enum xf_err __wrap_xf_journal_reconcile_begin(struct xf_journal *journal, size_t migration,
                                              struct xf_journal_moment *moment);
enum xf_err __wrap_xf_journal_reconcile_end(struct xf_journal *journal, size_t migration,
                                            struct xf_journal_moment moment, bool *is_known);

void drive_faults_set_away(bool now)
{
    atomic_store(&is_away, now);
}

void drive_faults_set_looks(long count)
{
    atomic_store(&looks, count);
}

void drive_faults_print(void)
{
    printf("{\"done\":%lu,\"failed\":%lu,\"unknown\":%lu,\"exclusive\":%lu,\"exclusive_ids_max\":%lu}\n",
           atomic_load(&ends[XF_COPY_DONE]), atomic_load(&ends[XF_COPY_FAILED]), atomic_load(&ends[XF_COPY_UNKNOWN]),
           atomic_load(&exclusive_count), atomic_load(&exclusive_ids_max));
}

enum xf_err __wrap_xf_journal_copy_begin(struct xf_journal *journal, size_t migration,
                                         const struct xf_copy_scope *scope, struct xf_journal_copy **copy)
{
    if (atomic_load(&is_away))
        return XF_ERR_IO;
    enum xf_err err = __real_xf_journal_copy_begin(journal, migration, scope, copy);
    if (scope->is_exclusive && !err && atomic_exchange(&exclusive, *copy))
        abort(); /* they come one at a time */
    return err;
}

bool __wrap_xf_journal_copy_may_write(const struct xf_journal_copy *copy)
{
    if (atomic_load(&is_away))
        return false;
    long left = atomic_load(&looks);
    while (left > 0 && !atomic_compare_exchange_weak(&looks, &left, left - 1)) {
    }
    return left && __real_xf_journal_copy_may_write(copy);
}

void __wrap_xf_journal_copy_end(struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count,
                                enum xf_copy_end how, struct xf_copy_result_ids *result)
{
    bool is_exclusive = copy == atomic_load(&exclusive);
    atomic_fetch_add(&ends[how], 1);
    if (is_exclusive) {
        atomic_store(&exclusive, NULL);
        atomic_fetch_add(&exclusive_count, 1);
        if (id_count > atomic_load(&exclusive_ids_max))
            atomic_store(&exclusive_ids_max, id_count);
    }
    __real_xf_journal_copy_end(copy, ids, id_count, how, result);
}

enum xf_err __wrap_xf_journal_take_dirty(struct xf_journal *journal, size_t migration, struct xf_point_id *ids,
                                         size_t max, size_t *count)
{
    return atomic_load(&is_away) ? XF_ERR_IO : __real_xf_journal_take_dirty(journal, migration, ids, max, count);
}

enum xf_err __wrap_xf_journal_mark_dirty(struct xf_journal *journal, size_t migration,
                                         const struct xf_journal_scope *scope)
{
    return atomic_load(&is_away) ? XF_ERR_IO : __real_xf_journal_mark_dirty(journal, migration, scope);
}

enum xf_err __wrap_xf_journal_reconcile_begin(struct xf_journal *journal, size_t migration,
                                              struct xf_journal_moment *moment)
{
    return atomic_load(&is_away) ? XF_ERR_IO : __real_xf_journal_reconcile_begin(journal, migration, moment);
}

enum xf_err __wrap_xf_journal_reconcile_end(struct xf_journal *journal, size_t migration,
                                            struct xf_journal_moment moment, bool *is_known)
{
    return atomic_load(&is_away) ? XF_ERR_IO : __real_xf_journal_reconcile_end(journal, migration, moment, is_known);
}
