/* Dry runs: the worker asks the servers on a thread of its own, and the answer waits for it; the client may go meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include "common/base/log.h"

#include <stdlib.h>

/* Lives until the worker has answered and the control thread has heard of it. */
struct waiting {
    struct xf_admin_parts parts; /* a copy: read on the worker's thread */
    struct evhttp_request *http; /* NULL once the client has gone; control thread */
    struct evhttp_connection *connection;
};

struct outcome {
    enum xf_err err;
    size_t text_len;
    char text[];
};

static void on_close(struct evhttp_connection *connection, void *ctx)
{
    struct waiting *waiting = ctx;
    (void)connection;
    xf_admin_drop(waiting->http);
    waiting->http = NULL;
}

static void answer(void *ctx, void *args)
{
    struct waiting *waiting = ctx;
    const struct outcome *outcome = args;
    if (waiting->http) {
        evhttp_connection_set_closecb(waiting->connection, NULL, NULL);
        if (outcome->err)
            xf_admin_error(waiting->http, xf_err_status(outcome->err),
                           outcome->text[0] ? outcome->text : xf_err_sentence(outcome->err));
        else
            xf_admin_reply(waiting->http, 200, "application/json", xf_slice(outcome->text, outcome->text_len));
    }
    free(waiting);
}

/* On the worker's thread. */
static void on_done(void *ctx, enum xf_err err, struct xf_slice text)
{
    struct waiting *waiting = ctx;
    size_t bytes = sizeof(struct outcome) + text.len + 1;
    struct outcome *outcome = calloc(1, bytes);
    if (outcome) {
        outcome->err = err;
        outcome->text_len = text.len;
        if (text.len)
            memcpy(outcome->text, text.ptr, text.len);
        err = waiting->parts.post(waiting->parts.ctx, answer, waiting, outcome, bytes);
    }
    if (!outcome || err)
        xf_log(XF_LOG_ERROR, "admin", "no memory to answer a dry run: its client waits until it gives up");
    free(outcome);
}

static void refuse(struct evhttp_request *http, enum xf_err err)
{
    if (err == XF_ERR_BUSY)
        xf_admin_error(http, 503, "too many dry runs are under way: try again when they have answered");
    else
        xf_admin_error_code(http, err);
}

void xf_admin_dry_run(const struct xf_admin_request *request, enum xf_command verb)
{
    const struct xf_admin_parts *parts = &request->admin->parts;
    struct waiting *waiting = malloc(sizeof *waiting);
    if (!waiting) {
        xf_admin_error_code(request->http, XF_ERR_NOMEM);
        return;
    }
    *waiting = (struct waiting){*parts, request->http, evhttp_request_get_connection(request->http)};
    evhttp_connection_set_closecb(waiting->connection, on_close, waiting);
    enum xf_err err = xf_worker_dry_run(parts->worker, request->migration, verb, on_done, waiting);
    if (!err)
        return;
    evhttp_connection_set_closecb(waiting->connection, NULL, NULL);
    free(waiting);
    refuse(request->http, err);
}
