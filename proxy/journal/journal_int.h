/* What the two halves of the journal share: writes (journal.c) and copies (copies.c). Everything here wants the
 * migration's lock held, except where it says otherwise.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_JOURNAL_INT_H
#define XF_PROXY_JOURNAL_JOURNAL_INT_H

#include "proxy/journal/idmap.h"
#include "proxy/journal/journal.h"

#include <pthread.h>
#include <stdatomic.h>

struct xf_journal_op {
    struct xf_journal_migration *migration;
    struct xf_journal_op *previous, *next; /* in flight */
    bool is_all;
    bool met_all; /* a write of unknown scope was in flight at the same time */
    size_t id_count;
    struct xf_point_id ids[];
};

struct xf_journal_copy {
    struct xf_journal_migration *migration;
    struct xf_journal_copy *next; /* running */
    uint64_t begin_ms;
    bool is_range, has_from, has_to;
    struct xf_point_id from, to; /* with is_range */
    struct xf_idmap touched;     /* ids of its scope that were touched since it began */
    bool touched_all;            /* a write of unknown scope came by, or `touched` could not be kept */
    size_t id_count;
    struct xf_point_id ids[]; /* without is_range: sorted, each once */
};

struct xf_journal_migration {
    pthread_mutex_t lock;
    const struct xf_journal *journal;
    struct xf_idmap in_flight, dirty;
    struct xf_journal_op *ops;
    size_t op_count, all_count; /* in flight, and those of them whose scope is ALL */
    struct xf_journal_copy *copies;
    size_t copy_count;
    /* Not knowing. `moment` grows with each event that makes the dirty set unknown. */
    bool is_unknown;
    uint64_t moment;
    uint64_t hold_all_until_ms; /* a write of unknown scope may still land until then */
};

struct xf_journal {
    size_t dirty_max;
    _Atomic uint64_t hold_ms;
    size_t migration_count;
    struct xf_journal_migration migrations[];
};

struct xf_journal_migration *xf_journal_lock(struct xf_journal *journal, size_t migration); /* takes the lock */

/* Touches the id and puts it into the dirty set, with a hold of `hold_ms` from now on (0: none). */
void xf_journal_add_dirty(struct xf_journal_migration *migration, struct xf_point_id id, uint64_t now_ms,
                          uint64_t hold_ms);
bool xf_journal_is_in_flight(const struct xf_journal_migration *migration, struct xf_point_id id);

/* Copies that have the id in hand remember that it was touched. */
void xf_copies_touch(struct xf_journal_migration *migration, struct xf_point_id id);
void xf_copies_touch_all(struct xf_journal_migration *migration);
void xf_copy_free(struct xf_journal_copy *copy); /* the lock is not needed */

#endif
