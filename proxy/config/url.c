/* The two kinds of URL: of a Qdrant, and of a Redis.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/config_int.h"

#include "common/base/num.h"

#include <stdio.h>
#include <stdlib.h>

enum { QDRANT_PORT = 6333, REDIS_PORT = 6379, REDIS_DATABASE_MAX = 1000000 };

static bool take_prefix(struct xf_slice *text, struct xf_slice prefix)
{
    if (text->len < prefix.len || !xf_slice_eq_nocase(xf_slice(text->ptr, prefix.len), prefix))
        return false;
    *text = xf_slice_skip(*text, prefix.len);
    return true;
}

/* Cuts the text at the first (or last) `c`: what stands before it is returned, what follows stays. */
static bool cut(struct xf_slice *text, char c, bool at_last, struct xf_slice *before)
{
    const char *at = at_last ? memrchr(text->ptr, c, text->len) : memchr(text->ptr, c, text->len);
    if (!at)
        return false;
    size_t len = (size_t)(at - text->ptr);
    *before = xf_slice(text->ptr, len);
    *text = xf_slice_skip(*text, len + 1);
    return true;
}

/* An IPv6 address stands in brackets before a port. */
static const char *opening_of(const char *host)
{
    return strchr(host, ':') ? "[" : "";
}

static const char *closing_of(const char *host)
{
    return strchr(host, ':') ? "]" : "";
}

static bool print_authority(struct xf_upstream_conf *upstream)
{
    return asprintf(&upstream->authority, "%s%s%s:%u", opening_of(upstream->host), upstream->host,
                    closing_of(upstream->host), (unsigned)upstream->port) >= 0;
}

void xf_config_take_http_url(struct xf_config_loader *loader, const struct xf_setting *setting,
                             const struct xf_config_value *value, struct xf_upstream_conf *upstream)
{
    struct xf_slice rest = value->text;
    if (take_prefix(&rest, XF_SLICE("https://"))) {
        xf_config_say(loader, value->place, value->path,
                      "found an https:// URL, expected http://: this version does not speak TLS to an upstream");
        return;
    }
    if (!take_prefix(&rest, XF_SLICE("http://"))) {
        xf_config_say_expected(loader, setting, value);
        return;
    }
    if (rest.len && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    enum xf_err err = xf_host_port_parse(rest, QDRANT_PORT, &upstream->host, &upstream->port);
    if (err && err != XF_ERR_NOMEM) {
        xf_config_say_expected(loader, setting, value);
        return;
    }
    upstream->url = strndup(value->text.ptr, value->text.len);
    if (err || !upstream->url || !print_authority(upstream)) {
        upstream->authority = NULL;
        xf_config_out_of_memory(loader);
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = xf_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The text with %XX decoded; NULL if that is not valid, holds a control character, or without memory. */
static char *decode(struct xf_slice text)
{
    char *out = malloc(text.len + 1);
    size_t len = 0;
    for (size_t i = 0; out && i < text.len; i++) {
        int c = (unsigned char)text.ptr[i];
        if (c == '%') {
            bool is_whole = text.len - i > 2;
            int high = is_whole ? hex(text.ptr[i + 1]) : -1;
            int low = is_whole ? hex(text.ptr[i + 2]) : -1;
            c = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f) {
            explicit_bzero(out, len);
            free(out);
            return NULL;
        }
        out[len++] = (char)c;
    }
    if (out)
        out[len] = 0;
    return out;
}

static bool parse_database(struct xf_slice text, unsigned *database)
{
    uint64_t number = 0;
    if (text.len && (xf_u64_parse(text, &number) || number > REDIS_DATABASE_MAX))
        return false;
    *database = (unsigned)number;
    return true;
}

/* user:password@ or :password@ */
static bool parse_credentials(struct xf_config *config, struct xf_slice text)
{
    struct xf_slice user;
    if (!cut(&text, ':', false, &user))
        return false;
    if (user.len && !(config->redis.user = decode(user)))
        return false;
    config->redis.password = text.len ? decode(text) : NULL;
    return config->redis.password != NULL;
}

static bool parse_redis(struct xf_config *config, struct xf_slice rest)
{
    struct xf_slice credentials, address = rest;
    if (cut(&rest, '@', true, &credentials) && !parse_credentials(config, credentials))
        return false;
    if (!cut(&rest, '/', false, &address)) {
        address = rest;
        rest = XF_SLICE("");
    }
    return parse_database(rest, &config->redis.database) &&
           !xf_host_port_parse(address, REDIS_PORT, &config->redis.host, &config->redis.port);
}

static bool parse_unix(struct xf_config *config, struct xf_slice rest)
{
    struct xf_slice path;
    if (!cut(&rest, '?', false, &path)) {
        path = rest;
        rest = XF_SLICE("");
    } else if (!take_prefix(&rest, XF_SLICE("db="))) {
        return false;
    }
    if (path.len < 2 || path.ptr[0] != '/' || path.len > 107 || !parse_database(rest, &config->redis.database))
        return false; /* 107: sun_path */
    config->redis.unix_path = strndup(path.ptr, path.len);
    return config->redis.unix_path != NULL;
}

/* As messages may show it. */
static bool print_redacted(struct xf_config *config)
{
    const char *host = config->redis.host;
    if (!host)
        return asprintf(&config->redis.url, "unix://%s?db=%u", config->redis.unix_path, config->redis.database) >= 0;
    return asprintf(&config->redis.url, "redis://%s%s%s:%u/%u", opening_of(host), host, closing_of(host),
                    (unsigned)config->redis.port, config->redis.database) >= 0;
}

void xf_config_take_redis_url(struct xf_config_loader *loader, const struct xf_setting *setting,
                              const struct xf_config_value *value)
{
    struct xf_slice rest = value->text;
    bool is_valid = false;
    if (take_prefix(&rest, XF_SLICE("rediss://"))) {
        xf_config_say(loader, value->place, value->path,
                      "found a rediss:// URL, expected redis:// or unix://: this version does not speak TLS to Redis");
        return;
    }
    if (take_prefix(&rest, XF_SLICE("redis://")))
        is_valid = parse_redis(loader->config, rest);
    else if (take_prefix(&rest, XF_SLICE("unix://")))
        is_valid = parse_unix(loader->config, rest);
    if (!is_valid) {
        xf_config_say_expected(loader, setting, value);
    } else if (!print_redacted(loader->config)) {
        loader->config->redis.url = NULL;
        xf_config_out_of_memory(loader);
    }
}
