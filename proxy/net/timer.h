/* Deadlines by the thousand: a hashed wheel with ticks of XF_TIMER_TICK_MS, one for each loop. Arming and cancelling
 * take constant time; moving a deadline back, which every request does, is a store. Deadlines fire late by at most two ticks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_NET_TIMER_H
#define XF_PROXY_NET_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { XF_TIMER_TICK_MS = 50, XF_TIMER_SLOTS = 512 };

struct xf_timer;
/* The timer has been disarmed before the call; the callee may arm it again or free what holds it. */
typedef void xf_timer_fn(struct xf_timer *timer);

struct xf_timer {
    struct xf_timer *prev, *next; /* next is NULL while disarmed */
    uint64_t at_ms;
    xf_timer_fn *fn;
};

struct xf_wheel {
    struct xf_timer slots[XF_TIMER_SLOTS]; /* list heads */
    uint64_t tick;                         /* the last one that was run */
};

void xf_wheel_init(struct xf_wheel *wheel, uint64_t now_ms);
/* Fires everything that is due. */
void xf_wheel_run(struct xf_wheel *wheel, uint64_t now_ms);

void xf_timer_init(struct xf_timer *timer, xf_timer_fn *fn);
/* Arms it, or moves the deadline of an armed one. */
void xf_timer_arm(struct xf_wheel *wheel, struct xf_timer *timer, uint64_t at_ms);
void xf_timer_cancel(struct xf_timer *timer);
static inline bool xf_timer_is_armed(const struct xf_timer *timer)
{
    return timer->next != NULL;
}

#endif
