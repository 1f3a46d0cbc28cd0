/* The fixture of the admin port's tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/admin/fixture.h"

#include "common/base/log.h"
#include "proxy/stats/stats.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Control and worker --- */

void xf_control_flags(const struct xf_control *control, size_t migration, struct xf_flag_state *state)
{
    assert_int_equal(migration, 0);
    *state = control->flags;
}

enum xf_phase xf_control_phase(const struct xf_control *control, size_t migration)
{
    assert_int_equal(migration, 0);
    return control->phase;
}

bool xf_control_redis_is_up(const struct xf_control *control)
{
    return control->redis_is_up;
}

bool xf_control_is_refused(const struct xf_control *control, size_t migration)
{
    assert_int_equal(migration, 0);
    return control->is_refused;
}

uint64_t xf_control_redis_down_ms(const struct xf_control *control)
{
    return control->redis_is_up ? 0 : 17000;
}

bool xf_control_is_complete(const struct xf_control *control, size_t migration)
{
    assert_int_equal(migration, 0);
    return control->is_complete;
}

enum xf_err xf_control_set_flags(struct xf_control *control, size_t migration, const char *dual_write,
                                 const char *new_reads, xf_control_done_fn *done, void *ctx)
{
    assert_int_equal(migration, 0);
    (void)snprintf(control->dual_write, sizeof control->dual_write, "%s", dual_write ? dual_write : "-");
    (void)snprintf(control->new_reads, sizeof control->new_reads, "%s", new_reads ? new_reads : "-");
    if (control->set_result)
        return control->set_result;
    assert_null(control->done);
    control->done = done;
    control->done_ctx = ctx;
    return XF_OK;
}

enum xf_err xf_control_metrics(const struct xf_control *control, struct xf_buf *out)
{
    return xf_buf_printf(out, "# HELP crossfade_redis_up x\n# TYPE crossfade_redis_up gauge\ncrossfade_redis_up %d\n",
                         control->redis_is_up);
}

enum xf_err xf_worker_command(struct xf_worker *worker, size_t migration, enum xf_command command,
                              const struct xf_command_options *options, struct xf_buf *why)
{
    assert_int_equal(migration, 0);
    worker->commands++;
    worker->command = command;
    worker->options = *options;
    enum xf_err err = worker->why ? xf_buf_append_slice(why, xf_slice_of(worker->why)) : XF_OK;
    return err ? err : worker->result;
}

enum xf_err xf_worker_status(struct xf_worker *worker, size_t migration, struct xf_buf *out)
{
    assert_int_equal(migration, 0);
    return xf_buf_append_slice(out, xf_slice_of(worker->status));
}

enum xf_err xf_worker_dry_run(struct xf_worker *worker, size_t migration, enum xf_command command,
                              xf_dry_run_done_fn *done, void *ctx)
{
    assert_int_equal(migration, 0);
    worker->command = command;
    if (worker->result)
        return worker->result;
    worker->dry_run = done;
    worker->dry_run_ctx = ctx;
    if (worker->why)
        done(ctx, XF_OK, xf_slice_of(worker->why));
    return XF_OK;
}

void fixture_dry_run_done(struct fixture *fixture, enum xf_err err, const char *text)
{
    assert_non_null(fixture->worker.dry_run);
    fixture->worker.dry_run(fixture->worker.dry_run_ctx, err, xf_slice_of(text));
}

/* --- The fixture --- */

static enum xf_err post(void *ctx, xf_admin_task_fn *fn, void *fn_ctx, const void *args, size_t args_bytes)
{
    struct fixture *fixture = ctx;
    struct task *task = malloc(sizeof *task + args_bytes), **at = &fixture->tasks;
    if (!task)
        return XF_ERR_NOMEM;
    *task = (struct task){.fn = fn, .ctx = fn_ctx};
    memcpy(task->args, args, args_bytes);
    pthread_mutex_lock(&fixture->lock);
    while (*at)
        at = &(*at)->next;
    *at = task;
    pthread_mutex_unlock(&fixture->lock);
    return XF_OK;
}

static bool run_task(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    struct task *task = fixture->tasks;
    if (task)
        fixture->tasks = task->next;
    pthread_mutex_unlock(&fixture->lock);
    if (task)
        task->fn(task->ctx, task->args);
    free(task);
    return task != NULL;
}

static bool is_ready(void *ctx)
{
    return ((struct fixture *)ctx)->is_ready;
}

static uint16_t free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* Somebody else may take the free port first: then another one. */
static void start_admin(struct fixture *fixture)
{
    struct xf_admin_parts parts = {.config = &fixture->config,
                                   .control = &fixture->control,
                                   .worker = &fixture->worker,
                                   .journal = &fixture->journal,
                                   .is_ready = is_ready,
                                   .post = post,
                                   .ctx = fixture};
    enum xf_err err = XF_ERR_IO;
    for (int i = 0; i < 20 && err; i++) {
        fixture->config.admin.listen.port = free_port();
        err = xf_admin_new(&parts, fixture->base, &fixture->admin);
    }
    assert_int_equal(err, XF_OK);
}

void fixture_init(struct fixture *fixture, const char *token)
{
    static char host[] = "127.0.0.1", name[] = "books \"1\"", legacy[] = "old_books", new_name[] = "books",
                upstream[] = "main";
    *fixture = (struct fixture){
        .migration = {.name = name, .side = {{0, legacy}, {0, new_name}}},
        .upstream = {.name = upstream},
        .control = {.flags = {.dual_write_from = "default", .new_reads_from = "default"}, .redis_is_up = true},
        .worker = {.status = "{\"prepare\":null,\"validation\":null}"},
        .journal = {.state = {.is_leader = true, .replicas = 1, .leader = "own"}, .replicas = "[]"},
        .is_ready = true,
    };
    assert_int_equal(pthread_mutex_init(&fixture->lock, NULL), 0);
    fixture->config = (struct xf_config){
        .migrations = &fixture->migration, .migration_count = 1, .upstreams = &fixture->upstream, .upstream_count = 1};
    fixture->config.admin.listen.host = host;
    fixture->config.admin.token = token ? strdup(token) : NULL;
    xf_log_set_level(XF_LOG_ERROR);
    fixture->base = event_base_new();
    assert_non_null(fixture->base);
    start_admin(fixture);
}

void fixture_fini(struct fixture *fixture)
{
    while (fixture->admin && run_task(fixture)) /* nothing is lost before xf_admin_free */
        ;
    xf_admin_free(fixture->admin);
    while (fixture->tasks) { /* and later ones are dropped */
        struct task *next = fixture->tasks->next;
        free(fixture->tasks);
        fixture->tasks = next;
    }
    pthread_mutex_destroy(&fixture->lock);
    event_base_free(fixture->base);
    free(fixture->config.admin.token);
    xf_stats_free_all();
}

void fixture_flags_done(struct fixture *fixture, enum xf_err err)
{
    assert_non_null(fixture->control.done);
    xf_control_done_fn *done = fixture->control.done;
    fixture->control.done = NULL;
    done(fixture->control.done_ctx, err);
}

/* --- The client --- */

void turn(struct fixture *fixture)
{
    assert_true(event_base_loop(fixture->base, EVLOOP_NONBLOCK) >= 0);
    while (run_task(fixture))
        ;
}

int client_connect(const struct fixture *fixture)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fixture->config.admin.listen.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void client_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void client_read_until(struct fixture *fixture, int fd, char *answer, size_t room, const char *text)
{
    size_t len = 0;
    answer[0] = '\0';
    while (!text || !strstr(answer, text)) {
        turn(fixture);
        ssize_t got = recv(fd, answer + len, room - len - 1, MSG_DONTWAIT);
        if (got == 0)
            return;
        if (got > 0)
            len += (size_t)got;
        answer[len] = '\0';
    }
}

int ask(struct fixture *fixture, const char *method, const char *path, const char *fields, const char *body,
        char *answer)
{
    static char request[8192];
    int fd = client_connect(fixture), minor, status = 0;
    (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                   method, path, fields, body ? strlen(body) : 0, body ? body : "");
    client_send(fd, request);
    client_read_until(fixture, fd, answer, ANSWER_MAX, NULL);
    (void)close(fd);
    assert_int_equal(sscanf(answer, "HTTP/1.%d %d", &minor, &status), 2);
    return status;
}

const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}
