/* One pipelined connection to Redis that comes back by itself: connect, AUTH, SELECT, commands with a callback each,
 * and a watchdog that notices a server which has stopped answering. What to do after a loss is the caller's business:
 * commands that were under way are told so and are not sent again.
 *
 * A connection belongs to one event base and its thread; there is no state outside it. A host name is looked up by the
 * system's resolver while connecting, so an address is the better choice where the thread must not wait. Credentials
 * are never logged.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_REDIS_REDIS_H
#define XF_COMMON_REDIS_REDIS_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

struct event_base;
struct xf_redis;

/* Strings are copied. Zero in a number takes the default named behind it. */
struct xf_redis_options {
    const char *name; /* what the connection is for, in log lines */
    const char *host;
    uint16_t port;
    const char *unix_path; /* instead of host and port */
    unsigned database;
    const char *user;            /* NULL: the default user */
    const char *password;        /* NULL: no AUTH */
    size_t outstanding_max;      /* 4096 commands */
    uint64_t connect_timeout_ms; /* 2000: connect, AUTH and SELECT together */
    uint64_t answer_timeout_ms;  /* 2000 without a byte of the answers that are due */
    uint64_t ping_ms;            /* 1000 of quiet before a PING */
    uint64_t backoff_min_ms;     /* 50 */
    uint64_t backoff_max_ms;     /* 5000 */
};

/* `up`: commands are taken from now on. `down`: a connection that was up is lost (after the callbacks of its commands),
 * or an attempt to connect has failed. Both run from the event loop; neither may free the connection. */
struct xf_redis_events {
    void (*up)(void *ctx);
    void (*down)(void *ctx);
    void *ctx;
};

/* Connects from the event loop, not before return. */
XF_MUST_CHECK enum xf_err xf_redis_new(struct event_base *base, const struct xf_redis_options *options,
                                       const struct xf_redis_events *events, struct xf_redis **redis);
/* Calls the callbacks of outstanding commands with STATE, so that their contexts can be let go, then frees. Not from
 * inside a callback of this connection. NULL is fine. */
void xf_redis_free(struct xf_redis *redis);

bool xf_redis_is_up(const struct xf_redis *redis);
size_t xf_redis_outstanding(const struct xf_redis *redis);
uint64_t xf_redis_reconnects(const struct xf_redis *redis); /* how often it came up again after the first time */

enum xf_redis_type {
    XF_REDIS_NIL,
    XF_REDIS_TEXT, /* bulk string */
    XF_REDIS_STATUS,
    XF_REDIS_ERROR,
    XF_REDIS_INTEGER,
    XF_REDIS_ARRAY
};
struct xf_redis_reply; /* holds until its callback returns */
enum xf_redis_type xf_redis_reply_type(const struct xf_redis_reply *reply);
struct xf_slice xf_redis_reply_text(const struct xf_redis_reply *reply); /* of a text, status or error; else empty */
int64_t xf_redis_reply_integer(const struct xf_redis_reply *reply);      /* 0 for anything else */
size_t xf_redis_reply_count(const struct xf_redis_reply *reply);         /* of an array; else 0 */
const struct xf_redis_reply *xf_redis_reply_item(const struct xf_redis_reply *reply, size_t i);
bool xf_redis_reply_is_status(const struct xf_redis_reply *reply, const char *status);

/* `err` is OK with a reply (which may be an error reply), EOF when the connection was lost before the answer came,
 * STATE when the connection is being freed; without OK the reply is NULL. */
typedef void xf_redis_reply_fn(void *ctx, enum xf_err err, const struct xf_redis_reply *reply);

/* Sends a command behind those under way; arguments are copied, replies come in order. STATE while down, FULL with
 * `outstanding_max` under way; then `reply` is never called. Otherwise it is called exactly once, never before return.
 */
XF_MUST_CHECK enum xf_err xf_redis_command(struct xf_redis *redis, const struct xf_slice *args, size_t count,
                                           xf_redis_reply_fn *reply, void *ctx);

/* Makes this connection a subscriber of one channel until it is lost; `up` subscribes again. `message` gets the payload
 * of each message, and NULL once the subscription is in force. A subscriber takes no commands: STATE. */
typedef void xf_redis_message_fn(void *ctx, const struct xf_redis_reply *payload);
XF_MUST_CHECK enum xf_err xf_redis_subscribe(struct xf_redis *redis, const char *channel, xf_redis_message_fn *message,
                                             void *ctx);

#endif
