/* One replica moves a migration, the one that leads it; the others show what it has saved. Whoever comes to lead takes
 * nothing from what it saw before but goes on from there: the former leader's cursor is behind what it has copied, and
 * copying twice does no harm.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "proxy/worker/worker_int.h"

#include <string.h>

enum { SAVE_MS = 200, LOAD_MS = 1000, SETTLE_MS = 1500 };

static const char *name_of(const struct xf_mover *mover)
{
    return mover->office->config->migrations[mover->migration].name;
}

void xf_mover_save(struct xf_mover *mover)
{
    uint64_t now = xf_clock_now_ms();
    struct xf_buf text;
    xf_buf_init(&text, 4096);
    bool leads = xf_office_phase(mover->office, mover->migration).is_leader;
    pthread_mutex_lock(&mover->lock);
    bool due = leads && mover->is_leader && mover->wants_save &&
               (now - mover->saved_ms >= SAVE_MS || mover->progress.state != XF_BACKFILL_RUNNING);
    enum xf_err err = due ? xf_progress_print(&mover->progress, &text) : XF_OK;
    mover->wants_save &= !due || err;
    pthread_mutex_unlock(&mover->lock);
    if (due && !err) {
        mover->saved_ms = now;
        xf_office_save(mover->office, mover->migration, "backfill", xf_buf_view(&text));
    }
    xf_buf_fini(&text);
}

/* What was saved last; false if there is nothing. */
static bool read_saved(struct xf_mover *mover, struct xf_progress *progress)
{
    struct xf_buf text;
    xf_buf_init(&text, 1 << 16);
    *progress = (struct xf_progress){0};
    enum xf_err err = xf_office_load(mover->office, mover->migration, "backfill", &text);
    if (!err) {
        err = xf_progress_parse(xf_buf_view(&text), progress);
        if (err)
            xf_log(XF_LOG_WARN, "worker",
                   "migration=%s the saved state of the backfill cannot be read, it counts as none", name_of(mover));
    }
    xf_buf_fini(&text);
    return !err && progress->state != XF_BACKFILL_NONE;
}

static bool is_void(const struct xf_mover *mover, const struct xf_progress *progress)
{
    return progress->started_at_ms && progress->started_at_ms == mover->void_started_at_ms;
}

/* What was saved may become readable only when Redis is back, so a mover that knows of nothing goes on looking. */
void xf_mover_load(struct xf_mover *mover, bool is_anew)
{
    uint64_t now = xf_clock_now_ms();
    if (mover->loaded_ms && now - mover->loaded_ms < LOAD_MS)
        return;
    mover->loaded_ms = now;
    struct xf_progress progress;
    bool has_saved = read_saved(mover, &progress) && !is_void(mover, &progress);
    if (!has_saved)
        progress = (struct xf_progress){0};
    pthread_mutex_lock(&mover->lock);
    bool takes = is_anew || (has_saved && mover->progress.state == XF_BACKFILL_NONE);
    if (takes) {
        mover->progress = progress;
        mover->plan_is_stale = true;
    }
    pthread_mutex_unlock(&mover->lock);
    if (takes && has_saved && !is_anew)
        xf_log(XF_LOG_INFO, "worker", "migration=%s backfill=%s copied=%llu: known from an earlier run", name_of(mover),
               xf_backfill_state_name(&progress), (unsigned long long)progress.copied);
}

static void stop_leading(struct xf_mover *mover)
{
    pthread_mutex_lock(&mover->lock);
    mover->is_leader = false;
    mover->is_moving = false;
    mover->plan_is_stale = true;
    mover->wants_save = false; /* it is the next leader's from now on */
    mover->error[0] = mover->repair_error[0] = '\0';
    pthread_mutex_unlock(&mover->lock);
    xf_log(XF_LOG_INFO, "worker", "migration=%s leads=no: copies end here", name_of(mover));
}

static void follow(struct xf_mover *mover, const struct xf_worker_phase *phase)
{
    struct xf_journal_state journal;
    xf_journal_state(mover->office->journal, mover->migration, &journal);
    if (journal.leader[0] && strcmp(journal.leader, xf_journal_replica_id(mover->office->journal)) != 0)
        mover->had_other_leader = true;
    pthread_mutex_lock(&mover->lock);
    if ((phase->is_off || phase->period != mover->period) && mover->progress.started_at_ms)
        mover->void_started_at_ms = mover->progress.started_at_ms; /* should the leader not have come to forget it */
    mover->period = phase->period;
    pthread_mutex_unlock(&mover->lock);
    mover->lead_settled_ms = 0;
    xf_mover_load(mover, true);
}

static void start_leading(struct xf_mover *mover, const struct xf_worker_phase *phase)
{
    struct xf_progress saved;
    bool has_void = read_saved(mover, &saved) && is_void(mover, &saved);
    mover->loaded_ms = 0;
    xf_mover_load(mover, true);
    mover->through_ms = mover->facts_read_ms = mover->facts_next_ms = mover->rate_ms = 0;
    mover->next_try_ms = mover->repair_next_ms = mover->lead_settled_ms = 0;
    mover->attempt = mover->facts_attempt = mover->repair_attempt = 0;
    mover->count.is_over = false;
    mover->count.tries = 0;
    xf_hot_clear(&mover->hot);
    pthread_mutex_lock(&mover->lock);
    mover->stubborn_count = 0;
    mover->is_leader = true;
    mover->wants_save = has_void;
    mover->period = mover->asked_period = phase->period;
    mover->error[0] = mover->repair_error[0] = '\0';
    const char *state = xf_backfill_state_name(&mover->progress);
    unsigned long long copied = mover->progress.copied;
    pthread_cond_broadcast(&mover->changed); /* a command may wait for it */
    pthread_mutex_unlock(&mover->lock);
    if (has_void)
        xf_office_set_complete(mover->office, mover->migration, false, phase->period);
    xf_log(XF_LOG_INFO, "worker", "migration=%s leads=yes backfill=%s copied=%llu", name_of(mover), state, copied);
}

/* What another leader has saved last takes up to a second to come here. */
static bool is_settled(struct xf_mover *mover)
{
    uint64_t now = xf_clock_now_ms();
    if (!mover->had_other_leader)
        return true;
    if (!mover->lead_settled_ms)
        mover->lead_settled_ms = now + SETTLE_MS;
    return now >= mover->lead_settled_ms;
}

bool xf_mover_is_leading(void *ctx)
{
    struct xf_mover *mover = ctx;
    pthread_mutex_lock(&mover->lock);
    bool leads = mover->is_leader;
    pthread_mutex_unlock(&mover->lock);
    return leads;
}

bool xf_mover_leads(struct xf_mover *mover, const struct xf_worker_phase *phase)
{
    bool was_leader = xf_mover_is_leading(mover);
    if (was_leader && !phase->is_leader)
        stop_leading(mover);
    if (!phase->is_leader) {
        follow(mover, phase);
        return false;
    }
    if (was_leader)
        return true;
    if (!is_settled(mover))
        return false;
    mover->had_other_leader = false;
    start_leading(mover, phase);
    return true;
}
