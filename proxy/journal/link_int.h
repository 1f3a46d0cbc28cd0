/* Links and their ops, from the inside: link.c (a link's life, its timer, what other threads hand it), op.c (an op from
 * begin to end), op_end.c and op_send.c (the scripts' arguments). Everything belongs to the link's thread but where it says so.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_LINK_INT_H
#define XF_PROXY_JOURNAL_LINK_INT_H

#include "proxy/journal/session.h"

struct event;
struct xf_bridge;

enum { XF_OP_NAME_MAX = 40 };

enum xf_op_state {
    XF_OP_QUEUED,  /* waits in the replica's queue */
    XF_OP_ASKING,  /* a begin is on its way */
    XF_OP_PAUSING, /* Redis was busy: asks again at due_ms */
    XF_OP_OPEN,    /* begun; its owner has it */
    XF_OP_ENDING   /* its owner is through with it: an end is on its way */
};

/* Ids, also in packed form; is_all: no ids. */
struct xf_op_list {
    const struct xf_point_id *ids;
    size_t count;
    struct xf_slice packed;
    bool is_all;
};

struct xf_op_waiters {
    struct xf_journal_op *first, *last;
};

struct xf_journal_op {
    struct xf_journal_link *link;
    struct xf_member *member; /* NULL while the journal is off */
    xf_journal_begun_fn *begun;
    void *ctx;
    enum xf_op_state state;
    bool is_forced;    /* past its patience */
    bool was_busy;     /* counted as a conflict */
    bool is_recorded;  /* Redis said OK to its begin, under `generation` */
    bool is_resolved;  /* xf_journal_end_resolved */
    bool is_end_lost;  /* Redis may not have heard all of its end */
    unsigned answers_due; /* of its end */
    unsigned pauses;
    uint64_t generation; /* of the last command that was sent for it; 0: none */
    uint64_t deadline_ms; /* where its patience ends */
    struct xf_verdict verdict;
    struct xf_op_list scope, said; /* as begun; as ended */
    void *said_memory;

    struct xf_op_waiters *waits_in; /* link->queued, link->pausing or NULL */
    struct xf_journal_op *previous, *next; /* there */
    uint64_t due_ms;
    struct xf_journal_op *inbox_next; /* inbox_lock */

    /* Also written by the keeper's thread, with the member's lock held (xf_ops_cut_off). */
    _Atomic bool is_cut_off;
    _Atomic uint64_t spilled_at; /* member->given as it was when the ids went to the file, and 1; 0: they never did */

    struct xf_ticket ticket; /* member->lock */
    char name[XF_OP_NAME_MAX];
    size_t name_len;
    /* scope's ids, claims and packed bytes follow */
};

struct xf_journal_link {
    struct xf_journal *journal;
    struct xf_journal_tally *tally;
    bool is_off, is_closing;
    bool has_tried; /* the first attempt to connect has ended, one way or the other */
    struct event_base *base;
    struct xf_redis *redis;
    struct xf_session *sessions; /* by migration */
    uint64_t patience_ms;        /* XF_PATIENCE_MS, but for tests */
    size_t op_count;             /* that are not freed */
    uint64_t random, last_number; /* names of ops */

    struct event *timer;
    uint64_t timer_ms; /* when it fires; 0: it is not set */
    struct xf_op_waiters queued;  /* in the replica's queue: in order of their deadlines */
    struct xf_op_waiters pausing; /* in no order */

    struct event *wake;       /* for what this thread hands to itself */
    struct xf_bridge *bridge; /* for what others do */
    pthread_mutex_t inbox_lock;
    struct xf_journal_op *inbox_first, *inbox_last; /* admitted, and not told yet */
    bool is_woken;
};

/* ---- link.c ---- */

void xf_link_wait_in_queue(struct xf_journal_op *op);
void xf_link_pause(struct xf_journal_op *op, uint64_t ms);
/* Takes the op out of the list that it waits in. */
void xf_link_stop_waiting(struct xf_journal_op *op);
/* The queue has let it go. The member's lock is held, so that the op cannot end meanwhile; it may be another link's than
 * `from`, whose thread this is. */
void xf_link_deliver(struct xf_journal_link *from, struct xf_journal_op *op);

/* ---- op.c ---- */

/* It may ask now: it was admitted, or its pause is over. Calls `begun`, unless it asks or pauses. */
void xf_op_go_on(struct xf_journal_op *op);
/* Its patience in the queue is over. False if another thread has just admitted it: it is in the inbox. */
bool xf_op_force(struct xf_journal_op *op);
/* The link goes, and its owner has gone: nobody is told. */
void xf_op_abandon(struct xf_journal_op *op);
void xf_op_on_begin(void *ctx, enum xf_err err, const struct xf_redis_reply *reply);

/* On record under the generation in force. */
bool xf_op_is_on_record(const struct xf_journal_op *op);
/* Its ids stand in the file and have not been given to Redis yet. */
bool xf_op_is_in_file(const struct xf_journal_op *op);
XF_MUST_CHECK enum xf_err xf_op_write_list(struct xf_member *member, const struct xf_op_list *list); /* to the file */
/* What could not be written there: everything counts as unknown, and held if it may still land. */
void xf_op_lose(struct xf_member *member, bool is_held, enum xf_err err);
/* The last thing that happens to it: it is freed, and those that waited for it go on. */
void xf_op_leave(struct xf_journal_op *op);
void xf_op_free(struct xf_journal_op *op);

/* ---- op_end.c ---- */

/* Ends it by its verdict. It may be gone on return. */
void xf_op_finish(struct xf_journal_op *op);
void xf_op_on_end(void *ctx, enum xf_err err, const struct xf_redis_reply *reply);

/* ---- op_send.c: as xf_session_send; on OK `generation` is set ---- */

XF_MUST_CHECK enum xf_err xf_op_send_begin(struct xf_journal_op *op);
XF_MUST_CHECK enum xf_err xf_op_send_end(struct xf_journal_op *op, bool is_dirty, bool is_held);
XF_MUST_CHECK enum xf_err xf_op_send_end_resolved(struct xf_journal_op *op);
XF_MUST_CHECK enum xf_err xf_op_send_mark(struct xf_journal_op *op);

#endif
