/* Turns of exclusive copies.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/turn.h"

#include "common/base/clock.h"

enum {
    /* A waiting write asks again at least every 50 ms. */
    GAP_MS = 60,
    WINDOW_MS = 5000,
    WINDOW_MS_MAX = 60000,
    POINTS = 64,
    POINTS_MAX = 1024,
    QUICK_MS = 20,
    SLOW_MS = 60,
};

enum xf_err xf_turns_init(struct xf_turns *turns)
{
    *turns = (struct xf_turns){.points = POINTS};
    if (pthread_mutex_init(&turns->lock, NULL))
        return XF_ERR_NOMEM;
    if (pthread_cond_init(&turns->changed, NULL)) {
        pthread_mutex_destroy(&turns->lock);
        return XF_ERR_NOMEM;
    }
    return XF_OK;
}

void xf_turns_fini(struct xf_turns *turns)
{
    pthread_cond_destroy(&turns->changed);
    pthread_mutex_destroy(&turns->lock);
}

/* A window that is over is tried without; where that meets such a write again soon, the next one is longer. */
void xf_turns_want(struct xf_turns *turns)
{
    uint64_t now = xf_clock_now_ms();
    pthread_mutex_lock(&turns->lock);
    if (now >= turns->wanted_until_ms) {
        bool is_soon = turns->window_ms && now < turns->wanted_until_ms + turns->window_ms;
        turns->window_ms = is_soon ? turns->window_ms * 2 : WINDOW_MS;
        if (turns->window_ms > WINDOW_MS_MAX)
            turns->window_ms = WINDOW_MS_MAX;
    }
    turns->wanted_until_ms = now + turns->window_ms;
    pthread_mutex_unlock(&turns->lock);
}

bool xf_turns_are_wanted(struct xf_turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    bool are = xf_clock_now_ms() < turns->wanted_until_ms;
    pthread_mutex_unlock(&turns->lock);
    return are;
}

size_t xf_turns_points(struct xf_turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    size_t points = turns->points;
    pthread_mutex_unlock(&turns->lock);
    return points;
}

enum xf_err xf_turn_take(struct xf_turns *turns, struct xf_wire *wire)
{
    pthread_mutex_lock(&turns->lock);
    uint64_t mine = turns->next++;
    while (turns->serving != mine)
        pthread_cond_wait(&turns->changed, &turns->lock);
    uint64_t now = xf_clock_now_ms(), wait_ms = turns->free_ms > now ? turns->free_ms - now : 0;
    pthread_mutex_unlock(&turns->lock);
    return xf_wire_sleep(wire, wait_ms);
}

void xf_turn_give(struct xf_turns *turns, uint64_t took_ms, size_t points)
{
    pthread_mutex_lock(&turns->lock);
    if (points && took_ms > SLOW_MS && turns->points > 1)
        turns->points /= 2;
    else if (points >= turns->points && took_ms < QUICK_MS && turns->points < POINTS_MAX)
        turns->points *= 2;
    turns->free_ms = xf_clock_now_ms() + (took_ms > GAP_MS ? took_ms : GAP_MS);
    turns->serving++;
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->lock);
}
