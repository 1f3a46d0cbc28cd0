/* The admin port's life: evhttp on the control thread's base, and what happens to a request before its handler. evhttp
 * is lenient and keeps whole bodies in memory, which is right for small documents from operators and wrong for anything
 * else.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include "common/base/log.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>

/* Splits and decodes the path; false for a path with no meaning here. */
static bool read_path(struct xf_admin_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request->http);
    const char *at = uri ? evhttp_uri_get_path(uri) : NULL;
    if (!at || *at != '/')
        return false;
    while (*at == '/' && at[1]) {
        size_t len = strcspn(++at, "/"), decoded_len = 0;
        if (request->segment_count == XF_ADMIN_SEGMENTS_MAX)
            return false;
        char *raw = strndup(at, len);
        char *segment = raw ? evhttp_uridecode(raw, 0, &decoded_len) : NULL;
        free(raw);
        if (!segment)
            return false;
        request->segments[request->segment_count++] = segment;
        if (strlen(segment) != decoded_len)
            return false;
        at += len;
    }
    return true;
}

static void on_request(struct evhttp_request *http, void *ctx)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(http);
    struct xf_admin_request request = {
        .admin = ctx, .http = http, .is_write = method == EVHTTP_REQ_POST || method == EVHTTP_REQ_PUT};
    if (read_path(&request))
        xf_admin_route(&request);
    else
        xf_admin_error(http, 404, "there is no such path on the admin port");
    cJSON_Delete(request.body);
    for (size_t i = 0; i < request.segment_count; i++)
        free(request.segments[i]);
}

static enum xf_err listen_on(struct xf_admin *admin)
{
    const struct xf_address *address = &admin->parts.config->admin.listen;
    if (evhttp_bind_socket_with_handle(admin->http, address->host, address->port))
        return XF_OK;
    xf_log(XF_LOG_ERROR, "admin", "listen=%s:%u error=\"%s\": the admin port cannot be opened", address->host,
           address->port, strerrordesc_np(errno));
    return XF_ERR_IO;
}

static enum xf_err start(struct xf_admin *admin)
{
    admin->http = evhttp_new(admin->base);
    if (!admin->http)
        return XF_ERR_NOMEM;
    evhttp_set_max_headers_size(admin->http, XF_ADMIN_HEAD_BYTES_MAX);
    evhttp_set_max_body_size(admin->http, XF_ADMIN_BODY_BYTES_MAX);
    evhttp_set_timeout(admin->http, XF_ADMIN_IDLE_S);
    evhttp_set_allowed_methods(admin->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                                EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(admin->http, on_request, admin);
    enum xf_err err = xf_admin_events_start(admin);
    return err ? err : listen_on(admin);
}

enum xf_err xf_admin_new(const struct xf_admin_parts *parts, struct event_base *base, struct xf_admin **admin)
{
    struct xf_admin *made = calloc(1, sizeof *made);
    if (!made)
        return XF_ERR_NOMEM;
    made->parts = *parts;
    made->base = base;
    enum xf_err err = start(made);
    if (err) {
        xf_admin_free(made);
        return err;
    }
    *admin = made;
    return XF_OK;
}

void xf_admin_free(struct xf_admin *admin)
{
    if (!admin)
        return;
    xf_admin_events_stop(admin);
    xf_admin_forget_stop(admin);
    if (admin->http)
        evhttp_free(admin->http);
    free(admin);
}
