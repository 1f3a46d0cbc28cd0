/* Inside of the Redis connection.
 *
 *   WAITING --timer--> CONNECTING --connected--> GREETING --PONG--> UP
 *      ^                   |                        |               |
 *      +---- lost, refused, timed out: back-off ----+---------------+
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_REDIS_REDIS_INT_H
#define XF_COMMON_REDIS_REDIS_INT_H

#include "common/redis/redis.h"

struct event;
struct redisAsyncContext;

enum xf_redis_state { XF_REDIS_WAITING, XF_REDIS_CONNECTING, XF_REDIS_GREETING, XF_REDIS_UP };

struct xf_redis {
    struct event_base *base;
    struct xf_redis_options options; /* its strings are owned */
    struct xf_redis_events events;
    enum xf_redis_state state;
    struct redisAsyncContext *link; /* NULL while waiting */
    struct event *timer;            /* the next attempt, the connect deadline, or the watchdog's tick */
    uint64_t backoff_ms;
    uint64_t up_since_ms;
    uint64_t heard_ms; /* when the last reply came, or the oldest unanswered command was sent */
    uint64_t ups;
    size_t outstanding;
    unsigned in_callback;
    bool is_closing;
    bool was_reported; /* the present outage is in the log */
    xf_redis_message_fn *message;
    void *message_ctx;
    char *channel;       /* not NULL: a subscriber */
    bool is_unconfirmed; /* the first SUBSCRIBE is not answered yet */
};

void xf_redis_connect(struct xf_redis *redis);
/* Closes what there is, tells everybody and arranges the next attempt. Not from hiredis' connect and disconnect
 * callbacks. */
void xf_redis_drop(struct xf_redis *redis, const char *reason);
/* Sends without looking at the state: the greeting and the watchdog need that. */
XF_MUST_CHECK enum xf_err xf_redis_send(struct xf_redis *redis, const struct xf_slice *args, size_t count,
                                        xf_redis_reply_fn *reply, void *ctx);
/* Sends SUBSCRIBE for the connection's channel, the first time or once more as a sign of life. */
XF_MUST_CHECK enum xf_err xf_redis_send_subscribe(struct xf_redis *redis);
void xf_redis_heard(struct xf_redis *redis);

#endif
