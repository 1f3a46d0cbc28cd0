/* Who may ask. The admin port starts and stops migrations, so a page in an operator's browser must not be able to: its
 * requests carry another Origin, or Sec-Fetch-Site says so, or (when a name was made to point at this machine) a
 * foreign Host. A token keeps out everybody else; without one only loopback is listened on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include <event2/keyvalq_struct.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <strings.h>

static const char *field(const struct xf_admin_request *request, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(request->http), name);
}

static struct xf_slice host_without_port(const char *host)
{
    const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
    if (bracket)
        return xf_slice(host, (size_t)(bracket + 1 - host));
    return xf_slice(host, strcspn(host, ":"));
}

static bool is_host(struct xf_slice host, const char *name)
{
    return xf_slice_eq_nocase(host, xf_slice_of(name));
}

/* Where every address is listened on, the names it is reached by are not known; a token is then required anyway. */
static bool is_host_allowed(const struct xf_admin_request *request)
{
    const char *text = field(request, "Host");
    const char *listen = request->admin->parts.config->admin.listen.host;
    if (strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0)
        return true;
    if (!text)
        return false;
    struct xf_slice host = host_without_port(text);
    if (is_host(host, "localhost") || is_host(host, "127.0.0.1") || is_host(host, "[::1]") || is_host(host, listen))
        return true;
    return host.len > 2 && host.ptr[0] == '[' && is_host(xf_slice(host.ptr + 1, host.len - 2), listen);
}

static bool is_same_origin(const struct xf_admin_request *request)
{
    const char *origin = field(request, "Origin"), *host = field(request, "Host");
    if (!origin)
        return true;
    const char *behind = strstr(origin, "://");
    return host && behind && strcasecmp(behind + 3, host) == 0;
}

/* The page itself may be the target of a link elsewhere: it is static and asks for everything anew. */
static bool is_site_allowed(const struct xf_admin_request *request)
{
    const char *site = field(request, "Sec-Fetch-Site");
    if (!site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0)
        return true;
    return request->segment_count == 0 && !request->is_write;
}

/* Equal digests: comparing them takes the same time whatever the caller sent, its length included. */
static bool is_token(const char *given, const char *token)
{
    unsigned char digests[2][EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_Digest(given, strlen(given), digests[0], &size, EVP_sha256(), NULL) ||
        !EVP_Digest(token, strlen(token), digests[1], &size, EVP_sha256(), NULL))
        return false;
    return CRYPTO_memcmp(digests[0], digests[1], size) == 0;
}

/* `Authorization: Bearer <token>`, or X-Crossfade-Token where something in between needs Authorization for itself. */
static bool has_token(const struct xf_admin_request *request)
{
    const char *token = request->admin->parts.config->admin.token;
    if (!token)
        return true;
    const char *bearer = field(request, "Authorization"), *own = field(request, "X-Crossfade-Token");
    if (own)
        return is_token(own, token);
    return bearer && strncasecmp(bearer, "Bearer ", 7) == 0 && is_token(bearer + 7, token);
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t len = sizeof json - 1;
    return type && strncasecmp(type, json, len) == 0 && (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

static void refuse_without_token(const struct xf_admin_request *request)
{
    if (evhttp_add_header(evhttp_request_get_output_headers(request->http), "WWW-Authenticate", "Bearer") != 0)
        xf_admin_error_code(request->http, XF_ERR_NOMEM);
    else
        xf_admin_error(request->http, 401,
                       "the admin token is missing or wrong: send it as Authorization: Bearer <token>");
}

bool xf_admin_guard(const struct xf_admin_request *request, bool is_open)
{
    if (!is_host_allowed(request)) {
        xf_admin_error(request->http, 403,
                       "the Host field names neither this machine nor the admin listener's address");
        return false;
    }
    if (!is_same_origin(request) || !is_site_allowed(request)) {
        xf_admin_error(request->http, 403, "requests from pages of other sites are refused");
        return false;
    }
    if (!is_open && !has_token(request)) {
        refuse_without_token(request);
        return false;
    }
    if (request->is_write && !is_json(field(request, "Content-Type"))) {
        xf_admin_error(request->http, 415, "POST and PUT need Content-Type: application/json");
        return false;
    }
    return true;
}
