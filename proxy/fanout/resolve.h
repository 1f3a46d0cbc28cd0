/* Which points a filter matches on the authority just now: a barrier, so that all it has acknowledged is applied, and then
 * the ids, page by page. For writes by a filter that may mean something else on the follower: these run on the authority
 * alone, and the ids are what a copy has to bring over.
 *
 * The journal has the write as one of ALL while this runs, so no other write gets in between.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_RESOLVE_H
#define XF_PROXY_FANOUT_RESOLVE_H

#include "proxy/fanout/answer.h"
#include "proxy/fanout/fanout_int.h"

enum xf_resolved {
    XF_RESOLVED_IDS,     /* these are they */
    XF_RESOLVED_UNKNOWN, /* too many, or the authority did not say: all points may be concerned */
    XF_RESOLVED_REFUSED  /* the authority does not let this client write: its answer stands for that to the write */
};

struct xf_resolve_input {
    struct xf_request *request;
    const struct xf_kept_head *kept; /* these must outlive the resolve */
    struct xf_slice filter, shard_key;
    enum xf_side side;
    bool is_trusted;
    size_t ids_max;
};

struct xf_resolve;
typedef void xf_resolved_fn(void *ctx, enum xf_resolved how);
/* `done` is called once, never from inside this call; the resolve may be freed in it. */
XF_MUST_CHECK enum xf_err xf_resolve_start(const struct xf_resolve_input *input, xf_resolved_fn *done, void *ctx,
                                           struct xf_resolve **resolve);
void xf_resolve_free(struct xf_resolve *resolve); /* also under way; NULL is fine */
const struct xf_point_id *xf_resolve_ids(const struct xf_resolve *resolve, size_t *count); /* sorted, each once */
const struct xf_answer *xf_resolve_refusal(const struct xf_resolve *resolve);

#endif
