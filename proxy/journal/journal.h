/* Which points may differ. Every write to a migrated collection begins here before it can take effect and ends here
 * after both sides have answered; every copy begins and ends here too. Ids leave the dirty set by a copy's end alone.
 *
 * This journal lives in the process: it keeps backfill, repair and writes of one proxy from overtaking one another, and
 * it knows that it knows nothing after a restart (`is_unknown`). The words and the rules are those of
 * docs/consistency.md; a journal that several replicas share takes this one's place behind the same calls, which is why
 * `begin` may answer later.
 *
 * Any thread may call; calls for one migration exclude each other.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_JOURNAL_H
#define XF_PROXY_JOURNAL_JOURNAL_H

#include "common/base/error.h"
#include "common/json/point_id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xf_journal;
struct xf_journal_op;   /* a write under way */
struct xf_journal_copy; /* a copy under way */

/* What a write touches. */
struct xf_journal_scope {
    const struct xf_point_id *ids; /* sorted, each once; copied */
    size_t id_count;
    bool is_all; /* filter writes and what could not be read: overlaps with everything */
};

enum xf_outcome {
    XF_OUTCOME_NOT_SENT,     /* its last bytes never went out: no effect */
    XF_OUTCOME_COMPLETED,    /* applied */
    XF_OUTCOME_ACKNOWLEDGED, /* in the server's log, will be applied */
    XF_OUTCOME_WAIT_TIMEOUT, /* as acknowledged, but the order is not proven */
    XF_OUTCOME_REFUSED,      /* answered with an error */
    XF_OUTCOME_UNKNOWN       /* time-out, reset: may have been applied or may still be */
};

XF_MUST_CHECK enum xf_err xf_journal_new(size_t migration_count, size_t dirty_max, struct xf_journal **journal);
void xf_journal_free(struct xf_journal *journal); /* no thread uses it any more; NULL is fine */
/* How long a request with an unknown outcome may still land, counted from its end: no copy that began earlier makes its
 * ids clean. 120 s unless set; at least the longest upstream time-out. */
void xf_journal_set_hold_ms(struct xf_journal *journal, uint64_t hold_ms);

typedef void xf_journal_begun_fn(void *ctx, struct xf_journal_op *op, enum xf_err err);
/* OK with *op set: the intent is recorded, go on. BUSY: `begun` is called later with the answer (never before return;
 * this in-process journal has no such case). Any other error: nothing is recorded, the write must not be sent. */
XF_MUST_CHECK enum xf_err xf_journal_begin(struct xf_journal *journal, size_t migration,
                                           const struct xf_journal_scope *scope, xf_journal_begun_fn *begun, void *ctx,
                                           struct xf_journal_op **op);
/* Ends and frees the op. Its ids stay clean only if nothing overlapped, the operation `is_exact`, and both sides
 * completed; or both acknowledged and `vectors_match`; or it was not sent. */
void xf_journal_end(struct xf_journal_op *op, const enum xf_outcome outcome[2], bool is_exact, bool vectors_match);

/* ALL makes the migration's dirty set unknown: a reconcile is needed. */
void xf_journal_mark_dirty(struct xf_journal *journal, size_t migration, const struct xf_journal_scope *scope);
/* What an earlier process has sent may still land, as after a write of unknown scope: no reconcile that begins within the
 * hold is believed. */
void xf_journal_hold_all(struct xf_journal *journal, size_t migration);
/* A reconcile starts to compare; what it is to be measured by at its end. */
struct xf_journal_moment {
    uint64_t number, at_ms;
};
XF_MUST_CHECK struct xf_journal_moment xf_journal_reconcile_begin(struct xf_journal *journal, size_t migration);
/* The reconcile has found every difference (they were marked dirty before this call). The set stays unknown if
 * something made it so since `began`, or if a write of unknown scope could still land then. True if it is known now. */
bool xf_journal_reconcile_end(struct xf_journal *journal, size_t migration, struct xf_journal_moment began);
/* The caller knows that from this moment on every difference is or will be dirty. */
void xf_journal_mark_known(struct xf_journal *journal, size_t migration);

/* A copy of an id range (from <= id < to; NULL is open) or of given ids. An id is in at most one copy at a time: BUSY.
 */
struct xf_copy_scope {
    const struct xf_point_id *from, *to;
    const struct xf_point_id *ids;
    size_t id_count;
    bool is_range;
};
XF_MUST_CHECK enum xf_err xf_journal_copy_begin(struct xf_journal *journal, size_t migration,
                                                const struct xf_copy_scope *scope, struct xf_journal_copy **copy);
/* Ends and frees the copy. With `is_done`, ids of its scope that were not touched since it began, are not in flight and
 * were not held then are clean; all others in `ids` (what it wrote or deleted) and those touched become or stay dirty.
 * Without, all of `ids` are dirty and held: its write may still land. (Where a range meets a large dirty set, dirty ids
 * that are not in `ids`, that is on neither side, may stay for a copy by id to clean.) */
void xf_journal_copy_end(struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count, bool is_done);

/* Up to `max` dirty ids, oldest first, that a copy could make clean now: no other copy has them in hand, no write is in
 * flight on them, and if one may still land, a copy has not been tried in vain already. */
size_t xf_journal_take_dirty(struct xf_journal *journal, size_t migration, struct xf_point_id *ids, size_t max);

struct xf_journal_state {
    bool is_unknown; /* the dirty set is not known: restart, overflow, or a write nobody could read */
    size_t dirty;
    size_t in_flight;
    size_t copies;
    uint64_t oldest_dirty_age_ms;
    uint64_t hold_all_ms; /* a write of unknown scope may still land for so long; a reconcile has to wait for it */
};
void xf_journal_state(struct xf_journal *journal, size_t migration, struct xf_journal_state *state);

#endif
