/* A program around the worker alone, for tests: no proxy. Reads commands from standard input, one a line, and answers each
 * with one line of JSON. What the worker saves goes into files of --state, as it would into Redis; what the journal keeps on
 * this machine goes into --journal-state, or there as well.
 *
 *   prepare|backfill|pause|resume|cancel|validate|reconcile [dry_run] [full] [adopt]
 *   status | journal | dirty ID... | unknown | dual_write 0|1 | complete
 *   leader 0|1 | away 0|1 | looks COUNT | ends | write ID|all PAUSE_MS | quiet
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include "common/base/log.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct host {
    const char *state_dir;
    atomic_int dual_write; /* -1: the flag is on but nothing rests on it yet, as after a start */
    atomic_int period;
    atomic_bool is_complete, is_leader;
    struct xf_journal *journal;
};

static void name_file(const struct host *host, const char *name, char *path, size_t path_bytes)
{
    (void)snprintf(path, path_bytes, "%s/%s", host->state_dir, name);
}

static void on_save(void *ctx, size_t migration, const char *name, struct xf_slice value)
{
    (void)migration;
    char path[512], next[520];
    name_file(ctx, name, path, sizeof path);
    (void)snprintf(next, sizeof next, "%s.next", path);
    FILE *file = fopen(next, "w");
    if (!file || fwrite(value.ptr, 1, value.len, file) != value.len || fclose(file) || rename(next, path))
        abort(); /* a test without its files proves nothing */
}

static enum xf_err on_load(void *ctx, size_t migration, const char *name, struct xf_buf *out)
{
    (void)migration;
    char path[512], bytes[65536];
    name_file(ctx, name, path, sizeof path);
    FILE *file = fopen(path, "r");
    if (!file)
        return XF_ERR_NOT_FOUND;
    size_t n = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file); /* was only read */
    return xf_buf_append(out, bytes, n);
}

static void on_complete(void *ctx, size_t migration, bool is_complete, uint64_t period)
{
    (void)migration;
    (void)period;
    atomic_store(&((struct host *)ctx)->is_complete, is_complete);
}

static void on_phase(void *ctx, size_t migration, struct xf_worker_phase *phase)
{
    struct host *host = ctx;
    int dual_write = atomic_load(&host->dual_write);
    struct xf_journal_state state;
    xf_journal_state(host->journal, migration, &state);
    *phase = (struct xf_worker_phase){.is_leader = atomic_load(&host->is_leader) && state.is_leader,
                                      .is_off = dual_write == 0,
                                      .is_dual_writing = dual_write == 1,
                                      .authority = XF_LEGACY,
                                      .period = (uint64_t)atomic_load(&host->period)};
}

static void on_event(void *ctx, size_t migration, const char *name, struct xf_slice detail)
{
    (void)ctx;
    (void)migration;
    xf_log(XF_LOG_DEBUG, "event", "%s %.*s", name, XF_SLICE_ARG(detail));
}

struct driver {
    struct host host;
    struct xf_config config;
    struct xf_upstream_conf upstreams[XF_SIDE_COUNT];
    struct xf_migration_conf migration;
    struct xf_journal *journal;
    struct xf_worker *worker;
    struct drive_writer *writer;
};

static const char *const commands[] = {"prepare", "backfill", "pause", "resume", "cancel", "validate", "reconcile"};

static void run_command(struct driver *driver, enum xf_command command, const char *rest)
{
    struct xf_command_options options = {.full = strstr(rest, "full") != NULL,
                                         .adopt = strstr(rest, "adopt") != NULL};
    struct xf_buf why;
    xf_buf_init(&why, 1 << 20);
    enum xf_err err = xf_worker_command(driver->worker, 0, command, &options, &why);
    struct xf_slice text = xf_buf_view(&why);
    if (!err && text.len)
        printf("{\"code\":\"OK\",\"shown\":%.*s}\n", XF_SLICE_ARG(text));
    else
        printf("{\"code\":\"%s\",\"why\":\"%.*s\"}\n", xf_err_name(err), XF_SLICE_ARG(text));
    xf_buf_fini(&why);
}

static void on_dry_run(void *ctx, enum xf_err err, struct xf_slice text)
{
    (void)ctx;
    if (err)
        printf("{\"code\":\"%s\",\"why\":\"%.*s\"}\n", xf_err_name(err), XF_SLICE_ARG(text));
    else
        printf("{\"code\":\"OK\",\"shown\":%.*s}\n", XF_SLICE_ARG(text));
}

static void run_dry(struct driver *driver, enum xf_command command)
{
    enum xf_err err = xf_worker_dry_run(driver->worker, 0, command, on_dry_run, NULL);
    if (err)
        on_dry_run(NULL, err, XF_SLICE(""));
}

static void show_status(struct driver *driver)
{
    struct xf_buf out;
    xf_buf_init(&out, 1 << 20);
    if (xf_worker_status(driver->worker, 0, &out))
        abort();
    printf("%.*s\n", XF_SLICE_ARG(xf_buf_view(&out)));
    xf_buf_fini(&out);
}

static void show_journal(struct driver *driver)
{
    struct xf_journal_state state;
    xf_journal_state(driver->journal, 0, &state);
    printf("{\"dirty\":%zu,\"held\":%zu,\"copies\":%zu,\"is_unknown\":%s,\"is_leader\":%s,\"is_cut_off\":%s}\n",
           state.dirty, state.held, state.copies, state.is_unknown ? "true" : "false", state.is_leader ? "true" : "false",
           state.is_cut_off ? "true" : "false");
}

/* Each id on its own: scopes are sorted, the line need not be. */
static void mark_dirty(struct driver *driver, char *rest)
{
    char *left = NULL;
    for (char *word = strtok_r(rest, " ", &left); word; word = strtok_r(NULL, " ", &left)) {
        struct xf_point_id id;
        if (xf_point_id_of_json(xf_slice_of(word), &id))
            abort();
        if (xf_journal_mark_dirty(driver->journal, 0, &(struct xf_journal_scope){.ids = &id, .id_count = 1}))
            abort();
    }
    puts("{}");
}

static void start_writer(struct driver *driver, char *rest)
{
    char *pause = strchr(rest, ' ');
    if (!pause || driver->writer)
        abort();
    *pause++ = '\0';
    driver->writer = drive_writer_start(&driver->config, driver->journal, rest, (unsigned)strtoul(pause, NULL, 10));
    puts("{}");
}

static void stop_writer(struct driver *driver)
{
    printf("{\"writes\":%u}\n", drive_writer_stop(driver->writer));
    driver->writer = NULL;
}

/* Who is around the worker: false if the line is about something else. */
static bool run_world(struct driver *driver, const char *line, char *rest)
{
    if (strcmp(line, "leader") == 0)
        atomic_store(&driver->host.is_leader, *rest == '1');
    else if (strcmp(line, "away") == 0)
        drive_faults_set_away(*rest == '1');
    else if (strcmp(line, "looks") == 0)
        drive_faults_set_looks(strtol(rest, NULL, 10));
    else
        return false;
    puts("{}");
    return true;
}

static void run_line(struct driver *driver, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *rest = line + strcspn(line, " ");
    if (*rest)
        *rest++ = '\0';
    for (int i = 0; i < (int)(sizeof commands / sizeof *commands); i++) {
        if (strcmp(line, commands[i]) == 0) {
            if (strstr(rest, "dry_run"))
                run_dry(driver, (enum xf_command)i);
            else
                run_command(driver, (enum xf_command)i, rest);
            return;
        }
    }
    if (run_world(driver, line, rest)) {
        return;
    }
    if (strcmp(line, "write") == 0) {
        start_writer(driver, rest);
    } else if (strcmp(line, "quiet") == 0) {
        stop_writer(driver);
    } else if (strcmp(line, "ends") == 0) {
        drive_faults_print();
    } else if (strcmp(line, "status") == 0) {
        show_status(driver);
    } else if (strcmp(line, "journal") == 0) {
        show_journal(driver);
    } else if (strcmp(line, "dirty") == 0) {
        mark_dirty(driver, rest);
    } else if (strcmp(line, "unknown") == 0) {
        xf_journal_lose(driver->journal, 0);
        puts("{}");
    } else if (strcmp(line, "dual_write") == 0) {
        int was = atomic_exchange(&driver->host.dual_write, *rest == '1');
        if (was == 0 && *rest == '1')
            atomic_fetch_add(&driver->host.period, 1);
        if (was == 1 && *rest == '0')
            xf_journal_lose(driver->journal, 0);
        puts("{}");
    } else if (strcmp(line, "complete") == 0) {
        puts(atomic_load(&driver->host.is_complete) ? "true" : "false");
    } else {
        abort();
    }
}

static void set_upstream(struct xf_upstream_conf *upstream, char *host_and_port)
{
    char *colon = strrchr(host_and_port, ':');
    if (!colon)
        abort();
    *colon = '\0';
    upstream->host = host_and_port;
    upstream->port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

/* host:port, or the path of a socket. */
static void set_redis(struct driver *driver, char *text)
{
    struct xf_upstream_conf address = {0};
    if (text[0] == '/') {
        driver->config.redis.unix_path = text;
        return;
    }
    set_upstream(&address, text);
    driver->config.redis.host = address.host;
    driver->config.redis.port = address.port;
}

static void set_option(struct driver *driver, int option, char *value)
{
    struct xf_config *config = &driver->config;
    uint64_t number = strtoull(value, NULL, 10);
    switch (option) {
    case 'l':
        set_upstream(&driver->upstreams[XF_LEGACY], value);
        break;
    case 'n':
        set_upstream(&driver->upstreams[XF_NEW], value);
        break;
    case 'L':
        driver->migration.side[XF_LEGACY].collection = value;
        break;
    case 'N':
        driver->migration.side[XF_NEW].collection = value;
        break;
    case 'k':
        driver->upstreams[XF_NEW].api_key = value;
        break;
    case 's':
        driver->host.state_dir = value;
        if (!config->state_dir)
            config->state_dir = value;
        break;
    case 'J':
        config->state_dir = value;
        break;
    case 'p':
        config->worker.parallel = number;
        break;
    case 'b':
        config->worker.batch_points = number;
        break;
    case 'B':
        config->worker.batch_bytes = number;
        break;
    case 'r':
        config->worker.points_per_s_max = number;
        break;
    case 'S':
        config->worker.validate_samples = number;
        break;
    case 't':
        config->timeouts.answer_ms = number;
        break;
    case 'R':
        set_redis(driver, value);
        break;
    case 'v':
        xf_log_set_level(XF_LOG_DEBUG);
        break;
    default:
        abort();
    }
}

static void read_options(struct driver *driver, int argc, char **argv)
{
    static const struct option options[] = {
        {"legacy", 1, NULL, 'l'},      {"new", 1, NULL, 'n'},
        {"legacy-name", 1, NULL, 'L'}, {"new-name", 1, NULL, 'N'},
        {"new-key", 1, NULL, 'k'},     {"state", 1, NULL, 's'},
        {"parallel", 1, NULL, 'p'},    {"batch-points", 1, NULL, 'b'},
        {"batch-bytes", 1, NULL, 'B'}, {"points-per-s", 1, NULL, 'r'},
        {"samples", 1, NULL, 'S'},     {"answer-ms", 1, NULL, 't'},
        {"verbose", 1, NULL, 'v'},     {"redis", 1, NULL, 'R'},
        {"journal-state", 1, NULL, 'J'}, {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        set_option(driver, option, optarg);
}

static char redis_prefix[] = "drive";
static struct driver driver = {
    .config = {.redis = {.prefix = redis_prefix},
               .upstream_count = XF_SIDE_COUNT,
               .migration_count = 1,
               .timeouts = {.connect_ms = 2000, .answer_ms = 30000, .body_ms = 0, .upstream_idle_ms = 4000},
               .worker = {.batch_points = 1000, .batch_bytes = 8 << 20, .parallel = 4, .validate_samples = 100}},
    .migration = {.name = "test", .side = {{.upstream = XF_LEGACY}, {.upstream = XF_NEW}}},
};

int main(int argc, char **argv)
{
    driver.config.upstreams = driver.upstreams;
    atomic_store(&driver.host.dual_write, -1);
    atomic_store(&driver.host.is_leader, true);
    driver.config.migrations = &driver.migration;
    read_options(&driver, argc, argv);
    const struct xf_worker_host host = {&driver.host, on_save, on_load, on_complete, on_phase, on_event};
    const struct xf_journal_options options = {
        .config = &driver.config, .link_count = 1, .hold_ms = driver.config.timeouts.answer_ms};
    if (xf_journal_new(&options, &driver.journal))
        return 1;
    driver.host.journal = driver.journal;
    if (xf_worker_new(&driver.config, driver.journal, &host, &driver.worker))
        return 1;
    char line[65536];
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin))
        run_line(&driver, line);
    if (driver.writer)
        (void)drive_writer_stop(driver.writer);
    xf_worker_free(driver.worker);
    xf_journal_free(driver.journal);
    return 0;
}
