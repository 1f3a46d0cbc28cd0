/* The plan of a backfill: a ring of ranges in ascending order, from the cursor on. It grows by scrolling ids alone and
 * shrinks as finished ranges at its front move the cursor. Only the driver's thread calls these.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "proxy/worker/worker_int.h"

#include <stdio.h>

enum { PLAN_RANGES = 16 };

bool xf_plan_clear(struct xf_mover *mover)
{
    for (size_t i = 0; i < mover->range_count; i++)
        if (mover->ranges[(mover->range_head + i) % RANGES_MAX].state == XF_RANGE_UNDER_WAY)
            return false;
    mover->range_count = 0;
    mover->plan_has_from = mover->progress.has_cursor;
    mover->plan_from = mover->progress.cursor;
    mover->plan_is_through = mover->progress.is_through;
    mover->plan_is_stale = false;
    return true;
}

static void add_range(struct xf_mover *mover, const struct xf_point_id *to, size_t expected)
{
    XF_ASSERT(mover->range_count < RANGES_MAX);
    struct xf_range *range = &mover->ranges[(mover->range_head + mover->range_count) % RANGES_MAX];
    *range = (struct xf_range){
        .has_from = mover->plan_has_from, .from = mover->plan_from, .has_to = to != NULL, .expected = expected};
    if (to) {
        range->to = *to;
        mover->plan_from = *to;
        mover->plan_has_from = true;
    } else {
        mover->plan_is_through = true;
    }
    mover->range_count++;
}

/* The lock is held. Cuts a page of ids into ranges; the last one reaches to the first id of the next page, or is open.
 */
static void add_ranges(struct xf_mover *mover, const struct xf_page *page, size_t points)
{
    size_t at = 0;
    while (page->count - at > points) {
        add_range(mover, &page->list[at + points].id, points);
        at += points;
    }
    add_range(mover, page->has_next ? &page->next : NULL, page->count - at);
}

void xf_plan_more(struct xf_mover *mover)
{
    pthread_mutex_lock(&mover->lock);
    size_t room = RANGES_MAX - mover->range_count, waiting = 0;
    for (size_t i = 0; i < mover->range_count; i++)
        waiting += mover->ranges[(mover->range_head + i) % RANGES_MAX].state == XF_RANGE_WAITING;
    size_t points = xf_mover_page_points(mover);
    size_t ranges = mover->bytes_per_point ? PLAN_RANGES : mover->copier_count;
    bool wanted = !mover->plan_is_through && waiting <= mover->copier_count && room > PLAN_RANGES + 1;
    struct xf_facts *facts = wanted ? xf_facts_ref(mover->facts) : NULL;
    pthread_mutex_unlock(&mover->lock);
    if (!wanted || xf_clock_now_ms() < mover->next_try_ms)
        goto out;
    if (ranges > PLAN_RANGES)
        ranges = PLAN_RANGES;
    struct xf_page_request request = {.from = mover->plan_has_from ? &mover->plan_from : NULL,
                                      .limit = points * ranges};
    struct xf_hand *hand = &mover->hand;
    enum xf_err err = xf_page_read(hand->wire, &mover->office->config->migrations[mover->migration].side[XF_LEGACY],
                                   &facts->side[XF_LEGACY], &request, &hand->read, &hand->page, hand->why);
    if (!err) {
        mover->attempt = 0;
        pthread_mutex_lock(&mover->lock);
        add_ranges(mover, &hand->page, points);
        pthread_cond_broadcast(&mover->changed);
        pthread_mutex_unlock(&mover->lock);
    } else if (xf_copy_is_retryable(err)) {
        uint64_t wait_ms = xf_backoff_ms(mover->attempt++, hand->read.retry_after_ms, xf_random_next(&mover->random));
        mover->next_try_ms = xf_clock_now_ms() + wait_ms;
    } else if (err != XF_ERR_STATE) {
        (void)xf_mover_change_state(mover, XF_BACKFILL_RUNNING, XF_BACKFILL_FAILED, hand->why); /* or a verb came first */
    }
out:
    xf_facts_unref(facts);
}

void xf_plan_account(struct xf_mover *mover)
{
    char refused[XF_WHY_MAX] = "";
    pthread_mutex_lock(&mover->lock);
    while (!mover->plan_is_stale && mover->range_count && mover->ranges[mover->range_head].state >= XF_RANGE_OVER) {
        struct xf_range *range = &mover->ranges[mover->range_head];
        if (range->state == XF_RANGE_REFUSED) {
            (void)snprintf(refused, sizeof refused, "%s", mover->error);
            break;
        }
        mover->progress.copied += range->copied;
        mover->progress.has_cursor = range->has_to;
        mover->progress.cursor = range->to;
        mover->progress.is_through = !range->has_to;
        mover->wants_save = true;
        mover->range_head = (mover->range_head + 1) % RANGES_MAX;
        mover->range_count--;
    }
    if (mover->progress.total < mover->progress.copied)
        mover->progress.total = mover->progress.copied;
    pthread_mutex_unlock(&mover->lock);
    if (!refused[0])
        return;
    mover->facts_read_ms = 0;
    (void)xf_mover_change_state(mover, XF_BACKFILL_RUNNING, XF_BACKFILL_FAILED, refused); /* or a verb came first */
}
