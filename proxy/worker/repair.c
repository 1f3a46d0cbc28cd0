/* Repair: copies the dirty ids, oldest first, for as long as the migration dual writes. A batch that a server refuses
 * is halved until the ids that it refuses stand alone; these are tried ever more seldom and shown in the status, and
 * hold up nobody. Ids that are written so often that no copy of theirs finds a quiet moment are copied while their
 * writers wait.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "proxy/worker/worker_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { STUBBORN_MS_MAX = 60000, HOT_MS = 60000, STATE_MS = 200 };

static struct xf_stubborn *find_stubborn(struct xf_mover *mover, struct xf_point_id id)
{
    for (size_t i = 0; i < mover->stubborn_count; i++)
        if (xf_point_id_eq(mover->stubborn[i].id, id))
            return &mover->stubborn[i];
    return NULL;
}

static void set_stubborn_count(struct xf_mover *mover, size_t count)
{
    pthread_mutex_lock(&mover->lock); /* the status reads it */
    mover->stubborn_count = count;
    pthread_mutex_unlock(&mover->lock);
}

static void forget_stubborn(struct xf_mover *mover, struct xf_point_id id)
{
    struct xf_stubborn *found = find_stubborn(mover, id);
    if (!found)
        return;
    *found = mover->stubborn[mover->stubborn_count - 1];
    set_stubborn_count(mover, mover->stubborn_count - 1);
}

static void note_stubborn(struct xf_mover *mover, struct xf_point_id id)
{
    struct xf_stubborn *found = find_stubborn(mover, id);
    if (!found && mover->stubborn_count < STUBBORN_MAX) {
        found = &mover->stubborn[mover->stubborn_count];
        *found = (struct xf_stubborn){.id = id};
        set_stubborn_count(mover, mover->stubborn_count + 1);
    }
    if (!found) { /* too many: everything slows down instead */
        mover->repair_next_ms = xf_clock_now_ms() + STUBBORN_MS_MAX;
        return;
    }
    uint64_t wait_ms = found->attempt < 6 ? (uint64_t)1000 << found->attempt : STUBBORN_MS_MAX;
    found->attempt++;
    found->next_try_ms = xf_clock_now_ms() + wait_ms;
}

static bool may_try(struct xf_mover *mover, struct xf_point_id id)
{
    const struct xf_stubborn *stubborn = find_stubborn(mover, id);
    return !stubborn || stubborn->next_try_ms <= xf_clock_now_ms();
}

static void note_result(struct xf_mover *mover, size_t count, const char *error)
{
    pthread_mutex_lock(&mover->lock);
    if (error) {
        mover->repair_failures++;
        (void)snprintf(mover->repair_error, sizeof mover->repair_error, "%s", error);
    } else {
        mover->repaired += count;
        if (mover->stubborn_count == 0)
            mover->repair_error[0] = '\0';
    }
    pthread_mutex_unlock(&mover->lock);
}

static void on_refused(struct xf_mover *mover, const struct xf_point_id *ids, size_t count)
{
    mover->facts_read_ms = 0; /* perhaps the collection has changed */
    if (count > 1) {
        mover->repair_batch = count / 2;
        return;
    }
    char text[XF_POINT_ID_TEXT_MAX + 1];
    text[xf_point_id_print_json(ids[0], text)] = '\0';
    xf_log(XF_LOG_WARN, "worker", "migration=%s id=%s: %s; the id stays dirty and is tried again",
           mover->office->config->migrations[mover->migration].name, text, mover->hand.why);
    note_stubborn(mover, ids[0]);
}

static void on_failed(struct xf_mover *mover, const struct xf_copy_result *result)
{
    uint64_t wait_ms = xf_backoff_ms(mover->repair_attempt++, result->retry_after_ms, xf_random_next(&mover->random));
    mover->repair_next_ms = xf_clock_now_ms() + wait_ms;
}

/* How the journal took it: which of the ids were kept is not said, but those come again. */
static void note_kept(struct xf_mover *mover, const struct xf_point_id *ids, size_t count,
                      const struct xf_copy_result *result)
{
    if (result->met_all)
        return; /* nothing that was copied then is clean, hot or not */
    for (size_t i = 0; i < count; i++) {
        if (result->kept)
            xf_hot_add(&mover->hot, ids[i]);
        else
            xf_hot_forget(&mover->hot, ids[i]);
    }
}

static void note_hot(struct xf_mover *mover, size_t count, const struct xf_copy_result *result)
{
    if (result->kept < count)
        mover->hot_attempt = 0;
    else
        mover->hot_next_ms =
            xf_clock_now_ms() + xf_backoff_ms(mover->hot_attempt++, 0, xf_random_next(&mover->random));
}

static void on_copied(struct xf_mover *mover, const struct xf_point_id *ids, size_t count, bool are_hot,
                      const struct xf_copy_result *result)
{
    mover->repair_attempt = 0;
    mover->repair_batch = mover->repair_batch * 2;
    for (size_t i = 0; i < count && mover->stubborn_count; i++)
        forget_stubborn(mover, ids[i]);
    note_kept(mover, ids, count, result);
    if (are_hot)
        note_hot(mover, count, result);
}

static void copy_ids(struct xf_mover *mover, const struct xf_copy_task *wanted, bool are_hot)
{
    struct xf_facts *facts = NULL;
    const struct xf_point_id *ids = wanted->scope.ids;
    size_t count = wanted->scope.id_count;
    if (xf_mover_facts(mover, &facts)) {
        note_result(mover, 0, mover->hand.why);
        on_failed(mover, &(struct xf_copy_result){0});
        return;
    }
    if (xf_wire_sleep(mover->hand.wire, xf_track_pace_ms(&mover->track, count))) {
        xf_facts_unref(facts);
        return;
    }
    struct xf_copy_task task = *wanted;
    task.facts = facts;
    pthread_mutex_lock(&mover->lock);
    task.page_points = xf_mover_page_points(mover);
    pthread_mutex_unlock(&mover->lock);
    struct xf_copy_result result;
    enum xf_err err = xf_copy(&mover->track, &mover->hand, &task, &result);
    xf_facts_unref(facts);
    if (err == XF_ERR_STATE) { /* the next turn will see it, too, if it lasts */
        mover->repair_next_ms = xf_clock_now_ms() + STATE_MS;
        return;
    }
    if (result.are_facts_old)
        mover->facts_read_ms = 0;
    note_result(mover, count, err ? mover->hand.why : NULL);
    if (!err)
        on_copied(mover, ids, count, are_hot, &result);
    else if (xf_copy_is_retryable(err))
        on_failed(mover, &result);
    else
        on_refused(mover, ids, count);
}

/* Of the ids that may be tried, `most` that are hot or not; they stay in order of age. */
static size_t pick(struct xf_mover *mover, const struct xf_point_id *ids, size_t count, bool are_hot, size_t most,
                   struct xf_point_id *picked)
{
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < most; i++)
        if (xf_hot_is(&mover->hot, ids[i]) == are_hot && may_try(mover, ids[i]))
            picked[kept++] = ids[i];
    return kept;
}

static bool copy_some(struct xf_mover *mover, enum xf_side authority, const struct xf_point_id *ids, size_t count,
                      struct xf_point_id *picked)
{
    bool has_tried = false;
    size_t small = xf_turns_points(&mover->track.turns);
    for (int are_hot = 0; are_hot < 2; are_hot++) {
        bool is_exclusive = are_hot || xf_turns_are_wanted(&mover->track.turns);
        size_t most = is_exclusive && small < mover->repair_batch ? small : mover->repair_batch;
        size_t n = pick(mover, ids, count, are_hot, most, picked);
        uint64_t now = xf_clock_now_ms();
        if (!n || now < mover->repair_next_ms || (are_hot && now < mover->hot_next_ms))
            continue;
        has_tried = true;
        struct xf_copy_task task = {.scope = {.ids = picked, .id_count = n, .is_exclusive = is_exclusive},
                                    .authority = authority};
        copy_ids(mover, &task, are_hot);
    }
    return has_tried;
}

static void note_journal(struct xf_mover *mover, enum xf_err err)
{
    if (err == XF_ERR_IO && !mover->is_journal_away)
        note_result(mover, 0, "the journal: Redis does not answer, or this replica has not joined");
    if (err)
        on_failed(mover, &(struct xf_copy_result){0});
    else if (mover->is_journal_away)
        note_result(mover, 0, NULL);
    mover->is_journal_away = err != XF_OK;
}

bool xf_repair_some(struct xf_mover *mover, enum xf_side authority)
{
    uint64_t now = xf_clock_now_ms();
    if (now < mover->repair_next_ms)
        return false;
    if (now - mover->hot_cleared_ms > HOT_MS) { /* it is bounded, and has no other way to lose those that are cold again */
        xf_hot_clear(&mover->hot);
        mover->hot_cleared_ms = now;
    }
    size_t most = (size_t)mover->office->config->worker.batch_points;
    if (mover->repair_batch == 0 || mover->repair_batch > most)
        mover->repair_batch = most;
    size_t max = mover->repair_batch + mover->stubborn_count, count = 0;
    struct xf_point_id *ids = calloc(2 * max, sizeof *ids);
    if (!ids)
        return false;
    enum xf_err err = xf_journal_take_dirty(mover->track.journal, mover->migration, ids, max, &count);
    note_journal(mover, err);
    bool has_tried = !err && count && copy_some(mover, authority, ids, count, ids + max);
    free(ids);
    return has_tried;
}
