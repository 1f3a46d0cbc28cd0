/* Setting flags: the answer waits until they are in force, and its client may go away meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include "common/base/log.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

/* Lives from the call to xf_control_set_flags until its callback; outlives the admin port if need be. */
struct setting {
    struct evhttp_request *http; /* NULL once the client has gone */
    struct evhttp_connection *connection;
    const char *name; /* the migration's, in the configuration */
};

static void on_close(struct evhttp_connection *connection, void *ctx)
{
    struct setting *setting = ctx;
    (void)connection;
    xf_admin_drop(setting->http);
    setting->http = NULL;
}

static void answer(struct evhttp_request *http, const char *name)
{
    struct xf_buf out;
    xf_buf_init(&out, XF_ADMIN_BODY_BYTES_MAX);
    struct xf_json_out json = {.out = &out};
    xf_json_open(&json, NULL, '{');
    xf_json_text(&json, "status", "ok");
    xf_json_text(&json, "migration", name);
    xf_json_close(&json, '}');
    xf_admin_reply_json(http, 200, &json);
    xf_buf_fini(&out);
}

static void on_done(void *ctx, enum xf_err err)
{
    struct setting *setting = ctx;
    if (err)
        xf_log(XF_LOG_WARN, "admin", "migration=%s err=%s: the flags were not set", setting->name, xf_err_name(err));
    if (setting->http) {
        evhttp_connection_set_closecb(setting->connection, NULL, NULL);
        if (err)
            xf_admin_error(setting->http, err == XF_ERR_IO ? 503 : xf_err_status(err),
                           "the flags could not be set in Redis; what was in force still is");
        else
            answer(setting->http, setting->name);
    }
    free(setting);
}

static void refuse(struct evhttp_request *http, enum xf_err err)
{
    switch (err) {
    case XF_ERR_INVALID:
        xf_admin_error(http, 400, "not a value of this flag: on or off; for new_reads also a share such as 25%");
        return;
    case XF_ERR_STATE:
        xf_admin_error(
            http, 409,
            "these two flags do not go together: a share of reads from the new collection needs dual writes");
        return;
    case XF_ERR_BUSY:
        xf_admin_error(http, 409,
                       "this would read a collection that misses writes: go by way of dual_write on and new_reads on, "
                       "see the migration's status, or set guard: warn");
        return;
    case XF_ERR_IO:
        xf_admin_error(http, 503, "Redis is away: the flags cannot be changed until it is back");
        return;
    default:
        xf_admin_error_code(http, err);
    }
}

void xf_admin_set_flags(const struct xf_admin_request *request, const char *dual_write, const char *new_reads)
{
    const struct xf_admin_parts *parts = &request->admin->parts;
    struct setting *setting = malloc(sizeof *setting);
    if (!setting) {
        xf_admin_error_code(request->http, XF_ERR_NOMEM);
        return;
    }
    *setting = (struct setting){.http = request->http,
                                .connection = evhttp_request_get_connection(request->http),
                                .name = parts->config->migrations[request->migration].name};
    xf_log(XF_LOG_INFO, "admin", "migration=%s dual_write=%s new_reads=%s: flags asked for", setting->name,
           dual_write ? dual_write : "-", new_reads ? new_reads : "-");
    evhttp_connection_set_closecb(setting->connection, on_close, setting);
    enum xf_err err = xf_control_set_flags(parts->control, request->migration, dual_write, new_reads, on_done, setting);
    if (!err)
        return;
    evhttp_connection_set_closecb(setting->connection, NULL, NULL);
    free(setting);
    refuse(request->http, err);
}

/* true, false, or the text that would stand in Redis; NULL for anything else. */
static const char *flag_text(const cJSON *item)
{
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "1" : "0";
    return cJSON_GetStringValue(item);
}

void xf_admin_on_flags(struct xf_admin_request *request)
{
    static const char *const flags[] = {"dual_write", "new_reads", NULL};
    const struct xf_admin_option none[] = {{NULL, NULL}};
    if (!xf_admin_read_options(request, none, flags))
        return;
    const cJSON *items[2];
    const char *texts[2];
    for (int i = 0; i < 2; i++) {
        items[i] = cJSON_GetObjectItemCaseSensitive(request->body, flags[i]);
        texts[i] = flag_text(items[i]);
        if (items[i] && !texts[i]) {
            xf_admin_error(request->http, 400, "flags are true, false or a text such as \"25%\"");
            return;
        }
    }
    if (!texts[0] && !texts[1])
        xf_admin_error(request->http, 400, "name a flag to set: {\"dual_write\": true}, {\"new_reads\": \"25%\"}");
    else
        xf_admin_set_flags(request, texts[0], texts[1]);
}
