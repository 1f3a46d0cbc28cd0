/* Server-sent events: a migration's status first, then what happens to it. A follower that does not read is let go, and
 * a comment every few seconds finds out which ones have gone away.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>

struct xf_follower {
    struct xf_admin *admin;
    struct evhttp_request *http;
    struct evhttp_connection *connection;
    size_t migration;
    struct xf_follower *next;
};

static void unlink_follower(struct xf_follower *follower)
{
    struct xf_follower **at = &follower->admin->followers;
    while (*at != follower)
        at = &(*at)->next;
    *at = follower->next;
    follower->admin->follower_count--;
    free(follower);
}

static void on_close(struct evhttp_connection *connection, void *ctx)
{
    struct xf_follower *follower = ctx;
    (void)connection;
    xf_admin_drop(follower->http);
    unlink_follower(follower);
}

/* Ends the answer; the connection may go on. */
static void end(struct xf_follower *follower)
{
    evhttp_connection_set_closecb(follower->connection, NULL, NULL);
    struct evhttp_request *http = follower->http;
    unlink_follower(follower);
    evhttp_send_reply_end(http);
}

static bool is_reading(const struct xf_follower *follower)
{
    struct bufferevent *stream = evhttp_connection_get_bufferevent(follower->connection);
    return evbuffer_get_length(bufferevent_get_output(stream)) < XF_ADMIN_UNREAD_BYTES_MAX;
}

static void send_text(struct xf_follower *follower, struct xf_slice text)
{
    struct evbuffer *chunk = is_reading(follower) ? evbuffer_new() : NULL;
    bool is_good = chunk && evbuffer_add(chunk, text.ptr, text.len) == 0;
    if (is_good)
        evhttp_send_reply_chunk(follower->http, chunk);
    if (chunk)
        evbuffer_free(chunk);
    if (!is_good)
        end(follower); /* its client asks anew and gets the status first */
}

/* One event; a line feed inside JSON is only white space, but would end the field here. */
static enum xf_err print_event(struct xf_buf *out, const char *name, struct xf_slice detail)
{
    enum xf_err err = xf_buf_printf(out, "event: %s\ndata: ", name);
    for (size_t i = 0; i < detail.len && !err; i++) {
        char c = detail.ptr[i] == '\n' || detail.ptr[i] == '\r' ? ' ' : detail.ptr[i];
        err = xf_buf_append(out, &c, 1);
    }
    return err ? err : xf_buf_append_slice(out, XF_SLICE("\n\n"));
}

/* To all followers of the migration, or of all for SIZE_MAX. */
static void send_all(struct xf_admin *admin, size_t migration, struct xf_slice text)
{
    struct xf_follower *next;
    for (struct xf_follower *follower = admin->followers; follower; follower = next) {
        next = follower->next;
        if (migration == SIZE_MAX || follower->migration == migration)
            send_text(follower, text);
    }
}

void xf_admin_event(struct xf_admin *admin, size_t migration, const char *name, struct xf_slice detail_json)
{
    struct xf_buf out;
    if (!admin->followers)
        return;
    xf_buf_init(&out, XF_ADMIN_ANSWER_BYTES_MAX);
    if (print_event(&out, name, detail_json) == XF_OK) /* an event that does not fit is in the status anyway */
        send_all(admin, migration, xf_buf_view(&out));
    xf_buf_fini(&out);
}

static enum xf_err print_first(const struct xf_admin_request *request, struct xf_buf *out)
{
    struct xf_buf status;
    xf_buf_init(&status, XF_ADMIN_ANSWER_BYTES_MAX);
    struct xf_json_out json = {.out = &status};
    xf_admin_print_status(request->admin, request->migration, &json);
    enum xf_err err = json.err ? json.err : print_event(out, "status", xf_buf_view(&status));
    xf_buf_fini(&status);
    return err;
}

static struct xf_follower *add_follower(const struct xf_admin_request *request)
{
    struct xf_follower *follower = calloc(1, sizeof *follower);
    if (!follower)
        return NULL;
    *follower = (struct xf_follower){.admin = request->admin,
                                     .http = request->http,
                                     .connection = evhttp_request_get_connection(request->http),
                                     .migration = request->migration,
                                     .next = request->admin->followers};
    request->admin->followers = follower;
    request->admin->follower_count++;
    evhttp_connection_set_closecb(follower->connection, on_close, follower);
    return follower;
}

static enum xf_err start_stream(const struct xf_admin_request *request, struct xf_buf *first)
{
    struct evkeyvalq *fields = evhttp_request_get_output_headers(request->http);
    enum xf_err err = print_first(request, first);
    if (err)
        return err;
    if (evhttp_add_header(fields, "Content-Type", "text/event-stream") != 0 ||
        evhttp_add_header(fields, "Cache-Control", "no-store") != 0)
        return XF_ERR_NOMEM;
    struct xf_follower *follower = add_follower(request);
    if (!follower)
        return XF_ERR_NOMEM;
    evhttp_send_reply_start(request->http, 200, NULL);
    send_text(follower, xf_buf_view(first));
    return XF_OK;
}

void xf_admin_on_events(struct xf_admin_request *request)
{
    if (evhttp_request_get_command(request->http) == EVHTTP_REQ_HEAD) {
        xf_admin_reply(request->http, 200, "text/event-stream", XF_SLICE(""));
        return;
    }
    if (request->admin->follower_count >= XF_ADMIN_FOLLOWERS_MAX) {
        xf_admin_error(request->http, 503, "too many clients follow events already; ask for the status instead");
        return;
    }
    struct xf_buf first;
    xf_buf_init(&first, XF_ADMIN_ANSWER_BYTES_MAX);
    enum xf_err err = start_stream(request, &first);
    if (err)
        xf_admin_error_code(request->http, err);
    xf_buf_fini(&first);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    send_all(ctx, SIZE_MAX, XF_SLICE(": still here\n\n"));
}

enum xf_err xf_admin_events_start(struct xf_admin *admin)
{
    const struct timeval every = {.tv_sec = XF_ADMIN_HEARTBEAT_S};
    admin->heartbeat = event_new(admin->base, -1, EV_PERSIST, on_heartbeat, admin);
    return admin->heartbeat && event_add(admin->heartbeat, &every) == 0 ? XF_OK : XF_ERR_NOMEM;
}

void xf_admin_events_stop(struct xf_admin *admin)
{
    struct xf_follower *next;
    for (struct xf_follower *follower = admin->followers; follower; follower = next) {
        next = follower->next;
        evhttp_connection_set_closecb(follower->connection, NULL, NULL);
        free(follower);
    }
    admin->followers = NULL;
    admin->follower_count = 0;
    if (admin->heartbeat)
        event_free(admin->heartbeat);
}
