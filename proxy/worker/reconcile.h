/* Reconcile: after it the journal knows again which points may differ. Both sides are compared whole, what differs
 * becomes dirty and is repaired as all else that is dirty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_RECONCILE_H
#define XF_PROXY_WORKER_RECONCILE_H

#include "proxy/worker/copy.h"
#include "proxy/worker/progress.h"

struct xf_reconcile {
    struct xf_wire *wire;
    struct xf_track *track;
    const atomic_bool *is_stopping;
    enum xf_side (*authority)(void *ctx);
    /* Asked several times a second: false ends it with STATE. */
    bool (*may_go_on)(void *ctx);
    void (*save)(void *ctx, const struct xf_scan_progress *progress);
    /* What it is doing, for the status: a static text. */
    void (*tell)(void *ctx, const char *doing);
    void *ctx;
    _Atomic uint64_t *compared;
    /* In: how far an earlier run came, if there was one; it goes on from there if the journal says that nothing became
     * unknown since. Out: how far this one came. */
    bool has_progress;
    struct xf_scan_progress progress;
    bool is_known; /* out, with OK: not if something made the journal forget meanwhile */
};
/* BUSY: it could not begin, because something may still land; STATE: told not to go on; IO: the journal is away; others
 * as of xf_wire_call. INVALID: the counts do not fit what was seen; what was found is dirty, and the journal says
 * unknown. `why` says so in a sentence. */
XF_MUST_CHECK enum xf_err xf_reconcile_run(struct xf_reconcile *reconcile, char *why);

#endif
