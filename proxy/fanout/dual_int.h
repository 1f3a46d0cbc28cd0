/* A dual write's insides, shared by the files that make it: dual.c (the machine), dual_body.c (the request's body),
 * dual_begin.c (what comes between the body's end and the sending: the credential, the journal, the filter's points),
 * dual_send.c (the sending), dual_end.c (what becomes of the points) and dual_answer.c (what the client hears). Internal to
 * this folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_DUAL_INT_H
#define XF_PROXY_FANOUT_DUAL_INT_H

#include "common/codec/decode.h"
#include "proxy/fanout/ask.h"
#include "proxy/fanout/resolve.h"

enum dual_state { RECEIVING, ASKING, HELD, RESOLVING, SENT };

/* What a body ends with and what waits with it, at most: the rest of a longer end has gone out. */
enum { XF_HELD_BYTES_MAX = 64 * 1024 };

struct dual_side {
    struct xf_leg leg;
    struct xf_answer answer;
    enum xf_outcome outcome;
    enum xf_err err; /* why there is no answer */
    uint64_t sent_ns, done_ns;
    bool waits_for_legacy; /* G7 */
    bool is_done;
};

struct dual {
    struct xf_request request; /* first */
    enum dual_state state;
    enum xf_side authority;
    struct dual_side sides[XF_SIDE_COUNT];
    struct xf_buf held; /* the bytes with which the request ends, while they wait */
    struct xf_write_scan *scan; /* NULL when there is nothing to scan */
    struct xf_decoder *decoder;
    struct xf_kept_head *kept; /* NULL where no request of the proxy's own can be wanted */
    struct xf_ask ask;         /* ASKING */
    struct xf_resolve *resolve;
    struct xf_slice filter, shard_key; /* the scan's: of a filter that is to be resolved */
    struct xf_journal_op *op;
    uint64_t begin_ns, journal_ns;
    bool has_legacy_key;
    bool is_unreadable; /* the authority alone is asked; see read_failed */
    bool is_exact;
    bool may_stop_early;  /* an update by id of more points than the server takes at once: see dual_end.c */
    bool wants_resolve;   /* its filter may mean something else on the follower */
    bool is_resolved;     /* it ran on the authority alone; */
    bool has_resolved_ids; /* and these are the points, else it may be all */
    bool lost_held; /* no memory for the held-back bytes: given up once the answer that they wait for is there */
    bool is_body_paused;
    bool is_detached; /* counted in detached_count */
};

static inline enum xf_side xf_dual_other(const struct dual *dual)
{
    return dual->authority == XF_LEGACY ? XF_NEW : XF_LEGACY;
}

static inline struct dual_side *xf_dual_follower(struct dual *dual)
{
    return &dual->sides[xf_dual_other(dual)];
}

static inline bool xf_dual_writes_points(const struct dual *dual)
{
    return dual->request.plan.endpoint->class_ == XF_CLASS_WRITE_POINTS;
}

static inline void xf_dual_count(const struct dual *dual, enum xf_mstat id)
{
    xf_mstat_add(dual->request.fanout->thread->loop.stats, dual->request.plan.migration->index, id, 1);
}

static inline const char *xf_dual_side_name(enum xf_side side)
{
    return side == XF_LEGACY ? "legacy" : "new";
}

static inline unsigned long long xf_dual_spent_us(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns && to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
}

/* dual.c */

/* Drops a side whose request is incomplete, or was never begun: that leaves no trace. */
void xf_dual_drop_side(struct dual_side *side, enum xf_err err);
/* Ends with nothing applied anywhere, and tells the journal so: silently, with an error of its own, or with one from the table. */
void xf_dual_give_up(struct dual *dual);
void xf_dual_refuse(struct dual *dual, int status, const char *text);
void xf_dual_fail(struct dual *dual, enum xf_err err);
/* Called whenever a side is through: answers the client as soon as that may be, and ends when all is done. */
void xf_dual_settle(struct dual *dual);
/* A side is through before its last bytes were sent. */
void xf_dual_ended_early(struct dual *dual, enum xf_side which);

/* dual_body.c */
XF_MUST_CHECK enum xf_err xf_dual_start_scan(struct dual *dual, const struct xf_arrival *arrival);
void xf_dual_on_body(struct xf_request *request, struct xf_slice bytes, bool is_end);
/* The body has been read; `last` are the bytes with which it ends. */
void xf_dual_end_body(struct dual *dual, struct xf_slice last);
void xf_dual_resume_if_flowing(struct dual *dual);

/* dual_begin.c */

/* Asks legacy about the credential if need be, then the journal, then for the filter's points, and sends. */
void xf_dual_begin(struct dual *dual, const struct xf_journal_scope *scope, struct xf_slice last);

/* dual_end.c */

/* The side said that it did the write, or will. */
bool xf_dual_is_success(const struct dual *dual, const struct dual_side *side);
/* Both sides have the write, and will do the same with it. */
bool xf_dual_is_with_both(const struct dual *dual);
/* False for a follower that lacks a point because it is still being filled. */
bool xf_dual_follower_failure_counts(const struct dual *dual);
/* Tells the journal and the counters. */
void xf_dual_end(struct dual *dual);

/* dual_send.c */

/* Keeps `last` for later; it may be what is kept already. */
void xf_dual_hold(struct dual *dual, struct xf_slice last);
/* Legacy has accepted the client's credential for writing, and so new may be written (G7). */
bool xf_dual_is_trusted(const struct dual *dual);
/* The intent is written down: sends the held-back bytes `last`. */
void xf_dual_release(struct dual *dual, struct xf_slice last);
/* The same for a resolved write: to the authority alone. */
void xf_dual_release_to_authority(struct dual *dual, struct xf_slice last);
/* Legacy has spoken on the client's credential; status 0: it has not, and will not. */
void xf_dual_legacy_spoke(struct dual *dual, int status);

/* dual_answer.c */
void xf_dual_answer_client(struct dual *dual);
/* A side has refused the client's credential: its answer is relayed. */
void xf_dual_relay_refusal(struct dual *dual, const struct xf_answer *answer);

#endif
