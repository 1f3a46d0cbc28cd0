/* Dry runs: what prepare and backfill would do. They ask the servers, which may hang, so each has a thread of its own and
 * the caller's goes on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_DRY_RUN_H
#define XF_PROXY_WORKER_DRY_RUN_H

#include "proxy/worker/worker_int.h"

enum { XF_DRY_RUNS_MAX = 4 };

struct xf_dry_run;

struct xf_dry_runs {
    pthread_mutex_t lock;
    struct xf_dry_run *runs[XF_DRY_RUNS_MAX];
};

/* BUSY while as many as may be are under way. Else as xf_worker_dry_run says. */
XF_MUST_CHECK enum xf_err xf_dry_run_start(struct xf_dry_runs *runs, struct xf_office *office, size_t migration,
                                           enum xf_command command, xf_dry_run_done_fn *done, void *ctx);
/* After office->is_stopping was set and with no further start to come: each has called its `done` when this returns. */
void xf_dry_runs_stop(struct xf_dry_runs *runs);

#endif
