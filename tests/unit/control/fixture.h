/* A control with a hand-built configuration of two migrations, its own redis-server and state directory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_CONTROL_FIXTURE_H
#define XF_TESTS_UNIT_CONTROL_FIXTURE_H

#include "proxy/control/control_int.h"
#include "tests/unit/control/http_stub.h"
#include "tests/unit/redis/redis_server.h"

enum { ALPHA, BETA, MIGRATIONS };

struct fixture {
    struct redis_server server;
    struct event_base *base;
    struct xf_config config;
    struct xf_upstream_conf upstreams[2];
    struct xf_migration_conf migrations[MIGRATIONS];
    char url[2][64], state_dir[64];
    struct http_stub stub[2]; /* the upstreams; not started unless a test does */
    struct xf_control *control;
    struct xf_snapshot *snapshot; /* the last one published */
    unsigned published;
    uint64_t published_ns;
    enum xf_phase wanted_phase; /* of ALPHA */
    unsigned done;
    enum xf_err done_err;
};

int fixture_setup(void **state);    /* with a server, without a control */
int fixture_teardown(void **state); /* the state directory goes too */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);     /* as a restart would */
void fixture_only_push(struct fixture *f); /* no polling of any kind from now on */
void fixture_wait_phase(struct fixture *f, enum xf_phase phase);
enum xf_phase fixture_phase(const struct fixture *f, size_t migration); /* in the snapshot */
void fixture_done(void *ctx, enum xf_err err);

bool is_tracking(void *ctx);
bool is_not_tracking(void *ctx);
bool is_redis_up(void *ctx);
bool is_redis_down(void *ctx);
bool has_error(void *ctx); /* of ALPHA */
bool has_no_error(void *ctx);
bool is_done(void *ctx);
const char *error_of(const struct fixture *f, size_t migration);
/* Whether the metrics hold this line. */
bool has_metric(const struct fixture *f, const char *line);

#endif
