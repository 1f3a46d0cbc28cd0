/* From a path to its handler. The table is short and operators are patient: it is walked.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include <stdlib.h>

struct route {
    enum evhttp_cmd_type method;
    bool is_open;
    const char *path;
    xf_admin_handler_fn *handler;
};

static const struct route routes[] = {
#define XF_ROUTE(method, path, open, handler) {EVHTTP_REQ_##method, open, path, handler},
#include "proxy/admin/routes.def"
#undef XF_ROUTE
};
enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };

/* A `{m}`, `{c}` or `{r}` in the pattern takes any segment; `kind` and `name` are of one of the first two. */
static bool path_matches(const char *pattern, struct xf_admin_request *request, char *kind, const char **name)
{
    *kind = '\0';
    size_t count = 0;
    while (*pattern == '/' && pattern[1]) {
        size_t len = strcspn(++pattern, "/");
        if (count == request->segment_count)
            return false;
        const char *segment = request->segments[count++];
        if (strncmp(pattern, "{r}", 3) == 0) {
            request->replica = segment;
        } else if (*pattern == '{') {
            *kind = pattern[1];
            *name = segment;
        } else if (strlen(segment) != len || memcmp(segment, pattern, len) != 0) {
            return false;
        }
        pattern += len;
    }
    return count == request->segment_count;
}

/* True if the name is the migration's, or the name of one of its collections. */
static bool is_named(const struct xf_migration_conf *conf, char kind, const char *name)
{
    if (kind == 'm')
        return strcmp(conf->name, name) == 0;
    return strcmp(conf->side[XF_LEGACY].collection, name) == 0 || strcmp(conf->side[XF_NEW].collection, name) == 0;
}

static bool find_migration(struct xf_admin_request *request, char kind, const char *name)
{
    const struct xf_config *config = request->admin->parts.config;
    for (size_t i = 0; i < config->migration_count; i++) {
        if (is_named(&config->migrations[i], kind, name)) {
            request->migration = i;
            return true;
        }
    }
    xf_admin_error(request->http, 404,
                   kind == 'm' ? "there is no such migration; GET /api/v1/migrations lists them"
                               : "no migration has such a collection; GET /api/v1/collections lists them");
    return false;
}

static void run(struct xf_admin_request *request, const struct route *route, char kind, const char *name)
{
    if (!xf_admin_guard(request, route->is_open))
        return;
    if (kind && !find_migration(request, kind, name))
        return;
    if (request->is_write && !xf_admin_read_body(request))
        return;
    route->handler(request);
}

static void refuse_method(const struct xf_admin_request *request, enum evhttp_cmd_type allowed)
{
    const char *text = allowed == EVHTTP_REQ_GET ? "GET, HEAD" : allowed == EVHTTP_REQ_PUT ? "PUT" : "POST";
    if (evhttp_add_header(evhttp_request_get_output_headers(request->http), "Allow", text) != 0)
        xf_admin_error_code(request->http, XF_ERR_NOMEM);
    else
        xf_admin_error(request->http, 405, "this path takes another method; the Allow field says which");
}

void xf_admin_route(struct xf_admin_request *request)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request->http);
    if (method == EVHTTP_REQ_HEAD)
        method = EVHTTP_REQ_GET;
    const struct route *other_method = NULL;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        char kind;
        const char *name = NULL;
        if (!path_matches(routes[i].path, request, &kind, &name))
            continue;
        if (routes[i].method == method) {
            run(request, &routes[i], kind, name);
            return;
        }
        other_method = &routes[i];
    }
    if (!xf_admin_guard(request, false))
        return;
    if (other_method)
        refuse_method(request, other_method->method);
    else
        xf_admin_error(request->http, 404, "there is no such path on the admin port");
}
