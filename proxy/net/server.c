/* Each thread has its own listening sockets on the same address (SO_REUSEPORT): the kernel spreads connections, and no
 * accept queue is shared.
 *
 * The mailbox is one atomic pointer: the publisher puts the newest snapshot in, taking out and dropping one that
 * nobody has fetched, and wakes the thread by its eventfd.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/server.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 64, BACKLOG = 4096, ACCEPT_PAUSE_MS = 100, RESERVED_FDS = 64 };

struct listener {
    int fd;
    struct event event;
    bool is_on;
};

struct thread {
    struct xf_data_thread data; /* first: callbacks get this address */
    pthread_t handle;
    bool is_started;
    struct listener *listeners;
    size_t listener_count;
    struct xf_timer accept_pause, drain_end, drain_poll;
    int wake_fd;
    struct event wake;
    _Atomic(struct xf_snapshot *) mailbox;
    _Atomic uint64_t oldest_generation;
    _Atomic bool wants_stop, has_stopped;
    size_t conns_max;
};

struct xf_server {
    const struct xf_config *config;
    struct xf_server_owner owner;
    struct thread *threads;
    size_t thread_count;
};

static struct thread *of_data(struct xf_data_thread *data)
{
    return (struct thread *)(void *)data;
}

/* ---- views ---- */

static void drop_old_views(struct thread *thread)
{
    struct xf_data_thread *data = &thread->data;
    while (data->oldest != data->current && data->oldest->users == 0) {
        struct xf_view *view = data->oldest;
        data->oldest = view->next;
        xf_snapshot_unref(view->snapshot);
        free(view);
    }
    atomic_store_explicit(&thread->oldest_generation, data->oldest->snapshot->generation, memory_order_release);
}

struct xf_view *xf_view_use(struct xf_data_thread *data)
{
    data->current->users++;
    return data->current;
}

void xf_view_release(struct xf_data_thread *data, struct xf_view *view)
{
    if (--view->users == 0 && view != data->current)
        drop_old_views(of_data(data));
}

static enum xf_err adopt(struct thread *thread, struct xf_snapshot *snapshot)
{
    struct xf_view *view = calloc(1, sizeof *view);
    if (!view)
        return XF_ERR_NOMEM;
    view->snapshot = snapshot;
    if (thread->data.current)
        thread->data.current->next = view;
    else
        thread->data.oldest = view;
    thread->data.current = view;
    drop_old_views(thread);
    return XF_OK;
}

/* ---- accepting ---- */

static void listen_on(struct thread *thread, bool on)
{
    for (size_t i = 0; i < thread->listener_count; i++) {
        struct listener *listener = &thread->listeners[i];
        if (listener->is_on == on)
            continue;
        if (on ? event_add(&listener->event, NULL) == 0 : event_del(&listener->event) == 0)
            listener->is_on = on;
    }
}

static void on_accept_pause(struct xf_timer *timer)
{
    struct thread *thread = (struct thread *)(void *)((char *)timer - offsetof(struct thread, accept_pause));
    if (!atomic_load(&thread->wants_stop))
        listen_on(thread, true);
}

static void pause_accepting(struct thread *thread, int error)
{
    xf_log(XF_LOG_WARN, "server", "errno=%d: cannot accept, trying again in %d ms", error, ACCEPT_PAUSE_MS);
    listen_on(thread, false);
    xf_loop_arm(&thread->data.loop, &thread->accept_pause, ACCEPT_PAUSE_MS);
}

static void take_client(struct thread *thread, int fd)
{
    if (thread->data.conns.count >= thread->conns_max) {
        xf_stat_add(thread->data.loop.stats, XF_STAT_CLIENT_REFUSED, 1);
        close(fd);
        return;
    }
    if (xf_conn_new(&thread->data.conns, fd) != XF_OK)
        xf_stat_add(thread->data.loop.stats, XF_STAT_CLIENT_REFUSED, 1);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct thread *thread = arg;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            take_client(thread, client);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(thread, errno);
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static int bind_address(const struct xf_address *address)
{
    char port[8];
    int one = 1, fd = -1;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    snprintf(port, sizeof port, "%u", (unsigned)address->port);
    int rc = getaddrinfo(address->host, port, &hints, &found);
    if (rc != 0) {
        xf_log(XF_LOG_ERROR, "server", "listen=%s:%s: %s", address->host, port, gai_strerror(rc));
        return -1;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        xf_log(XF_LOG_ERROR, "server", "listen=%s:%s: %s", address->host, port, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* ---- stopping ---- */

static bool is_quiet(struct thread *thread)
{
    const struct xf_server_owner *owner = &thread->data.server->owner;
    return thread->data.conns.count == 0 && !owner->is_busy(&thread->data);
}

static void on_drain_end(struct xf_timer *timer)
{
    struct thread *thread = (struct thread *)(void *)((char *)timer - offsetof(struct thread, drain_end));
    xf_log(XF_LOG_WARN, "server", "connections=%zu: still open when the drain time was over, closing them",
           thread->data.conns.count);
    xf_loop_stop(&thread->data.loop);
}

static void on_drain_poll(struct xf_timer *timer)
{
    struct thread *thread = (struct thread *)(void *)((char *)timer - offsetof(struct thread, drain_poll));
    if (is_quiet(thread))
        xf_loop_stop(&thread->data.loop);
    else
        xf_loop_arm(&thread->data.loop, &thread->drain_poll, 1);
}

static void start_drain(struct thread *thread)
{
    if (xf_timer_is_armed(&thread->drain_end))
        return;
    listen_on(thread, false);
    for (size_t i = 0; i < thread->listener_count; i++) {
        close(thread->listeners[i].fd);
        thread->listeners[i].fd = -1;
    }
    thread->listener_count = 0;
    xf_timer_cancel(&thread->accept_pause);
    xf_conns_drain(&thread->data.conns);
    xf_loop_arm(&thread->data.loop, &thread->drain_end, thread->data.server->config->timeouts.drain_ms);
    xf_loop_arm(&thread->data.loop, &thread->drain_poll, 1);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct thread *thread = arg;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        xf_log(XF_LOG_ERROR, "server", "errno=%d: the wake-up descriptor cannot be read", errno);
    struct xf_snapshot *snapshot = atomic_exchange(&thread->mailbox, NULL);
    if (snapshot && adopt(thread, snapshot) != XF_OK) {
        /* Put back: the next wake-up tries again, and the old snapshot stays in force until then. */
        struct xf_snapshot *expected = NULL;
        if (!atomic_compare_exchange_strong(&thread->mailbox, &expected, snapshot))
            xf_snapshot_unref(snapshot);
    }
    if (atomic_load(&thread->wants_stop))
        start_drain(thread);
}

static void wake(struct thread *thread)
{
    uint64_t one = 1;
    if (write(thread->wake_fd, &one, sizeof one) < 0)
        xf_log(XF_LOG_ERROR, "server", "errno=%d: a data thread cannot be woken", errno);
}

/* ---- life of a thread ---- */

static void *run_thread(void *arg)
{
    struct thread *thread = arg;
    xf_loop_run(&thread->data.loop);
    atomic_store(&thread->has_stopped, true);
    return NULL;
}

static enum xf_err init_pools(struct thread *thread, const struct xf_config *config)
{
    thread->data.pools = calloc(config->upstream_count, sizeof *thread->data.pools);
    if (!thread->data.pools)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < config->upstream_count; i++) {
        enum xf_err err = xf_upstream_pool_init(&thread->data.pools[i], &thread->data.loop, config, i);
        if (err) {
            xf_log(XF_LOG_ERROR, "server", "upstream=%s: host %s cannot be resolved", config->upstreams[i].name,
                   config->upstreams[i].host);
            return err;
        }
    }
    return XF_OK;
}

static enum xf_err init_listeners(struct thread *thread, const struct xf_config *config)
{
    thread->listeners = calloc(config->listen_count, sizeof *thread->listeners);
    if (!thread->listeners)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < config->listen_count; i++) {
        struct listener *listener = &thread->listeners[i];
        listener->fd = bind_address(&config->listen[i]);
        if (listener->fd < 0)
            return XF_ERR_IO;
        event_assign(&listener->event, thread->data.loop.base, listener->fd, EV_READ | EV_PERSIST, on_acceptable, thread);
        thread->listener_count++;
    }
    listen_on(thread, true);
    return XF_OK;
}

static void init_conns(struct thread *thread, const struct xf_config *config)
{
    thread->data.conns = (struct xf_conns){
        .loop = &thread->data.loop,
        .owner = &thread->data.server->owner.conn,
        .owner_ctx = &thread->data,
        .head_ms = config->timeouts.head_ms,
        .body_ms = config->timeouts.body_ms,
        .idle_ms = config->timeouts.idle_ms,
        .write_ms = config->timeouts.body_ms,
    };
    thread->conns_max = (size_t)((config->limits.connections_max + config->threads - 1) / config->threads);
}

static enum xf_err init_thread(struct thread *thread, struct xf_server *server, struct xf_snapshot *snapshot)
{
    struct xf_stats *stats = NULL;
    enum xf_err err = xf_stats_new(server->config->migration_count, &stats);
    thread->data.server = server;
    thread->wake_fd = -1;
    if (!err)
        err = xf_loop_init(&thread->data.loop, stats);
    if (err)
        return err;
    xf_timer_init(&thread->accept_pause, on_accept_pause);
    xf_timer_init(&thread->drain_end, on_drain_end);
    xf_timer_init(&thread->drain_poll, on_drain_poll);
    init_conns(thread, server->config);
    thread->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (thread->wake_fd < 0)
        return XF_ERR_IO;
    event_assign(&thread->wake, thread->data.loop.base, thread->wake_fd, EV_READ | EV_PERSIST, on_wake, thread);
    if (event_add(&thread->wake, NULL) < 0)
        return XF_ERR_NOMEM;
    err = adopt(thread, xf_snapshot_ref(snapshot));
    if (!err)
        err = init_pools(thread, server->config);
    if (!err)
        err = server->owner.thread_init(server->owner.ctx, &thread->data);
    return err ? err : init_listeners(thread, server->config);
}

static void fini_views(struct thread *thread)
{
    while (thread->data.oldest) {
        struct xf_view *view = thread->data.oldest;
        thread->data.oldest = view->next;
        xf_snapshot_unref(view->snapshot);
        free(view);
    }
    xf_snapshot_unref(atomic_exchange(&thread->mailbox, NULL));
}

static void fini_thread(struct thread *thread, struct xf_server *server)
{
    for (size_t i = 0; i < thread->listener_count; i++) {
        if (thread->listeners[i].is_on)
            event_del(&thread->listeners[i].event);
        close(thread->listeners[i].fd);
    }
    free(thread->listeners);
    xf_conns_close(&thread->data.conns);
    if (thread->data.owner_ctx)
        server->owner.thread_fini(&thread->data);
    for (size_t i = 0; thread->data.pools && i < server->config->upstream_count; i++)
        if (thread->data.pools[i].loop)
            xf_upstream_pool_fini(&thread->data.pools[i]);
    free(thread->data.pools);
    if (thread->wake_fd >= 0) {
        event_del(&thread->wake);
        close(thread->wake_fd);
    }
    fini_views(thread);
    if (thread->data.loop.base)
        xf_loop_fini(&thread->data.loop);
}

static void free_server(struct xf_server *server)
{
    for (size_t i = 0; i < server->thread_count; i++)
        if (server->threads[i].data.server)
            fini_thread(&server->threads[i], server);
    free(server->threads);
    free(server);
}

enum xf_err xf_server_start(const struct xf_config *config, const struct xf_server_owner *owner,
                            struct xf_snapshot *snapshot, struct xf_server **out)
{
    struct xf_server *server = calloc(1, sizeof *server);
    enum xf_err err = server ? XF_OK : XF_ERR_NOMEM;
    if (server) {
        server->config = config;
        server->owner = *owner;
        server->threads = calloc(config->threads, sizeof *server->threads);
        server->thread_count = server->threads ? config->threads : 0;
        err = server->threads ? XF_OK : XF_ERR_NOMEM;
    }
    for (size_t i = 0; !err && i < server->thread_count; i++)
        err = init_thread(&server->threads[i], server, snapshot);
    xf_snapshot_unref(snapshot);
    for (size_t i = 0; !err && i < server->thread_count; i++) {
        err = pthread_create(&server->threads[i].handle, NULL, run_thread, &server->threads[i]) ? XF_ERR_NOMEM : XF_OK;
        server->threads[i].is_started = !err;
    }
    if (err && server)
        xf_server_stop(server);
    else
        *out = server;
    return err;
}

void xf_server_publish(struct xf_server *server, struct xf_snapshot *snapshot)
{
    for (size_t i = 0; i < server->thread_count; i++) {
        struct thread *thread = &server->threads[i];
        xf_snapshot_unref(atomic_exchange(&thread->mailbox, xf_snapshot_ref(snapshot)));
        wake(thread);
    }
    xf_snapshot_unref(snapshot);
}

uint64_t xf_server_oldest_generation(const struct xf_server *server)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < server->thread_count; i++) {
        uint64_t generation =
            atomic_load_explicit(&server->threads[i].oldest_generation, memory_order_acquire);
        if (generation < oldest)
            oldest = generation;
    }
    return oldest;
}

void xf_server_drain(struct xf_server *server)
{
    for (size_t i = 0; i < server->thread_count; i++) {
        atomic_store(&server->threads[i].wants_stop, true);
        if (server->threads[i].is_started)
            wake(&server->threads[i]);
    }
}

bool xf_server_is_drained(const struct xf_server *server)
{
    for (size_t i = 0; i < server->thread_count; i++)
        if (!atomic_load(&server->threads[i].has_stopped))
            return false;
    return true;
}

void xf_server_stop(struct xf_server *server)
{
    xf_server_drain(server);
    for (size_t i = 0; i < server->thread_count; i++)
        if (server->threads[i].is_started)
            pthread_join(server->threads[i].handle, NULL);
    free_server(server);
}
