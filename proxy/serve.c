/* The program's threads: data threads (net/server.c), the worker's (worker/), and the control thread, which is the one that
 * called xf_serve_main. Parts that belong to the control thread are reached from the others through the bridge.
 *
 *   signals, admin API, flags, aliases --> control thread --snapshot--> data threads --> journal <-- worker
 *                                               ^---------------------- bridge -----------------------'
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/serve.h"

#include "common/base/log.h"
#include "proxy/admin/admin.h"
#include "proxy/bridge.h"
#include "proxy/control/control.h"
#include "proxy/fanout/fanout.h"
#include "proxy/shelf.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    DIRTY_MAX = 1000000,
    DRAIN_POLL_US = 10000,
    FDS_PER_CLIENT = 3,
    FDS_RESERVED = 128,
    VALUE_BYTES_MAX = 16 * 1024 * 1024,
    CONNECTIONS_DEFAULT_MAX = 100000
};

/* What the worker asks about a migration, kept where it can be read without the control thread. */
struct phase_now {
    _Atomic bool is_dual_writing;
    _Atomic int authority;
    _Atomic bool is_complete; /* a backfill has filled the new side */
    _Atomic uint64_t since_generation; /* of the snapshot with which dual writing began; 0: not yet */
};

struct program {
    struct xf_config *config;
    struct event_base *base;
    struct event *signals[2];
    struct event *drain_poll; /* while stopping: looks whether the data threads have finished */
    struct xf_bridge *bridge;
    struct xf_shelf *shelf;
    struct xf_journal *journal;
    struct xf_control *control;
    struct xf_worker *worker;
    struct xf_admin *admin;
    struct xf_fanout_context fanout;
    struct xf_server *server;
    struct xf_snapshot *first_snapshot; /* until the server runs */
    struct phase_now *phases;
    bool is_stopping;
};

/* ---- snapshots ---- */

static void note_phases(struct program *program, const struct xf_snapshot *snapshot)
{
    for (size_t i = 0; i < program->config->migration_count; i++) {
        const struct xf_migration_view *view = &snapshot->migrations[i];
        struct phase_now *now = &program->phases[i];
        if (view->dual_write && !atomic_load(&now->is_dual_writing))
            atomic_store(&now->since_generation, snapshot->generation);
        if (!view->dual_write && atomic_load(&now->is_dual_writing)) /* before the first write that goes to one side alone */
            xf_journal_mark_dirty(program->journal, i, &(struct xf_journal_scope){.is_all = true});
        atomic_store(&now->is_complete, view->follower_is_complete);
        atomic_store(&now->authority, (int)xf_authority(view));
        atomic_store(&now->is_dual_writing, view->dual_write);
    }
}

static void on_publish(void *ctx, struct xf_snapshot *snapshot)
{
    struct program *program = ctx;
    note_phases(program, snapshot);
    if (program->server) {
        xf_server_publish(program->server, snapshot);
        return;
    }
    xf_snapshot_unref(program->first_snapshot);
    program->first_snapshot = snapshot;
}

/* ---- what the worker asks of the control thread ---- */

struct value_args {
    size_t migration;
    size_t name_len;
    bool is_complete;
    uint64_t period;
    char text[]; /* save, event: the name with its NUL, then the value with one */
};

static void post_value(struct program *program, xf_task_fn *fn, size_t migration, const char *name, struct xf_slice value)
{
    size_t name_bytes = strlen(name) + 1, bytes = sizeof(struct value_args) + name_bytes + value.len + 1;
    struct value_args *args = calloc(1, bytes);
    enum xf_err err = XF_ERR_NOMEM;
    if (args) {
        args->migration = migration;
        args->name_len = name_bytes - 1;
        memcpy(args->text, name, name_bytes);
        if (value.len)
            memcpy(args->text + name_bytes, value.ptr, value.len);
        err = xf_bridge_post(program->bridge, fn, program, args, bytes);
    }
    free(args);
    if (err)
        xf_log(XF_LOG_ERROR, "serve", "name=%s err=%s: could not be handed to the control thread", name, xf_err_name(err));
}

static struct xf_slice value_of(const struct value_args *args)
{
    return xf_slice_of(args->text + args->name_len + 1);
}

static void run_save(void *ctx, void *argument)
{
    struct program *program = ctx;
    const struct value_args *args = argument;
    enum xf_err err = xf_control_save(program->control, args->migration, args->text, value_of(args));
    if (err)
        xf_log(XF_LOG_ERROR, "serve", "migration=%s name=%s err=%s: not saved",
               program->config->migrations[args->migration].name, args->text, xf_err_name(err));
}

static void host_save(void *ctx, size_t migration, const char *name, struct xf_slice value)
{
    struct program *program = ctx;
    if (xf_shelf_put(program->shelf, migration, name, value) != XF_OK)
        xf_log(XF_LOG_ERROR, "serve", "name=%s: no memory to keep it", name);
    post_value(program, run_save, migration, name, value);
}

static enum xf_err host_load(void *ctx, size_t migration, const char *name, struct xf_buf *out)
{
    struct program *program = ctx;
    return xf_shelf_get(program->shelf, migration, name, out);
}

/* What an earlier process has saved, for the worker to find at its start. */
static enum xf_err fill_shelf(struct program *program)
{
    static const char *const names[] = {"prepare", "backfill", "reconcile", "validation"};
    struct xf_buf value;
    enum xf_err err = XF_OK;
    xf_buf_init(&value, VALUE_BYTES_MAX);
    for (size_t i = 0; !err && i < program->config->migration_count; i++) {
        for (size_t j = 0; !err && j < sizeof names / sizeof *names; j++) {
            xf_buf_clear(&value);
            if (xf_control_load(program->control, i, names[j], &value) == XF_OK)
                err = xf_shelf_put(program->shelf, i, names[j], xf_buf_view(&value));
        }
    }
    xf_buf_fini(&value);
    return err;
}

static void run_set_complete(void *ctx, void *argument)
{
    struct program *program = ctx;
    const struct value_args *args = argument;
    const struct phase_now *now = &program->phases[args->migration];
    bool is_of_now = atomic_load(&now->is_dual_writing) && atomic_load(&now->since_generation) == args->period;
    if (is_of_now || !args->is_complete) /* dual writes may have been off since the worker said so */
        xf_control_set_complete(program->control, args->migration, args->is_complete && is_of_now);
}

static void host_set_complete(void *ctx, size_t migration, bool is_complete, uint64_t period)
{
    struct program *program = ctx;
    struct value_args args = {.migration = migration, .is_complete = is_complete, .period = period};
    if (xf_bridge_post(program->bridge, run_set_complete, program, &args, sizeof args) != XF_OK)
        xf_log(XF_LOG_ERROR, "serve", "migration=%s: the end of the backfill could not be recorded",
               program->config->migrations[migration].name);
}

/* Dual writing counts from when no request rests on an older snapshot: a write that went to one side only has been answered. */
static void host_phase(void *ctx, size_t migration, struct xf_worker_phase *phase)
{
    struct program *program = ctx;
    const struct phase_now *now = &program->phases[migration];
    bool is_on = atomic_load(&now->is_dual_writing);
    phase->authority = (enum xf_side)atomic_load(&now->authority);
    phase->period = atomic_load(&now->since_generation);
    phase->is_off = !is_on;
    /* A new side that was never filled must not be copied over legacy: that would delete what it lacks. */
    phase->is_unfilled = phase->authority == XF_NEW && !atomic_load(&now->is_complete);
    phase->is_dual_writing = is_on && !phase->is_unfilled && program->server &&
                             xf_server_oldest_generation(program->server) >= phase->period;
}

static void run_event(void *ctx, void *argument)
{
    struct program *program = ctx;
    const struct value_args *args = argument;
    if (program->admin)
        xf_admin_event(program->admin, args->migration, args->text, value_of(args));
}

static void host_event(void *ctx, size_t migration, const char *name, struct xf_slice detail_json)
{
    struct program *program = ctx;
    xf_log(XF_LOG_INFO, "worker", "migration=%s event=%s %.*s", program->config->migrations[migration].name, name,
           XF_SLICE_ARG(detail_json));
    post_value(program, run_event, migration, name, detail_json);
}

static void on_aliases_changed(void *ctx)
{
    struct program *program = ctx;
    xf_control_refresh_aliases(program->control);
}

static enum xf_err post_task(void *ctx, xf_task_fn *fn, void *fn_ctx, const void *args, size_t args_bytes)
{
    struct program *program = ctx;
    return xf_bridge_post(program->bridge, fn, fn_ctx, args, args_bytes);
}

/* ---- start and stop ---- */

static void on_drain_poll(evutil_socket_t fd, short what, void *arg)
{
    struct program *program = arg;
    (void)fd;
    (void)what;
    if (xf_server_is_drained(program->server))
        event_base_loopbreak(program->base);
}

/* The admin port goes on answering while clients are served to the end: /readyz says 503, so that balancers look elsewhere. */
static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct program *program = arg;
    struct timeval period = {.tv_usec = DRAIN_POLL_US};
    (void)what;
    if (program->is_stopping)
        return;
    xf_log(XF_LOG_INFO, "serve", "signal=%d: finishing what is in flight, at most %llu ms", (int)number,
           (unsigned long long)program->config->timeouts.drain_ms);
    program->is_stopping = true;
    xf_server_drain(program->server);
    program->drain_poll = event_new(program->base, -1, EV_PERSIST, on_drain_poll, program);
    if (!program->drain_poll || event_add(program->drain_poll, &period) < 0)
        event_base_loopbreak(program->base); /* xf_server_stop waits all the same */
}

static bool is_ready(void *ctx)
{
    const struct program *program = ctx;
    return program->server && !program->is_stopping;
}

static enum xf_err init_signals(struct program *program)
{
    static const int numbers[2] = {SIGTERM, SIGINT};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        program->signals[i] = evsignal_new(program->base, numbers[i], on_signal, program);
        if (!program->signals[i] || event_add(program->signals[i], NULL) < 0)
            return XF_ERR_NOMEM;
    }
    return XF_OK;
}

/* Every client may need two upstream connections. The soft limit is raised as far as may be. */
static enum xf_err fit_connections(struct xf_config *config)
{
    struct rlimit limit;
    uint64_t *max = &config->limits.connections_max, need = FDS_PER_CLIENT * *max + FDS_RESERVED;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return XF_ERR_IO;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return XF_ERR_IO;
    uint64_t fit = limit.rlim_cur > 2 * FDS_RESERVED ? (limit.rlim_cur - FDS_RESERVED) / FDS_PER_CLIENT : 0;
    if (*max == 0)
        *max = fit < CONNECTIONS_DEFAULT_MAX ? fit : CONNECTIONS_DEFAULT_MAX;
    if (fit > 0 && *max <= fit)
        return XF_OK;
    xf_log(XF_LOG_ERROR, "serve", "limits.connections_max=%llu needs %llu descriptors and the limit is %llu: raise it (ulimit -n, "
           "LimitNOFILE=) or lower limits.connections_max", (unsigned long long)*max, (unsigned long long)need,
           (unsigned long long)limit.rlim_cur);
    return XF_ERR_RANGE;
}

/* An earlier process may have died with requests on the way: they may land after a first look at both sides. */
static void hold_all(struct program *program)
{
    for (size_t i = 0; i < program->config->migration_count; i++)
        if (xf_control_was_dual_writing(program->control, i))
            xf_journal_hold_all(program->journal, i);
}

static enum xf_err start_parts(struct program *program)
{
    const struct xf_config *config = program->config;
    struct xf_worker_host host = {program, host_save, host_load, host_set_complete, host_phase, host_event};
    enum xf_err err = xf_journal_new(config->migration_count, DIRTY_MAX, &program->journal);
    if (!err)
        err = xf_bridge_new(program->base, &program->bridge);
    if (!err)
        err = xf_control_new(config, program->base, on_publish, program, &program->control);
    if (!err)
        err = fill_shelf(program);
    if (err)
        return err;
    xf_journal_set_hold_ms(program->journal, config->timeouts.answer_ms + config->timeouts.body_ms);
    hold_all(program);
    program->fanout = (struct xf_fanout_context){config, program->journal, on_aliases_changed, program};
    struct xf_server_owner owner = xf_fanout_owner(&program->fanout);
    struct xf_snapshot *snapshot = program->first_snapshot;
    program->first_snapshot = NULL;
    err = xf_server_start(config, &owner, snapshot, &program->server);
    if (!err)
        err = xf_worker_new(config, program->journal, &host, &program->worker);
    if (err)
        return err;
    struct xf_admin_parts parts = {config, program->control, program->worker, program->journal, is_ready, post_task, program};
    return xf_admin_new(&parts, program->base, &program->admin);
}

static enum xf_err start(struct program *program)
{
    program->phases = calloc(program->config->migration_count + 1, sizeof *program->phases);
    program->base = event_base_new();
    program->shelf = xf_shelf_new();
    if (!program->phases || !program->base || !program->shelf)
        return XF_ERR_NOMEM;
    enum xf_err err = fit_connections(program->config);
    if (!err)
        err = init_signals(program);
    return err ? err : start_parts(program);
}

/* Who asks goes before who is asked: the worker rests on the bridge and the data threads, these on the journal and control. */
static void stop(struct program *program)
{
    program->is_stopping = true;
    xf_worker_free(program->worker);
    if (program->control)
        xf_bridge_run(program->bridge); /* the last cursor, the last dry runs' answers */
    if (program->server)
        xf_server_stop(program->server);
    xf_admin_free(program->admin);
    xf_control_free(program->control);
    xf_bridge_free(program->bridge);
    xf_journal_free(program->journal);
    xf_shelf_free(program->shelf);
    xf_snapshot_unref(program->first_snapshot);
    if (program->drain_poll)
        event_free(program->drain_poll);
    for (int i = 0; i < 2; i++)
        if (program->signals[i])
            event_free(program->signals[i]);
    if (program->base)
        event_base_free(program->base);
    xf_stats_free_all();
    free(program->phases);
    xf_config_free(program->config);
}

static int run(const char *path)
{
    struct program program = {0};
    struct xf_buf errors;
    xf_buf_init(&errors, 1024 * 1024);
    enum xf_err err = xf_config_load(path, &errors, &program.config);
    if (err) {
        struct xf_slice text = xf_buf_view(&errors);
        fprintf(stderr, "%.*s", XF_SLICE_ARG(text));
        xf_buf_fini(&errors);
        return 1;
    }
    xf_buf_fini(&errors);
    err = start(&program);
    if (err) {
        xf_log(XF_LOG_ERROR, "serve", "err=%s: cannot start: %s", xf_err_name(err), xf_err_sentence(err));
    } else {
        xf_log(XF_LOG_INFO, "serve", "version=%s listen=%s:%u admin=%s:%u threads=%u migrations=%zu: ready", XF_VERSION,
               program.config->listen[0].host, program.config->listen[0].port, program.config->admin.listen.host,
               program.config->admin.listen.port, program.config->threads, program.config->migration_count);
        event_base_dispatch(program.base);
    }
    stop(&program);
    if (!err)
        xf_log(XF_LOG_INFO, "serve", "stopped");
    return err ? 1 : 0;
}

int xf_serve_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"verbose", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
    const char *path = NULL;
    for (int c; (c = getopt_long(argc, argv, "c:v", options, NULL)) != -1;) {
        if (c == 'c')
            path = optarg;
        else if (c == 'v')
            xf_log_set_level(XF_LOG_DEBUG);
        else
            return 2;
    }
    if (!path || optind < argc) {
        fprintf(stderr, "usage: crossfade serve --config FILE [--verbose]\n");
        return 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    int status = run(path);
    curl_global_cleanup();
    return status;
}
