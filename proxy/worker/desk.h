/* One migration's desk: a thread that prepares, validates and reconciles, one after another, beside the mover. Like it,
 * it works only on the replica that leads, and shows what the leader has saved on the others.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_DESK_H
#define XF_PROXY_WORKER_DESK_H

#include "proxy/worker/worker_int.h"

enum xf_desk_job { XF_DESK_PREPARE, XF_DESK_VALIDATE, XF_DESK_RECONCILE, XF_DESK_JOB_COUNT };

struct xf_desk {
    struct xf_office *office;
    struct xf_track *track; /* the mover's */
    bool (*leads)(void *ctx);
    void *ctx;
    size_t migration;
    pthread_t thread;
    bool has_thread;
    struct xf_wire *wire;
    _Atomic uint64_t compared;
    _Atomic(const char *) doing; /* of the job under way, or NULL */
    bool is_leader;              /* the desk's thread alone */

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool wants[XF_DESK_JOB_COUNT], is_running[XF_DESK_JOB_COUNT];
    struct xf_command_options options[XF_DESK_JOB_COUNT];
    struct xf_buf report[XF_DESK_JOB_COUNT]; /* JSON of the last run, or empty */
    uint64_t reconcile_not_before_ms;        /* for those that nobody asked for */
};

/* From here on jobs may be wanted; they run once it has started. */
XF_MUST_CHECK enum xf_err xf_desk_init(struct xf_desk *desk, struct xf_office *office, size_t migration);
/* `leads`: whether the mover has taken the lead, with what was saved; the track is its as well. */
XF_MUST_CHECK enum xf_err xf_desk_start(struct xf_desk *desk, struct xf_track *track, bool (*leads)(void *ctx),
                                        void *ctx);
/* Ends the thread, if it has started. */
void xf_desk_stop(struct xf_desk *desk);
void xf_desk_fini(struct xf_desk *desk);
/* Any thread; harmless while the job is under way. */
void xf_desk_want(struct xf_desk *desk, enum xf_desk_job job, const struct xf_command_options *options);
/* For the mover, which asks as long as it needs one; not more often than once in half a minute. */
void xf_desk_want_reconcile(void *desk);
/* Appends the job's JSON object, or null. */
XF_MUST_CHECK enum xf_err xf_desk_status(struct xf_desk *desk, enum xf_desk_job job, struct xf_buf *out);

/* For the jobs: keeps and saves a report, while this replica leads. */
void xf_desk_store_report(struct xf_desk *desk, enum xf_desk_job job, struct xf_slice report);
/* A report of one sentence, told to the host as well; `more`: members, each with a comma before it. */
void xf_desk_report_text(struct xf_desk *desk, enum xf_desk_job job, const char *state, const char *key,
                         const char *text, const char *more);
/* desk_reconcile.c */
void xf_desk_reconcile(struct xf_desk *desk);

#endif
