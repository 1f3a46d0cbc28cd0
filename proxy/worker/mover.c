/* The driver of one migration: moves the backfill through its states, plans ranges for the copiers, accounts for
 * finished ones, and repairs in between.
 *
 *     none --start--> starting --checks--> running --last range--> running, is_through --nothing dirty--> done
 *                         |                 |  ^
 *                         +----> failed <---+  +-- resume: paused, failed        any --dual_write off--> none
 *
 * Ranges come from a scroll of ids alone, so that several copies can read and write at once; together they cover all
 * ids there can be, from the lowest to the highest. The cursor moves over finished ranges in order and is saved; a
 * killed proxy copies the ranges behind it again, which does no harm.
 *
 * A first fill of an empty collection deletes nothing: whatever came into it came through the journal, and what was
 * deleted meanwhile is dirty there. In all other cases each range also deletes what the authority lacks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "proxy/worker/cut.h"
#include "proxy/worker/worker_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TICK_MS = 100, FACTS_MS = 30000, RATE_MS = 1000, COUNT_MS = 300, COUNT_TRIES = 10 };

static const char *name_of(const struct xf_mover *mover)
{
    return mover->office->config->migrations[mover->migration].name;
}

static const struct xf_migration_conf *conf_of(const struct xf_mover *mover)
{
    return &mover->office->config->migrations[mover->migration];
}

/* --- Facts --- */

static enum xf_err read_facts(struct xf_mover *mover, struct xf_facts **out)
{
    struct xf_facts *facts = xf_facts_new();
    enum xf_err err = facts ? XF_OK : XF_ERR_NOMEM;
    for (int side = 0; side < XF_SIDE_COUNT && !err; side++)
        err = xf_collection_read(mover->hand.wire, &conf_of(mover)->side[side], &facts->side[side], mover->hand.why);
    if (err) {
        xf_facts_unref(facts);
        uint64_t wait_ms = xf_backoff_ms(mover->facts_attempt++, 0, xf_random_next(&mover->random));
        mover->facts_next_ms = xf_clock_now_ms() + wait_ms;
        return err;
    }
    mover->facts_attempt = 0;
    mover->facts_read_ms = xf_clock_now_ms();
    pthread_mutex_lock(&mover->lock);
    xf_facts_unref(mover->facts);
    mover->facts = xf_facts_ref(facts);
    pthread_mutex_unlock(&mover->lock);
    *out = facts;
    return XF_OK;
}

enum xf_err xf_mover_facts(struct xf_mover *mover, struct xf_facts **out)
{
    uint64_t now = xf_clock_now_ms();
    pthread_mutex_lock(&mover->lock);
    if (mover->are_facts_old)
        mover->facts_read_ms = 0;
    mover->are_facts_old = false;
    pthread_mutex_unlock(&mover->lock);
    if (mover->facts_read_ms && now - mover->facts_read_ms < FACTS_MS) {
        *out = xf_facts_ref(mover->facts); /* only this thread replaces them */
        return XF_OK;
    }
    return now < mover->facts_next_ms ? XF_ERR_BUSY : read_facts(mover, out);
}

/* --- State --- */

/* The lock is held. */
static void set_state(struct xf_mover *mover, enum xf_backfill_state state, const char *error)
{
    mover->progress.state = state;
    mover->is_moving = false; /* the driver starts the copiers again when it has looked */
    mover->wants_save = true;
    (void)snprintf(mover->error, sizeof mover->error, "%s", error ? error : "");
}

/* The lock is not held. */
static void tell_state(struct xf_mover *mover, const char *name, const char *error)
{
    xf_log(error ? XF_LOG_WARN : XF_LOG_INFO, "worker", "migration=%s backfill=%s%s%s", name_of(mover), name,
           error ? ": " : "", error ? error : "");
    char event[XF_WHY_MAX + 64];
    (void)snprintf(event, sizeof event, "backfill %s%s%s", name, error ? ": " : "", error ? error : "");
    xf_office_event(mover->office, mover->migration, "backfill", event);
}

/* A change with which the progress starts anew, if there is one to start from. */
static bool change_state(struct xf_mover *mover, enum xf_backfill_state from, enum xf_backfill_state to,
                         const struct xf_progress *progress, const char *error)
{
    pthread_mutex_lock(&mover->lock);
    bool is_moved = mover->progress.state == from;
    if (is_moved && progress) {
        mover->progress = *progress;
        mover->plan_is_stale = true;
    }
    if (is_moved)
        set_state(mover, to, error);
    const char *name = xf_backfill_state_name(&mover->progress);
    pthread_mutex_unlock(&mover->lock);
    if (is_moved)
        tell_state(mover, name, error);
    return is_moved;
}

bool xf_mover_change_state(struct xf_mover *mover, enum xf_backfill_state from, enum xf_backfill_state to,
                           const char *error)
{
    return change_state(mover, from, to, NULL, error);
}

static void note_error(struct xf_mover *mover, const char *error)
{
    pthread_mutex_lock(&mover->lock);
    (void)snprintf(mover->error, sizeof mover->error, "%s", error);
    pthread_mutex_unlock(&mover->lock);
}

/* --- Starting --- */

static enum xf_err refuse(struct xf_mover *mover, const char *why)
{
    (void)snprintf(mover->hand.why, XF_WHY_MAX, "%s", why);
    return XF_ERR_INVALID;
}

static bool was_prepared(struct xf_mover *mover)
{
    struct xf_buf text;
    xf_buf_init(&text, 1 << 16);
    bool prepared = !xf_office_load(mover->office, mover->migration, "prepare", &text) &&
                    xf_slice_eq(xf_cut_member(xf_buf_view(&text), "made"), XF_SLICE("true"));
    xf_buf_fini(&text);
    return prepared;
}

static enum xf_err check_sides(struct xf_mover *mover, uint64_t counts[XF_SIDE_COUNT])
{
    struct xf_facts *facts = NULL;
    enum xf_err err = read_facts(mover, &facts);
    if (err)
        return err;
    bool hides = facts->side[XF_LEGACY].prevents_unoptimized;
    xf_facts_unref(facts);
    if (hides)
        return refuse(mover,
                      "the legacy collection has prevent_unoptimized on, which hides writes from reads: turn it off "
                      "with PATCH {\"optimizers_config\":{\"prevent_unoptimized\":false}} and resume");
    for (int side = 0; side < XF_SIDE_COUNT; side++) {
        err = xf_collection_count(mover->hand.wire, &conf_of(mover)->side[side], &mover->hand.ack, &counts[side],
                                  mover->hand.why);
        if (err)
            return err;
    }
    pthread_mutex_lock(&mover->lock);
    bool adopt = mover->progress.adopt;
    pthread_mutex_unlock(&mover->lock);
    if (counts[XF_NEW] && !adopt && !was_prepared(mover))
        return refuse(mover,
                      "the new collection is not empty and was not made by this migration: choose another name, or "
                      "adopt it, which deletes what the legacy collection does not have");
    return XF_OK;
}

static void start_backfill(struct xf_mover *mover)
{
    if (xf_clock_now_ms() < mover->next_try_ms)
        return;
    uint64_t counts[XF_SIDE_COUNT];
    enum xf_err err = check_sides(mover, counts);
    if (err == XF_ERR_STATE)
        return;
    if (xf_copy_is_retryable(err)) {
        note_error(mover, mover->hand.why);
        mover->next_try_ms = xf_clock_now_ms() + xf_backoff_ms(mover->attempt++, 0, xf_random_next(&mover->random));
        return;
    }
    mover->attempt = 0;
    if (err) {
        (void)xf_mover_change_state(mover, XF_BACKFILL_STARTING, XF_BACKFILL_FAILED, mover->hand.why); /* or a verb came */
        return;
    }
    /* From here on the journal sees every write, and every id below is copied: what it does not call dirty will be
     * equal. */
    pthread_mutex_lock(&mover->lock);
    bool adopt = mover->progress.adopt;
    pthread_mutex_unlock(&mover->lock);
    struct xf_progress progress = {.adopt = adopt,
                                   .deletes_extras = counts[XF_NEW] > 0,
                                   .total = counts[XF_LEGACY],
                                   .started_at_ms = xf_clock_wall_ms()};
    mover->through_ms = 0;
    mover->count.is_over = false;
    mover->count.tries = 0;
    struct xf_journal_moment now;
    bool is_known, has_moment = !xf_journal_reconcile_begin(mover->office->journal, mover->migration, &now);
    if (!change_state(mover, XF_BACKFILL_STARTING, XF_BACKFILL_RUNNING, &progress, NULL))
        return;
    if (!has_moment || xf_journal_reconcile_end(mover->office->journal, mover->migration, now, &is_known) || !is_known)
        xf_log(XF_LOG_DEBUG, "worker", "migration=%s the backfill will be followed by a reconcile", name_of(mover));
}

/* --- Accounting --- */

static void measure_rate(struct xf_mover *mover)
{
    uint64_t now = xf_clock_now_ms();
    pthread_mutex_lock(&mover->lock);
    uint64_t copied = mover->progress.copied;
    if (copied < mover->rate_copied || !mover->rate_ms) { /* started over */
        mover->rate_ms = now;
        mover->rate_copied = copied;
        mover->rate = 0;
    } else if (now - mover->rate_ms >= RATE_MS) {
        double latest = (double)(copied - mover->rate_copied) * 1000 / (double)(now - mover->rate_ms);
        mover->rate = mover->rate > 0 ? mover->rate * 0.7 + latest * 0.3 : latest;
        mover->rate_ms = now;
        mover->rate_copied = copied;
    }
    pthread_mutex_unlock(&mover->lock);
}

/* Whether the journal does not know which ids differ; then both sides have to be compared, when nothing can land any more
 * of which nobody knows. */
static bool ask_for_reconcile(struct xf_mover *mover)
{
    struct xf_journal_state journal;
    xf_journal_state(mover->office->journal, mover->migration, &journal);
    if (journal.is_unknown && !journal.is_held_whole)
        mover->want_reconcile(mover->ctx);
    return journal.is_unknown;
}

/* A point that no scroll has shown was never copied, and is not dirty: before Qdrant 1.14.0 one that moves between segments
 * meanwhile may be missed. So the counts must have been equal once, as far as writes in flight let them; else everything
 * is compared. */
static bool are_counts_equal(struct xf_mover *mover)
{
    uint64_t now = xf_clock_now_ms(), counts[XF_SIDE_COUNT];
    if (mover->count.is_over || now < mover->count.next_ms)
        return mover->count.is_over;
    mover->count.next_ms = now + COUNT_MS;
    for (int side = 0; side < XF_SIDE_COUNT; side++) {
        if (xf_collection_count(mover->hand.wire, &conf_of(mover)->side[side], &mover->hand.ack, &counts[side],
                                mover->hand.why)) {
            note_error(mover, mover->hand.why);
            return false;
        }
    }
    mover->count.is_over = counts[XF_LEGACY] == counts[XF_NEW] || ++mover->count.tries == COUNT_TRIES;
    if (counts[XF_LEGACY] == counts[XF_NEW] || !mover->count.is_over)
        return mover->count.is_over;
    xf_log(XF_LOG_WARN, "worker",
           "migration=%s legacy=%llu new=%llu: the counts stay different, so both collections are compared",
           name_of(mover), (unsigned long long)counts[XF_LEGACY], (unsigned long long)counts[XF_NEW]);
    xf_journal_lose(mover->office->journal, mover->migration);
    return false;
}

/* Done when each id that was dirty after the last range has been clean once: under writes that leave their ids dirty, a
 * moment without any dirty id may never come. */
static void finish(struct xf_mover *mover)
{
    struct xf_journal_state journal;
    uint64_t now = xf_clock_now_ms();
    if (!mover->through_ms)
        mover->through_ms = now;
    if (ask_for_reconcile(mover)) {
        mover->through_ms = 0; /* what it finds counts as dirty from the start */
        return;
    }
    xf_journal_state(mover->office->journal, mover->migration, &journal);
    bool has_old = journal.dirty && journal.oldest_dirty_age_ms + 1 >= now - mover->through_ms;
    if (journal.is_unknown || has_old || !are_counts_equal(mover))
        return;
    if (xf_mover_change_state(mover, XF_BACKFILL_RUNNING, XF_BACKFILL_DONE, NULL))
        xf_office_set_complete(mover->office, mover->migration, true, mover->period);
}

/* --- One turn --- */

static void run_backfill(struct xf_mover *mover)
{
    struct xf_facts *facts = NULL;
    enum xf_err err = xf_mover_facts(mover, &facts);
    xf_facts_unref(facts);
    if (err) {
        note_error(mover, mover->hand.why);
        return;
    }
    pthread_mutex_lock(&mover->lock);
    bool is_ready = !mover->plan_is_stale || xf_plan_clear(mover);
    bool was_moving = mover->is_moving;
    mover->is_moving = is_ready && mover->progress.state == XF_BACKFILL_RUNNING;
    if (mover->is_moving && !was_moving)
        pthread_cond_broadcast(&mover->changed); /* ranges may have waited through a pause, and the copiers with them */
    pthread_mutex_unlock(&mover->lock);
    if (!is_ready)
        return;
    xf_plan_account(mover);
    xf_plan_more(mover);
    pthread_mutex_lock(&mover->lock);
    bool is_over = mover->progress.state == XF_BACKFILL_RUNNING && mover->progress.is_through && !mover->range_count;
    pthread_mutex_unlock(&mover->lock);
    if (is_over)
        finish(mover);
}

/* Writes that went to the authority alone make every copied range doubtful. The host has told the journal so when it
 * happened; said again here, it would undo a reconcile that was quicker than this thread. */
static void on_dual_write_off(struct xf_mover *mover)
{
    xf_office_set_complete(mover->office, mover->migration, false, mover->period);
    pthread_mutex_lock(&mover->lock);
    bool is_asked_for = mover->progress.state == XF_BACKFILL_STARTING && mover->asked_period == mover->period;
    bool had_begun = mover->progress.state != XF_BACKFILL_NONE && !is_asked_for;
    if (mover->progress.started_at_ms)
        mover->void_started_at_ms = mover->progress.started_at_ms;
    if (had_begun)
        mover->progress = (struct xf_progress){0};
    mover->plan_is_stale = true;
    pthread_mutex_unlock(&mover->lock);
    mover->loaded_ms = xf_clock_now_ms();
    mover->through_ms = 0;
    mover->count.is_over = false;
    if (had_begun)
        (void)change_state(mover, XF_BACKFILL_NONE, XF_BACKFILL_NONE, NULL,
                           "dual_write was turned off: the backfill starts over when it is on again"); /* or has already */
}

/* Dual writes are off, or were and are on again: short of it or during a stop of the program, as long as it was seen. */
static bool was_off(struct xf_mover *mover, const struct xf_worker_phase *phase)
{
    pthread_mutex_lock(&mover->lock);
    bool is_new_period = phase->period != mover->period;
    mover->period = phase->period;
    bool has_begun = mover->progress.state != XF_BACKFILL_NONE;
    pthread_mutex_unlock(&mover->lock);
    return is_new_period || (phase->is_off && has_begun);
}

static enum xf_backfill_state look_at_state(struct xf_mover *mover, const struct xf_worker_phase *phase)
{
    pthread_mutex_lock(&mover->lock);
    enum xf_backfill_state state = mover->progress.state;
    if (!phase->is_dual_writing || phase->authority != XF_LEGACY || state != XF_BACKFILL_RUNNING) {
        mover->is_moving = false;
        mover->plan_is_stale = true;
    }
    pthread_mutex_unlock(&mover->lock);
    return state;
}

static bool take_turn(struct xf_mover *mover)
{
    struct xf_worker_phase phase = xf_office_phase(mover->office, mover->migration);
    if (!xf_mover_leads(mover, &phase))
        return false;
    if (was_off(mover, &phase))
        on_dual_write_off(mover);
    enum xf_backfill_state state = look_at_state(mover, &phase);
    if (state == XF_BACKFILL_NONE)
        xf_mover_load(mover, false);
    bool has_repaired = false;
    if (phase.is_dual_writing) {
        if (state == XF_BACKFILL_STARTING && phase.authority == XF_LEGACY)
            start_backfill(mover);
        else if (state == XF_BACKFILL_RUNNING && phase.authority == XF_LEGACY)
            run_backfill(mover);
        has_repaired = xf_repair_some(mover, phase.authority);
    }
    if (phase.is_dual_writing && state == XF_BACKFILL_DONE)
        (void)ask_for_reconcile(mover); /* nothing waits for it here */
    measure_rate(mover);
    xf_mover_save(mover);
    return has_repaired;
}

static void wait_for_change(struct xf_mover *mover)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail for this clock */
    until.tv_nsec += TICK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&mover->lock);
    bool has_news = mover->range_count && mover->ranges[mover->range_head].state >= XF_RANGE_OVER && mover->is_moving;
    if (!has_news && !atomic_load(&mover->office->is_stopping))
        (void)pthread_cond_timedwait(&mover->changed, &mover->lock, &until); /* either way we look again */
    pthread_mutex_unlock(&mover->lock);
}

static void *run_driver(void *ctx)
{
    struct xf_mover *mover = ctx;
    while (!atomic_load(&mover->office->is_stopping))
        if (!take_turn(mover))
            wait_for_change(mover);
    pthread_mutex_lock(&mover->lock);
    mover->saved_ms = 0;
    pthread_cond_broadcast(&mover->changed);
    pthread_mutex_unlock(&mover->lock);
    return NULL;
}

/* --- Start and stop --- */

static bool may_write(void *ctx, enum xf_side authority)
{
    struct xf_mover *mover = ctx;
    struct xf_worker_phase phase = xf_office_phase(mover->office, mover->migration);
    return phase.is_leader && phase.is_dual_writing && phase.authority == authority &&
           !atomic_load(&mover->office->is_stopping);
}

static enum xf_err init_locks(struct xf_mover *mover)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes))
        return XF_ERR_NOMEM;
    bool failed =
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) || pthread_cond_init(&mover->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (failed)
        return XF_ERR_NOMEM;
    if (pthread_mutex_init(&mover->lock, NULL)) {
        pthread_cond_destroy(&mover->changed);
        return XF_ERR_NOMEM;
    }
    return XF_OK;
}

static enum xf_err start_threads(struct xf_mover *mover)
{
    uint64_t wanted = mover->office->config->worker.parallel;
    while (mover->copier_count < wanted && mover->copier_count < COPIERS_MAX) {
        if (pthread_create(&mover->copiers[mover->copier_count], NULL, xf_copier_run, mover))
            return XF_ERR_NOMEM;
        mover->copier_count++;
    }
    return pthread_create(&mover->thread, NULL, run_driver, mover) ? XF_ERR_NOMEM : XF_OK;
}

static void join_copiers(struct xf_mover *mover)
{
    pthread_mutex_lock(&mover->lock);
    for (size_t i = 0; i < mover->wire_count; i++)
        xf_wire_wake(mover->wires[i]);
    pthread_cond_broadcast(&mover->changed);
    pthread_mutex_unlock(&mover->lock);
    for (size_t i = 0; i < mover->copier_count; i++)
        pthread_join(mover->copiers[i], NULL);
}

static void fini(struct xf_mover *mover)
{
    xf_hand_fini(&mover->hand);
    xf_facts_unref(mover->facts);
    xf_track_fini(&mover->track);
    pthread_cond_destroy(&mover->changed);
    pthread_mutex_destroy(&mover->lock);
}

enum xf_err xf_mover_start(struct xf_mover *mover, struct xf_office *office, size_t migration,
                           void (*want_reconcile)(void *ctx), void *ctx)
{
    *mover = (struct xf_mover){.office = office,
                               .migration = migration,
                               .want_reconcile = want_reconcile,
                               .ctx = ctx,
                               .period = xf_office_phase(office, migration).period,
                               .plan_is_stale = true,
                               .random = xf_clock_now_ns() | 1};
    enum xf_err err = init_locks(mover);
    if (err)
        return err;
    err = xf_track_init(&mover->track, office->config, office->journal, migration);
    if (err) {
        pthread_cond_destroy(&mover->changed);
        pthread_mutex_destroy(&mover->lock);
        return err;
    }
    mover->track.may_write = may_write;
    mover->track.ctx = mover;
    struct xf_worker_phase phase = xf_office_phase(office, migration);
    (void)xf_mover_leads(mover, &phase); /* so that the first command finds what was saved */
    err = xf_hand_init(&mover->hand, office->config, &office->is_stopping);
    if (!err && !xf_mover_add_wire(mover, mover->hand.wire))
        err = XF_ERR_FULL;
    if (!err)
        err = start_threads(mover);
    if (err) {
        atomic_store(&office->is_stopping, true);
        join_copiers(mover);
        fini(mover);
    }
    return err;
}

void xf_mover_stop(struct xf_mover *mover)
{
    join_copiers(mover);
    pthread_join(mover->thread, NULL);
    if (mover->is_leader)
        xf_plan_account(mover);
    xf_mover_save(mover);
    fini(mover);
}
