/* Commands, replies and the subscription; connect.c holds the connection's life.
 *
 * hiredis calls the callback of every command exactly once: with a reply, or with NULL when its context goes. That is
 * what the counting of outstanding commands and the freeing of `struct command` rest on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/redis/redis_int.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <hiredis/async.h>
#include <stdlib.h>

enum { ARGS_MAX = 8192, ARGS_INLINE = 32 };

struct command {
    struct xf_redis *redis;
    xf_redis_reply_fn *reply;
    void *ctx;
};

static const redisReply *raw(const struct xf_redis_reply *reply)
{
    return (const redisReply *)(const void *)reply;
}

static const struct xf_redis_reply *wrapped(const redisReply *reply)
{
    return (const struct xf_redis_reply *)(const void *)reply;
}

enum xf_redis_type xf_redis_reply_type(const struct xf_redis_reply *reply)
{
    switch (raw(reply)->type) {
    case REDIS_REPLY_STRING:
        return XF_REDIS_TEXT;
    case REDIS_REPLY_STATUS:
        return XF_REDIS_STATUS;
    case REDIS_REPLY_INTEGER:
        return XF_REDIS_INTEGER;
    case REDIS_REPLY_ARRAY:
        return XF_REDIS_ARRAY;
    case REDIS_REPLY_NIL:
        return XF_REDIS_NIL;
    default:
        return XF_REDIS_ERROR;
    }
}

struct xf_slice xf_redis_reply_text(const struct xf_redis_reply *reply)
{
    const redisReply *r = raw(reply);
    bool has_text = r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS || r->type == REDIS_REPLY_ERROR;
    return has_text && r->str ? xf_slice(r->str, r->len) : XF_SLICE("");
}

int64_t xf_redis_reply_integer(const struct xf_redis_reply *reply)
{
    return raw(reply)->type == REDIS_REPLY_INTEGER ? raw(reply)->integer : 0;
}

size_t xf_redis_reply_count(const struct xf_redis_reply *reply)
{
    return raw(reply)->type == REDIS_REPLY_ARRAY ? raw(reply)->elements : 0;
}

const struct xf_redis_reply *xf_redis_reply_item(const struct xf_redis_reply *reply, size_t i)
{
    XF_ASSERT(i < xf_redis_reply_count(reply));
    return wrapped(raw(reply)->element[i]);
}

bool xf_redis_reply_is_status(const struct xf_redis_reply *reply, const char *status)
{
    return xf_redis_reply_type(reply) == XF_REDIS_STATUS &&
           xf_slice_eq(xf_redis_reply_text(reply), xf_slice_of(status));
}

bool xf_redis_is_up(const struct xf_redis *redis)
{
    return redis->state == XF_REDIS_UP;
}

size_t xf_redis_outstanding(const struct xf_redis *redis)
{
    return redis->outstanding;
}

uint64_t xf_redis_reconnects(const struct xf_redis *redis)
{
    return redis->ups ? redis->ups - 1 : 0;
}

void xf_redis_heard(struct xf_redis *redis)
{
    redis->heard_ms = xf_clock_now_ms();
}

static void on_reply(redisAsyncContext *link, void *data, void *privdata)
{
    (void)link;
    struct command *command = privdata;
    struct xf_redis *redis = command->redis;
    redis->outstanding--;
    if (data)
        xf_redis_heard(redis);
    enum xf_err err = data ? XF_OK : redis->is_closing ? XF_ERR_STATE : XF_ERR_EOF;
    redis->in_callback++;
    if (command->reply)
        command->reply(command->ctx, err, wrapped(data));
    redis->in_callback--;
    free(command);
}

static bool hand_to_hiredis(struct xf_redis *redis, struct command *command, const struct xf_slice *args, size_t count)
{
    const char *inline_texts[ARGS_INLINE];
    size_t inline_lens[ARGS_INLINE] = {0};
    bool is_large = count > ARGS_INLINE;
    const char **texts = is_large ? malloc(count * sizeof *texts) : inline_texts;
    size_t *lens = is_large ? malloc(count * sizeof *lens) : inline_lens;
    bool is_sent = false;
    if (texts && lens) {
        for (size_t i = 0; i < count; i++) {
            texts[i] = args[i].ptr;
            lens[i] = args[i].len;
        }
        is_sent = redisAsyncCommandArgv(redis->link, on_reply, command, (int)count, texts, lens) == REDIS_OK;
    }
    if (is_large) {
        free((void *)texts);
        free(lens);
    }
    return is_sent;
}

enum xf_err xf_redis_send(struct xf_redis *redis, const struct xf_slice *args, size_t count, xf_redis_reply_fn *reply,
                          void *ctx)
{
    if (redis->is_closing || !redis->link)
        return XF_ERR_STATE;
    XF_ASSERT(count > 0);
    if (count > ARGS_MAX)
        return XF_ERR_RANGE;
    struct command *command = malloc(sizeof *command);
    if (!command)
        return XF_ERR_NOMEM;
    *command = (struct command){redis, reply, ctx};
    if (!hand_to_hiredis(redis, command, args, count)) {
        free(command);
        return XF_ERR_STATE;
    }
    if (redis->outstanding++ == 0)
        xf_redis_heard(redis);
    return XF_OK;
}

enum xf_err xf_redis_command(struct xf_redis *redis, const struct xf_slice *args, size_t count,
                             xf_redis_reply_fn *reply, void *ctx)
{
    if (redis->state != XF_REDIS_UP || redis->channel)
        return XF_ERR_STATE;
    if (redis->outstanding >= redis->options.outstanding_max)
        return XF_ERR_FULL;
    return xf_redis_send(redis, args, count, reply, ctx);
}

/* What comes: ["subscribe", channel, 1] and ["message", channel, payload]; an error where the server refuses. */
static void on_message(redisAsyncContext *link, void *data, void *privdata)
{
    (void)link;
    struct xf_redis *redis = privdata;
    if (!data)
        return; /* the connection goes; `down` tells */
    xf_redis_heard(redis);
    const struct xf_redis_reply *reply = wrapped(data);
    if (xf_redis_reply_count(reply) < 3)
        return;
    bool is_answer = xf_slice_eq(xf_redis_reply_text(xf_redis_reply_item(reply, 0)), XF_SLICE("subscribe"));
    if (is_answer && redis->outstanding)
        redis->outstanding--;
    if (is_answer && !redis->is_unconfirmed)
        return; /* the watchdog's */
    redis->is_unconfirmed = redis->is_unconfirmed && !is_answer;
    redis->in_callback++;
    redis->message(redis->message_ctx, is_answer ? NULL : xf_redis_reply_item(reply, 2));
    redis->in_callback--;
}

enum xf_err xf_redis_send_subscribe(struct xf_redis *redis)
{
    const char *args[] = {"SUBSCRIBE", redis->channel};
    if (redisAsyncCommandArgv(redis->link, on_message, redis, 2, args, NULL) != REDIS_OK)
        return XF_ERR_STATE;
    if (redis->outstanding++ == 0)
        xf_redis_heard(redis);
    return XF_OK;
}

enum xf_err xf_redis_subscribe(struct xf_redis *redis, const char *channel, xf_redis_message_fn *message, void *ctx)
{
    if (redis->state != XF_REDIS_UP || redis->channel || redis->outstanding)
        return XF_ERR_STATE;
    redis->channel = strdup(channel);
    if (!redis->channel)
        return XF_ERR_NOMEM;
    redis->message = message;
    redis->message_ctx = ctx;
    redis->is_unconfirmed = true;
    enum xf_err err = xf_redis_send_subscribe(redis);
    if (err) {
        free(redis->channel);
        redis->channel = NULL;
    }
    return err;
}
