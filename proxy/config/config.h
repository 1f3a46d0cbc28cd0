/* The configuration as the program uses it: one struct, built whole from a YAML file and immutable afterwards. Its
 * keys, types, bounds, defaults and texts stand in settings.def; docs/configuration.md and config/crossfade.yaml are
 * made from that table and a test compares them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONFIG_CONFIG_H
#define XF_PROXY_CONFIG_CONFIG_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stdint.h>

enum xf_side { XF_LEGACY, XF_NEW, XF_SIDE_COUNT };
enum xf_ack { XF_ACK_BOTH, XF_ACK_AUTHORITY };
enum xf_guard { XF_GUARD_ENFORCE, XF_GUARD_WARN };

struct xf_address { /* host:port of a listener; IPv6 hosts without brackets here, with them in the file */
    char *host;
    uint16_t port;
};

struct xf_upstream_conf {
    char *name;
    char *url; /* http://host:port, as given */
    char *host;
    uint16_t port;
    char *authority; /* host:port for the Host field */
    char *api_key;   /* secret; NULL if there is none */
};

struct xf_side_conf {
    size_t upstream; /* index into upstreams */
    char *collection;
};

struct xf_migration_conf {
    char *name;
    struct xf_side_conf side[XF_SIDE_COUNT];
    char *schema_file; /* NULL: the new collection is created like the legacy one */
    enum xf_ack ack;
    enum xf_guard guard;
    bool allow_unsafe;     /* lets through what is refused with 409 while dual writing */
    bool allow_odd_bodies; /* lets odd write bodies through as unknown instead of refusing them with 400 */
};

struct xf_config {
    struct xf_address *listen;
    size_t listen_count;
    unsigned threads; /* data threads; already resolved from "auto" */
    struct {
        struct xf_address listen;
        char *token; /* secret; NULL: only loopback may be listened on */
    } admin;
    struct {
        char *url;  /* as given, for messages (never with credentials) */
        char *host; /* NULL with a unix socket */
        uint16_t port;
        char *unix_path;
        unsigned database;
        char *user;     /* NULL if none */
        char *password; /* secret */
        char *prefix;   /* "crossfade" */
    } redis;
    char *state_dir;
    struct xf_upstream_conf *upstreams;
    size_t upstream_count;
    size_t default_upstream; /* where everything goes that no migration names */
    struct xf_migration_conf *migrations;
    size_t migration_count;
    struct {
        uint64_t connect_ms, answer_ms, body_ms; /* upstream: connect; whole answer head; no progress of a body */
        uint64_t head_ms, idle_ms;               /* client: head complete; keep-alive idle */
        uint64_t upstream_idle_ms;               /* below Qdrant's 5 s */
        uint64_t drain_ms;                       /* on SIGTERM */
    } timeouts;
    struct {
        uint64_t connections_max;   /* clients, all threads together; 0 until the program has looked at its limits */
        uint64_t scan_ids_max;      /* ids of one write before it counts as ALL */
        uint64_t decoded_bytes_max; /* of a compressed write body */
    } limits;
    struct {
        uint64_t batch_points, batch_bytes; /* backfill: points a batch, and bytes at most */
        uint64_t parallel;                  /* copies under way at once */
        uint64_t points_per_s_max;          /* 0: no limit */
        uint64_t validate_samples;          /* points and searches compared by `validate` */
    } worker;
    uint64_t alias_refresh_ms;
    uint64_t flag_poll_ms; /* where client-side caching is not to be had */
};

/* Reads and checks the file. On failure *config is NULL and `errors` holds every problem found, a line each:
 * `file:line:column: key.path: found, expected`. Environment variables named by *_env keys are read here. */
XF_MUST_CHECK enum xf_err xf_config_load(const char *path, struct xf_buf *errors, struct xf_config **config);
/* The same from memory: `name` is what the lines call the file, and relative paths start at its folder. */
XF_MUST_CHECK enum xf_err xf_config_parse(struct xf_slice text, const char *name, struct xf_buf *errors,
                                          struct xf_config **config);
void xf_config_free(struct xf_config *config); /* secrets are wiped; NULL is fine */

#endif
