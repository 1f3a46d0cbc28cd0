/* The threads that copy ranges. Each takes the next waiting range, tries until it has been copied, a server refuses, or
 * the backfill is halted, and reports back in the range itself; what that means is for the driver (mover.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"
#include "proxy/worker/worker_int.h"

#include <stdio.h>

enum { NAP_MS = 200 };

uint64_t xf_random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

bool xf_mover_add_wire(struct xf_mover *mover, struct xf_wire *wire)
{
    pthread_mutex_lock(&mover->lock);
    bool fits = mover->wire_count < WIRES_MAX;
    if (fits)
        mover->wires[mover->wire_count++] = wire;
    pthread_mutex_unlock(&mover->lock);
    return fits;
}

void xf_mover_remove_wire(struct xf_mover *mover, struct xf_wire *wire)
{
    pthread_mutex_lock(&mover->lock);
    for (size_t i = 0; i < mover->wire_count; i++)
        if (mover->wires[i] == wire)
            mover->wires[i] = mover->wires[--mover->wire_count];
    pthread_mutex_unlock(&mover->lock);
}

size_t xf_mover_page_points(const struct xf_mover *mover)
{
    uint64_t most = mover->office->config->worker.batch_points;
    uint64_t fit = mover->bytes_per_point ? mover->office->config->worker.batch_bytes / mover->bytes_per_point : 100;
    uint64_t points = fit < most ? fit : most;
    return points ? (size_t)points : 1;
}

static bool is_moving(struct xf_mover *mover)
{
    pthread_mutex_lock(&mover->lock);
    bool moving = mover->is_moving;
    pthread_mutex_unlock(&mover->lock);
    return moving && !atomic_load(&mover->office->is_stopping);
}

/* Waits in short naps, so that a pause does not have to wait for a long back-off. */
static bool wait_while_moving(struct xf_mover *mover, struct xf_hand *hand, uint64_t ms)
{
    while (ms > 0 && is_moving(mover)) {
        uint64_t nap = ms < NAP_MS ? ms : NAP_MS;
        if (xf_wire_sleep(hand->wire, nap))
            return false;
        ms -= nap;
    }
    return is_moving(mover);
}

/* The end of a part at the front of the range that is small enough for writers to wait for its copy. */
static enum xf_err find_part(struct xf_mover *mover, struct xf_hand *hand, const struct xf_copy_task *task,
                             struct xf_point_id *end, bool *is_whole)
{
    struct xf_page_request request = {.from = task->scope.from, .limit = task->page_points};
    enum xf_err err = xf_page_read(
        hand->wire, &mover->office->config->migrations[mover->migration].side[task->authority],
        &task->facts->side[task->authority], &request, &hand->read, &hand->page, hand->why);
    *end = hand->page.next;
    *is_whole = !hand->page.has_next || (task->scope.to && xf_point_id_cmp(hand->page.next, *task->scope.to) >= 0);
    return err;
}

/* Copies the range, or while filter writes come by a part of it, and cuts off what was copied. */
static enum xf_err copy_once(struct xf_mover *mover, struct xf_hand *hand, struct xf_range *range, bool *is_whole,
                             struct xf_copy_result *result)
{
    pthread_mutex_lock(&mover->lock);
    struct xf_facts *facts = xf_facts_ref(mover->facts);
    struct xf_copy_task task = {
        .scope = {.from = range->has_from ? &range->from : NULL,
                  .to = range->has_to ? &range->to : NULL,
                  .is_range = true,
                  .is_exclusive = xf_turns_are_wanted(&mover->track.turns)},
        .authority = XF_LEGACY,
        .facts = facts,
        .page_points = range->expected ? range->expected : 1,
        .deletes_extras = mover->progress.deletes_extras,
    };
    pthread_mutex_unlock(&mover->lock);
    struct xf_point_id end;
    enum xf_err err = XF_OK;
    *is_whole = true;
    if (task.scope.is_exclusive) {
        task.page_points = xf_turns_points(&mover->track.turns);
        err = find_part(mover, hand, &task, &end, is_whole);
        if (!err && !*is_whole)
            task.scope.to = &end;
    }
    if (!err)
        err = xf_copy(&mover->track, hand, &task, result);
    if (!err && !*is_whole) {
        range->has_from = true;
        range->from = end;
    }
    xf_facts_unref(facts);
    return err;
}

static void note_copied(struct xf_mover *mover, struct xf_range *range, const struct xf_copy_result *result)
{
    range->copied += result->copied;
    if (!result->copied)
        return;
    uint64_t bytes = result->bytes / result->copied + 1;
    pthread_mutex_lock(&mover->lock);
    mover->bytes_per_point = mover->bytes_per_point ? (3 * mover->bytes_per_point + bytes) / 4 + 1 : bytes;
    mover->error[0] = '\0';
    pthread_mutex_unlock(&mover->lock);
}

static void note_failed(struct xf_mover *mover, const char *why, const struct xf_copy_result *result)
{
    pthread_mutex_lock(&mover->lock);
    (void)snprintf(mover->error, sizeof mover->error, "%s", why);
    mover->are_facts_old |= result->are_facts_old;
    pthread_mutex_unlock(&mover->lock);
}

/* Returns what the range's state becomes. */
static enum xf_range_state copy_range(struct xf_mover *mover, struct xf_hand *hand, struct xf_range *range,
                                      uint64_t *random)
{
    uint64_t wait_ms = xf_track_pace_ms(&mover->track, range->expected);
    bool is_whole = false;
    for (unsigned attempt = 0; !is_whole;) {
        struct xf_copy_result result = {0};
        if (!wait_while_moving(mover, hand, wait_ms))
            return XF_RANGE_WAITING;
        wait_ms = 0;
        enum xf_err err = copy_once(mover, hand, range, &is_whole, &result);
        if (!err) {
            note_copied(mover, range, &result);
            attempt = 0;
            continue;
        }
        is_whole = false;
        if (err == XF_ERR_STATE) {
            (void)wait_while_moving(mover, hand, NAP_MS); /* the driver will have seen it by then */
            return XF_RANGE_WAITING;
        }
        note_failed(mover, hand->why, &result);
        if (!xf_copy_is_retryable(err))
            return XF_RANGE_REFUSED;
        wait_ms = xf_backoff_ms(attempt++, result.retry_after_ms, xf_random_next(random));
        xf_log(XF_LOG_DEBUG, "worker", "migration=%s wait_ms=%llu: %s, a range is tried again",
               mover->office->config->migrations[mover->migration].name, (unsigned long long)wait_ms, hand->why);
    }
    return XF_RANGE_OVER;
}

/* The lock is held. */
static struct xf_range *next_waiting(struct xf_mover *mover)
{
    for (size_t i = 0; mover->is_moving && i < mover->range_count; i++) {
        struct xf_range *range = &mover->ranges[(mover->range_head + i) % RANGES_MAX];
        if (range->state == XF_RANGE_WAITING)
            return range;
    }
    return NULL;
}

static void copy_ranges(struct xf_mover *mover, struct xf_hand *hand)
{
    uint64_t random = (uint64_t)(uintptr_t)hand | 1;
    pthread_mutex_lock(&mover->lock);
    while (!atomic_load(&mover->office->is_stopping)) {
        struct xf_range *range = next_waiting(mover);
        if (!range) {
            pthread_cond_wait(&mover->changed, &mover->lock);
            continue;
        }
        range->state = XF_RANGE_UNDER_WAY; /* the driver leaves it alone from now on */
        struct xf_range mine = *range;
        pthread_mutex_unlock(&mover->lock);
        enum xf_range_state state = copy_range(mover, hand, &mine, &random);
        pthread_mutex_lock(&mover->lock);
        mine.state = state;
        *range = mine; /* without what was copied of it */
        pthread_cond_broadcast(&mover->changed);
    }
    pthread_mutex_unlock(&mover->lock);
}

void *xf_copier_run(void *ctx)
{
    struct xf_mover *mover = ctx;
    struct xf_hand hand;
    bool is_known = false;
    if (!xf_hand_init(&hand, mover->office->config, &mover->office->is_stopping)) {
        is_known = xf_mover_add_wire(mover, hand.wire);
        if (is_known)
            copy_ranges(mover, &hand);
    }
    if (is_known)
        xf_mover_remove_wire(mover, hand.wire);
    else
        xf_log(XF_LOG_ERROR, "worker", "a copier could not start: out of memory; the others go on");
    xf_hand_fini(&hand);
    return NULL;
}
