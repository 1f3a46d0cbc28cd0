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
#include "common/bridge/bridge.h"
#include "proxy/control/control.h"
#include "proxy/fanout/fanout.h"
#include "proxy/phases.h"
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
    DRAIN_POLL_US = 10000,
    FDS_PER_CLIENT = 3,
    FDS_RESERVED = 128,
    VALUE_BYTES_MAX = 16 * 1024 * 1024,
    CONNECTIONS_DEFAULT_MAX = 100000
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
    struct xf_phases *phases;
    bool is_journal_off; /* bench only */
    bool was_led; /* since the start; a change of leaders makes nobody unready */
    bool is_stopping;
};

/* ---- snapshots ---- */

static void on_publish(void *ctx, struct xf_snapshot *snapshot)
{
    struct program *program = ctx;
    if (program->phases)
        xf_phases_note(program->phases, snapshot);
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
    if (!xf_phases_is_leader(program->phases, args->migration))
        return; /* another one may have saved since; what it has is read when this one leads again */
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

/* What an earlier process or another replica has saved, for the worker to find. */
static enum xf_err fill_shelf(struct program *program, size_t migration)
{
    static const char *const names[] = {"prepare", "backfill", "reconcile", "validation"};
    struct xf_buf value;
    enum xf_err err = XF_OK;
    xf_buf_init(&value, VALUE_BYTES_MAX);
    for (size_t i = 0; !err && i < sizeof names / sizeof *names; i++) {
        xf_buf_clear(&value);
        if (xf_control_load(program->control, migration, names[i], &value) == XF_OK)
            err = xf_shelf_put(program->shelf, migration, names[i], xf_buf_view(&value));
    }
    xf_buf_fini(&value);
    return err;
}

static void on_values(void *ctx, size_t migration)
{
    struct program *program = ctx;
    enum xf_err err = fill_shelf(program, migration);
    if (err)
        xf_log(XF_LOG_ERROR, "serve", "migration=%s err=%s: the saved values are not at hand",
               program->config->migrations[migration].name, xf_err_name(err));
}

static void run_set_complete(void *ctx, void *argument)
{
    struct program *program = ctx;
    const struct value_args *args = argument;
    bool is_of_now = xf_phases_is_now(program->phases, args->migration, args->period) &&
                     xf_phases_is_leader(program->phases, args->migration);
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

static void host_phase(void *ctx, size_t migration, struct xf_worker_phase *phase)
{
    struct program *program = ctx;
    xf_phases_get(program->phases, migration, phase);
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

static void on_unproven(void *ctx, size_t migration)
{
    struct program *program = ctx;
    xf_phases_unproven(program->phases, migration);
}

static uint64_t oldest_generation(void *ctx)
{
    const struct program *program = ctx;
    return program->server ? xf_server_oldest_generation(program->server) : 0;
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

/* A replica that would refuse a migration is better left alone where others are there to ask. */
static bool refuses(const struct program *program)
{
    for (size_t i = 0; i < program->config->migration_count; i++)
        if (xf_control_is_refused(program->control, i))
            return true;
    return false;
}

static bool is_ready(void *ctx)
{
    struct program *program = ctx;
    program->was_led = program->was_led || xf_phases_are_led(program->phases);
    return program->server && program->was_led && !program->is_stopping && !refuses(program);
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

static bool was_dual_writing(void *ctx, size_t migration)
{
    const struct program *program = ctx;
    return xf_control_was_dual_writing(program->control, migration);
}

static enum xf_err start_journal(struct program *program)
{
    const struct xf_config *config = program->config;
    struct xf_journal_options options = {.config = config,
                                         .link_count = config->threads,
                                         .hold_ms = config->timeouts.answer_ms + config->timeouts.body_ms,
                                         .is_off = program->is_journal_off,
                                         .was_dual_writing = was_dual_writing,
                                         .ctx = program};
    return xf_journal_new(&options, &program->journal);
}

static enum xf_err start_phases(struct program *program)
{
    struct xf_phases_parts parts = {program->config, program->control, program->journal, oldest_generation, on_values, program};
    enum xf_err err = xf_phases_new(&parts, program->base, &program->phases);
    if (!err)
        xf_phases_note(program->phases, program->first_snapshot);
    for (size_t i = 0; !err && i < program->config->migration_count; i++)
        err = fill_shelf(program, i);
    return err;
}

static enum xf_err start_parts(struct program *program)
{
    const struct xf_config *config = program->config;
    struct xf_worker_host host = {program, host_save, host_load, host_set_complete, host_phase, host_event};
    enum xf_err err = xf_bridge_new(program->base, &program->bridge);
    if (!err)
        err = xf_control_new(config, program->base, on_publish, program, &program->control);
    if (!err)
        err = start_journal(program);
    if (!err)
        err = start_phases(program);
    if (err)
        return err;
    program->fanout = (struct xf_fanout_context){.config = config,
                                                 .journal = program->journal,
                                                 .on_aliases_changed = on_aliases_changed,
                                                 .on_unproven = on_unproven,
                                                 .ctx = program};
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
    program->base = event_base_new();
    program->shelf = xf_shelf_new();
    if (!program->base || !program->shelf)
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
    xf_phases_free(program->phases);
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
    xf_config_free(program->config);
}

static int run(const char *path, bool is_journal_off)
{
    struct program program = {.is_journal_off = is_journal_off};
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
    /* The last one is for bench/run alone, which measures what the journal costs; a proxy without it knows nothing. */
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"bench-without-journal", no_argument, NULL, 'J'},
                                            {NULL, 0, NULL, 0}};
    const char *path = NULL;
    bool is_journal_off = false;
    for (int c; (c = getopt_long(argc, argv, "c:v", options, NULL)) != -1;) {
        if (c == 'c')
            path = optarg;
        else if (c == 'v')
            xf_log_set_level(XF_LOG_DEBUG);
        else if (c == 'J')
            is_journal_off = true;
        else
            return 2;
    }
    if (!path || optind < argc) {
        fprintf(stderr, "usage: crossfade serve --config FILE [--verbose]\n");
        return 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    int status = run(path, is_journal_off);
    curl_global_cleanup();
    return status;
}
