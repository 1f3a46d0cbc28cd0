/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/redis/redis_server.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { BOUND_MS = 30000 };

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void run_server(const struct redis_server *server)
{
    char port[8];
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves no server behind */
    snprintf(port, sizeof port, "%u", server->port);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
           "--dir", server->dir, "--unixsocket", server->unix_path, "--daemonize", "no", (char *)NULL);
    _exit(127);
}

static bool connect_cli(struct redis_server *server)
{
    struct timeval bound = {5, 0};
    server->cli = redisConnectWithTimeout("127.0.0.1", server->port, bound);
    if (server->cli && !server->cli->err) {
        redisReply *reply = redisCommand(server->cli, "PING");
        bool is_ready = reply && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
        if (is_ready)
            return true;
    }
    if (server->cli)
        redisFree(server->cli);
    server->cli = NULL;
    return false;
}

void redis_server_start(struct redis_server *server)
{
    if (!server->port) {
        server->port = free_port();
        snprintf(server->dir, sizeof server->dir, "/tmp/xf-redis-XXXXXX");
        assert_non_null(mkdtemp(server->dir));
        snprintf(server->unix_path, sizeof server->unix_path, "%s/sock", server->dir);
    }
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0)
        run_server(server);
    uint64_t start_ms = xf_clock_now_ms();
    while (!connect_cli(server)) {
        assert_true(xf_clock_now_ms() - start_ms < BOUND_MS);
        usleep(10000);
    }
}

void redis_server_kill(struct redis_server *server)
{
    if (server->cli)
        redisFree(server->cli);
    server->cli = NULL;
    if (!server->pid)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void redis_server_pause(const struct redis_server *server)
{
    kill(server->pid, SIGSTOP);
}

void redis_server_wake(const struct redis_server *server)
{
    kill(server->pid, SIGCONT);
}

void redis_server_fini(struct redis_server *server)
{
    char dump[96];
    redis_server_kill(server);
    unlink(server->unix_path);
    snprintf(dump, sizeof dump, "%s/dump.rdb", server->dir);
    unlink(dump); /* where a test has asked for one */
    rmdir(server->dir);
    *server = (struct redis_server){0};
}

void redis_do(struct redis_server *server, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    const char *words[16];
    int count = 0;
    for (char *rest, *word = strtok_r(line, " ", &rest); word && count < 16; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    redisReply *reply = redisCommandArgv(server->cli, count, words, NULL);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}

bool redis_has(struct redis_server *server, const char *key, const char *value)
{
    redisReply *reply = redisCommand(server->cli, "GET %s", key);
    assert_non_null(reply);
    bool is_equal =
        value ? reply->type == REDIS_REPLY_STRING && strcmp(reply->str, value) == 0 : reply->type == REDIS_REPLY_NIL;
    freeReplyObject(reply);
    return is_equal;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)ctx;
}

/* A turn of the loop that also ends when nothing happens. */
static void step(struct event_base *base)
{
    struct timeval bound = {0, 5000};
    struct event *tick = evtimer_new(base, on_tick, NULL);
    assert_non_null(tick);
    assert_int_equal(evtimer_add(tick, &bound), 0);
    event_base_loop(base, EVLOOP_ONCE);
    event_free(tick);
}

void run_until(struct event_base *base, condition_fn *condition, void *ctx)
{
    uint64_t start_ms = xf_clock_now_ms();
    while (!condition(ctx)) {
        assert_true(xf_clock_now_ms() - start_ms < BOUND_MS);
        step(base);
    }
}

void run_for_ms(struct event_base *base, uint64_t ms)
{
    uint64_t start_ms = xf_clock_now_ms();
    while (xf_clock_now_ms() - start_ms < ms)
        step(base);
}
