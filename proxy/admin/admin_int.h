/* The admin port's insides. A request goes: guard.c (may this caller ask at all), routes.c (which handler), body.c (the
 * JSON options), a handler (status.c, verbs.c, replicas.c, forget.c, flags.c, listing.c, metrics.c, events.c), reply.c. All
 * on the control thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_ADMIN_ADMIN_INT_H
#define XF_PROXY_ADMIN_ADMIN_INT_H

#include "proxy/admin/admin.h"
#include "proxy/admin/json_out.h"

#include <event2/http.h>

struct cJSON;
struct event;

enum {
    XF_ADMIN_BODY_BYTES_MAX = 1 << 20,
    XF_ADMIN_HEAD_BYTES_MAX = 16 << 10,
    XF_ADMIN_ANSWER_BYTES_MAX = 16 << 20,
    XF_ADMIN_IDLE_S = 60,
    XF_ADMIN_SEGMENTS_MAX = 8,
    XF_ADMIN_FOLLOWERS_MAX = 64,
    XF_ADMIN_HEARTBEAT_S = 15,
    XF_ADMIN_UNREAD_BYTES_MAX = 256 << 10
};

struct xf_follower; /* a client of /events */
struct xf_forget;   /* a replica that is being forgotten */

struct xf_admin {
    struct xf_admin_parts parts;
    struct event_base *base;
    struct evhttp *http;
    struct event *heartbeat;
    struct xf_follower *followers;
    size_t follower_count;
    struct xf_forget *forget; /* one at a time */
};

/* A request while it is handled. */
struct xf_admin_request {
    struct xf_admin *admin;
    struct evhttp_request *http;
    bool is_write;                         /* POST or PUT */
    char *segments[XF_ADMIN_SEGMENTS_MAX]; /* of the path, decoded; owned */
    size_t segment_count;
    size_t migration;    /* with {m} or {c} in the route */
    const char *replica; /* with {r} */
    struct cJSON *body; /* with POST and PUT: an object */
};

/* guard.c: false after having answered. */
bool xf_admin_guard(const struct xf_admin_request *request, bool is_open);

/* routes.c: runs the handler; it answers in every case. */
void xf_admin_route(struct xf_admin_request *request);

/* body.c */
struct xf_admin_option {
    const char *name;
    bool *value;
};
/* Reads and checks the body; false after having answered. */
bool xf_admin_read_body(struct xf_admin_request *request);
/* Members other than `options` (NULL-terminated) and `also` are refused: false after having answered. */
bool xf_admin_read_options(const struct xf_admin_request *request, const struct xf_admin_option *options,
                           const char *const *also);

/* reply.c */
void xf_admin_reply(struct evhttp_request *http, int status, const char *type, struct xf_slice body);
void xf_admin_reply_json(struct evhttp_request *http, int status, const struct xf_json_out *json);
void xf_admin_error(struct evhttp_request *http, int status, const char *text);
void xf_admin_error_code(struct evhttp_request *http, enum xf_err err); /* with the code's own sentence */
/* 503 with Retry-After: it may be another matter in a moment. */
void xf_admin_error_for_now(struct evhttp_request *http, const char *text);
/* For close callbacks: where a client leaves before its answer is complete, libevent 2.1 cuts the request off from its
 * connection and leaves it to who holds it; where the port is closed, the request goes with the connection. */
void xf_admin_drop(struct evhttp_request *http);
/* 202 with where to look. */
void xf_admin_accepted(const struct xf_admin_request *request, const char *verb);

/* status.c */
void xf_admin_print_status(const struct xf_admin *admin, size_t migration, struct xf_json_out *json);
/* Why reads should not move to the new collection now: the first of the reasons that only `force` overrides. False: there
 * is none. */
enum { XF_ADMIN_REASON_MAX = 320 };
bool xf_admin_switch_obstacle(const struct xf_admin *admin, size_t migration, char reason[XF_ADMIN_REASON_MAX]);

/* replicas.c: those that have joined the migration's journal. */
void xf_admin_print_replicas(const struct xf_admin *admin, size_t migration, struct xf_json_out *json); /* a member */
/* The next lapsed one from number *at on; its id is copied. */
bool xf_admin_next_lapsed(const struct cJSON *replicas, int *at, char id[64]);
struct cJSON *xf_admin_replicas(const struct xf_admin *admin, size_t migration); /* to be deleted; NULL without memory */
/* Commands are the leader's: false after having answered. */
bool xf_admin_leads(const struct xf_admin_request *request);
void xf_admin_forget_stop(struct xf_admin *admin); /* waits for the one under way, a few seconds at most */

/* flags.c: sets flags and answers when they are in force. NULL leaves a flag alone. */
void xf_admin_set_flags(const struct xf_admin_request *request, const char *dual_write, const char *new_reads);

/* dry_run.c: asks the worker and answers when it has. */
void xf_admin_dry_run(const struct xf_admin_request *request, enum xf_command verb);

/* events.c */
enum xf_err xf_admin_events_start(struct xf_admin *admin);
void xf_admin_events_stop(struct xf_admin *admin); /* before evhttp is freed */

/* Handlers. */
typedef void xf_admin_handler_fn(struct xf_admin_request *request);
xf_admin_handler_fn xf_admin_on_page, xf_admin_on_healthz, xf_admin_on_readyz, xf_admin_on_metrics;
xf_admin_handler_fn xf_admin_on_migrations, xf_admin_on_migration, xf_admin_on_events, xf_admin_on_flags;
xf_admin_handler_fn xf_admin_on_prepare, xf_admin_on_backfill, xf_admin_on_pause, xf_admin_on_resume,
    xf_admin_on_cancel;
xf_admin_handler_fn xf_admin_on_validate, xf_admin_on_reconcile, xf_admin_on_switch, xf_admin_on_rollback;
xf_admin_handler_fn xf_admin_on_finish, xf_admin_on_cleanup, xf_admin_on_collections, xf_admin_on_schema;
xf_admin_handler_fn xf_admin_on_forget;

extern const unsigned char xf_admin_page[];
extern const size_t xf_admin_page_bytes;

#endif
