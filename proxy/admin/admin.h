/* The admin port: API, metrics, health and the operators' page, on the control thread, with evhttp (small bodies, trusted
 * network, never the data port). docs/api.md documents every route.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_ADMIN_ADMIN_H
#define XF_PROXY_ADMIN_ADMIN_H

#include "proxy/config/config.h"
#include "proxy/control/control.h"
#include "proxy/journal/journal.h"
#include "proxy/worker/worker.h"

struct event_base;
struct xf_admin;

typedef void xf_admin_task_fn(void *ctx, void *args);

struct xf_admin_parts {
    const struct xf_config *config;
    struct xf_control *control;
    struct xf_worker *worker;
    struct xf_journal *journal;
    bool (*is_ready)(void *ctx); /* for /readyz: false while draining */
    /* Any thread: has `fn` called on the control thread, with a copy of `args`; nothing is lost before xf_admin_free. */
    enum xf_err (*post)(void *ctx, xf_admin_task_fn *fn, void *fn_ctx, const void *args, size_t args_bytes);
    void *ctx;
};
XF_MUST_CHECK enum xf_err xf_admin_new(const struct xf_admin_parts *parts, struct event_base *base,
                                       struct xf_admin **admin);
void xf_admin_free(struct xf_admin *admin);
/* Sends an event to the followers of /api/v1/migrations/{m}/events. Control thread. */
void xf_admin_event(struct xf_admin *admin, size_t migration, const char *name, struct xf_slice detail_json);

#endif
