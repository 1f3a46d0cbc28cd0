/* A merge-scan: goes through both collections by ascending id at once, comparing point with point, in memory for two
 * pages. The full validation reports what it finds, the reconcile makes it dirty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_MERGE_H
#define XF_PROXY_WORKER_MERGE_H

#include "proxy/worker/copy.h"

/* Return anything but OK to end the scan. */
typedef enum xf_err xf_difference_fn(void *ctx, struct xf_point_id id, const char *reason);

struct xf_merge {
    struct xf_wire *wire;
    struct xf_track *track; /* its rate limit holds here too */
    const struct xf_facts *facts;
    xf_difference_fn *on_difference;
    void *ctx;
    _Atomic uint64_t *compared; /* counts up */
};
/* Retries what may be retried; `why` (XF_WHY_MAX bytes) says what went wrong. */
XF_MUST_CHECK enum xf_err xf_merge_run(const struct xf_merge *merge, char *why);

/* Compares the given ids (ascending, each once); calls on_difference for those that differ. */
XF_MUST_CHECK enum xf_err xf_merge_ids(const struct xf_merge *merge, const struct xf_point_id *ids, size_t count,
                                       char *why);

#endif
