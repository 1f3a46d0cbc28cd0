/* The connection against a real server: commands and their replies in order, losses of every kind, back-off, bounds.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/redis/redis.h"
#include "tests/unit/redis/redis_server.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

#include <cmocka.h>

struct probe {
    struct redis_server server;
    struct event_base *base;
    struct xf_redis *redis;
    unsigned ups, downs, replies, lost, cancelled, messages, subscribed;
    char last[128];
    enum xf_redis_type last_type;
    unsigned wanted;
};

static void on_up(void *ctx)
{
    ((struct probe *)ctx)->ups++;
}

static void on_down(void *ctx)
{
    ((struct probe *)ctx)->downs++;
}

static void on_reply(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct probe *p = ctx;
    assert_int_equal(err == XF_OK, reply != NULL);
    if (!reply) {
        p->lost += err == XF_ERR_EOF;
        p->cancelled += err == XF_ERR_STATE;
        return;
    }
    p->replies++;
    p->last_type = xf_redis_reply_type(reply);
    snprintf(p->last, sizeof p->last, "%.*s", XF_SLICE_ARG(xf_redis_reply_text(reply)));
}

static void open_with(struct probe *p, struct xf_redis_options options)
{
    struct xf_redis_events events = {on_up, on_down, p};
    options.host = "127.0.0.1"; /* a socket goes before it */
    options.port = p->server.port;
    assert_int_equal(xf_redis_new(p->base, &options, &events, &p->redis), XF_OK);
    assert_false(xf_redis_is_up(p->redis));
}

static int setup(void **state)
{
    struct probe *p = calloc(1, sizeof *p);
    assert_non_null(p);
    redis_server_start(&p->server);
    p->base = event_base_new();
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct probe *p = *state;
    xf_redis_free(p->redis);
    event_base_free(p->base);
    redis_server_fini(&p->server);
    free(p);
    return 0;
}

static bool has_ups(void *ctx)
{
    struct probe *p = ctx;
    return p->ups >= p->wanted;
}

static bool has_downs(void *ctx)
{
    struct probe *p = ctx;
    return p->downs >= p->wanted;
}

static bool has_replies(void *ctx)
{
    struct probe *p = ctx;
    return p->replies >= p->wanted;
}

static void wait_for(struct probe *p, condition_fn *condition, unsigned wanted)
{
    p->wanted = wanted;
    run_until(p->base, condition, p);
}

static void send_words(struct probe *p, const char *a, const char *b, const char *c)
{
    struct xf_slice args[3] = {xf_slice_of(a)};
    size_t count = 1;
    if (b)
        args[count++] = xf_slice_of(b);
    if (c)
        args[count++] = xf_slice_of(c);
    unsigned before = p->replies;
    assert_int_equal(xf_redis_command(p->redis, args, count, on_reply, p), XF_OK);
    assert_int_equal(p->replies, before); /* never before return */
}

static void test_replies_are_typed(void **state)
{
    static const struct {
        const char *words[3];
        enum xf_redis_type type;
        const char *text;
    } rows[] = {
        {{"SET", "k", "v w"}, XF_REDIS_STATUS, "OK"}, {{"GET", "k", NULL}, XF_REDIS_TEXT, "v w"},
        {{"GET", "nokey", NULL}, XF_REDIS_NIL, ""},   {{"DEL", "k", NULL}, XF_REDIS_INTEGER, ""},
        {{"KEYS", "*", NULL}, XF_REDIS_ARRAY, ""},    {{"INCRBY", "k", "x"}, XF_REDIS_ERROR, "ERR value is not"}};
    struct probe *p = *state;
    open_with(p, (struct xf_redis_options){0});
    wait_for(p, has_ups, 1);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        send_words(p, rows[i].words[0], rows[i].words[1], rows[i].words[2]);
        wait_for(p, has_replies, i + 1);
        assert_int_equal(p->last_type, rows[i].type);
        assert_memory_equal(p->last, rows[i].text, strlen(rows[i].text));
    }
}

struct numbered {
    unsigned *next;
    unsigned number;
};

static void on_numbered(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct numbered *n = ctx;
    assert_int_equal(err, XF_OK);
    assert_int_equal(xf_redis_reply_integer(reply), n->number + 1);
    assert_int_equal((*n->next)++, n->number);
}

static bool all_answered(void *ctx)
{
    return xf_redis_outstanding(((struct probe *)ctx)->redis) == 0;
}

static void test_pipeline_keeps_order_and_has_a_bound(void **state)
{
    enum { COUNT = 500 };
    struct probe *p = *state;
    static struct numbered numbers[COUNT];
    unsigned next = 0;
    open_with(p, (struct xf_redis_options){.outstanding_max = COUNT});
    struct xf_slice args[] = {XF_SLICE("INCR"), XF_SLICE("counter")};
    assert_int_equal(xf_redis_command(p->redis, args, 2, NULL, NULL), XF_ERR_STATE); /* not up yet */
    wait_for(p, has_ups, 1);
    for (unsigned i = 0; i < COUNT; i++) {
        numbers[i] = (struct numbered){&next, i};
        assert_int_equal(xf_redis_command(p->redis, args, 2, on_numbered, &numbers[i]), XF_OK);
    }
    assert_int_equal(xf_redis_command(p->redis, args, 2, on_reply, p), XF_ERR_FULL);
    run_until(p->base, all_answered, p);
    assert_int_equal(next, COUNT);
}

static void test_user_password_and_database(void **state)
{
    struct probe *p = *state;
    redis_do(&p->server, "ACL SETUSER bob on >s3cret ~* &* +@all");
    open_with(p, (struct xf_redis_options){.user = "bob", .password = "s3cret", .database = 3});
    wait_for(p, has_ups, 1);
    send_words(p, "SET", "where", "here");
    wait_for(p, has_replies, 1);
    assert_true(redis_has(&p->server, "where", NULL));
    redis_do(&p->server, "SELECT 3");
    assert_true(redis_has(&p->server, "where", "here"));
    send_words(p, "ACL", "WHOAMI", NULL);
    wait_for(p, has_replies, 2);
    assert_string_equal(p->last, "bob");
}

static void test_wrong_password_is_not_up_and_not_logged(void **state)
{
    struct probe *p = *state;
    char path[] = "/tmp/xf-log-XXXXXX", text[4096];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    xf_log_set_fd(fd);
    redis_do(&p->server, "ACL SETUSER bob on >s3cret ~* &* +@all");
    open_with(p, (struct xf_redis_options){.user = "bob", .password = "wr0ng-s3cret", .database = 0});
    wait_for(p, has_downs, 2);
    xf_log_set_fd(2);
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    assert_true(len > 0);
    text[len] = '\0';
    assert_non_null(strstr(text, "WRONGPASS"));
    assert_null(strstr(text, "s3cret"));
    assert_int_equal(p->ups, 0);
    close(fd);
    unlink(path);
}

static void test_unix_socket(void **state)
{
    struct probe *p = *state;
    open_with(p, (struct xf_redis_options){.unix_path = p->server.unix_path});
    wait_for(p, has_ups, 1);
    send_words(p, "PING", NULL, NULL);
    wait_for(p, has_replies, 1);
    assert_string_equal(p->last, "PONG");
}

static void test_killed_server_comes_back(void **state)
{
    struct probe *p = *state;
    open_with(p, (struct xf_redis_options){0});
    wait_for(p, has_ups, 1);
    send_words(p, "BLPOP", "nothing", "0");
    redis_server_kill(&p->server);
    wait_for(p, has_downs, 3); /* the loss, and attempts after it */
    assert_int_equal(p->lost, 1);
    assert_false(xf_redis_is_up(p->redis));
    redis_server_start(&p->server);
    wait_for(p, has_ups, 2);
    assert_int_equal(xf_redis_reconnects(p->redis), 1);
    send_words(p, "SET", "k", "v");
    wait_for(p, has_replies, 1);
    assert_string_equal(p->last, "OK");
}

static void test_hung_server_is_noticed(void **state)
{
    struct probe *p = *state;
    open_with(p, (struct xf_redis_options){.answer_timeout_ms = 300, .ping_ms = 200, .connect_timeout_ms = 300});
    wait_for(p, has_ups, 1);
    kill(p->server.pid, SIGSTOP);
    wait_for(p, has_downs, 2); /* with nothing sent by us; then a connect that the kernel takes and nobody answers */
    kill(p->server.pid, SIGCONT);
    wait_for(p, has_ups, 2);
}

static void on_message(void *ctx, const struct xf_redis_reply *payload)
{
    struct probe *p = ctx;
    p->subscribed += payload == NULL;
    p->messages += payload != NULL;
    if (payload)
        snprintf(p->last, sizeof p->last, "%.*s", XF_SLICE_ARG(xf_redis_reply_text(payload)));
}

static bool is_subscribed(void *ctx)
{
    return ((struct probe *)ctx)->subscribed > 0;
}

static bool has_messages(void *ctx)
{
    struct probe *p = ctx;
    return p->messages >= p->wanted;
}

static void test_subscriber_lives_through_quiet_and_notices_a_hang(void **state)
{
    struct probe *p = *state;
    open_with(p, (struct xf_redis_options){.answer_timeout_ms = 300, .ping_ms = 100, .connect_timeout_ms = 300});
    wait_for(p, has_ups, 1);
    assert_int_equal(xf_redis_subscribe(p->redis, "news", on_message, p), XF_OK);
    run_until(p->base, is_subscribed, p);
    run_for_ms(p->base, 1500); /* several signs of life */
    assert_int_equal(p->subscribed, 1);
    assert_int_equal(p->downs, 0);
    struct xf_slice ping[] = {XF_SLICE("PING")};
    assert_int_equal(xf_redis_command(p->redis, ping, 1, on_reply, p), XF_ERR_STATE);
    redis_do(&p->server, "PUBLISH news hello");
    wait_for(p, has_messages, 1);
    assert_string_equal(p->last, "hello");
    kill(p->server.pid, SIGSTOP);
    wait_for(p, has_downs, 1);
    kill(p->server.pid, SIGCONT);
    wait_for(p, has_ups, 2);
    assert_int_equal(xf_redis_subscribe(p->redis, "news", on_message, p), XF_OK);
    redis_do(&p->server, "PUBLISH news nobody-may-hear-this");
}

static void test_free_lets_contexts_go(void **state)
{
    struct probe *p = *state;
    open_with(p, (struct xf_redis_options){0});
    wait_for(p, has_ups, 1);
    send_words(p, "BLPOP", "nothing", "0");
    send_words(p, "PING", NULL, NULL);
    xf_redis_free(p->redis);
    p->redis = NULL;
    assert_int_equal(p->cancelled, 2);
    assert_int_equal(p->downs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replies_are_typed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipeline_keeps_order_and_has_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_user_password_and_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_password_is_not_up_and_not_logged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unix_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_server_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hung_server_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_subscriber_lives_through_quiet_and_notices_a_hang, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_lets_contexts_go, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
