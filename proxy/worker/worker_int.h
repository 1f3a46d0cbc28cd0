/* The worker's insides: for each migration a mover (one driving thread and some copiers: backfill and repair) and a
 * desk (one thread: prepare, validate and reconcile, one after another). They meet in the journal and here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_WORKER_INT_H
#define XF_PROXY_WORKER_WORKER_INT_H

#include "proxy/worker/copy.h"
#include "proxy/worker/hot.h"
#include "proxy/worker/progress.h"
#include "proxy/worker/worker.h"

enum { RANGES_MAX = 128, STUBBORN_MAX = 256, COPIERS_MAX = 64, WIRES_MAX = COPIERS_MAX + 1 };

/* The host's functions, one call at a time. */
struct xf_office {
    const struct xf_config *config;
    struct xf_journal *journal;
    struct xf_worker_host host;
    pthread_mutex_t lock;
    atomic_bool is_stopping;
};
void xf_office_save(struct xf_office *office, size_t migration, const char *name, struct xf_slice value);
XF_MUST_CHECK enum xf_err xf_office_load(struct xf_office *office, size_t migration, const char *name,
                                         struct xf_buf *out);
void xf_office_set_complete(struct xf_office *office, size_t migration, bool is_complete, uint64_t period);
struct xf_worker_phase xf_office_phase(struct xf_office *office, size_t migration);
/* An event with {"text":...} as detail. */
void xf_office_event(struct xf_office *office, size_t migration, const char *name, const char *text);

enum xf_range_state { XF_RANGE_WAITING, XF_RANGE_UNDER_WAY, XF_RANGE_OVER, XF_RANGE_REFUSED };
struct xf_range { /* from <= id < to */
    bool has_from, has_to;
    struct xf_point_id from, to;
    size_t expected;
    uint64_t copied;
    enum xf_range_state state;
};

struct xf_stubborn { /* an id that a server refuses: tried again ever more seldom, so that it does not hold up others */
    struct xf_point_id id;
    unsigned attempt;
    uint64_t next_try_ms;
};

struct xf_mover {
    struct xf_office *office;
    size_t migration;
    struct xf_track track;
    pthread_t thread;
    pthread_t copiers[COPIERS_MAX];
    size_t copier_count;

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct xf_progress progress;
    struct xf_range ranges[RANGES_MAX]; /* a ring in ascending order, planned and not yet accounted for */
    size_t range_head, range_count;
    bool is_moving; /* copiers may begin ranges */
    bool wants_save;
    bool is_leader;        /* else the progress is what the leader has saved */
    bool are_facts_old;
    uint64_t period;       /* of dual writes, as in xf_worker_phase: the progress holds for it */
    uint64_t asked_period; /* in which a backfill was asked for last */
    struct xf_facts *facts;
    char error[XF_WHY_MAX], repair_error[XF_WHY_MAX];
    uint64_t bytes_per_point; /* of late; 0: not known yet */
    double rate;
    uint64_t repaired, repair_failures;
    size_t stubborn_count;
    struct xf_wire *wires[WIRES_MAX]; /* of running threads, to wake them */
    size_t wire_count;

    /* The driver's own. */
    struct xf_hand hand;
    uint64_t through_ms; /* when the last range was found to be over; 0: not yet */
    bool plan_has_from, plan_is_through, plan_is_stale;
    struct xf_point_id plan_from;
    uint64_t facts_read_ms, facts_next_ms, saved_ms, loaded_ms, rate_ms, rate_copied, next_try_ms, repair_next_ms;
    unsigned attempt, facts_attempt, repair_attempt;
    size_t repair_batch;
    struct xf_stubborn stubborn[STUBBORN_MAX];
    struct xf_hot hot;
    uint64_t hot_cleared_ms, hot_next_ms;
    unsigned hot_attempt; /* exclusive copies of them that were in vain, in a row: a write that hangs keeps its ids */
    /* The progress that was saved when dual writes went off: not to be taken up again. 0: none. */
    uint64_t void_started_at_ms;
    struct {
        bool is_over; /* the counts were equal once, or a reconcile goes through all */
        unsigned tries;
        uint64_t next_ms;
    } count;
    uint64_t lead_settled_ms; /* when what the former leader has saved last is sure to be here */
    bool had_other_leader, is_journal_away;
    uint64_t random;

    /* Asks the desk for a reconcile; any thread. */
    void (*want_reconcile)(void *ctx);
    void *ctx;
};

XF_MUST_CHECK enum xf_err xf_mover_start(struct xf_mover *mover, struct xf_office *office, size_t migration,
                                         void (*want_reconcile)(void *ctx), void *ctx);
/* After office->is_stopping was set: ends the threads and frees what start has made. */
void xf_mover_stop(struct xf_mover *mover);
XF_MUST_CHECK enum xf_err xf_mover_command(struct xf_mover *mover, enum xf_command command, bool adopt,
                                           struct xf_buf *why);
XF_MUST_CHECK enum xf_err xf_mover_status(struct xf_mover *mover, struct xf_buf *out);
/* What both collections look like, read anew if need be, with a reference that the caller gives back. The driver's
 * thread. */
XF_MUST_CHECK enum xf_err xf_mover_facts(struct xf_mover *mover, struct xf_facts **facts);

/* lead.c: sees to it that only the leader moves anything, with what the last one has saved. False: this replica does not
 * lead, or not yet. */
bool xf_mover_leads(struct xf_mover *mover, const struct xf_worker_phase *phase);
/* Whether it has taken the lead. Any thread. */
bool xf_mover_is_leading(void *mover);
/* Takes what was saved, if there is nothing here to go on with or `is_anew`; looks once in a second. */
void xf_mover_load(struct xf_mover *mover, bool is_anew);
/* Saves what has changed; not too often, but at once at the end of a run. */
void xf_mover_save(struct xf_mover *mover);

/* Moves the backfill from one state to the next, with the reason if it is not a good one, logs it and tells the host. False,
 * and nothing happens, if a verb has moved it elsewhere meanwhile. */
bool xf_mover_change_state(struct xf_mover *mover, enum xf_backfill_state from, enum xf_backfill_state to,
                           const char *error);

/* plan.c: throws the plan away, unless a copier has a range in hand; the lock is held. */
bool xf_plan_clear(struct xf_mover *mover);
/* Adds ranges while there is need and room. */
void xf_plan_more(struct xf_mover *mover);
/* Moves the cursor over finished ranges; a refused one fails the backfill. */
void xf_plan_account(struct xf_mover *mover);

/* copier.c */
void *xf_copier_run(void *mover);
bool xf_mover_add_wire(struct xf_mover *mover, struct xf_wire *wire);
void xf_mover_remove_wire(struct xf_mover *mover, struct xf_wire *wire);
uint64_t xf_random_next(uint64_t *state);
/* repair.c: copies some dirty ids, on the driver's thread; false if there was nothing to do now. */
bool xf_repair_some(struct xf_mover *mover, enum xf_side authority);
/* Points to read at once, so that they make about one batch. The lock is held. */
size_t xf_mover_page_points(const struct xf_mover *mover);

#endif
