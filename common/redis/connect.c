/* The life of a connection: attempts, greeting, watchdog, back-off.
 *
 * There are two ways out of a context. hiredis frees it itself after a failed connect and after an error in reading or
 * writing, and says so in a callback, in which it must not be freed; and drop() frees it, from the timer or from a
 * reply's callback. Both meet in lost(), which does its work once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/redis/redis_int.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_MS = 250, STEADY_MS = 5000 };

static void set_timer(struct xf_redis *redis, uint64_t ms)
{
    struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    XF_ASSERT(evtimer_add(redis->timer, &delay) == 0);
}

/* Between half and the whole of the back-off, so that many clients of one server do not come back in step. */
static uint64_t next_delay_ms(struct xf_redis *redis)
{
    uint64_t whole = redis->backoff_ms;
    redis->backoff_ms = whole * 2 < redis->options.backoff_max_ms ? whole * 2 : redis->options.backoff_max_ms;
    return whole / 2 + arc4random_uniform((uint32_t)(whole / 2 + 1));
}

static void report_loss(struct xf_redis *redis, const char *reason)
{
    if (redis->was_reported)
        return;
    redis->was_reported = true;
    xf_log(XF_LOG_WARN, "redis", "connection=%s: %s, trying again with back-off", redis->options.name, reason);
}

static void lost(struct xf_redis *redis, const char *reason)
{
    if (redis->is_closing || redis->state == XF_REDIS_WAITING)
        return;
    if (redis->state == XF_REDIS_UP && xf_clock_now_ms() - redis->up_since_ms >= STEADY_MS)
        redis->backoff_ms = redis->options.backoff_min_ms;
    redis->link = NULL;
    redis->state = XF_REDIS_WAITING;
    report_loss(redis, reason);
    set_timer(redis, next_delay_ms(redis));
    redis->in_callback++;
    redis->events.down(redis->events.ctx);
    redis->in_callback--;
}

void xf_redis_drop(struct xf_redis *redis, const char *reason)
{
    struct redisAsyncContext *link = redis->link;
    if (!link)
        return;
    link->data = NULL; /* hiredis' disconnect callback has nothing to add */
    redis->link = NULL;
    redisAsyncFree(link);
    lost(redis, reason);
}

static void forget_channel(struct xf_redis *redis)
{
    free(redis->channel);
    redis->channel = NULL;
    redis->is_unconfirmed = false;
    redis->outstanding = 0; /* what is left are the subscription's, which have no callback of their own */
}

static void came_up(struct xf_redis *redis)
{
    redis->state = XF_REDIS_UP;
    redis->ups++;
    redis->up_since_ms = xf_clock_now_ms();
    xf_log(XF_LOG_INFO, "redis", "connection=%s: up", redis->options.name);
    redis->was_reported = false;
    set_timer(redis, TICK_MS);
    redis->events.up(redis->events.ctx);
}

static bool starts_with(struct xf_slice text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && memcmp(text.ptr, start, len) == 0;
}

/* The last word of the greeting. A server that refuses PING to this user still answers, and that is all that is asked.
 */
static void on_pong(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_redis *redis = ctx;
    if (err || !redis->link)
        return;
    struct xf_slice text = xf_redis_reply_text(reply);
    if (starts_with(text, "NOAUTH"))
        xf_redis_drop(redis, "the server wants a password");
    else if (starts_with(text, "LOADING") || starts_with(text, "MASTERDOWN"))
        xf_redis_drop(redis, "the server is not ready, it is loading its data");
    else
        came_up(redis);
}

/* AUTH and SELECT. The server's own words are logged: they never hold the password. */
static void on_greeting(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_redis *redis = ctx;
    if (err || !redis->link || xf_redis_reply_type(reply) != XF_REDIS_ERROR)
        return;
    char reason[160];
    snprintf(reason, sizeof reason, "refused by the server: %.*s", XF_SLICE_ARG(xf_redis_reply_text(reply)));
    xf_redis_drop(redis, reason);
}

static enum xf_err greet(struct xf_redis *redis)
{
    const struct xf_redis_options *o = &redis->options;
    enum xf_err err = XF_OK;
    if (o->password && o->user) {
        struct xf_slice auth[] = {XF_SLICE("AUTH"), xf_slice_of(o->user), xf_slice_of(o->password)};
        err = xf_redis_send(redis, auth, 3, on_greeting, redis);
    } else if (o->password) {
        struct xf_slice auth[] = {XF_SLICE("AUTH"), xf_slice_of(o->password)};
        err = xf_redis_send(redis, auth, 2, on_greeting, redis);
    }
    if (!err && o->database) {
        char number[16];
        struct xf_slice select[] = {XF_SLICE("SELECT"), xf_slice(number, 0)};
        select[1].len = (size_t)snprintf(number, sizeof number, "%u", o->database);
        err = xf_redis_send(redis, select, 2, on_greeting, redis);
    }
    struct xf_slice ping[] = {XF_SLICE("PING")};
    return err ? err : xf_redis_send(redis, ping, 1, on_pong, redis);
}

static void on_connect(const struct redisAsyncContext *link, int status)
{
    struct xf_redis *redis = link->data;
    if (!redis)
        return;
    if (status != REDIS_OK) {
        lost(redis, "cannot connect");
        return;
    }
    redis->state = XF_REDIS_GREETING; /* a greeting that cannot be sent runs into the deadline of the connect */
    if (greet(redis))
        xf_log(XF_LOG_ERROR, "redis", "connection=%s: the greeting could not be sent", redis->options.name);
}

static void on_disconnect(const struct redisAsyncContext *link, int status)
{
    (void)status;
    struct xf_redis *redis = link->data;
    if (!redis)
        return;
    forget_channel(redis);
    lost(redis, "the connection was lost");
}

static struct redisAsyncContext *open_link(struct xf_redis *redis)
{
    const struct xf_redis_options *o = &redis->options;
    redisAsyncContext *link = o->unix_path ? redisAsyncConnectUnix(o->unix_path) : redisAsyncConnect(o->host, o->port);
    if (!link)
        return NULL;
    if (link->err || redisLibeventAttach(link, redis->base) != REDIS_OK) {
        redisAsyncFree(link);
        return NULL;
    }
    link->data = redis;
    redisAsyncSetConnectCallback(link, on_connect);
    redisAsyncSetDisconnectCallback(link, on_disconnect);
    return link;
}

void xf_redis_connect(struct xf_redis *redis)
{
    redis->state = XF_REDIS_CONNECTING;
    forget_channel(redis);
    redis->link = open_link(redis);
    if (redis->link)
        set_timer(redis, redis->options.connect_timeout_ms);
    else
        lost(redis, "cannot connect");
}

/* PING is not answered in its usual form on a subscriber, and hiredis has no place for it: SUBSCRIBE once more is. */
static enum xf_err send_sign_of_life(struct xf_redis *redis)
{
    struct xf_slice ping[] = {XF_SLICE("PING")};
    return redis->channel ? xf_redis_send_subscribe(redis) : xf_redis_send(redis, ping, 1, NULL, NULL);
}

static void watch(struct xf_redis *redis)
{
    uint64_t quiet_ms = xf_clock_now_ms() - redis->heard_ms;
    if (redis->outstanding && quiet_ms >= redis->options.answer_timeout_ms) {
        xf_redis_drop(redis, "the server does not answer");
        return;
    }
    if (!redis->outstanding && quiet_ms >= redis->options.ping_ms && send_sign_of_life(redis)) {
        xf_redis_drop(redis, "a ping could not be sent");
        return;
    }
    set_timer(redis, TICK_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct xf_redis *redis = ctx;
    if (redis->state == XF_REDIS_WAITING)
        xf_redis_connect(redis);
    else if (redis->state == XF_REDIS_UP)
        watch(redis);
    else
        xf_redis_drop(redis, "no connection in time");
}

static bool copy_text(const char **text)
{
    if (!*text)
        return true;
    *text = strdup(*text);
    return *text != NULL;
}

static bool copy_options(struct xf_redis_options *o, const struct xf_redis_options *given)
{
    *o = *given;
    if (!o->name)
        o->name = "redis";
    o->outstanding_max = o->outstanding_max ? o->outstanding_max : 4096;
    o->connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 2000;
    o->answer_timeout_ms = o->answer_timeout_ms ? o->answer_timeout_ms : 2000;
    o->ping_ms = o->ping_ms ? o->ping_ms : 1000;
    o->backoff_min_ms = o->backoff_min_ms ? o->backoff_min_ms : 50;
    o->backoff_max_ms = o->backoff_max_ms ? o->backoff_max_ms : 5000;
    bool is_copied = copy_text(&o->name);
    is_copied = copy_text(&o->host) && is_copied;
    is_copied = copy_text(&o->unix_path) && is_copied;
    is_copied = copy_text(&o->user) && is_copied;
    return copy_text(&o->password) && is_copied;
}

static void free_options(struct xf_redis_options *o)
{
    if (o->password)
        explicit_bzero((void *)o->password, strlen(o->password));
    free((void *)o->password);
    free((void *)o->user);
    free((void *)o->unix_path);
    free((void *)o->host);
    free((void *)o->name);
}

enum xf_err xf_redis_new(struct event_base *base, const struct xf_redis_options *options,
                         const struct xf_redis_events *events, struct xf_redis **out)
{
    if (!options->host && !options->unix_path)
        return XF_ERR_INVALID;
    struct xf_redis *redis = calloc(1, sizeof *redis);
    if (!redis)
        return XF_ERR_NOMEM;
    redis->base = base;
    redis->events = *events;
    redis->timer = evtimer_new(base, on_timer, redis);
    if (!copy_options(&redis->options, options) || !redis->timer) {
        xf_redis_free(redis);
        return XF_ERR_NOMEM;
    }
    redis->backoff_ms = redis->options.backoff_min_ms;
    set_timer(redis, 0);
    *out = redis;
    return XF_OK;
}

void xf_redis_free(struct xf_redis *redis)
{
    if (!redis)
        return;
    XF_ASSERT(redis->in_callback == 0);
    redis->is_closing = true;
    if (redis->link) {
        redis->link->data = NULL;
        redisAsyncFree(redis->link);
    }
    if (redis->timer)
        event_free(redis->timer);
    free(redis->channel);
    free_options(&redis->options);
    free(redis);
}
