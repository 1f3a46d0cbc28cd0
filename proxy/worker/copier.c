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

static void note_error(struct xf_mover *mover, const char *why)
{
    pthread_mutex_lock(&mover->lock);
    (void)snprintf(mover->error, sizeof mover->error, "%s", why);
    pthread_mutex_unlock(&mover->lock);
}

static enum xf_err copy_once(struct xf_mover *mover, struct xf_hand *hand, const struct xf_range *range,
                             struct xf_copy_result *result)
{
    pthread_mutex_lock(&mover->lock);
    struct xf_facts *facts = xf_facts_ref(mover->facts);
    struct xf_copy_task task = {
        .scope = {.from = range->has_from ? &range->from : NULL,
                  .to = range->has_to ? &range->to : NULL,
                  .is_range = true},
        .authority = XF_LEGACY,
        .facts = facts,
        .page_points = range->expected ? range->expected : 1,
        .deletes_extras = mover->progress.deletes_extras,
    };
    pthread_mutex_unlock(&mover->lock);
    enum xf_err err = xf_copy(&mover->track, hand, &task, result);
    xf_facts_unref(facts);
    return err;
}

/* Returns what the range's state becomes. */
static enum xf_range_state copy_range(struct xf_mover *mover, struct xf_hand *hand, struct xf_range *range,
                                      uint64_t *random)
{
    struct xf_copy_result result = {0};
    uint64_t wait_ms = xf_track_pace_ms(&mover->track, range->expected);
    for (unsigned attempt = 0;; attempt++) {
        if (!wait_while_moving(mover, hand, wait_ms))
            return XF_RANGE_WAITING;
        enum xf_err err = copy_once(mover, hand, range, &result);
        if (!err)
            break;
        if (err == XF_ERR_STATE)
            return XF_RANGE_WAITING;
        note_error(mover, hand->why);
        if (!xf_copy_is_retryable(err))
            return XF_RANGE_REFUSED;
        wait_ms = xf_backoff_ms(attempt, result.retry_after_ms, xf_random_next(random));
        xf_log(XF_LOG_DEBUG, "worker", "migration=%s wait_ms=%llu: %s, a range is tried again",
               mover->office->config->migrations[mover->migration].name, (unsigned long long)wait_ms, hand->why);
    }
    range->copied = result.copied;
    if (result.copied) {
        uint64_t bytes = result.bytes / result.copied + 1;
        pthread_mutex_lock(&mover->lock);
        mover->bytes_per_point = mover->bytes_per_point ? (3 * mover->bytes_per_point + bytes) / 4 + 1 : bytes;
        mover->error[0] = '\0';
        pthread_mutex_unlock(&mover->lock);
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
        range->copied = mine.copied;
        range->state = state;
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
