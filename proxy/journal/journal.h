/* Which points may differ. Every write to a migrated collection begins here before it can take effect and ends here
 * after both sides have answered; every copy begins and ends here too. Ids leave the dirty set by a copy's end alone.
 *
 * The journal is shared by all replicas of the proxy: it lives in Redis, each step of it is one Lua script (lua/), and
 * the words and rules are those of docs/consistency.md. This side of it has three parts, each for threads of its own:
 *
 *   links    one for each data thread: begin and end, pipelined on a Redis connection of that thread
 *   keeper   a thread: membership and lease of this replica, the leader's lease, lapses of others, holds, the local file
 *   calls    from the worker's threads, which may wait: copies, the dirty set, reconciles; carried by the keeper
 *
 * While Redis is away, or this replica's lease is over, writes go on and their ids go to a file in state_dir, from where
 * they are given to Redis as dirty when it is back (G4: a replica's file counts as known). What cannot be written there
 * makes the migration unknown instead.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_JOURNAL_H
#define XF_PROXY_JOURNAL_JOURNAL_H

#include "common/base/error.h"
#include "common/json/point_id.h"
#include "proxy/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct xf_journal;
struct xf_journal_link; /* a data thread's */
struct xf_journal_op;   /* a write under way; belongs to the link's thread */
struct xf_journal_copy; /* a copy under way */

/* ---- life ---- */

struct xf_journal_options {
    const struct xf_config *config; /* must outlive the journal */
    size_t link_count;              /* how many xf_journal_link_new will come */
    uint64_t hold_ms;               /* how long a request with an unknown outcome may still land: at least the longest
                                     * upstream time-out */
    bool is_off;                    /* bench only: begin and end do nothing, nothing is known */
    /* Whether the state directory says that a migration was dual writing when an earlier process last wrote it. */
    bool (*was_dual_writing)(void *ctx, size_t migration);
    void *ctx;
};
/* Makes the journal and starts the keeper; waits until every migration is joined, or Redis has proved unreachable, two
 * seconds at most. IO: state_dir cannot be used. */
XF_MUST_CHECK enum xf_err xf_journal_new(const struct xf_journal_options *options, struct xf_journal **journal);
/* No link and no call is left. Says goodbye where nothing is in flight. NULL is fine. */
void xf_journal_free(struct xf_journal *journal);
/* False for a replica that has never reached Redis and has no file of an earlier run: it knows nothing about the
 * migration and must not serve it. Any thread. */
bool xf_journal_is_usable(const struct xf_journal *journal, size_t migration);

/* ---- writes: on the link's thread ---- */

XF_MUST_CHECK enum xf_err xf_journal_link_new(struct xf_journal *journal, struct event_base *base,
                                              struct xf_journal_link **link);
/* No op of it is left that has begun; those that wait are given up, and nobody is told. NULL is fine. */
void xf_journal_link_free(struct xf_journal_link *link);
/* Redis has not answered all ends yet: a link that is freed now leaves them to the file, and the replica to a join. */
bool xf_journal_link_is_busy(const struct xf_journal_link *link);

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

typedef void xf_journal_begun_fn(void *ctx, struct xf_journal_op *op, enum xf_err err);
/* BUSY: `begun` is called later (never before return) with OK and the op: the intent is on record, the lease holds, send
 * now; or with an error and NULL: nothing is on record and the write must not be sent. OK with *op set: the same at
 * once (Redis is away, the ids stand in the file). Any other error: as an error of `begun`.
 *
 * A write that overlaps with one in flight waits for it, in this replica in order of arrival, elsewhere by asking again;
 * so it does for a copy that excludes writers, and for a waiting ALL. Past its patience (2 s) it goes on, and the ids of
 * both are dirty. */
XF_MUST_CHECK enum xf_err xf_journal_begin(struct xf_journal_link *link, size_t migration,
                                           const struct xf_journal_scope *scope, xf_journal_begun_fn *begun, void *ctx,
                                           struct xf_journal_op **op);
/* To be called right before held-back bytes go out later than in `begun`, and right before the client gets its answer:
 * makes sure that the op's ids are on record, by a lease that holds or else in the file. IO: they cannot be recorded;
 * the bytes must not go out, the client must not be told of success. */
XF_MUST_CHECK enum xf_err xf_journal_confirm(struct xf_journal_op *op);
/* The op was begun, or went on, without Redis: the client may be told of success only when both sides completed. */
bool xf_journal_is_cut_off(const struct xf_journal_op *op);

/* What the two sides' answers mean for the points: docs/consistency.md has the table. */
struct xf_verdict_input {
    enum xf_outcome outcome[XF_SIDE_COUNT];
    bool is_exact;      /* equal points before give equal points after, whatever the segments look like */
    bool vectors_match; /* both sides declare the same vectors */
};
struct xf_verdict {
    bool is_no_effect, is_dirty, is_held;
};
struct xf_verdict xf_journal_judge(const struct xf_verdict_input *input); /* pure; verdict.c */
/* Ends and frees the op. */
void xf_journal_end(struct xf_journal_op *op, const struct xf_verdict_input *input);
/* As end, for a write that ran on the authority alone and touched just `ids` (a filter that was resolved there): they
 * are dirty, whatever the op's scope was. */
void xf_journal_end_resolved(struct xf_journal_op *op, const struct xf_point_id *ids, size_t id_count, bool is_held);

/* ---- from any thread, without waiting ---- */

/* Everything may differ from now on: dual writes go off, a write went to one side in a way nobody can name. Counts at
 * once for this process (also when Redis is away), and is told to Redis as soon as may be. */
void xf_journal_lose(struct xf_journal *journal, size_t migration);
/* This replica writes both sides, and nothing that it has sent to one side alone is in flight or may still land. */
void xf_journal_set_dual(struct xf_journal *journal, size_t migration, bool is_dual);

struct xf_journal_state {
    bool is_unknown;       /* the dirty set is not known */
    bool is_cut_off;       /* this replica is not joined just now: what follows is as last seen */
    size_t dirty;          /* those in this replica's file count too */
    size_t held;
    size_t in_flight;      /* all replicas', and ends that Redis has not acknowledged yet */
    size_t copies;
    uint64_t oldest_dirty_age_ms;
    bool is_held_whole;    /* a write of unknown scope may still land; a reconcile has to wait for it */
    bool is_leader;        /* this replica leads, and its lease holds */
    bool are_all_dual;     /* every registered replica has said set_dual(true), and nothing else since; one that has lapsed
                            * goes on with that, and copies go on without it */
    size_t replicas, lapsed;
    char leader[64];       /* its replica id; "" if there is none */
    uint64_t token;        /* with is_leader: another one each time that a replica takes the lead; 0 without */
};
/* As fresh as the last answer of Redis that this process has seen. */
void xf_journal_state(struct xf_journal *journal, size_t migration, struct xf_journal_state *state);
const char *xf_journal_replica_id(const struct xf_journal *journal);
/* Appends a JSON list: [{"id":...,"state":"joined"|"lapsed","dual":bool,"is_leader":bool,"is_self":bool}]. */
XF_MUST_CHECK enum xf_err xf_journal_print_replicas(struct xf_journal *journal, size_t migration, struct xf_buf *out);

struct xf_journal_counts { /* since the start, of this process */
    uint64_t begins, ends, conflicts, forced, queued, cut_off_writes, rejoins, lapses_seen, rolled_back, emptied,
        file_bytes, file_full;
};
void xf_journal_counts(struct xf_journal *journal, struct xf_journal_counts *counts);

/* ---- calls of the worker: they wait for Redis, a few seconds at most ---- */

/* All of them: IO when Redis does not answer or this replica is not joined; STATE when it does not lead (any more). */

/* A copy of an id range (from <= id < to; NULL is open) or of given ids. */
struct xf_copy_scope {
    const struct xf_point_id *from, *to;
    const struct xf_point_id *ids;
    size_t id_count;
    bool is_range;
    bool is_exclusive; /* writers to the scope wait until the copy ends, within their patience (hot points and filters) */
};
/* An id is in at most one copy at a time: BUSY. An exclusive copy waits here until no write is in flight in its scope, 1 s
 * at most; then it begins all the same. */
XF_MUST_CHECK enum xf_err xf_journal_copy_begin(struct xf_journal *journal, size_t migration,
                                                const struct xf_copy_scope *scope, struct xf_journal_copy **copy);
/* Right before each write of a copy, and again before that write's last bytes: lease and fencing token still hold. Any
 * thread, does not wait. */
bool xf_journal_copy_may_write(const struct xf_journal_copy *copy);

enum xf_copy_end {
    XF_COPY_DONE,    /* read, written, answered as completed */
    XF_COPY_FAILED,  /* what it wrote is dirty; nothing of it may still land */
    XF_COPY_UNKNOWN, /* the same, and a write of its may still land: held */
};
struct xf_copy_result_ids {
    size_t kept;         /* ids of the scope that stay or became dirty */
    bool met_all;        /* a write of unknown scope came by: exclusive next time */
};
/* Ends and frees the copy. When DONE, ids of its scope that were not touched since it began, are not in flight and were
 * not held then are clean; all others in `ids` (what it wrote or deleted) and those touched become or stay dirty. When
 * Redis cannot be told, the ids are kept and told later, as dirty; the call cannot fail. */
void xf_journal_copy_end(struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count,
                         enum xf_copy_end how, struct xf_copy_result_ids *result);

/* Up to `max` dirty ids, oldest first, that a copy could bring nearer now: no other copy has them in hand, no write is in
 * flight on them, and if a request may still land on one, no copy of it has been tried since. */
XF_MUST_CHECK enum xf_err xf_journal_take_dirty(struct xf_journal *journal, size_t migration, struct xf_point_id *ids,
                                                size_t max, size_t *count);
XF_MUST_CHECK enum xf_err xf_journal_mark_dirty(struct xf_journal *journal, size_t migration,
                                                const struct xf_journal_scope *scope);

/* A reconcile starts to compare; what it is to be measured by at its end. */
struct xf_journal_moment {
    uint64_t number;
    char incarnation[48]; /* what is in Redis has an own one, and after a loss another: equal moments are equal in both */
    bool is_early; /* something may still land, or a replica has not reported: the end will not be believed */
};
XF_MUST_CHECK enum xf_err xf_journal_reconcile_begin(struct xf_journal *journal, size_t migration,
                                                     struct xf_journal_moment *moment);
/* The reconcile has found every difference (they were marked dirty before this call). The set stays unknown if something
 * made it so since `moment`. */
XF_MUST_CHECK enum xf_err xf_journal_reconcile_end(struct xf_journal *journal, size_t migration,
                                                   struct xf_journal_moment moment, bool *is_known);
/* An operator declares a replica dead that does not come back: it is not registered any more, and everything is unknown. */
XF_MUST_CHECK enum xf_err xf_journal_forget(struct xf_journal *journal, size_t migration, const char *replica);

#endif
