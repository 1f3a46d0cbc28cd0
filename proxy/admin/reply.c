/* Answers. Errors have Qdrant's shape, so that one client reads both ports; nothing may be cached or framed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <event2/util.h>
#include <stdlib.h>

static bool add_fields(struct evhttp_request *http, const char *type)
{
    struct evkeyvalq *fields = evhttp_request_get_output_headers(http);
    return evhttp_add_header(fields, "Content-Type", type) == 0 &&
           evhttp_add_header(fields, "Cache-Control", "no-store") == 0 &&
           evhttp_add_header(fields, "X-Content-Type-Options", "nosniff") == 0 &&
           evhttp_add_header(fields, "X-Frame-Options", "DENY") == 0 &&
           evhttp_add_header(fields, "Referrer-Policy", "no-referrer") == 0;
}

void xf_admin_reply(struct evhttp_request *http, int status, const char *type, struct xf_slice body)
{
    struct evbuffer *out = evbuffer_new();
    bool has_body = evhttp_request_get_command(http) != EVHTTP_REQ_HEAD;
    bool is_good = out && add_fields(http, type) && (!has_body || evbuffer_add(out, body.ptr, body.len) == 0);
    evhttp_send_reply(http, is_good ? status : 503, NULL, is_good ? out : NULL);
    if (out)
        evbuffer_free(out);
}

void xf_admin_reply_json(struct evhttp_request *http, int status, const struct xf_json_out *json)
{
    if (json->err)
        xf_admin_error_code(http, json->err);
    else
        xf_admin_reply(http, status, "application/json", xf_buf_view(json->out));
}

void xf_admin_error(struct evhttp_request *http, int status, const char *text)
{
    struct xf_buf out;
    xf_buf_init(&out, XF_ADMIN_BODY_BYTES_MAX);
    struct xf_json_out json = {.out = &out};
    xf_json_open(&json, NULL, '{');
    xf_json_open(&json, "status", '{');
    xf_json_text(&json, "error", text);
    xf_json_close(&json, '}');
    xf_json_u64(&json, "time", 0);
    xf_json_close(&json, '}');
    xf_admin_reply(http, json.err ? 503 : status, "application/json", json.err ? XF_SLICE("") : xf_buf_view(&out));
    xf_buf_fini(&out);
}

void xf_admin_error_for_now(struct evhttp_request *http, const char *text)
{
    if (evhttp_add_header(evhttp_request_get_output_headers(http), "Retry-After", "1") != 0)
        xf_admin_error_code(http, XF_ERR_NOMEM);
    else
        xf_admin_error(http, 503, text);
}

void xf_admin_drop(struct evhttp_request *http)
{
    if (!evhttp_request_get_connection(http))
        evhttp_request_free(http);
}

void xf_admin_error_code(struct evhttp_request *http, enum xf_err err)
{
    xf_admin_error(http, xf_err_status(err), xf_err_sentence(err));
}

void xf_admin_accepted(const struct xf_admin_request *request, const char *verb)
{
    const char *name = request->admin->parts.config->migrations[request->migration].name;
    char *escaped = evhttp_uriencode(name, -1, 0);
    char look_at[512];
    if (!escaped || evutil_snprintf(look_at, sizeof look_at, "/api/v1/migrations/%s", escaped) >= (int)sizeof look_at) {
        free(escaped);
        xf_admin_error_code(request->http, XF_ERR_NOMEM);
        return;
    }
    free(escaped);
    struct xf_buf out;
    xf_buf_init(&out, XF_ADMIN_BODY_BYTES_MAX);
    struct xf_json_out json = {.out = &out};
    xf_json_open(&json, NULL, '{');
    xf_json_text(&json, "status", "accepted");
    xf_json_text(&json, "migration", name);
    xf_json_text(&json, "verb", verb);
    xf_json_text(&json, "look_at", look_at);
    xf_json_close(&json, '}');
    xf_admin_reply_json(request->http, 202, &json);
    xf_buf_fini(&out);
}
