/* What it takes to make the new collection like the legacy one: the requests, in order, built as text from the legacy
 * collection's own description, whose values are spliced in as they stand.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_PREPARE_H
#define XF_PROXY_WORKER_PREPARE_H

#include "proxy/worker/collection.h"

struct xf_plan_step {
    const char *method, *suffix; /* suffix of /collections/<new> */
    struct xf_buf body;
};
struct xf_plan {
    struct xf_plan_step *steps;
    size_t count;
};
/* The first step creates the collection; the others may be repeated at will, but for shard keys. Pure. */
XF_MUST_CHECK enum xf_err xf_plan_make(const struct xf_collection *legacy, struct xf_plan *plan);
void xf_plan_fini(struct xf_plan *plan);
/* Appends [{"method":...,"path":...,"body":...}]. */
XF_MUST_CHECK enum xf_err xf_plan_print(const struct xf_plan *plan, const struct xf_side_conf *side,
                                        struct xf_buf *out);

struct xf_prepare {
    struct xf_wire *wire;
    const struct xf_migration_conf *migration;
    bool was_made, adopt; /* an earlier run has begun to make it; take a foreign one */
    /* Called before the first request that changes anything: the durable mark that the collection is ours. */
    void (*mark)(void *ctx);
    void *ctx;
};
/* Makes the collection, or completes what an earlier run has begun. `why` (XF_WHY_MAX bytes) says what is wrong, or on
 * OK what was done. */
XF_MUST_CHECK enum xf_err xf_prepare_run(const struct xf_prepare *prepare, char *why);
/* Appends the requests that run would send. */
XF_MUST_CHECK enum xf_err xf_prepare_show(const struct xf_prepare *prepare, struct xf_buf *out, char *why);

#endif
