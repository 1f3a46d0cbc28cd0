/* The desk's reconcile: what it asks of the host, and how it is kept and taken up again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/desk.h"

#include "common/base/clock.h"
#include "proxy/worker/cut.h"
#include "proxy/worker/reconcile.h"

#include <stdio.h>

static struct xf_worker_phase phase_of(const struct xf_desk *desk)
{
    return xf_office_phase(desk->office, desk->migration);
}

static enum xf_side on_authority(void *ctx)
{
    return phase_of(ctx).authority;
}

static bool on_may_go_on(void *ctx)
{
    const struct xf_desk *desk = ctx;
    struct xf_worker_phase phase = phase_of(desk);
    return phase.is_leader && !phase.is_off && !atomic_load(&desk->office->is_stopping);
}

static void on_doing(void *ctx, const char *doing)
{
    struct xf_desk *desk = ctx;
    atomic_store(&desk->doing, doing);
}

/* Appends `,"progress":{...}`, by which the next run goes on, also on another replica. */
static enum xf_err print_progress(const struct xf_scan_progress *progress, struct xf_buf *out)
{
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE(",\"progress\":"));
    return err ? err : xf_scan_progress_print(progress, out);
}

static void on_progress(void *ctx, const struct xf_scan_progress *progress)
{
    struct xf_desk *desk = ctx;
    struct xf_buf report;
    xf_buf_init(&report, 4096);
    enum xf_err err = xf_buf_printf(&report, "{\"state\":\"running\",\"at\":%llu,\"compared\":%llu",
                                    (unsigned long long)xf_clock_wall_ms(), (unsigned long long)progress->compared);
    if (!err)
        err = print_progress(progress, &report);
    if (!err)
        err = xf_buf_append_slice(&report, XF_SLICE("}"));
    if (!err)
        xf_desk_store_report(desk, XF_DESK_RECONCILE, xf_buf_view(&report));
    xf_buf_fini(&report);
}

static bool read_progress(struct xf_desk *desk, struct xf_scan_progress *progress)
{
    pthread_mutex_lock(&desk->lock);
    struct xf_slice report = xf_buf_view(&desk->report[XF_DESK_RECONCILE]);
    bool has_progress = !xf_scan_progress_parse(xf_cut_member(report, "progress"), progress);
    pthread_mutex_unlock(&desk->lock);
    return has_progress;
}

static void report_failed(struct xf_desk *desk, const struct xf_scan_progress *progress, const char *why)
{
    struct xf_buf more;
    xf_buf_init(&more, 4096);
    enum xf_err err = print_progress(progress, &more);
    if (!err)
        err = xf_buf_append(&more, "", 1);
    xf_desk_report_text(desk, XF_DESK_RECONCILE, "failed", "error", why, err ? "" : xf_buf_view(&more).ptr);
    xf_buf_fini(&more);
}

void xf_desk_reconcile(struct xf_desk *desk)
{
    char why[XF_WHY_MAX] = "", text[160];
    struct xf_reconcile reconcile = {.wire = desk->wire,
                                     .track = desk->track,
                                     .is_stopping = &desk->office->is_stopping,
                                     .authority = on_authority,
                                     .may_go_on = on_may_go_on,
                                     .save = on_progress,
                                     .tell = on_doing,
                                     .ctx = desk,
                                     .compared = &desk->compared};
    reconcile.has_progress = read_progress(desk, &reconcile.progress);
    enum xf_err err = xf_reconcile_run(&reconcile, why);
    struct xf_worker_phase phase = phase_of(desk);
    if (atomic_load(&desk->office->is_stopping) || !phase.is_leader)
        return; /* saved as running: taken up again, here or elsewhere */
    const struct xf_scan_progress *progress = &reconcile.progress;
    (void)snprintf(text, sizeof text, "%llu points compared, %llu differ and are dirty%s",
                   (unsigned long long)progress->compared, (unsigned long long)progress->differing,
                   reconcile.is_known ? "" : "; others may differ as well, another reconcile is needed");
    if (!err)
        xf_desk_report_text(desk, XF_DESK_RECONCILE, "done", "detail", text, "");
    else if (phase.is_off)
        xf_desk_report_text(desk, XF_DESK_RECONCILE, "failed", "error", "dual_write was turned off", "");
    else if (err == XF_ERR_INVALID && progress->is_through)
        xf_desk_report_text(desk, XF_DESK_RECONCILE, "failed", "error", why, ""); /* from the start next time */
    else
        report_failed(desk, progress, why[0] ? why : xf_err_sentence(err));
}
