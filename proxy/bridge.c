/* The queue is short-lived and rarely used (progress, cursors, commands), so one mutex and one condition serve it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/bridge.h"

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
    void *args;      /* the caller's, or `copy` */
    bool is_called;  /* somebody waits: he frees it */
    bool is_done;
    enum xf_err result;
    _Alignas(16) char copy[];
};

struct xf_bridge {
    pthread_mutex_t lock;
    pthread_cond_t done;
    struct task *first, **last;
    struct event *event;
    int fd;
    bool is_closed;
};

static void run_tasks(struct xf_bridge *bridge)
{
    pthread_mutex_lock(&bridge->lock);
    while (bridge->first) {
        struct task *task = bridge->first;
        bridge->first = task->next;
        if (!bridge->first)
            bridge->last = &bridge->first;
        pthread_mutex_unlock(&bridge->lock);
        enum xf_err result = task->fn(task->ctx, task->args);
        pthread_mutex_lock(&bridge->lock);
        if (!task->is_called) {
            free(task);
            continue;
        }
        task->result = result;
        task->is_done = true;
        pthread_cond_broadcast(&bridge->done);
    }
    pthread_mutex_unlock(&bridge->lock);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return; /* a spurious wake-up does no harm */
    run_tasks(arg);
}

enum xf_err xf_bridge_new(struct event_base *base, struct xf_bridge **out)
{
    struct xf_bridge *bridge = calloc(1, sizeof *bridge);
    if (!bridge)
        return XF_ERR_NOMEM;
    pthread_mutex_init(&bridge->lock, NULL);
    pthread_cond_init(&bridge->done, NULL);
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
    while (bridge->first) {
        struct task *task = bridge->first;
        bridge->first = task->next;
        free(task);
    }
    pthread_cond_destroy(&bridge->done);
    pthread_mutex_destroy(&bridge->lock);
    free(bridge);
}

/* With the lock held. */
static enum xf_err enqueue(struct xf_bridge *bridge, struct task *task)
{
    uint64_t one = 1;
    if (bridge->is_closed)
        return XF_ERR_STATE;
    *bridge->last = task;
    bridge->last = &task->next;
    /* The counter cannot overflow in practice, and a full one wakes the reader all the same. */
    (void)!write(bridge->fd, &one, sizeof one);
    return XF_OK;
}

static struct task *new_task(xf_task_fn *fn, void *ctx, size_t copy_bytes)
{
    struct task *task = calloc(1, sizeof *task + copy_bytes);
    if (task) {
        task->fn = fn;
        task->ctx = ctx;
    }
    return task;
}

enum xf_err xf_bridge_post(struct xf_bridge *bridge, xf_task_fn *fn, void *ctx, const void *args, size_t args_bytes)
{
    struct task *task = new_task(fn, ctx, args_bytes);
    if (!task)
        return XF_ERR_NOMEM;
    if (args_bytes)
        memcpy(task->copy, args, args_bytes);
    task->args = task->copy;
    pthread_mutex_lock(&bridge->lock);
    enum xf_err err = enqueue(bridge, task);
    pthread_mutex_unlock(&bridge->lock);
    if (err)
        free(task);
    return err;
}

enum xf_err xf_bridge_call(struct xf_bridge *bridge, xf_task_fn *fn, void *ctx, void *args)
{
    struct task *task = new_task(fn, ctx, 0);
    if (!task)
        return XF_ERR_NOMEM;
    task->args = args;
    task->is_called = true;
    pthread_mutex_lock(&bridge->lock);
    enum xf_err err = enqueue(bridge, task);
    while (!err && !task->is_done)
        pthread_cond_wait(&bridge->done, &bridge->lock);
    pthread_mutex_unlock(&bridge->lock);
    if (!err)
        err = task->result;
    free(task);
    return err;
}

void xf_bridge_close(struct xf_bridge *bridge)
{
    pthread_mutex_lock(&bridge->lock);
    bridge->is_closed = true;
    pthread_mutex_unlock(&bridge->lock);
    run_tasks(bridge);
}
