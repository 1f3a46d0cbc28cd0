/* Repair: copies the dirty ids, oldest first, for as long as the migration dual writes. A batch that a server refuses
 * is halved until the ids that it refuses stand alone; these are tried ever more seldom and shown in the status, and
 * hold up nobody.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "proxy/worker/worker_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { STUBBORN_MS_MAX = 60000 };

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

/* Takes out the stubborn ids whose time has not come; at most `max` stay. */
static size_t drop_stubborn(struct xf_mover *mover, struct xf_point_id *ids, size_t count, size_t max)
{
    uint64_t now = xf_clock_now_ms();
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < max; i++) {
        const struct xf_stubborn *stubborn = find_stubborn(mover, ids[i]);
        if (!stubborn || stubborn->next_try_ms <= now)
            ids[kept++] = ids[i];
    }
    return kept;
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

static void copy_ids(struct xf_mover *mover, enum xf_side authority, const struct xf_point_id *ids, size_t count)
{
    struct xf_facts *facts = NULL;
    if (xf_mover_facts(mover, &facts)) {
        note_result(mover, 0, mover->hand.why);
        on_failed(mover, &(struct xf_copy_result){0});
        return;
    }
    if (xf_wire_sleep(mover->hand.wire, xf_track_pace_ms(&mover->track, count))) {
        xf_facts_unref(facts);
        return;
    }
    struct xf_copy_task task = {.scope = {.ids = ids, .id_count = count}, .authority = authority, .facts = facts};
    pthread_mutex_lock(&mover->lock);
    task.page_points = xf_mover_page_points(mover);
    pthread_mutex_unlock(&mover->lock);
    struct xf_copy_result result;
    enum xf_err err = xf_copy(&mover->track, &mover->hand, &task, &result);
    xf_facts_unref(facts);
    if (err == XF_ERR_STATE)
        return;
    note_result(mover, count, err ? mover->hand.why : NULL);
    if (!err) {
        mover->repair_attempt = 0;
        mover->repair_batch = mover->repair_batch * 2;
        for (size_t i = 0; i < count && mover->stubborn_count; i++)
            forget_stubborn(mover, ids[i]);
    } else if (xf_copy_is_retryable(err)) {
        on_failed(mover, &result);
    } else {
        on_refused(mover, ids, count);
    }
}

bool xf_repair_some(struct xf_mover *mover, enum xf_side authority)
{
    if (xf_clock_now_ms() < mover->repair_next_ms)
        return false;
    size_t most = (size_t)mover->office->config->worker.batch_points;
    if (mover->repair_batch == 0 || mover->repair_batch > most)
        mover->repair_batch = most;
    size_t max = mover->repair_batch + mover->stubborn_count;
    struct xf_point_id *ids = calloc(max, sizeof *ids);
    if (!ids)
        return false;
    size_t count = xf_journal_take_dirty(mover->track.journal, mover->migration, ids, max);
    count = drop_stubborn(mover, ids, count, mover->repair_batch);
    if (count)
        copy_ids(mover, authority, ids, count);
    free(ids);
    return count > 0;
}
