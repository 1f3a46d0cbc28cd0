/* Client-side caching push. RESP2 has no push on the connection that asks, so a second one subscribes to the channel of
 * invalidations, and the first asks the server to send them there, for all keys with the prefix (BCAST), whoever reads
 * them. What our own commands change is not told (NOLOOP): who writes reads again by himself.
 *
 * Whatever fails here - an old server, an ACL that forbids CLIENT or the channel, a second connection that is down -
 * leaves fast polling, and is tried again when either connection comes back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"
#include "proxy/control/control_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void set_tracking(struct xf_control *control, bool is_tracking)
{
    if (control->is_tracking == is_tracking)
        return;
    control->is_tracking = is_tracking;
    xf_follow_set_poll(control);
}

static void refused(struct xf_control *control, struct xf_slice text)
{
    if (!control->is_refusal_logged)
        xf_log(XF_LOG_WARN, "flags", "no push from redis (%.*s), polling every %" PRIu64 " ms", XF_SLICE_ARG(text),
               control->config->flag_poll_ms);
    control->is_refusal_logged = true;
    set_tracking(control, false);
}

static void on_tracking(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_control *control = ctx;
    if (err)
        return;
    if (!xf_redis_reply_is_status(reply, "OK")) {
        refused(control, xf_redis_reply_text(reply));
        return;
    }
    if (control->listener_id <= 0)
        return; /* lost meanwhile; its return asks again */
    control->is_refusal_logged = false;
    xf_log(XF_LOG_INFO, "flags", "changes are pushed by redis");
    set_tracking(control, true);
    xf_follow_read(control, NULL, NULL); /* what changed before the pushes began */
}

/* OFF first: a prefix can be given only once per connection, and the listener may be another one now. */
static void ask(struct xf_control *control)
{
    if (control->listener_id <= 0 || !xf_redis_is_up(control->redis))
        return;
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, control->listener_id);
    struct xf_slice off[] = {XF_SLICE("CLIENT"), XF_SLICE("TRACKING"), XF_SLICE("OFF")};
    struct xf_slice on[] = {
        XF_SLICE("CLIENT"), XF_SLICE("TRACKING"), XF_SLICE("ON"),     XF_SLICE("REDIRECT"),
        xf_slice_of(id),    XF_SLICE("BCAST"),    XF_SLICE("PREFIX"), xf_slice_of(control->tracking_prefix),
        XF_SLICE("NOLOOP")};
    if (xf_redis_command(control->redis, off, 3, NULL, NULL) ||
        xf_redis_command(control->redis, on, sizeof on / sizeof *on, on_tracking, control))
        refused(control, XF_SLICE("the request could not be sent"));
}

static bool is_followed(const struct xf_control *control, struct xf_slice key)
{
    for (size_t i = 1; i <= control->key_count; i++)
        if (xf_slice_eq(control->key_args[i], key))
            return true;
    return false;
}

/* An array of keys, or nil after FLUSHALL. */
static void on_invalidation(struct xf_control *control, const struct xf_redis_reply *payload)
{
    bool is_ours = xf_redis_reply_type(payload) != XF_REDIS_ARRAY;
    for (size_t i = 0; i < xf_redis_reply_count(payload) && !is_ours; i++)
        is_ours = is_followed(control, xf_redis_reply_text(xf_redis_reply_item(payload, i)));
    if (!is_ours)
        return;
    control->counts.invalidations++;
    xf_follow_read(control, NULL, NULL);
}

static void on_message(void *ctx, const struct xf_redis_reply *payload)
{
    struct xf_control *control = ctx;
    if (payload) {
        on_invalidation(control, payload);
        return;
    }
    control->listener_id = -control->listener_id;
    ask(control);
}

static void on_id(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_control *control = ctx;
    if (err)
        return;
    int64_t id = xf_redis_reply_integer(reply);
    if (id <= 0) {
        refused(control, xf_redis_reply_text(reply));
        return;
    }
    control->listener_id = -id; /* becomes positive when the subscription is in force */
    if (xf_redis_subscribe(control->listener, "__redis__:invalidate", on_message, control))
        refused(control, XF_SLICE("the subscription could not be sent"));
}

static void on_listener_up(void *ctx)
{
    struct xf_control *control = ctx;
    struct xf_slice args[] = {XF_SLICE("CLIENT"), XF_SLICE("ID")};
    if (xf_redis_command(control->listener, args, 2, on_id, control))
        refused(control, XF_SLICE("the client id could not be asked for"));
}

static void on_listener_down(void *ctx)
{
    struct xf_control *control = ctx;
    control->listener_id = 0;
    set_tracking(control, false);
    if (xf_redis_is_up(control->redis))
        xf_follow_read(control, NULL, NULL);
}

void xf_tracking_redis_is_up(struct xf_control *control)
{
    if (control->listener_id > 0)
        ask(control);
}

void xf_tracking_redis_is_down(struct xf_control *control)
{
    set_tracking(control, false);
}

enum xf_err xf_tracking_start(struct xf_control *control)
{
    if (asprintf(&control->tracking_prefix, "%s:", control->config->redis.prefix) < 0) {
        control->tracking_prefix = NULL;
        return XF_ERR_NOMEM;
    }
    struct xf_redis_options options = xf_follow_options(control, "pushes");
    struct xf_redis_events events = {on_listener_up, on_listener_down, control};
    return xf_redis_new(control->base, &options, &events, &control->listener);
}

void xf_tracking_stop(struct xf_control *control)
{
    xf_redis_free(control->listener);
    free(control->tracking_prefix);
}
