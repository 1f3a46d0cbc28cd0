/* The loader: walks the table and the file's tree side by side, section by section. Every key that the table has is
 * taken from the file or from its fallback, every key that it has not is a problem; nothing stops at the first one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/config_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS_MAX = 32 };

struct section {
    const char *prefix;              /* in the table: "", "admin.", "migrations[].new." */
    const char *path;                /* as shown: "", "admin.", "migrations[0].new." */
    const struct xf_yaml_node *node; /* NULL: not in the file */
    struct xf_yaml_place place;      /* of the section, or of what it would stand in */
    void *owner;
};

static void fill_section(struct xf_config_loader *loader, const struct section *section);

static const char *kind_name(const struct xf_yaml_node *node)
{
    if (xf_yaml_is_null(node))
        return "nothing";
    return node->kind == XF_YAML_MAP ? "a map" : node->kind == XF_YAML_LIST ? "a list" : "a single value";
}

static void say_kind(struct xf_config_loader *loader, const struct xf_yaml_node *node, const char *path,
                     const struct xf_setting *setting)
{
    xf_config_say(loader, node->place, path, "found %s, expected %s", kind_name(node),
                  xf_setting_expected(setting->type));
}

static void take_scalar(struct xf_config_loader *loader, const struct xf_setting *setting,
                        const struct xf_yaml_node *node, const char *path, void *owner)
{
    struct xf_config_value value = {xf_slice(node->text, node->text_len), node->place, path};
    if (node->kind != XF_YAML_SCALAR || xf_yaml_is_null(node))
        say_kind(loader, node, path, setting);
    else
        xf_config_take_value(loader, setting, &value, owner);
}

static void take_listeners(struct xf_config_loader *loader, const struct xf_setting *setting,
                           const struct xf_yaml_node *node)
{
    size_t i = 0;
    if (!node->count)
        say_kind(loader, node, setting->path, setting);
    for (const struct xf_yaml_node *item = node->first; item; item = item->next) {
        char path[XF_CONFIG_PATH_MAX];
        snprintf(path, sizeof path, "%s[%zu]", setting->path, i++);
        take_scalar(loader, setting, item, path, loader->config);
    }
}

static void take_leaf(struct xf_config_loader *loader, const struct xf_setting *setting,
                      const struct xf_yaml_node *node, const char *path, const struct section *section)
{
    if (node && setting->type == XF_SETTING_ADDRESSES && node->kind == XF_YAML_LIST) {
        take_listeners(loader, setting, node);
    } else if (node) {
        take_scalar(loader, setting, node, path, section->owner);
    } else if (setting->fallback[0]) {
        struct xf_config_value value = {xf_slice_of(setting->fallback), section->place, path};
        xf_config_take_value(loader, setting, &value, section->owner);
    }
}

static void take_section(struct xf_config_loader *loader, const struct xf_setting *setting,
                         const struct xf_yaml_node *node, const char *path, const struct section *outer)
{
    char prefix[XF_CONFIG_PATH_MAX], inner_path[XF_CONFIG_PATH_MAX + 2];
    snprintf(prefix, sizeof prefix, "%s.", setting->path);
    snprintf(inner_path, sizeof inner_path, "%s.", path);
    if (node && node->kind != XF_YAML_MAP && !xf_yaml_is_null(node)) {
        say_kind(loader, node, path, setting);
        return;
    }
    struct section inner = {prefix, inner_path, node, node ? node->key_place : outer->place, outer->owner};
    fill_section(loader, &inner);
}

static void take_upstreams(struct xf_config_loader *loader, const struct xf_setting *setting,
                           const struct xf_yaml_node *node)
{
    struct xf_config *config = loader->config;
    if (node->kind != XF_YAML_MAP || !node->count || node->count > setting->max) {
        xf_config_say(loader, node->place, setting->path, "found %s, expected 1 to %llu upstreams, each under its name",
                      node->count ? "too many" : kind_name(node), (unsigned long long)setting->max);
        return;
    }
    config->upstreams = calloc(node->count, sizeof *config->upstreams);
    if (!config->upstreams) {
        xf_config_out_of_memory(loader);
        return;
    }
    for (const struct xf_yaml_node *item = node->first; item; item = item->next) {
        struct xf_upstream_conf *upstream = &config->upstreams[config->upstream_count++];
        char path[XF_CONFIG_PATH_MAX];
        snprintf(path, sizeof path, "%s.%s.", setting->path, item->key);
        struct section section = {"upstreams.<name>.", path, item, item->key_place, upstream};
        upstream->name = strdup(item->key);
        if (!upstream->name)
            xf_config_out_of_memory(loader);
        path[strlen(path) - 1] = 0;
        if (!xf_config_is_name(xf_slice_of(item->key)))
            xf_config_say(loader, item->key_place, path, "found this name, expected %s",
                          xf_setting_expected(XF_SETTING_NAME));
        if (item->kind != XF_YAML_MAP) {
            xf_config_say(loader, item->place, path, "found %s, expected a map with url", kind_name(item));
            continue;
        }
        path[strlen(path)] = '.';
        fill_section(loader, &section);
    }
}

static void take_migrations(struct xf_config_loader *loader, const struct xf_setting *setting,
                            const struct xf_yaml_node *node)
{
    struct xf_config *config = loader->config;
    if (xf_yaml_is_null(node) || (node->kind == XF_YAML_LIST && !node->count))
        return;
    if (node->kind != XF_YAML_LIST || node->count > setting->max) {
        xf_config_say(loader, node->place, setting->path, "found %s, expected a list of at most %llu migrations",
                      node->kind == XF_YAML_LIST ? "too many" : kind_name(node), (unsigned long long)setting->max);
        return;
    }
    config->migrations = calloc(node->count, sizeof *config->migrations);
    if (!config->migrations) {
        xf_config_out_of_memory(loader);
        return;
    }
    for (const struct xf_yaml_node *item = node->first; item; item = item->next) {
        size_t i = config->migration_count++;
        struct xf_migration_conf *migration = &config->migrations[i];
        char path[XF_CONFIG_PATH_MAX];
        migration->side[XF_LEGACY].upstream = migration->side[XF_NEW].upstream = config->default_upstream;
        snprintf(path, sizeof path, "%s[%zu]", setting->path, i);
        if (item->kind != XF_YAML_MAP) {
            xf_config_say(loader, item->place, path, "found %s, expected a map with name, legacy and new",
                          kind_name(item));
            continue;
        }
        snprintf(path, sizeof path, "%s[%zu].", setting->path, i);
        struct section section = {"migrations[].", path, item, item->place, migration};
        fill_section(loader, &section);
    }
}

static void take_row(struct xf_config_loader *loader, const struct section *section, const struct xf_setting *setting)
{
    const struct xf_yaml_node *node = xf_yaml_get(section->node, xf_setting_key(setting));
    char path[XF_CONFIG_PATH_MAX];
    snprintf(path, sizeof path, "%s%s", section->path, xf_setting_key(setting));
    if (!node && !setting->fallback)
        xf_config_say(loader, section->place, path, "found nothing, expected %s", xf_setting_expected(setting->type));
    else if (setting->type == XF_SETTING_SECTION)
        take_section(loader, setting, node, path, section);
    else if (setting->type == XF_SETTING_NAMED && node)
        take_upstreams(loader, setting, node);
    else if (setting->type == XF_SETTING_LIST && node)
        take_migrations(loader, setting, node);
    else if (setting->type != XF_SETTING_LIST && setting->type != XF_SETTING_NAMED)
        take_leaf(loader, setting, node, path, section);
}

static void say_unknown(struct xf_config_loader *loader, const struct section *section, const struct xf_yaml_node *node,
                        const char *const *keys, size_t count)
{
    char path[XF_CONFIG_PATH_MAX], list[XF_CONFIG_PATH_MAX] = "";
    const char *nearest = xf_config_nearest(node->key, keys, count);
    snprintf(path, sizeof path, "%s%.80s", section->path, node->key);
    if (nearest) {
        xf_config_say(loader, node->key_place, path, "found an unknown key, expected perhaps \"%s\"", nearest);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list);
        snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", keys[i]);
    }
    xf_config_say(loader, node->key_place, path, "found an unknown key, expected one of %s", list);
}

static void fill_section(struct xf_config_loader *loader, const struct section *section)
{
    const char *keys[KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < xf_settings_count; i++) {
        if (!xf_setting_is_in(&xf_settings[i], section->prefix))
            continue;
        XF_ASSERT(count < KEYS_MAX);
        keys[count++] = xf_setting_key(&xf_settings[i]);
        take_row(loader, section, &xf_settings[i]);
    }
    for (const struct xf_yaml_node *node = section->node ? section->node->first : NULL; node; node = node->next) {
        bool is_known = false;
        for (size_t i = 0; i < count && !is_known; i++)
            is_known = strcmp(keys[i], node->key) == 0;
        if (!is_known)
            say_unknown(loader, section, node, keys, count);
    }
}

static void fill(struct xf_config_loader *loader)
{
    const struct xf_yaml_node *root = loader->root;
    if (root->kind != XF_YAML_MAP) {
        xf_config_say(loader, root->place, "", "found %s, expected a map of settings", kind_name(root));
        return;
    }
    struct section section = {"", "", root, root->place, loader->config};
    fill_section(loader, &section);
    xf_config_check(loader);
}

/* Takes the tree, or the problem that was found instead of one. */
static enum xf_err finish(enum xf_err err, struct xf_yaml_node *root, const struct xf_yaml_problem *problem,
                          const char *name, struct xf_buf *errors, struct xf_config **config)
{
    struct xf_config_loader *loader = calloc(1, sizeof *loader);
    struct xf_config *filled = calloc(1, sizeof *filled);
    *config = NULL;
    if (!loader || !filled) {
        err = XF_ERR_NOMEM;
        goto out;
    }
    *loader = (struct xf_config_loader){.file = name, .root = root, .config = filled};
    if (err)
        xf_config_say(loader, problem->place, "", "%s", problem->text);
    else
        fill(loader);
    bool is_good = !loader->report.count;
    enum xf_err print_err = xf_config_report_print(&loader->report, name, errors);
    if (print_err)
        err = print_err;
    else if (!is_good && !err)
        err = XF_ERR_INVALID;
    if (!err) {
        *config = filled;
        filled = NULL;
    }
out:
    xf_config_free(filled);
    xf_yaml_free(root);
    free(loader);
    return err;
}

enum xf_err xf_config_load(const char *path, struct xf_buf *errors, struct xf_config **config)
{
    struct xf_yaml_problem problem = {0};
    struct xf_yaml_node *root = NULL;
    enum xf_err err = xf_yaml_load(path, &XF_YAML_LIMITS_DEFAULT, &problem, &root);
    return finish(err, root, &problem, path, errors, config);
}

enum xf_err xf_config_parse(struct xf_slice text, const char *name, struct xf_buf *errors, struct xf_config **config)
{
    struct xf_yaml_problem problem = {0};
    struct xf_yaml_node *root = NULL;
    enum xf_err err = xf_yaml_parse(text, &XF_YAML_LIMITS_DEFAULT, &problem, &root);
    return finish(err, root, &problem, name, errors, config);
}

static void free_secret(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void free_upstream(struct xf_upstream_conf *upstream)
{
    free_secret(upstream->api_key);
    free(upstream->authority);
    free(upstream->host);
    free(upstream->url);
    free(upstream->name);
}

static void free_migration(struct xf_migration_conf *migration)
{
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        free(migration->side[side].collection);
    free(migration->schema_file);
    free(migration->name);
}

void xf_config_free(struct xf_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->listen_count; i++)
        free(config->listen[i].host);
    for (size_t i = 0; i < config->upstream_count; i++)
        free_upstream(&config->upstreams[i]);
    for (size_t i = 0; i < config->migration_count; i++)
        free_migration(&config->migrations[i]);
    free(config->listen);
    free(config->upstreams);
    free(config->migrations);
    free(config->admin.listen.host);
    free_secret(config->admin.token);
    free_secret(config->redis.user);
    free_secret(config->redis.password);
    free(config->redis.url);
    free(config->redis.host);
    free(config->redis.unix_path);
    free(config->redis.prefix);
    free(config->state_dir);
    free(config);
}
