/* POST .../replicas/{r}/forget: an operator says that a replica which has lapsed does not come back. The journal waits for
 * Redis, so it is asked on a thread of its own; the client may go meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include "common/base/log.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Lives until the thread has been joined, on the control thread. */
struct xf_forget {
    struct xf_admin *admin;
    struct evhttp_request *http; /* NULL once the client has gone */
    struct evhttp_connection *connection;
    size_t migration;
    pthread_t thread;
    enum xf_err err; /* the thread's, until it is joined */
    _Atomic bool is_done;
    char replica[];
};

static void on_close(struct evhttp_connection *connection, void *ctx)
{
    struct xf_forget *forget = ctx;
    (void)connection;
    xf_admin_drop(forget->http);
    forget->http = NULL;
}

static void reply_ok(const struct xf_forget *forget)
{
    struct xf_buf out;
    xf_buf_init(&out, XF_ADMIN_BODY_BYTES_MAX);
    struct xf_json_out json = {.out = &out};
    xf_json_open(&json, NULL, '{');
    xf_json_text(&json, "status", "ok");
    xf_json_text(&json, "migration", forget->admin->parts.config->migrations[forget->migration].name);
    xf_json_text(&json, "replica", forget->replica);
    xf_json_close(&json, '}');
    xf_admin_reply_json(forget->http, 200, &json);
    xf_buf_fini(&out);
}

static void reply(const struct xf_forget *forget)
{
    if (!forget->err)
        reply_ok(forget);
    else if (forget->err == XF_ERR_STATE || forget->err == XF_ERR_NOT_FOUND)
        xf_admin_error(forget->http, 409, "it was not forgotten: the replica is back, or is not registered any more; see the "
                                          "status");
    else if (forget->err == XF_ERR_IO)
        xf_admin_error(forget->http, 503, "Redis did not answer, or this replica is not joined: look at the status, and try again");
    else
        xf_admin_error_code(forget->http, forget->err);
}

static void on_forgotten(void *ctx, void *args)
{
    struct xf_admin *admin = ctx;
    struct xf_forget *forget = admin->forget;
    (void)args;
    if (!forget || !atomic_load(&forget->is_done))
        return; /* the next one already */
    admin->forget = NULL;
    pthread_join(forget->thread, NULL);
    const char *migration = admin->parts.config->migrations[forget->migration].name;
    if (forget->err)
        xf_log(XF_LOG_WARN, "admin", "migration=%s replica=%s err=%s: not forgotten", migration, forget->replica,
               xf_err_name(forget->err));
    else
        xf_log(XF_LOG_WARN, "admin", "migration=%s replica=%s: forgotten, a reconcile is needed", migration, forget->replica);
    if (forget->http) {
        evhttp_connection_set_closecb(forget->connection, NULL, NULL);
        reply(forget);
    }
    free(forget);
}

static void *run(void *ctx)
{
    struct xf_forget *forget = ctx;
    const struct xf_admin_parts *parts = &forget->admin->parts;
    forget->err = xf_journal_forget(parts->journal, forget->migration, forget->replica);
    struct xf_admin *admin = forget->admin;
    atomic_store(&forget->is_done, true);
    if (parts->post(parts->ctx, on_forgotten, admin, "", 1) != XF_OK) /* the next request that asks for one clears up */
        xf_log(XF_LOG_ERROR, "admin", "no memory to answer: the client waits until it gives up");
    return NULL;
}

static enum xf_err start(const struct xf_admin_request *request)
{
    size_t id_bytes = strlen(request->replica) + 1;
    struct xf_forget *forget = calloc(1, sizeof *forget + id_bytes);
    if (!forget)
        return XF_ERR_NOMEM;
    forget->admin = request->admin;
    forget->migration = request->migration;
    memcpy(forget->replica, request->replica, id_bytes);
    forget->http = request->http;
    forget->connection = evhttp_request_get_connection(request->http);
    evhttp_connection_set_closecb(forget->connection, on_close, forget);
    request->admin->forget = forget;
    if (pthread_create(&forget->thread, NULL, run, forget) == 0)
        return XF_OK;
    evhttp_connection_set_closecb(forget->connection, NULL, NULL);
    request->admin->forget = NULL;
    free(forget);
    return XF_ERR_NOMEM;
}

/* Its state as the journal knows it: "joined", "lapsed", or NULL if there is no such replica. */
static const char *state_of(const cJSON *replicas, const char *id)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, replicas)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "id"));
        if (name && strcmp(name, id) == 0)
            return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "state"));
    }
    return NULL;
}

void xf_admin_on_forget(struct xf_admin_request *request)
{
    static const struct xf_admin_option options[] = {{NULL, NULL}};
    static const char *const nothing_else[] = {NULL};
    if (!xf_admin_read_options(request, options, nothing_else))
        return;
    on_forgotten(request->admin, NULL);
    cJSON *replicas = xf_admin_replicas(request->admin, request->migration);
    const char *state = state_of(replicas, request->replica);
    enum xf_err err = XF_OK;
    if (request->admin->forget)
        xf_admin_error_for_now(request->http, "another replica is being forgotten: try again in a moment");
    else if (!state)
        xf_admin_error(request->http, 404, "no such replica is registered for this migration; its status lists them");
    else if (strcmp(state, "lapsed") != 0)
        xf_admin_error(request->http, 409, "this replica is joined: stop it, which makes it leave by itself; only one that has "
                                           "lapsed can be forgotten");
    else
        err = start(request);
    if (err)
        xf_admin_error_code(request->http, err);
    cJSON_Delete(replicas);
}

void xf_admin_forget_stop(struct xf_admin *admin)
{
    struct xf_forget *forget = admin->forget;
    if (!forget)
        return;
    if (forget->http)
        evhttp_connection_set_closecb(forget->connection, NULL, NULL);
    pthread_join(forget->thread, NULL);
    admin->forget = NULL;
    free(forget);
}
