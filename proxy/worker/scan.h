/* The scan of a reconcile: compares both collections in ranges of ids, some at once, and makes dirty what differs and still
 * does after a moment. What was compared is accounted for in order of ids, so that a scan that was broken off goes on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_SCAN_H
#define XF_PROXY_WORKER_SCAN_H

#include "proxy/worker/copy.h"
#include "proxy/worker/progress.h"

struct xf_scan {
    struct xf_track *track;
    const struct xf_facts *facts;
    const atomic_bool *is_stopping;
    /* Asked several times a second, on the caller's thread: false ends the scan with STATE. */
    bool (*may_go_on)(void *ctx);
    /* Tells how far it has come, on the caller's thread, when that has changed. */
    void (*save)(void *ctx, const struct xf_scan_progress *progress);
    void *ctx;
    _Atomic uint64_t *compared; /* counts up */
    struct xf_scan_progress progress; /* where to begin, and at the end how far it came */
};
XF_MUST_CHECK enum xf_err xf_scan_run(struct xf_scan *scan, char *why);

#endif
