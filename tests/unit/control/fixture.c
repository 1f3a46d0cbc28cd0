/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control/fixture.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void configure(struct fixture *f)
{
    static const struct xf_migration_conf migrations[MIGRATIONS] = {
        {.name = "alpha", .side = {{0, "alpha_old"}, {1, "alpha_new"}}},
        {.name = "beta", .side = {{0, "beta_old"}, {0, "beta new"}}},
    };
    memcpy(f->migrations, migrations, sizeof migrations);
    snprintf(f->url[0], sizeof f->url[0], "http://127.0.0.1:9"); /* nobody listens there */
    snprintf(f->url[1], sizeof f->url[1], "http://127.0.0.1:9");
    f->upstreams[0] = (struct xf_upstream_conf){.name = "main", .url = f->url[0], .api_key = "key-of-main"};
    f->upstreams[1] = (struct xf_upstream_conf){.name = "other", .url = f->url[1]};
    f->config = (struct xf_config){
        .upstreams = f->upstreams,
        .upstream_count = 2,
        .migrations = f->migrations,
        .migration_count = MIGRATIONS,
        .state_dir = f->state_dir,
        .alias_refresh_ms = 3600000,
        .flag_poll_ms = 20,
        .redis = {.url = "redis://127.0.0.1", .host = "127.0.0.1", .port = f->server.port, .prefix = "crossfade"}};
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    redis_server_start(&f->server);
    f->base = event_base_new();
    snprintf(f->state_dir, sizeof f->state_dir, "/tmp/xf-control-XXXXXX");
    assert_non_null(mkdtemp(f->state_dir));
    configure(f);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    char path[128];
    fixture_close(f);
    http_stub_stop(&f->stub[0]);
    http_stub_stop(&f->stub[1]);
    event_base_free(f->base);
    redis_server_fini(&f->server);
    for (size_t i = 0; i < MIGRATIONS; i++) {
        snprintf(path, sizeof path, "%s/%s.state", f->state_dir, f->migrations[i].name);
        unlink(path);
    }
    rmdir(f->state_dir);
    free(f);
    return 0;
}

static void on_publish(void *ctx, struct xf_snapshot *snapshot)
{
    struct fixture *f = ctx;
    assert_true(!f->snapshot || snapshot->generation > f->snapshot->generation);
    xf_snapshot_unref(f->snapshot);
    f->snapshot = snapshot;
    f->published++;
    f->published_ns = xf_clock_now_ns();
}

void fixture_open(struct fixture *f)
{
    assert_int_equal(xf_control_new(&f->config, f->base, on_publish, f, &f->control), XF_OK);
    assert_int_equal(f->published, 1); /* before it returned, and once */
    for (size_t i = 0; i < MIGRATIONS; i++)
        xf_control_write_values(f->control, i, true);
}

void fixture_close(struct fixture *f)
{
    xf_control_free(f->control);
    f->control = NULL;
    xf_snapshot_unref(f->snapshot);
    f->snapshot = NULL;
    f->published = 0;
}

void fixture_only_push(struct fixture *f)
{
    run_until(f->base, is_tracking, f);
    f->control->safety_poll_ms = 0;
    f->config.flag_poll_ms = 3600000;
    xf_follow_set_poll(f->control);
}

enum xf_phase fixture_phase(const struct fixture *f, size_t migration)
{
    return f->snapshot->migrations[migration].phase;
}

static bool has_phase(void *ctx)
{
    struct fixture *f = ctx;
    return fixture_phase(f, ALPHA) == f->wanted_phase;
}

void fixture_wait_phase(struct fixture *f, enum xf_phase phase)
{
    f->wanted_phase = phase;
    run_until(f->base, has_phase, f);
    assert_int_equal(xf_control_phase(f->control, ALPHA), phase);
}

void fixture_done(void *ctx, enum xf_err err)
{
    struct fixture *f = ctx;
    f->done++;
    f->done_err = err;
}

bool is_tracking(void *ctx)
{
    return ((struct fixture *)ctx)->control->is_tracking;
}

bool is_not_tracking(void *ctx)
{
    return !is_tracking(ctx);
}

bool is_redis_up(void *ctx)
{
    return xf_control_redis_is_up(((struct fixture *)ctx)->control);
}

bool is_redis_down(void *ctx)
{
    return !is_redis_up(ctx);
}

const char *error_of(const struct fixture *f, size_t migration)
{
    struct xf_flag_state state;
    xf_control_flags(f->control, migration, &state);
    return state.error;
}

bool has_error(void *ctx)
{
    return error_of(ctx, ALPHA) != NULL;
}

bool has_no_error(void *ctx)
{
    return error_of(ctx, ALPHA) == NULL;
}

bool is_done(void *ctx)
{
    return ((struct fixture *)ctx)->done > 0;
}

bool has_metric(const struct fixture *f, const char *line)
{
    struct xf_buf out;
    xf_buf_init(&out, 1 << 20);
    assert_int_equal(xf_control_metrics(f->control, &out), XF_OK);
    assert_int_equal(xf_buf_append(&out, "", 1), XF_OK);
    bool is_there = strstr(xf_buf_view(&out).ptr, line) != NULL;
    xf_buf_fini(&out);
    return is_there;
}
