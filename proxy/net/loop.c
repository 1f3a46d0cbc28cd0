/* The loop turns by itself instead of calling event_base_dispatch, so that late work has one place: after all callbacks
 * of a turn, before the next wait.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/loop.h"

#include "common/base/clock.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct xf_loop *loop = arg;
    (void)fd;
    (void)what;
    loop->now_ms = xf_clock_now_ms();
    xf_wheel_run(&loop->wheel, loop->now_ms);
}

enum xf_err xf_loop_init(struct xf_loop *loop, struct xf_stats *stats)
{
    memset(loop, 0, sizeof *loop);
    loop->stats = stats;
    loop->late_last = &loop->late_first;
    loop->now_ms = xf_clock_now_ms();
    xf_wheel_init(&loop->wheel, loop->now_ms);
    if (getrandom(&loop->random, sizeof loop->random, 0) != sizeof loop->random || loop->random == 0)
        loop->random = xf_clock_now_ns() | 1;
    loop->scratch = malloc(XF_LOOP_SCRATCH_BYTES);
    struct event_config *config = event_config_new();
    if (config) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (loop->base)
        loop->tick = event_new(loop->base, -1, EV_PERSIST, on_tick, loop);
    struct timeval period = {.tv_usec = XF_TIMER_TICK_MS * 1000};
    if (!loop->scratch || !loop->tick || event_add(loop->tick, &period) < 0) {
        xf_loop_fini(loop);
        return XF_ERR_NOMEM;
    }
    return XF_OK;
}

static void run_late(struct xf_loop *loop)
{
    /* Late work may ask for more late work: that waits for its turn at the list's end. */
    while (loop->late_first) {
        struct xf_late *late = loop->late_first;
        xf_late_fn *fn = late->fn;
        loop->late_first = late->next;
        if (!loop->late_first)
            loop->late_last = &loop->late_first;
        late->fn = NULL;
        fn(late);
    }
}

void xf_loop_fini(struct xf_loop *loop)
{
    run_late(loop);
    if (loop->tick)
        event_free(loop->tick);
    if (loop->base)
        event_base_free(loop->base);
    free(loop->scratch);
    loop->tick = NULL;
    loop->base = NULL;
    loop->scratch = NULL;
}

void xf_loop_run(struct xf_loop *loop)
{
    while (!loop->stops) {
        event_base_loop(loop->base, EVLOOP_ONCE);
        run_late(loop);
    }
}

void xf_loop_stop(struct xf_loop *loop)
{
    loop->stops = true;
}

void xf_loop_late(struct xf_loop *loop, struct xf_late *late, xf_late_fn *fn)
{
    XF_ASSERT(late->fn == NULL);
    late->fn = fn;
    late->next = NULL;
    *loop->late_last = late;
    loop->late_last = &late->next;
}

void xf_loop_late_cancel(struct xf_loop *loop, struct xf_late *late)
{
    if (!late->fn)
        return;
    struct xf_late **link = &loop->late_first;
    while (*link != late)
        link = &(*link)->next;
    *link = late->next;
    if (loop->late_last == &late->next)
        loop->late_last = link;
    late->fn = NULL;
}

uint32_t xf_loop_random(struct xf_loop *loop)
{
    /* xorshift64*: state never 0. */
    loop->random ^= loop->random >> 12;
    loop->random ^= loop->random << 25;
    loop->random ^= loop->random >> 27;
    return (uint32_t)((loop->random * 0x2545F4914F6CDD1DULL) >> 32);
}
