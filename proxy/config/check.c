/* What is wrong between settings that are each right by themselves. A value that was not right is NULL here and takes
 * no part.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/config_int.h"

#include <stdio.h>
#include <unistd.h>

static const struct xf_yaml_node *migration_node(const struct xf_config_loader *loader, size_t i)
{
    return xf_yaml_item(xf_yaml_get(loader->root, "migrations"), i);
}

static struct xf_yaml_place place_of(const struct xf_yaml_node *node)
{
    return node ? node->place : (struct xf_yaml_place){1, 1};
}

static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Listening on one keeps the other from it. */
static bool is_overlapping(const struct xf_address *a, const struct xf_address *b)
{
    return a->host && b->host && a->port == b->port &&
           (is_any(a->host) || is_any(b->host) || !strcmp(a->host, b->host));
}

static const struct xf_yaml_node *listen_node(const struct xf_config_loader *loader, size_t i)
{
    const struct xf_yaml_node *node = xf_yaml_get(loader->root, "listen");
    return node && node->kind == XF_YAML_LIST ? xf_yaml_item(node, i) : node;
}

static void check_listeners(struct xf_config_loader *loader)
{
    const struct xf_config *config = loader->config;
    const struct xf_yaml_node *admin = xf_yaml_get(loader->root, "admin");
    const struct xf_yaml_node *admin_listen = xf_yaml_get(admin, "listen");
    for (size_t i = 0; i < config->listen_count; i++) {
        if (is_overlapping(&config->listen[i], &config->admin.listen))
            xf_config_say(loader, place_of(listen_node(loader, i)), "listen",
                          "found the address of admin.listen, expected another one");
        for (size_t j = 0; j < i; j++)
            if (is_overlapping(&config->listen[i], &config->listen[j])) {
                xf_config_say(loader, place_of(listen_node(loader, i)), "listen",
                              "found an address that an earlier one covers, expected each once");
                break;
            }
    }
    if (config->admin.listen.host && !config->admin.token && !xf_address_is_loopback(&config->admin.listen))
        xf_config_say(loader, place_of(admin_listen), "admin.listen",
                      "found an address that others can reach, expected a loopback address or a token (admin.token_env "
                      "or admin.token_file)");
}

static void check_default_upstream(struct xf_config_loader *loader)
{
    if (loader->config->upstream_count > 1 && !xf_yaml_get(loader->root, "default_upstream"))
        xf_config_say(loader, place_of(loader->root), "default_upstream",
                      "found nothing, expected the name of one of the %zu upstreams", loader->config->upstream_count);
}

static const char *side_key(int side)
{
    return side == XF_LEGACY ? "legacy" : "new";
}

/* Two upstreams may name the same server. */
static bool is_same_collection(const struct xf_config *config, const struct xf_side_conf *a,
                               const struct xf_side_conf *b)
{
    if (!a->collection || !b->collection || strcmp(a->collection, b->collection) != 0 || !config->upstream_count)
        return false;
    const char *a_authority = config->upstreams[a->upstream].authority;
    const char *b_authority = config->upstreams[b->upstream].authority;
    return a->upstream == b->upstream || (a_authority && b_authority && strcasecmp(a_authority, b_authority) == 0);
}

static void check_collection(struct xf_config_loader *loader, size_t i, int side)
{
    const struct xf_config *config = loader->config;
    const struct xf_side_conf *mine = &config->migrations[i].side[side];
    for (size_t other = 0; other <= i; other++) {
        for (int other_side = 0; other_side < (other == i ? side : XF_SIDE_COUNT); other_side++) {
            if (!is_same_collection(config, mine, &config->migrations[other].side[other_side]))
                continue;
            char path[XF_CONFIG_PATH_MAX];
            snprintf(path, sizeof path, "migrations[%zu].%s.collection", i, side_key(side));
            xf_config_say(loader,
                          place_of(xf_yaml_get(xf_yaml_get(migration_node(loader, i), side_key(side)), "collection")),
                          path,
                          "found \"%.80s\" of migrations[%zu].%s again, expected a collection that is part of no other "
                          "migration or side",
                          mine->collection, other, side_key(other_side));
            return;
        }
    }
}

static void check_name(struct xf_config_loader *loader, size_t i)
{
    const struct xf_migration_conf *migrations = loader->config->migrations;
    for (size_t other = 0; migrations[i].name && other < i; other++) {
        if (!migrations[other].name || strcmp(migrations[other].name, migrations[i].name) != 0)
            continue;
        char path[XF_CONFIG_PATH_MAX];
        snprintf(path, sizeof path, "migrations[%zu].name", i);
        xf_config_say(loader, place_of(xf_yaml_get(migration_node(loader, i), "name")), path,
                      "found \"%s\", the name of migrations[%zu], expected another one", migrations[i].name, other);
        return;
    }
}

static void check_schema(struct xf_config_loader *loader, size_t i)
{
    const char *file = loader->config->migrations[i].schema_file;
    if (!file || access(file, R_OK) == 0)
        return;
    char path[XF_CONFIG_PATH_MAX];
    snprintf(path, sizeof path, "migrations[%zu].new.schema", i);
    xf_config_say(loader, place_of(xf_yaml_get(xf_yaml_get(migration_node(loader, i), "new"), "schema")), path,
                  "found \"%.200s\", expected the path of a file that can be read", file);
}

void xf_config_check(struct xf_config_loader *loader)
{
    check_listeners(loader);
    check_default_upstream(loader);
    for (size_t i = 0; i < loader->config->migration_count; i++) {
        check_name(loader, i);
        check_schema(loader, i);
        for (int side = 0; side < XF_SIDE_COUNT; side++)
            check_collection(loader, i, side);
    }
}
