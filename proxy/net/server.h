/* The data threads: a listener, an event loop and upstream pools each, sharing nothing but the routing snapshot. A new
 * snapshot is handed to each thread through its mailbox; a thread counts the requests that still rest on an older one
 * without atomics and says which generation is the oldest that it still uses.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_NET_SERVER_H
#define XF_PROXY_NET_SERVER_H

#include "proxy/net/conn.h"
#include "proxy/net/upstream.h"
#include "proxy/snapshot/snapshot.h"

struct xf_server;

/* A snapshot as one thread sees it. */
struct xf_view {
    struct xf_view *next; /* newer */
    struct xf_snapshot *snapshot;
    size_t users;
};

/* What a request's owner finds on its thread. */
struct xf_data_thread {
    struct xf_loop loop;
    struct xf_conns conns;
    struct xf_upstream_pool *pools; /* one for each upstream */
    struct xf_view *oldest, *current;
    void *owner_ctx; /* the request owner's own, per thread */
    struct xf_server *server;
};
/* Pins what is in force now, for one request. */
struct xf_view *xf_view_use(struct xf_data_thread *thread);
void xf_view_release(struct xf_data_thread *thread, struct xf_view *view);

struct xf_server_owner {
    struct xf_conn_owner conn; /* its on_head gets the struct xf_data_thread as `owner` */
    /* Makes and frees the owner's per-thread part, on the thread that starts the server. */
    enum xf_err (*thread_init)(void *ctx, struct xf_data_thread *thread);
    void (*thread_fini)(struct xf_data_thread *thread);
    bool (*is_busy)(struct xf_data_thread *thread); /* work without a client: keeps a drain waiting */
    void *ctx;
};

/* Binds all listeners (so that errors come here) and starts the threads with the first snapshot. Takes over a reference. */
XF_MUST_CHECK enum xf_err xf_server_start(const struct xf_config *config, const struct xf_server_owner *owner,
                                          struct xf_snapshot *snapshot, struct xf_server **server);
/* Takes over a reference. Any one thread at a time. */
void xf_server_publish(struct xf_server *server, struct xf_snapshot *snapshot);
/* The oldest snapshot generation that some request still rests on; no thread will use an older one again. */
uint64_t xf_server_oldest_generation(const struct xf_server *server);
/* Stops accepting and lets what is in flight end, within timeouts.drain_ms. Returns at once. */
void xf_server_drain(struct xf_server *server);
bool xf_server_is_drained(const struct xf_server *server);
/* Waits until it is drained, joins the threads and frees. */
void xf_server_stop(struct xf_server *server);

#endif
