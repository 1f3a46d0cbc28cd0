/* The desk's thread, its three jobs and their reports.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/desk.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "proxy/worker/cut.h"
#include "proxy/worker/prepare.h"
#include "proxy/worker/validate.h"

#include <stdio.h>
#include <time.h>

enum { REPORT_BYTES_MAX = 1 << 20, LOOK_MS = 1000, RECONCILE_MS = 30000 };

/* Under these names the reports are kept over restarts. */
static const char *const job_names[XF_DESK_JOB_COUNT] = {"prepare", "validation", "reconcile"};

static const struct xf_migration_conf *conf_of(const struct xf_desk *desk)
{
    return &desk->office->config->migrations[desk->migration];
}

void xf_desk_store_report(struct xf_desk *desk, enum xf_desk_job job, struct xf_slice report)
{
    if (!xf_office_phase(desk->office, desk->migration).is_leader)
        return; /* it is the next leader's from now on */
    pthread_mutex_lock(&desk->lock);
    xf_buf_clear(&desk->report[job]);
    enum xf_err err = xf_buf_append_slice(&desk->report[job], report);
    pthread_mutex_unlock(&desk->lock);
    if (err)
        xf_log(XF_LOG_ERROR, "worker", "migration=%s %s: the report is lost: %s", conf_of(desk)->name, job_names[job],
               xf_err_sentence(err));
    xf_office_save(desk->office, desk->migration, job_names[job], report);
}

static void keep_report(struct xf_desk *desk, enum xf_desk_job job, struct xf_slice report)
{
    xf_desk_store_report(desk, job, report);
    xf_office_event(desk->office, desk->migration, job_names[job], NULL);
}

/* A report of one sentence. `made` stays true once requests have gone out: the mark by which the collection is ours. */
void xf_desk_report_text(struct xf_desk *desk, enum xf_desk_job job, const char *state, const char *key,
                        const char *text, const char *more)
{
    struct xf_buf report;
    xf_buf_init(&report, REPORT_BYTES_MAX);
    enum xf_err err = xf_buf_printf(&report, "{\"state\":\"%s\",\"at\":%llu%s,\"%s\":\"", state,
                                    (unsigned long long)xf_clock_wall_ms(), more, key);
    if (!err)
        err = xf_buf_append_json_escaped(&report, xf_slice_of(text));
    if (!err)
        err = xf_buf_append_slice(&report, XF_SLICE("\"}"));
    if (!err)
        keep_report(desk, job, xf_buf_view(&report));
    xf_buf_fini(&report);
    bool failed = err || strcmp(state, "failed") == 0;
    xf_log(failed ? XF_LOG_WARN : XF_LOG_INFO, "worker", "migration=%s %s=%s: %s", conf_of(desk)->name, job_names[job],
           state, err ? xf_err_sentence(err) : text);
}

/* --- Jobs --- */

static bool was_made(struct xf_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    struct xf_slice report = xf_buf_view(&desk->report[XF_DESK_PREPARE]);
    bool made = xf_slice_eq(xf_cut_member(report, "made"), XF_SLICE("true"));
    pthread_mutex_unlock(&desk->lock);
    return made;
}

static void mark_made(void *ctx)
{
    xf_desk_report_text(ctx, XF_DESK_PREPARE, "running", "detail", "making the new collection", ",\"made\":true");
}

static void run_prepare(struct xf_desk *desk, const struct xf_command_options *options)
{
    char why[XF_WHY_MAX] = "";
    struct xf_prepare prepare = {.wire = desk->wire,
                                 .migration = conf_of(desk),
                                 .was_made = was_made(desk),
                                 .adopt = options->adopt,
                                 .mark = mark_made,
                                 .ctx = desk};
    enum xf_err err = xf_prepare_run(&prepare, why);
    if (err == XF_ERR_STATE && atomic_load(&desk->office->is_stopping))
        return;
    const char *more = was_made(desk) ? ",\"made\":true" : "";
    if (err)
        xf_desk_report_text(desk, XF_DESK_PREPARE, "failed", "error", why[0] ? why : xf_err_sentence(err), more);
    else
        xf_desk_report_text(desk, XF_DESK_PREPARE, "done", "detail", why, more);
}

static void run_validate(struct xf_desk *desk, const struct xf_command_options *options)
{
    char why[XF_WHY_MAX] = "";
    struct xf_buf report;
    xf_buf_init(&report, REPORT_BYTES_MAX);
    struct xf_validate validate = {
        .wire = desk->wire, .track = desk->track, .is_full = options->full, .compared = &desk->compared};
    enum xf_err err = xf_validate_run(&validate, &report, why);
    if (!err) {
        keep_report(desk, XF_DESK_VALIDATE, xf_buf_view(&report));
        bool passed = xf_slice_eq(xf_cut_member(xf_buf_view(&report), "passed"), XF_SLICE("true"));
        xf_log(passed ? XF_LOG_INFO : XF_LOG_WARN, "worker", "migration=%s validation %s", conf_of(desk)->name,
               passed ? "passed" : "found differences, see the report");
    } else if (!atomic_load(&desk->office->is_stopping)) {
        xf_desk_report_text(desk, XF_DESK_VALIDATE, "failed", "error", why[0] ? why : xf_err_sentence(err),
                    ",\"passed\":false");
    }
    xf_buf_fini(&report);
}

/* --- Thread --- */

/* What was running when the leader went: a reconcile goes on, the others were asked for by somebody who can ask again. */
static void take_up(struct xf_desk *desk)
{
    static const char text[] = "it was broken off by a restart or a change of the leader: ask again";
    pthread_mutex_lock(&desk->lock);
    bool is_running[XF_DESK_JOB_COUNT];
    for (int job = 0; job < XF_DESK_JOB_COUNT; job++)
        is_running[job] = xf_slice_eq(xf_cut_member(xf_buf_view(&desk->report[job]), "state"), XF_SLICE("\"running\""));
    desk->wants[XF_DESK_RECONCILE] |= is_running[XF_DESK_RECONCILE];
    pthread_mutex_unlock(&desk->lock);
    if (is_running[XF_DESK_PREPARE])
        xf_desk_report_text(desk, XF_DESK_PREPARE, "failed", "error", text, was_made(desk) ? ",\"made\":true" : "");
}

/* Anew: whatever is here, it is the leader's report that counts. */
static void load_report(struct xf_desk *desk, enum xf_desk_job job, bool is_anew)
{
    struct xf_buf text;
    xf_buf_init(&text, REPORT_BYTES_MAX);
    pthread_mutex_lock(&desk->lock);
    bool is_missing = xf_buf_len(&desk->report[job]) == 0;
    pthread_mutex_unlock(&desk->lock);
    enum xf_err err = is_anew || is_missing
                          ? xf_office_load(desk->office, desk->migration, job_names[job], &text)
                          : XF_ERR_NOT_FOUND;
    if (!err) {
        pthread_mutex_lock(&desk->lock);
        xf_buf_clear(&desk->report[job]);
        err = xf_buf_append_slice(&desk->report[job], xf_buf_view(&text));
        pthread_mutex_unlock(&desk->lock);
        if (err)
            xf_log(XF_LOG_ERROR, "worker", "migration=%s %s: the saved report cannot be kept: %s", conf_of(desk)->name,
                   job_names[job], xf_err_sentence(err));
    }
    xf_buf_fini(&text);
}

static void load_reports(struct xf_desk *desk, bool is_anew)
{
    for (int job = 0; job < XF_DESK_JOB_COUNT; job++)
        load_report(desk, (enum xf_desk_job)job, is_anew);
}

/* The lock is held. */
static void forget_wants(struct xf_desk *desk)
{
    for (int job = 0; job < XF_DESK_JOB_COUNT; job++)
        desk->wants[job] = false;
}

/* Without the lead nothing is wanted here. */
static void look_at_lead(struct xf_desk *desk)
{
    bool was_leader = desk->is_leader;
    desk->is_leader = desk->leads(desk->ctx);
    load_reports(desk, !was_leader);
    if (desk->is_leader && !was_leader)
        take_up(desk);
    if (!xf_office_phase(desk->office, desk->migration).is_leader) {
        pthread_mutex_lock(&desk->lock);
        forget_wants(desk);
        pthread_mutex_unlock(&desk->lock);
    }
}

/* The lock is held. The next job wanted, or JOB_COUNT after a while without any. */
static enum xf_desk_job next_job(struct xf_desk *desk)
{
    for (int job = 0; job < XF_DESK_JOB_COUNT && desk->is_leader; job++) {
        if (desk->wants[job]) {
            desk->wants[job] = false;
            desk->is_running[job] = true;
            return (enum xf_desk_job)job;
        }
    }
    if (atomic_load(&desk->office->is_stopping))
        return XF_DESK_JOB_COUNT;
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail for this clock */
    until.tv_sec += LOOK_MS / 1000;
    (void)pthread_cond_timedwait(&desk->changed, &desk->lock, &until); /* either way we look again */
    return XF_DESK_JOB_COUNT;
}

static void run_job(struct xf_desk *desk, enum xf_desk_job job, const struct xf_command_options *options)
{
    if (job == XF_DESK_PREPARE)
        run_prepare(desk, options);
    else if (job == XF_DESK_VALIDATE)
        run_validate(desk, options);
    else
        xf_desk_reconcile(desk);
    atomic_store(&desk->doing, NULL);
    pthread_mutex_lock(&desk->lock);
    desk->is_running[job] = false;
    if (job == XF_DESK_RECONCILE)
        desk->reconcile_not_before_ms = xf_clock_now_ms() + RECONCILE_MS;
    pthread_mutex_unlock(&desk->lock);
}

static void *run_desk(void *ctx)
{
    struct xf_desk *desk = ctx;
    while (!atomic_load(&desk->office->is_stopping)) {
        look_at_lead(desk);
        pthread_mutex_lock(&desk->lock);
        enum xf_desk_job job = next_job(desk); /* none, unless it leads */
        struct xf_command_options options =
            job < XF_DESK_JOB_COUNT ? desk->options[job] : (struct xf_command_options){0};
        pthread_mutex_unlock(&desk->lock);
        if (job < XF_DESK_JOB_COUNT)
            run_job(desk, job, &options);
    }
    return NULL;
}

void xf_desk_want(struct xf_desk *desk, enum xf_desk_job job, const struct xf_command_options *options)
{
    pthread_mutex_lock(&desk->lock);
    if (!desk->is_running[job] && !desk->wants[job]) {
        desk->wants[job] = true;
        desk->options[job] = *options;
        pthread_cond_signal(&desk->changed);
    }
    pthread_mutex_unlock(&desk->lock);
}

void xf_desk_want_reconcile(void *ctx)
{
    struct xf_desk *desk = ctx;
    pthread_mutex_lock(&desk->lock);
    bool is_due = xf_clock_now_ms() >= desk->reconcile_not_before_ms;
    pthread_mutex_unlock(&desk->lock);
    if (is_due)
        xf_desk_want(desk, XF_DESK_RECONCILE, &(struct xf_command_options){0});
}

static enum xf_err print_running(const struct xf_desk *desk, enum xf_desk_job job, struct xf_buf *out)
{
    bool is_under_way = desk->is_running[job];
    const char *doing = is_under_way ? atomic_load(&desk->doing) : NULL;
    uint64_t compared = is_under_way && job != XF_DESK_PREPARE ? atomic_load(&desk->compared) : 0;
    enum xf_err err =
        xf_buf_printf(out, "{\"state\":\"running\",\"compared\":%llu", (unsigned long long)compared);
    if (!err && doing)
        err = xf_buf_printf(out, ",\"detail\":\"%s\"", doing);
    return err ? err : xf_buf_append_slice(out, XF_SLICE("}"));
}

enum xf_err xf_desk_status(struct xf_desk *desk, enum xf_desk_job job, struct xf_buf *out)
{
    enum xf_err err;
    pthread_mutex_lock(&desk->lock);
    if (desk->is_running[job] || desk->wants[job])
        err = print_running(desk, job, out);
    else if (xf_buf_len(&desk->report[job]))
        err = xf_buf_append_slice(out, xf_buf_view(&desk->report[job]));
    else
        err = xf_buf_append_slice(out, XF_SLICE("null"));
    pthread_mutex_unlock(&desk->lock);
    return err;
}

enum xf_err xf_desk_init(struct xf_desk *desk, struct xf_office *office, size_t migration)
{
    *desk = (struct xf_desk){.office = office, .migration = migration};
    for (int job = 0; job < XF_DESK_JOB_COUNT; job++)
        xf_buf_init(&desk->report[job], REPORT_BYTES_MAX);
    if (pthread_mutex_init(&desk->lock, NULL))
        return XF_ERR_NOMEM;
    if (pthread_cond_init(&desk->changed, NULL))
        goto err1;
    if (xf_wire_new(office->config, &office->is_stopping, &desk->wire))
        goto err2;
    return XF_OK;
err2:
    pthread_cond_destroy(&desk->changed);
err1:
    pthread_mutex_destroy(&desk->lock);
    return XF_ERR_NOMEM;
}

enum xf_err xf_desk_start(struct xf_desk *desk, struct xf_track *track, bool (*leads)(void *ctx), void *ctx)
{
    desk->track = track;
    desk->leads = leads;
    desk->ctx = ctx;
    if (pthread_create(&desk->thread, NULL, run_desk, desk))
        return XF_ERR_NOMEM;
    desk->has_thread = true;
    return XF_OK;
}

void xf_desk_stop(struct xf_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    pthread_cond_broadcast(&desk->changed);
    pthread_mutex_unlock(&desk->lock);
    xf_wire_wake(desk->wire);
    if (desk->has_thread)
        pthread_join(desk->thread, NULL);
    desk->has_thread = false;
}

void xf_desk_fini(struct xf_desk *desk)
{
    xf_wire_free(desk->wire);
    for (int job = 0; job < XF_DESK_JOB_COUNT; job++)
        xf_buf_fini(&desk->report[job]);
    pthread_cond_destroy(&desk->changed);
    pthread_mutex_destroy(&desk->lock);
}
