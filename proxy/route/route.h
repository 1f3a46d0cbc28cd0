/* Which endpoint a request addresses and what the proxy does with it. endpoints.def has one row per endpoint of Qdrant
 * 1.12.4 to 1.18.3; a test compares it with tests/unit/route/endpoints.json row by row. Pure: no I/O, no state.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_ROUTE_ROUTE_H
#define XF_PROXY_ROUTE_ROUTE_H

#include "common/http/head.h"
#include "common/http/path.h"
#include "proxy/scan/write_scan.h"
#include "proxy/snapshot/snapshot.h"

enum xf_class {
    XF_CLASS_READ,
    XF_CLASS_WRITE_POINTS,
    XF_CLASS_WRITE_INDEX,
    XF_CLASS_WRITE_COLLECTION_CONFIG,
    XF_CLASS_CREATE_COLLECTION,
    XF_CLASS_DELETE_COLLECTION,
    XF_CLASS_ALIASES,
    XF_CLASS_SNAPSHOT_READ,
    XF_CLASS_SNAPSHOT_WRITE,
    XF_CLASS_CLUSTER_READ,
    XF_CLASS_CLUSTER_WRITE,
    XF_CLASS_SERVICE,
    XF_CLASS_UNKNOWN
};

struct xf_endpoint {
    enum xf_http_method method;
    enum xf_class class_;
    const char *path;          /* "/collections/{collection_name}/points/delete" */
    enum xf_write_op write_op; /* with WRITE_POINTS */
    bool changes_data;         /* may alter points, vectors, payload, schema, config or name mapping */
    bool has_names_in_body;    /* collection names stand in its body: reads are rewritten (scan/rewrite.h) */
    bool is_staging;           /* only in Qdrant's staging builds */
};
extern const struct xf_endpoint xf_endpoints[];
extern const size_t xf_endpoint_count;

/* The row for a method and path, or NULL. Row order decides as Qdrant's does (/collections/aliases before
 * /collections/{collection_name} for POST only). */
const struct xf_endpoint *xf_route_find(enum xf_http_method method, const struct xf_path *path);

/* What to do with a request. */
enum xf_action {
    XF_ACTION_PASS,  /* to one side, streamed: `side` of `migration`, or the default upstream when migration is NULL */
    XF_ACTION_DUAL,  /* a write for both sides */
    XF_ACTION_REFUSE /* answered by the proxy: `status` and `reason` */
};

struct xf_plan {
    const struct xf_endpoint *endpoint; /* NULL: unknown */
    enum xf_action action;
    const struct xf_migration_view *migration; /* NULL: none is concerned */
    enum xf_side side;                         /* with PASS: where to; with DUAL: the authority */
    bool is_write;                             /* it may change data: never sent again once a byte went out */
    bool is_setting;                           /* a collection setting that goes to the authority only */
    bool may_rewrite_body;                     /* a read whose body can hold collection names */
    bool may_be_canary;                        /* `side` was decided by the canary share */
    bool keeps_name;        /* the collection's name goes upstream as the client sent it, not as `side` calls it */
    bool needs_alias_check; /* read the body whole and ask xf_route_alias_change_is_safe before it is sent */
    int status;             /* with REFUSE */
    unsigned retry_after_s; /* with REFUSE: 0 says nothing */
    const char *reason;     /* with REFUSE: static text, says what to do about it */
};

/* Decides. `canary_draw` is a number 0..99 drawn for this request: reads of points go to new if it is below the share
 * (other reads stay with the authority, where settings and snapshots are made). A path under a migrated collection that
 * no row matches is 501 while dual writing, else passed through; HEAD and OPTIONS change nothing and always pass.
 * Collection names "." and ".." are refused always. While nothing is known of a migration (is_refused), everything under
 * it is 503.
 *
 * Creating and deleting a migrated collection are never rewritten from one side's name to the other's (keeps_name): who
 * deletes "new" must not lose "legacy". */
void xf_route_plan(const struct xf_snapshot *snapshot, enum xf_http_method method, const struct xf_path *path,
                   unsigned canary_draw, struct xf_plan *plan);

/* The alias endpoint's body while a migration is dual writing: false if any action touches a migrated collection or a
 * name that means one, unless that migration is not dual writing or allows it. `body` is the whole body, decoded (the
 * caller bounds it). INVALID if it cannot be read. The sentence for the client's 409 is xf_route_alias_refusal. */
XF_MUST_CHECK enum xf_err xf_route_alias_change_is_safe(const struct xf_snapshot *snapshot, struct xf_slice body,
                                                        bool *is_safe);
extern const char xf_route_alias_refusal[];

#endif
