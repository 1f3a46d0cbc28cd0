/* The small routes: page, health, the lists of migrations and collections, and what this version does not have.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include <event2/keyvalq_struct.h>

void xf_admin_on_page(struct xf_admin_request *request)
{
    static const char policy[] = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                 "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    if (evhttp_add_header(evhttp_request_get_output_headers(request->http), "Content-Security-Policy", policy) != 0) {
        xf_admin_error_code(request->http, XF_ERR_NOMEM);
        return;
    }
    xf_admin_reply(request->http, 200, "text/html; charset=utf-8",
                   xf_slice((const char *)xf_admin_page, xf_admin_page_bytes));
}

void xf_admin_on_healthz(struct xf_admin_request *request)
{
    xf_admin_reply(request->http, 200, "text/plain; charset=utf-8", XF_SLICE("crossfade is running\n"));
}

void xf_admin_on_readyz(struct xf_admin_request *request)
{
    const struct xf_admin_parts *parts = &request->admin->parts;
    bool is_ready = parts->is_ready(parts->ctx);
    xf_admin_reply(request->http, is_ready ? 200 : 503, "text/plain; charset=utf-8",
                   is_ready ? XF_SLICE("crossfade takes requests\n") : XF_SLICE("crossfade is not ready\n"));
}

void xf_admin_on_migrations(struct xf_admin_request *request)
{
    struct xf_buf out;
    xf_buf_init(&out, XF_ADMIN_ANSWER_BYTES_MAX);
    struct xf_json_out json = {.out = &out};
    xf_json_open(&json, NULL, '{');
    xf_json_open(&json, "migrations", '[');
    for (size_t i = 0; i < request->admin->parts.config->migration_count; i++)
        xf_admin_print_status(request->admin, i, &json);
    xf_json_close(&json, ']');
    xf_json_close(&json, '}');
    xf_admin_reply_json(request->http, 200, &json);
    xf_buf_fini(&out);
}

void xf_admin_on_migration(struct xf_admin_request *request)
{
    struct xf_buf out;
    xf_buf_init(&out, XF_ADMIN_ANSWER_BYTES_MAX);
    struct xf_json_out json = {.out = &out};
    xf_admin_print_status(request->admin, request->migration, &json);
    xf_admin_reply_json(request->http, 200, &json);
    xf_buf_fini(&out);
}

static void print_collection(const struct xf_admin *admin, size_t migration, enum xf_side side,
                             struct xf_json_out *json)
{
    const struct xf_config *config = admin->parts.config;
    const struct xf_migration_conf *conf = &config->migrations[migration];
    struct xf_migration_view view = {.phase = xf_control_phase(admin->parts.control, migration)};
    xf_json_open(json, NULL, '{');
    xf_json_text(json, "collection", conf->side[side].collection);
    xf_json_text(json, "upstream", config->upstreams[conf->side[side].upstream].name);
    xf_json_text(json, "migration", conf->name);
    xf_json_text(json, "side", side == XF_NEW ? "new" : "legacy");
    xf_json_bool(json, "is_authority", xf_authority(&view) == side);
    xf_json_close(json, '}');
}

void xf_admin_on_collections(struct xf_admin_request *request)
{
    struct xf_buf out;
    xf_buf_init(&out, XF_ADMIN_ANSWER_BYTES_MAX);
    struct xf_json_out json = {.out = &out};
    xf_json_open(&json, NULL, '{');
    xf_json_open(&json, "collections", '[');
    for (size_t i = 0; i < request->admin->parts.config->migration_count; i++) {
        print_collection(request->admin, i, XF_LEGACY, &json);
        print_collection(request->admin, i, XF_NEW, &json);
    }
    xf_json_close(&json, ']');
    xf_json_close(&json, '}');
    xf_admin_reply_json(request->http, 200, &json);
    xf_buf_fini(&out);
}

void xf_admin_on_schema(struct xf_admin_request *request)
{
    xf_admin_error(
        request->http, 501,
        "declared schemas, their history and their health are not in this version; `prepare` creates the new "
        "collection like the legacy one, and `validate` compares the two");
}
