/* Where every request comes in: read the path, decide (route), and hand over to relay or dual. What concerns no migration is
 * relayed to the default upstream.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/fanout_int.h"

#include "common/base/clock.h"
#include "proxy/fanout/answer.h"

#include <openssl/crypto.h>
#include <stdlib.h>

enum { COLLECTION_SEGMENT = 1 };

void xf_refuse(struct xf_conn *conn, int status, const char *text)
{
    xf_conn_refuse(conn, status, xf_slice_of(text), 0);
}

/* ---- the frame ---- */

void xf_request_init(struct xf_request *request, const struct xf_request_class *class_, struct xf_fanout_thread *fanout,
                     struct xf_view *view, const struct xf_plan *plan, const struct xf_arrival *arrival)
{
    request->class_ = class_;
    request->fanout = fanout;
    request->conn = arrival->conn;
    request->view = view;
    request->plan = *plan;
    request->started_ns = xf_clock_now_ns();
    request->client_minor = arrival->head->minor;
    request->is_head = arrival->head->method == XF_HTTP_HEAD;
    if (plan->migration)
        request->credential =
            xf_credential_of(fanout->leases, plan->migration->index, arrival->head, arrival->base);
    request->next = fanout->requests;
    if (fanout->requests)
        fanout->requests->prev = request;
    fanout->requests = request;
    xf_stat_add(fanout->thread->loop.stats, XF_STAT_REQUESTS_IN_FLIGHT, 1);
}

static void on_death(struct xf_late *late)
{
    free((char *)late - offsetof(struct xf_request, death));
}

void xf_request_end(struct xf_request *request)
{
    struct xf_fanout_thread *fanout = request->fanout;
    struct xf_stats *stats = fanout->thread->loop.stats;
    XF_ASSERT(!request->is_ended);
    request->is_ended = true;
    request->class_->fini(request);
    xf_stat_sub(stats, XF_STAT_REQUESTS_IN_FLIGHT, 1);
    xf_hist_record_us(&stats->request, (xf_clock_now_ns() - request->started_ns) / 1000);
    *(request->prev ? &request->prev->next : &fanout->requests) = request->next;
    if (request->next)
        request->next->prev = request->prev;
    xf_view_release(fanout->thread, request->view);
    xf_loop_late(&fanout->thread->loop, &request->death, on_death);
}

/* ---- what a leg is told ---- */

size_t xf_request_upstream(const struct xf_request *request, enum xf_side side)
{
    const struct xf_migration_view *migration = request->plan.migration;
    return migration ? migration->conf->side[side].upstream : request->view->snapshot->config->default_upstream;
}

bool xf_request_has_legacy_key(const struct xf_request *request, const struct xf_http_head *head, const char *base)
{
    const struct xf_config *config = request->view->snapshot->config;
    const char *key = config->upstreams[xf_request_upstream(request, XF_LEGACY)].api_key;
    struct xf_slice sent = xf_http_value(head, base, head->api_key);
    if (!sent.ptr) {
        struct xf_slice bearer = XF_SLICE("Bearer ");
        sent = xf_http_value(head, base, head->authorization);
        if (sent.len < bearer.len || memcmp(sent.ptr, bearer.ptr, bearer.len) != 0)
            sent = XF_SLICE_NONE;
        else
            sent = xf_slice_skip(sent, bearer.len);
    }
    return key && sent.len == strlen(key) && CRYPTO_memcmp(sent.ptr, key, sent.len) == 0;
}

/* The new side is written and read with the proxy's own key once the legacy side has vouched for the client; a client's
 * credential never goes to another server than the one it is meant for. */
static void choose_credentials(const struct xf_request *request, enum xf_side side, bool is_trusted,
                               struct xf_http_emit_request *emit)
{
    const struct xf_config *config = request->view->snapshot->config;
    size_t upstream = xf_request_upstream(request, side);
    const char *own = config->upstreams[upstream].api_key;
    if (!request->plan.migration || side == XF_LEGACY)
        return;
    bool is_same_server = upstream == xf_request_upstream(request, XF_LEGACY);
    if (own && is_trusted) {
        emit->credentials = XF_CREDENTIALS_OWN;
        emit->own_api_key = xf_slice_of(own);
    } else if (!is_same_server) {
        emit->credentials = XF_CREDENTIALS_OWN;
    }
}

/* The canonical path and the query, as one piece where they stand side by side in what the client sent. */
static enum xf_err plain_target(const struct xf_path *path, struct xf_pool *pool, struct xf_slice *target)
{
    if (!path->query.ptr) {
        *target = path->canonical;
        return XF_OK;
    }
    if (path->canonical.ptr + path->canonical.len + 1 == path->query.ptr) {
        *target = xf_slice(path->canonical.ptr, path->canonical.len + 1 + path->query.len);
        return XF_OK;
    }
    char *text = xf_pool_alloc(pool, path->canonical.len + 1 + path->query.len);
    if (!text)
        return XF_ERR_NOMEM;
    memcpy(text, path->canonical.ptr, path->canonical.len);
    text[path->canonical.len] = '?';
    memcpy(text + path->canonical.len + 1, path->query.ptr, path->query.len);
    *target = xf_slice(text, path->canonical.len + 1 + path->query.len);
    return XF_OK;
}

static enum xf_err target_for(const struct xf_request *request, enum xf_side side, const struct xf_arrival *arrival,
                              struct xf_slice *target)
{
    const struct xf_migration_view *migration = request->plan.migration;
    if (!migration || request->plan.keeps_name)
        return plain_target(arrival->path, arrival->pool, target);
    return xf_path_with_segment(arrival->path, arrival->pool, COLLECTION_SEGMENT,
                                xf_slice_of(migration->conf->side[side].collection), target);
}

enum xf_err xf_request_leg(struct xf_request *request, struct xf_leg *leg, const struct xf_leg_owner *owner,
                           enum xf_side side, enum xf_http_body body, bool drops_coding, bool is_trusted,
                           const struct xf_arrival *arrival)
{
    const struct xf_config *config = request->view->snapshot->config;
    size_t upstream = xf_request_upstream(request, side);
    struct xf_http_emit_request emit = {
        .method = xf_http_request_method(arrival->head, arrival->base),
        .host = xf_slice_of(config->upstreams[upstream].authority),
        .body = body,
        .content_length = arrival->head->content_length,
        .drops_content_encoding = drops_coding,
        .drops_accept_encoding = request->plan.migration && request->plan.endpoint &&
                                 (request->plan.action == XF_ACTION_DUAL ||
                                  request->plan.endpoint->class_ == XF_CLASS_WRITE_POINTS),
    };
    enum xf_err err = target_for(request, side, arrival, &emit.target);
    if (err)
        return err;
    choose_credentials(request, side, is_trusted, &emit);
    return xf_leg_init(leg, owner, &request->fanout->thread->pools[upstream], request->plan.is_write, &emit, arrival->head,
                       arrival->base);
}

/* ---- requests of the proxy's own ---- */

enum xf_err xf_request_keep_head(const struct xf_arrival *arrival, struct xf_kept_head **kept)
{
    size_t len = xf_head_extent(arrival->head);
    struct xf_kept_head *made = malloc(sizeof *made + len);
    if (!made)
        return XF_ERR_NOMEM;
    made->head = *arrival->head;
    memcpy(made->bytes, arrival->base, len);
    *kept = made;
    return XF_OK;
}

static enum xf_err own_target(const char *collection, const char *suffix, struct xf_pool *pool, struct xf_slice *target)
{
    struct xf_slice name, start = XF_SLICE("/collections/"), end = xf_slice_of(suffix);
    enum xf_err err = xf_path_encode_segment(pool, xf_slice_of(collection), &name);
    char *text = err ? NULL : xf_pool_alloc(pool, start.len + name.len + end.len);
    if (!text)
        return err ? err : XF_ERR_NOMEM;
    memcpy(text, start.ptr, start.len);
    memcpy(text + start.len, name.ptr, name.len);
    memcpy(text + start.len + name.len, end.ptr, end.len);
    *target = xf_slice(text, start.len + name.len + end.len);
    return XF_OK;
}

enum xf_err xf_request_own_leg(struct xf_request *request, struct xf_leg *leg, const struct xf_leg_owner *owner,
                               enum xf_side side, bool is_trusted, const struct xf_kept_head *kept, const char *suffix,
                               size_t body_len)
{
    const struct xf_config *config = request->view->snapshot->config;
    size_t upstream = xf_request_upstream(request, side);
    struct xf_pool pool;
    struct xf_http_emit_request emit = {
        .method = XF_SLICE("POST"),
        .host = xf_slice_of(config->upstreams[upstream].authority),
        .body = XF_BODY_LENGTH,
        .content_length = body_len,
        .drops_content_encoding = true,
        .drops_accept_encoding = true,
    };
    xf_pool_init(&pool, XF_REQUEST_POOL_BYTES);
    enum xf_err err = own_target(request->plan.migration->conf->side[side].collection, suffix, &pool, &emit.target);
    choose_credentials(request, side, is_trusted, &emit);
    /* All of them may be sent twice without harm: they read, or change nothing. */
    if (!err)
        err = xf_leg_init(leg, owner, &request->fanout->thread->pools[upstream], false, &emit, &kept->head, kept->bytes);
    xf_pool_fini(&pool);
    return err;
}

/* ---- the server's owner ---- */

static void refuse_plan(const struct xf_fanout_thread *fanout, struct xf_conn *conn, const struct xf_plan *plan)
{
    if (plan->migration)
        xf_mstat_add(fanout->thread->loop.stats, plan->migration->index, XF_MSTAT_REFUSED, 1);
    xf_conn_refuse(conn, plan->status, xf_slice_of(plan->reason), plan->retry_after_s);
}

static struct xf_request *dispatch(struct xf_fanout_thread *fanout, const struct xf_arrival *arrival)
{
    struct xf_plan plan;
    struct xf_request *request = NULL;
    struct xf_view *view = xf_view_use(fanout->thread);
    unsigned draw = xf_loop_random(&fanout->thread->loop) % 100;
    xf_route_plan(view->snapshot, arrival->head->method, arrival->path, draw, &plan);
    if (plan.action == XF_ACTION_REFUSE) {
        refuse_plan(fanout, arrival->conn, &plan);
        xf_view_release(fanout->thread, view);
    } else if (plan.action == XF_ACTION_DUAL) {
        request = xf_dual_start(fanout, view, &plan, arrival);
    } else {
        request = xf_relay_start(fanout, view, &plan, arrival);
    }
    return request;
}

static void on_head(void *owner, struct xf_conn *conn, const struct xf_http_head *head, const char *base, void **ctx)
{
    struct xf_data_thread *thread = owner;
    struct xf_pool pool;
    struct xf_path path;
    struct xf_arrival arrival = {.conn = conn, .head = head, .base = base, .path = &path, .pool = &pool};
    *ctx = NULL;
    if (head->via >= 0 && xf_http_via_has_self(head, base)) {
        xf_refuse(conn, xf_err_status(XF_ERR_HTTP_LOOP), xf_err_sentence(XF_ERR_HTTP_LOOP));
        return;
    }
    xf_pool_init(&pool, XF_REQUEST_POOL_BYTES);
    enum xf_err err = xf_path_parse(&path, xf_slice(base + head->target_off, head->target_len), &pool);
    if (err)
        xf_refuse(conn, xf_err_status(err), xf_err_sentence(err));
    else
        *ctx = dispatch(thread->owner_ctx, &arrival);
    xf_pool_fini(&pool);
}

static void on_body(void *ctx, struct xf_slice bytes, bool is_end)
{
    struct xf_request *request = ctx;
    if (request)
        request->class_->on_body(request, bytes, is_end);
}

static void on_drained(void *ctx)
{
    struct xf_request *request = ctx;
    if (request)
        request->class_->on_drained(request);
}

static void on_abort(void *ctx, enum xf_err err)
{
    struct xf_request *request = ctx;
    if (!request)
        return;
    request->conn = NULL;
    request->class_->on_abort(request, err);
}

static enum xf_err thread_init(void *ctx, struct xf_data_thread *thread)
{
    struct xf_fanout_thread *fanout = calloc(1, sizeof *fanout);
    if (!fanout)
        return XF_ERR_NOMEM;
    fanout->context = ctx;
    fanout->thread = thread;
    fanout->leases = xf_leases_new();
    enum xf_err err = fanout->leases ? xf_journal_link_new(fanout->context->journal, thread->loop.base, &fanout->journal)
                                     : XF_ERR_NOMEM;
    if (err) {
        xf_leases_free(fanout->leases);
        free(fanout);
        return err;
    }
    thread->owner_ctx = fanout;
    return XF_OK;
}

static void thread_fini(struct xf_data_thread *thread)
{
    struct xf_fanout_thread *fanout = thread->owner_ctx;
    while (fanout->requests)
        xf_request_end(fanout->requests);
    xf_journal_link_free(fanout->journal);
    xf_leases_free(fanout->leases);
    free(fanout);
}

static bool is_busy(struct xf_data_thread *thread)
{
    const struct xf_fanout_thread *fanout = thread->owner_ctx;
    return fanout->requests || xf_journal_link_is_busy(fanout->journal); /* their ends are on the way to Redis */
}

struct xf_server_owner xf_fanout_owner(struct xf_fanout_context *context)
{
    return (struct xf_server_owner){
        .conn = {on_head, on_body, on_drained, on_abort},
        .thread_init = thread_init,
        .thread_fini = thread_fini,
        .is_busy = is_busy,
        .ctx = context,
    };
}
