/* Validation: does the new collection answer like the legacy one? Exact counts, searches in exact mode with the same
 * vectors on both sides, and points compared field by field: samples, or every point. What differs is looked at again
 * after a moment, because a write may be on its way to one side.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_VALIDATE_H
#define XF_PROXY_WORKER_VALIDATE_H

#include "proxy/worker/copy.h"

struct xf_validate {
    struct xf_wire *wire;
    struct xf_track *track;
    bool is_full;
    _Atomic uint64_t *compared; /* counts up */
};
/* Appends the report, a JSON object, also when the collections differ: {"state":"done","passed":...}. An error, with
 * `why` of XF_WHY_MAX bytes, only if the comparison itself could not be made. */
XF_MUST_CHECK enum xf_err xf_validate_run(const struct xf_validate *validate, struct xf_buf *report, char *why);

#endif
