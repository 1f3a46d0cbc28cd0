/* What others may ask of a mover: the backfill's verbs and its part of the status.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/worker_int.h"

#include <stdio.h>
#include <time.h>

enum { LEAD_MS = 300 };

/* The lock is held in all of these. */

static enum xf_err say(struct xf_buf *why, const char *text)
{
    enum xf_err err = xf_buf_append_slice(why, xf_slice_of(text));
    return err ? err : XF_ERR_STATE;
}

static void go_to(struct xf_mover *mover, enum xf_backfill_state state)
{
    mover->progress.state = state;
    mover->is_moving = false;
    mover->wants_save = true;
    mover->error[0] = '\0';
}

/* Goes on from the cursor if there is one. */
static void go_on(struct xf_mover *mover)
{
    bool has_begun = mover->progress.started_at_ms != 0;
    go_to(mover, has_begun ? XF_BACKFILL_RUNNING : XF_BACKFILL_STARTING);
}

/* Taken as soon as dual writes are on; the driver begins when no write to one side alone is in flight any more. */
static enum xf_err start(struct xf_mover *mover, bool adopt, const struct xf_worker_phase *phase, struct xf_buf *why)
{
    if (phase->is_off)
        return say(why, "turn dual_write on first: writes made during the backfill would be lost otherwise");
    if (phase->authority != XF_LEGACY)
        return say(why, "reads are on the new collection: there is nothing to fill");
    bool is_old = mover->period != phase->period; /* the driver has yet to see that dual writes were off */
    mover->asked_period = phase->period;
    switch (is_old ? XF_BACKFILL_NONE : mover->progress.state) {
    case XF_BACKFILL_STARTING:
    case XF_BACKFILL_RUNNING:
    case XF_BACKFILL_DONE:
        return XF_OK;
    case XF_BACKFILL_PAUSED:
    case XF_BACKFILL_FAILED:
        mover->progress.adopt |= adopt;
        go_on(mover);
        return XF_OK;
    default:
        mover->progress = (struct xf_progress){.adopt = adopt};
        go_to(mover, XF_BACKFILL_STARTING);
        return XF_OK;
    }
}

static bool is_under_way(const struct xf_mover *mover)
{
    return mover->progress.state == XF_BACKFILL_RUNNING || mover->progress.state == XF_BACKFILL_STARTING;
}

static enum xf_err pause(struct xf_mover *mover, struct xf_buf *why)
{
    if (mover->progress.state == XF_BACKFILL_PAUSED)
        return XF_OK;
    if (!is_under_way(mover))
        return say(why, "no backfill is running");
    go_to(mover, XF_BACKFILL_PAUSED);
    return XF_OK;
}

static enum xf_err resume(struct xf_mover *mover, const struct xf_worker_phase *phase, struct xf_buf *why)
{
    if (is_under_way(mover))
        return XF_OK;
    if (mover->progress.state != XF_BACKFILL_PAUSED && mover->progress.state != XF_BACKFILL_FAILED)
        return say(why, "there is no paused or failed backfill to resume");
    if (phase->is_off)
        return say(why, "turn dual_write on first: writes made during the backfill would be lost otherwise");
    go_on(mover);
    return XF_OK;
}

static enum xf_err cancel(struct xf_mover *mover, struct xf_buf *why)
{
    if (mover->progress.state == XF_BACKFILL_CANCELLED)
        return XF_OK;
    if (mover->progress.state == XF_BACKFILL_NONE || mover->progress.state == XF_BACKFILL_DONE)
        return say(why, "no backfill is under way");
    mover->progress = (struct xf_progress){0};
    go_to(mover, XF_BACKFILL_CANCELLED);
    /* Ids that were still to be copied are in no list any more. */
    xf_journal_lose(mover->office->journal, mover->migration);
    return XF_OK;
}

/* The driver takes the lead within a tick; what came before would not know what was saved. */
static bool wait_for_lead(struct xf_mover *mover)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail for this clock */
    until.tv_nsec += LEAD_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_broadcast(&mover->changed);
    while (!mover->is_leader)
        if (pthread_cond_timedwait(&mover->changed, &mover->lock, &until))
            break;
    return mover->is_leader;
}

enum xf_err xf_mover_command(struct xf_mover *mover, enum xf_command command, bool adopt, struct xf_buf *why)
{
    struct xf_worker_phase phase = xf_office_phase(mover->office, mover->migration);
    enum xf_err err = XF_ERR_INVALID;
    pthread_mutex_lock(&mover->lock);
    if (!wait_for_lead(mover))
        err = say(why, "this replica has just become the one that leads the migration: ask again in a moment");
    else if (command == XF_COMMAND_BACKFILL)
        err = start(mover, adopt, &phase, why);
    else if (command == XF_COMMAND_PAUSE)
        err = pause(mover, why);
    else if (command == XF_COMMAND_RESUME)
        err = resume(mover, &phase, why);
    else if (command == XF_COMMAND_CANCEL)
        err = cancel(mover, why);
    pthread_cond_broadcast(&mover->changed);
    pthread_mutex_unlock(&mover->lock);
    return err;
}

static enum xf_err print_error(struct xf_buf *out, const char *text)
{
    if (!text[0])
        return xf_buf_append_slice(out, XF_SLICE("null"));
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE("\""));
    if (!err)
        err = xf_buf_append_json_escaped(out, xf_slice_of(text));
    return err ? err : xf_buf_append_slice(out, XF_SLICE("\""));
}

static enum xf_err print_backfill(const struct xf_mover *mover, struct xf_buf *out)
{
    const struct xf_progress *progress = &mover->progress;
    bool is_copying = progress->state == XF_BACKFILL_RUNNING && !progress->is_through;
    double rate = is_copying ? mover->rate : 0;
    char cursor[XF_POINT_ID_TEXT_MAX + 1] = "null", eta[32] = "null";
    if (progress->has_cursor)
        cursor[xf_point_id_print_json(progress->cursor, cursor)] = '\0';
    if (rate > 0)
        (void)snprintf(eta, sizeof eta, "%.0f", (double)(progress->total - progress->copied) / rate);
    enum xf_err err = xf_buf_printf(
        out, "{\"state\":\"%s\",\"copied\":%llu,\"total\":%llu,\"rate\":%.0f,\"eta_s\":%s,\"cursor\":%s,\"error\":",
        xf_backfill_state_name(progress), (unsigned long long)progress->copied, (unsigned long long)progress->total,
        rate, eta, cursor);
    if (!err)
        err = print_error(out, mover->error);
    return err ? err : xf_buf_append_slice(out, XF_SLICE("}"));
}

static enum xf_err print_repair(const struct xf_mover *mover, struct xf_buf *out)
{
    struct xf_journal_state journal;
    xf_journal_state(mover->office->journal, mover->migration, &journal);
    enum xf_err err = xf_buf_printf(
        out, "{\"repaired\":%llu,\"failures\":%llu,\"refused_ids\":%zu,\"reconcile_needed\":%s,\"error\":",
        (unsigned long long)mover->repaired, (unsigned long long)mover->repair_failures, mover->stubborn_count,
        journal.is_unknown ? "true" : "false");
    if (!err)
        err = print_error(out, mover->repair_error);
    return err ? err : xf_buf_append_slice(out, XF_SLICE("}"));
}

enum xf_err xf_mover_status(struct xf_mover *mover, struct xf_buf *out)
{
    pthread_mutex_lock(&mover->lock);
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE("\"backfill\":"));
    if (!err)
        err = print_backfill(mover, out);
    if (!err)
        err = xf_buf_append_slice(out, XF_SLICE(",\"repair\":"));
    if (!err)
        err = print_repair(mover, out);
    pthread_mutex_unlock(&mover->lock);
    return err;
}
