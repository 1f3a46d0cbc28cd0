/* How far a backfill and a reconcile have come, as kept over restarts and shown in the status; and the waits between
 * tries. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_PROGRESS_H
#define XF_PROXY_WORKER_PROGRESS_H

#include "common/base/buf.h"
#include "common/json/point_id.h"
#include "proxy/config/config.h"

enum xf_backfill_state {
    XF_BACKFILL_NONE,     /* never started, or forgotten because dual_write went off */
    XF_BACKFILL_STARTING, /* checking both collections */
    XF_BACKFILL_RUNNING,  /* copying ranges; once is_through, repairing what is still dirty */
    XF_BACKFILL_PAUSED,
    XF_BACKFILL_FAILED, /* a server refused; somebody must act, then resume */
    XF_BACKFILL_CANCELLED,
    XF_BACKFILL_DONE,
    XF_BACKFILL_STATE_COUNT
};

struct xf_progress {
    enum xf_backfill_state state;
    bool has_cursor; /* every id below the cursor has been copied */
    struct xf_point_id cursor;
    bool is_through;     /* every range has been copied */
    bool deletes_extras; /* the new collection was not empty at the start */
    bool adopt;
    uint64_t copied, total;
    uint64_t started_at_ms; /* wall clock, for people */
};

const char *xf_backfill_state_name(const struct xf_progress *progress);
/* Appends the JSON object that is saved. */
XF_MUST_CHECK enum xf_err xf_progress_print(const struct xf_progress *progress, struct xf_buf *out);
/* JSON_SHAPE for anything that print has not made. */
XF_MUST_CHECK enum xf_err xf_progress_parse(struct xf_slice json, struct xf_progress *progress);

struct xf_scan_progress {
    uint64_t moment; /* of the journal; at another one the scan starts over */
    char incarnation[48];
    unsigned pass;   /* 1: again, because the counts did not fit */
    bool has_cursor; /* every id below the cursor has been compared, and what differs is dirty */
    struct xf_point_id cursor;
    bool is_through;
    uint64_t compared, differing; /* of this pass, of all */
    uint64_t seen[XF_SIDE_COUNT], only[XF_SIDE_COUNT]; /* ids seen in each, and those that only it had */
};
/* As of the backfill; an object without a state. */
XF_MUST_CHECK enum xf_err xf_scan_progress_print(const struct xf_scan_progress *progress, struct xf_buf *out);
XF_MUST_CHECK enum xf_err xf_scan_progress_parse(struct xf_slice json, struct xf_scan_progress *progress);

/* The wait before try number `attempt` (0: the first repetition): doubles from 100 ms to 10 s, at least what the server
 * asked for, and a random part of up to a half on top, so that many do not come back at once. */
uint64_t xf_backoff_ms(unsigned attempt, uint64_t retry_after_ms, uint64_t random);

#endif
