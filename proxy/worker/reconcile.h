/* Reconcile: after it the journal knows again which points may differ. Both sides are compared whole, what differs
 * becomes dirty and is repaired as all else that is dirty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_RECONCILE_H
#define XF_PROXY_WORKER_RECONCILE_H

#include "proxy/worker/copy.h"

/* `is_known`: whether the journal knows now; not if something made it forget meanwhile, or may still land. */
XF_MUST_CHECK enum xf_err xf_reconcile_run(struct xf_wire *wire, struct xf_track *track, _Atomic uint64_t *compared,
                                           uint64_t *differing, bool *is_known, char *why);

#endif
