/* The worker: prepare, backfill, repair, reconcile and validate, on threads of its own with libcurl, never on a data
 * thread. It is the only code that writes to the follower by itself, and it does so in one function (copy.c).
 *
 * Commands come from the admin thread and return at once; progress is read at any time. A command for what already runs is no error.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_WORKER_H
#define XF_PROXY_WORKER_WORKER_H

#include "common/base/buf.h"
#include "proxy/config/config.h"
#include "proxy/journal/journal.h"

struct xf_worker;

/* How the worker reaches what belongs to the control thread. All are called on the worker's threads, one call at a
 * time, and may hand over to the control thread but must not wait for it; `phase` is also called on several threads at
 * once, and on the one that calls xf_worker_command. */
struct xf_worker_phase {
    bool is_leader;       /* this replica leads: others copy nothing, and show what the leader has saved */
    bool is_off;          /* dual writes are off: what was copied grows old */
    bool is_dual_writing; /* and no write that went to one side alone is in flight any more, on any
                           * replica; only the leader's says so */
    bool is_unfilled;     /* reads are on new, and no backfill has filled it: nothing may be copied from it */
    enum xf_side authority;
    uint64_t period; /* grows each time dual writes are turned on: equal numbers, and none was missed in between */
};
struct xf_worker_host {
    void *ctx;
    /* Small durable values: see control.h. */
    void (*save)(void *ctx, size_t migration, const char *name, struct xf_slice value);
    enum xf_err (*load)(void *ctx, size_t migration, const char *name, struct xf_buf *out);
    /* Complete counts only if dual writes have been on since `period` began. */
    void (*set_complete)(void *ctx, size_t migration, bool is_complete, uint64_t period);
    /* When dual writes go off the host marks everything dirty in the journal, before the first write to one side alone. */
    void (*phase)(void *ctx, size_t migration, struct xf_worker_phase *phase);
    /* An event for /events and the log: static name, JSON object as detail. */
    void (*event)(void *ctx, size_t migration, const char *name, struct xf_slice detail_json);
};

XF_MUST_CHECK enum xf_err xf_worker_new(const struct xf_config *config, struct xf_journal *journal,
                                        const struct xf_worker_host *host, struct xf_worker **worker);
/* Stops the thread at the next safe point (between batches) and frees; a later start resumes from the cursor. */
void xf_worker_free(struct xf_worker *worker);

enum xf_command {
    XF_COMMAND_PREPARE,
    XF_COMMAND_BACKFILL,
    XF_COMMAND_PAUSE,
    XF_COMMAND_RESUME,
    XF_COMMAND_CANCEL,
    XF_COMMAND_VALIDATE,
    XF_COMMAND_RECONCILE
};
struct xf_command_options {
    bool dry_run; /* for who reads the options; the command is xf_worker_dry_run */
    bool full;    /* validate: every point instead of samples */
    bool adopt;   /* backfill, prepare: take a new collection that is not empty and was not made by this migration */
};
/* OK: started, or under way already. STATE or NOT_FOUND with a sentence appended to `why`: not possible now, and what
 * to do. Thread-safe. */
XF_MUST_CHECK enum xf_err xf_worker_command(struct xf_worker *worker, size_t migration, enum xf_command command,
                                            const struct xf_command_options *options, struct xf_buf *why);
/* What prepare or backfill would do, asked of the servers on a thread of its own. OK: `done` is called once, on that
 * thread: with OK and JSON, or with STATE or NOT_FOUND and a sentence. BUSY: too many are under way already; like any
 * other error without a call of `done`. xf_worker_free waits for the last one. Thread-safe. */
typedef void xf_dry_run_done_fn(void *ctx, enum xf_err err, struct xf_slice text);
XF_MUST_CHECK enum xf_err xf_worker_dry_run(struct xf_worker *worker, size_t migration, enum xf_command command,
                                            xf_dry_run_done_fn *done, void *ctx);
/* Appends the JSON object that status shows: {"prepare":{state,at,made,detail|error} or null,
 * "backfill":{state,copied,total,rate,eta_s,cursor,error}, state one of none, starting, running, repairing, paused,
 * failed, cancelled, done; "repair":{repaired,failures,refused_ids,reconcile_needed,error}, "reconcile":{state,...} or
 * null; running also with compared and what it is doing in detail, or on a replica that does not lead with the progress
 * saved last, "validation":{state,passed,at,counts,searches,points,full,duration_ms} or null}. Thread-safe. */
XF_MUST_CHECK enum xf_err xf_worker_status(struct xf_worker *worker, size_t migration, struct xf_buf *out);

#endif
