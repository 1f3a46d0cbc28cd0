/* What the parts of the loader share: the problems found so far, and the configuration that is being filled.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONFIG_CONFIG_INT_H
#define XF_PROXY_CONFIG_CONFIG_INT_H

#include "common/yaml/yaml.h"
#include "proxy/config/settings.h"

enum { XF_CONFIG_PATH_MAX = 256, XF_CONFIG_PROBLEMS_MAX = 100 };

struct xf_config_problem {
    struct xf_yaml_place place;
    char *text; /* key.path: found, expected */
};

struct xf_config_report {
    struct xf_config_problem problems[XF_CONFIG_PROBLEMS_MAX];
    size_t count; /* of all; those past the maximum are not kept */
    bool is_out_of_memory;
};

struct xf_config_loader {
    const char *file;
    const struct xf_yaml_node *root;
    struct xf_config *config;
    struct xf_config_report report;
};

struct xf_config_value { /* one scalar, or the fallback that stands for it */
    struct xf_slice text;
    struct xf_yaml_place place;
    const char *path; /* migrations[0].legacy.collection */
};

/* report.c. Notes a problem: `path: message`; an empty path leaves out its colon. */
void xf_config_say(struct xf_config_loader *loader, struct xf_yaml_place place, const char *path, const char *format,
                   ...) XF_PRINTF(4, 5);
void xf_config_out_of_memory(struct xf_config_loader *loader);
/* Prints the problems in the order of their places, then frees them. */
XF_MUST_CHECK enum xf_err xf_config_report_print(struct xf_config_report *report, const char *file, struct xf_buf *out);
/* The candidate nearest to what was written, or NULL if none is near. */
const char *xf_config_nearest(const char *written, const char *const *candidates, size_t count);

/* value.c. Reads one value of any scalar type into its member of `owner`, or notes the problem and leaves it alone. */
void xf_config_take_value(struct xf_config_loader *loader, const struct xf_setting *setting,
                          const struct xf_config_value *value, void *owner);
/* Notes "found ..., expected ..." for the value, without showing secrets. */
void xf_config_say_expected(struct xf_config_loader *loader, const struct xf_setting *setting,
                            const struct xf_config_value *value);
bool xf_config_is_name(struct xf_slice text);

/* url.c and secret.c: parts of the above that take more than a line. */
void xf_config_take_http_url(struct xf_config_loader *loader, const struct xf_setting *setting,
                             const struct xf_config_value *value, struct xf_upstream_conf *upstream);
void xf_config_take_redis_url(struct xf_config_loader *loader, const struct xf_setting *setting,
                              const struct xf_config_value *value);
void xf_config_take_secret(struct xf_config_loader *loader, const struct xf_setting *setting,
                           const struct xf_config_value *value, char **secret);
/* The path as seen from the configuration file's folder; NULL without memory. */
char *xf_config_resolve_path(const struct xf_config_loader *loader, struct xf_slice path);

/* check.c: what is wrong between settings that are each right by themselves. */
void xf_config_check(struct xf_config_loader *loader);

#endif
