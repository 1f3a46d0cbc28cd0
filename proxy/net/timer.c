/* A timer sits in the slot of a tick at or before its deadline. When that tick comes, a timer whose deadline was moved
 * back meanwhile goes to its new slot; so moving back costs nothing until then. A deadline that is moved forward past
 * the slot it sits in is linked anew at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/timer.h"

static void list_init(struct xf_timer *head)
{
    head->prev = head->next = head;
}

static void unlink_timer(struct xf_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}

static void link_timer(struct xf_wheel *wheel, struct xf_timer *timer)
{
    uint64_t tick = timer->at_ms / XF_TIMER_TICK_MS + 1;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    struct xf_timer *head = &wheel->slots[tick % XF_TIMER_SLOTS];
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
}

void xf_wheel_init(struct xf_wheel *wheel, uint64_t now_ms)
{
    for (size_t i = 0; i < XF_TIMER_SLOTS; i++)
        list_init(&wheel->slots[i]);
    wheel->tick = now_ms / XF_TIMER_TICK_MS;
}

static void run_slot(struct xf_wheel *wheel, struct xf_timer *head, uint64_t now_ms)
{
    struct xf_timer due;
    /* The slot's list is moved aside first: callbacks arm and cancel timers of any slot. */
    if (head->next == head)
        return;
    due.next = head->next;
    due.prev = head->prev;
    due.next->prev = due.prev->next = &due;
    list_init(head);
    while (due.next != &due) {
        struct xf_timer *timer = due.next;
        unlink_timer(timer);
        if (timer->at_ms > now_ms)
            link_timer(wheel, timer);
        else
            timer->fn(timer);
    }
}

void xf_wheel_run(struct xf_wheel *wheel, uint64_t now_ms)
{
    uint64_t target = now_ms / XF_TIMER_TICK_MS;
    if (target > wheel->tick + XF_TIMER_SLOTS)
        wheel->tick = target - XF_TIMER_SLOTS; /* a long pause: one turn of the wheel visits every slot */
    while (wheel->tick < target) {
        wheel->tick++;
        run_slot(wheel, &wheel->slots[wheel->tick % XF_TIMER_SLOTS], now_ms);
    }
}

void xf_timer_init(struct xf_timer *timer, xf_timer_fn *fn)
{
    *timer = (struct xf_timer){.fn = fn};
}

void xf_timer_arm(struct xf_wheel *wheel, struct xf_timer *timer, uint64_t at_ms)
{
    bool is_later = xf_timer_is_armed(timer) && at_ms >= timer->at_ms;
    timer->at_ms = at_ms;
    if (is_later)
        return;
    xf_timer_cancel(timer);
    link_timer(wheel, timer);
}

void xf_timer_cancel(struct xf_timer *timer)
{
    if (xf_timer_is_armed(timer))
        unlink_timer(timer);
}
