/* One data thread's event loop: libevent for readiness, a timer wheel for deadlines, and one rule for dying inside
 * callbacks: what has ended is unlinked and marked at once, and freed when the loop turn is over (`late`).
 *
 * Everything here belongs to the loop's own thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_NET_LOOP_H
#define XF_PROXY_NET_LOOP_H

#include "common/base/error.h"
#include "proxy/net/timer.h"
#include "proxy/stats/stats.h"

#include <stdint.h>

struct event_base;
struct event;

/* Something to be done when the current turn is over. Embedded in what it concerns; at most once in the list. */
struct xf_late;
typedef void xf_late_fn(struct xf_late *late);
struct xf_late {
    struct xf_late *next;
    xf_late_fn *fn; /* NULL while not in the list */
};

/* What one read takes at most: large enough that a big body costs few system calls, small enough for the cache. */
enum { XF_LOOP_SCRATCH_BYTES = 256 * 1024 };

struct xf_loop {
    struct event_base *base;
    struct event *tick;
    struct xf_wheel wheel;
    uint64_t now_ms; /* taken when a turn's first callback runs */
    struct xf_late *late_first, **late_last;
    char *scratch; /* every read lands here first: idle connections hold no buffers */
    struct xf_stats *stats;
    uint64_t random;
    bool stops;
};

XF_MUST_CHECK enum xf_err xf_loop_init(struct xf_loop *loop, struct xf_stats *stats);
void xf_loop_fini(struct xf_loop *loop);
/* Until xf_loop_stop. */
void xf_loop_run(struct xf_loop *loop);
void xf_loop_stop(struct xf_loop *loop);

void xf_loop_late(struct xf_loop *loop, struct xf_late *late, xf_late_fn *fn);
void xf_loop_late_cancel(struct xf_loop *loop, struct xf_late *late);
static inline void xf_loop_arm(struct xf_loop *loop, struct xf_timer *timer, uint64_t after_ms)
{
    xf_timer_arm(&loop->wheel, timer, loop->now_ms + after_ms);
}
/* A cheap random number for spreading load, nothing that must be secret. */
uint32_t xf_loop_random(struct xf_loop *loop);

#endif
