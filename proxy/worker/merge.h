/* A merge-scan: goes through both collections by ascending id at once, comparing point with point, in memory for two
 * pages. The full validation reports what it finds, the reconcile makes it dirty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_MERGE_H
#define XF_PROXY_WORKER_MERGE_H

#include "proxy/worker/copy.h"

/* Reasons, told apart by their address. A missed id was in the range's list of that side, and the scan did not come by it;
 * the same id may be reported again as being in the other collection only. */
extern const char *const xf_merge_only_in[XF_SIDE_COUNT];
extern const char *const xf_merge_missed[XF_SIDE_COUNT];

/* Return anything but OK to end the scan. */
typedef enum xf_err xf_difference_fn(void *ctx, struct xf_point_id id, const char *reason);

/* A part of all ids (from <= id < to; NULL is open), and what another scroll has shown of it: a scroll may miss a point that
 * moves between segments meanwhile (before Qdrant 1.14.0), so nothing rests on one alone. */
struct xf_merge_range {
    const struct xf_point_id *from, *to;
    const struct xf_point_id *ids[XF_SIDE_COUNT]; /* ascending */
    size_t id_count[XF_SIDE_COUNT];
    uint64_t seen[XF_SIDE_COUNT]; /* out: different ids that either scroll has shown */
};

struct xf_merge {
    struct xf_wire *wire;
    struct xf_track *track; /* its rate limit holds here too */
    const struct xf_facts *facts;
    struct xf_merge_range *range; /* NULL: all */
    const atomic_bool *is_ending; /* looked at before each page; may be NULL */
    xf_difference_fn *on_difference;
    xf_difference_fn *on_equal; /* of xf_merge_ids alone, may be NULL: on both sides and equal, without a reason */
    void *ctx;
    _Atomic uint64_t *compared; /* counts up */
};
/* Retries what may be retried; `why` (XF_WHY_MAX bytes) says what went wrong. */
XF_MUST_CHECK enum xf_err xf_merge_run(const struct xf_merge *merge, char *why);

/* Compares the given ids (ascending, each once); calls on_difference for those that differ. Nothing was called if it
 * fails. */
XF_MUST_CHECK enum xf_err xf_merge_ids(const struct xf_merge *merge, const struct xf_point_id *ids, size_t count,
                                       char *why);

/* The wait before the next try of a read, or the error itself if there is none. */
enum { XF_READ_TRIES = 20 };
XF_MUST_CHECK enum xf_err xf_merge_wait(struct xf_wire *wire, enum xf_err err, unsigned attempt,
                                        uint64_t retry_after_ms);

#endif
