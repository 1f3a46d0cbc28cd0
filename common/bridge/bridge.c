/* The queue is short and rarely used (cursors, reports, events), so one mutex serves it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/bridge/bridge.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct task {
    struct task *next;
    xf_task_fn *fn;
    void *ctx;
    _Alignas(16) char args[];
};

struct xf_bridge {
    pthread_mutex_t lock;
    struct task *first, **last;
    struct event *event;
    int fd;
};

/* NULL when there is none. */
static struct task *take(struct xf_bridge *bridge)
{
    pthread_mutex_lock(&bridge->lock);
    struct task *task = bridge->first;
    if (task)
        bridge->first = task->next;
    if (!bridge->first)
        bridge->last = &bridge->first;
    pthread_mutex_unlock(&bridge->lock);
    return task;
}

void xf_bridge_run(struct xf_bridge *bridge)
{
    for (struct task *task; (task = take(bridge));) {
        task->fn(task->ctx, task->args);
        free(task);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return; /* a spurious wake-up does no harm */
    xf_bridge_run(arg);
}

enum xf_err xf_bridge_new(struct event_base *base, struct xf_bridge **out)
{
    struct xf_bridge *bridge = calloc(1, sizeof *bridge);
    if (!bridge)
        return XF_ERR_NOMEM;
    pthread_mutex_init(&bridge->lock, NULL);
    bridge->last = &bridge->first;
    bridge->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (bridge->fd >= 0)
        bridge->event = event_new(base, bridge->fd, EV_READ | EV_PERSIST, on_event, bridge);
    if (!bridge->event || event_add(bridge->event, NULL) < 0) {
        xf_bridge_free(bridge);
        return XF_ERR_NOMEM;
    }
    *out = bridge;
    return XF_OK;
}

void xf_bridge_free(struct xf_bridge *bridge)
{
    if (!bridge)
        return;
    if (bridge->event)
        event_free(bridge->event);
    if (bridge->fd >= 0)
        close(bridge->fd);
    for (struct task *task; (task = take(bridge));)
        free(task);
    pthread_mutex_destroy(&bridge->lock);
    free(bridge);
}

enum xf_err xf_bridge_post(struct xf_bridge *bridge, xf_task_fn *fn, void *ctx, const void *args, size_t args_bytes)
{
    uint64_t one = 1;
    struct task *task = calloc(1, sizeof *task + args_bytes);
    if (!task)
        return XF_ERR_NOMEM;
    task->fn = fn;
    task->ctx = ctx;
    if (args_bytes)
        memcpy(task->args, args, args_bytes);
    pthread_mutex_lock(&bridge->lock);
    *bridge->last = task;
    bridge->last = &task->next;
    pthread_mutex_unlock(&bridge->lock);
    /* The counter cannot overflow in practice, and a full one wakes the reader all the same. */
    (void)!write(bridge->fd, &one, sizeof one);
    return XF_OK;
}
