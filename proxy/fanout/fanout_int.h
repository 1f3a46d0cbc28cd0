/* What relay and dual have in common: the request's frame. Internal to this folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_FANOUT_INT_H
#define XF_PROXY_FANOUT_FANOUT_INT_H

#include "common/base/pool.h"
#include "common/http/path.h"
#include "proxy/fanout/fanout.h"
#include "proxy/fanout/lease.h"
#include "proxy/fanout/leg.h"
#include "proxy/route/route.h"

/* Writes that have lost their client but not their effect: bounded, so that a hung follower cannot hold all memory. */
enum { XF_DETACHED_MAX = 1024, XF_REQUEST_POOL_BYTES = 128 * 1024 };

struct xf_request;

/* A thread's part of the fanout. */
struct xf_fanout_thread {
    struct xf_fanout_context *context;
    struct xf_data_thread *thread;
    struct xf_leases *leases;
    struct xf_journal_link *journal;
    struct xf_request *requests; /* all that are under way, with a client or without */
    size_t detached_count;
};

struct xf_request_class {
    void (*on_body)(struct xf_request *request, struct xf_slice bytes, bool is_end);
    void (*on_drained)(struct xf_request *request);
    void (*on_abort)(struct xf_request *request, enum xf_err err);
    void (*fini)(struct xf_request *request); /* cancels what is under way */
};

/* The frame that relay and dual embed as their first member. */
struct xf_request {
    const struct xf_request_class *class_;
    struct xf_fanout_thread *fanout;
    struct xf_conn *conn; /* NULL once the client has its answer or has gone */
    struct xf_view *view;
    struct xf_plan plan;
    struct xf_request *prev, *next;
    struct xf_late death;
    uint64_t started_ns;
    uint64_t credential; /* see lease.h; only with a migration */
    uint8_t client_minor;
    bool is_head;
    bool is_ended;
};

/* What on_head knows, for the time of the call. */
struct xf_arrival {
    struct xf_conn *conn;
    const struct xf_http_head *head;
    const char *base;
    const struct xf_path *path;
    struct xf_pool *pool;
};

/* Both take the request and the use of the view over; they answer with an error themselves when they cannot. The new request,
 * or NULL when the connection has been answered. */
struct xf_request *xf_relay_start(struct xf_fanout_thread *fanout, struct xf_view *view, const struct xf_plan *plan,
                                  const struct xf_arrival *arrival);
struct xf_request *xf_dual_start(struct xf_fanout_thread *fanout, struct xf_view *view, const struct xf_plan *plan,
                                 const struct xf_arrival *arrival);

void xf_request_init(struct xf_request *request, const struct xf_request_class *class_, struct xf_fanout_thread *fanout,
                     struct xf_view *view, const struct xf_plan *plan, const struct xf_arrival *arrival);
/* The one exit: records, releases the view, calls fini, frees late. The connection must have been finished or have gone. */
void xf_request_end(struct xf_request *request);

/* The leg's head for one side (or the default upstream when no migration is concerned). `is_trusted`: the legacy side has
 * accepted this client's credential. */
XF_MUST_CHECK enum xf_err xf_request_leg(struct xf_request *request, struct xf_leg *leg, const struct xf_leg_owner *owner,
                                         enum xf_side side, enum xf_http_body body, bool drops_coding, bool is_trusted,
                                         const struct xf_arrival *arrival);
/* A client's head, kept for requests of the proxy's own that speak with the client's credentials. */
struct xf_kept_head {
    struct xf_http_head head;
    char bytes[];
};
XF_MUST_CHECK enum xf_err xf_request_keep_head(const struct xf_arrival *arrival, struct xf_kept_head **kept);
/* The head of such a request: POST to the collection of that side, `suffix` behind its name, a JSON body of that length. */
XF_MUST_CHECK enum xf_err xf_request_own_leg(struct xf_request *request, struct xf_leg *leg,
                                             const struct xf_leg_owner *owner, enum xf_side side, bool is_trusted,
                                             const struct xf_kept_head *kept, const char *suffix, size_t body_len);
/* The upstream's index of a side, or the default one. */
size_t xf_request_upstream(const struct xf_request *request, enum xf_side side);
/* Whether the client's credential counts as known to the legacy side without asking it now: it is the key that the
 * configuration has for that side. */
bool xf_request_has_legacy_key(const struct xf_request *request, const struct xf_http_head *head, const char *base);
void xf_refuse(struct xf_conn *conn, int status, const char *text);

#endif
