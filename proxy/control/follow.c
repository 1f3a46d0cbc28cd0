/* Following the flags: the command connection, the reading of all keys at once, and the polls.
 *
 * One script reads everything that decides: three keys per migration and three global ones. It is atomic in Redis, so a
 * reading never shows half of an MSET, and it costs less than finding out what exactly an invalidation was about. MGET
 * would do but for one thing: to it a key of another type (a list, a hash) is one that is not there, which means "off".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "proxy/control/control_int.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { POLL_MS_MIN = 10, READ_WORDS = 3 /* EVAL, script, number of keys */ };

static const char read_script[] = "local read = {} for i, key in ipairs(KEYS) do read[i] = redis.pcall('GET', key) end "
                                  "return read";

struct reading {
    struct xf_control *control;
    xf_read_done_fn *done;
    void *ctx;
};

struct xf_redis_options xf_follow_options(const struct xf_control *control, const char *name)
{
    const struct xf_config *c = control->config;
    return (struct xf_redis_options){.name = name,
                                     .host = c->redis.host,
                                     .port = c->redis.port,
                                     .unix_path = c->redis.unix_path,
                                     .database = c->redis.database,
                                     .user = c->redis.user,
                                     .password = c->redis.password};
}

static struct xf_slice text_or_none(const struct xf_redis_reply *reply, size_t i)
{
    const struct xf_redis_reply *item = xf_redis_reply_item(reply, i);
    return xf_redis_reply_type(item) == XF_REDIS_TEXT ? xf_redis_reply_text(item) : XF_SLICE_NONE;
}

static bool is_odd(const struct xf_redis_reply *reply, size_t i)
{
    return xf_redis_reply_type(xf_redis_reply_item(reply, i)) == XF_REDIS_ERROR;
}

static void report_flag_error(struct xf_control *control, size_t migration)
{
    const struct xf_control_migration *m = &control->migrations[migration];
    control->counts.flag_errors++;
    xf_log(XF_LOG_ERROR, "flags", "migration=%s: %s", m->conf->name, m->flags.error);
}

static bool apply_one(struct xf_control *control, size_t i, struct xf_flag_reading *reading)
{
    struct xf_control_migration *m = &control->migrations[i];
    bool was_dual_write = m->flags.dual_write;
    const struct xf_value *marker = xf_values_find(&m->values, XF_SLICE("complete"));
    reading->is_complete = xf_control_is_complete(control, i);
    reading->has_backfilled = marker && marker->len > 0;
    m->flags.may_jump = m->conf->guard == XF_GUARD_WARN;
    struct xf_flag_change change = xf_flags_apply(&m->flags, reading);
    if (change.is_error_new)
        report_flag_error(control, i);
    if (change.is_state_changed)
        xf_state_changed(control, i, XF_SAVE_SOON_MS);
    if (change.is_in_force_changed)
        xf_log(XF_LOG_INFO, "flags", "migration=%s phase=%s new_reads=%u%%: in force", m->conf->name,
               xf_phase_name(m->flags.phase), m->flags.new_reads_percent);
    if (was_dual_write && !m->flags.dual_write)
        xf_mirror_set_complete(control, i, false); /* a complete backfill is so only while writes go to both sides */
    return change.was_emptied;
}

static void on_incarnation(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_control *control = ctx;
    control->is_incarnation_under_way = false;
    if (err == XF_ERR_STATE)
        return;
    if (!err && xf_redis_reply_type(reply) != XF_REDIS_ERROR)
        xf_follow_read(control, NULL, NULL);
}

/* SET NX: of several proxies that find it missing, one writes it and all read the same. */
static void write_incarnation(struct xf_control *control)
{
    if (control->is_incarnation_under_way)
        return;
    unsigned char random[16];
    char id[2 * sizeof random + 1];
    arc4random_buf(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(id + 2 * i, 3, "%02x", random[i]);
    struct xf_slice key = control->key_args[READ_WORDS + control->key_count - 1];
    struct xf_slice args[] = {XF_SLICE("SET"), key, xf_slice_of(id), XF_SLICE("NX")};
    control->is_incarnation_under_way = xf_redis_command(control->redis, args, 4, on_incarnation, control) == XF_OK;
}

static void report_emptied(struct xf_control *control)
{
    control->counts.emptied++;
    xf_log(XF_LOG_ERROR, "flags",
           "redis=%s: it was emptied or is another one now, flags that are missing stay as last known",
           control->config->redis.url ? control->config->redis.url : "");
}

static void apply(struct xf_control *control, const struct xf_redis_reply *reply)
{
    size_t migrations = control->config->migration_count, globals = migrations * XF_KEYS_PER_MIGRATION;
    bool was_emptied = false, is_changed = false;
    struct xf_flag_reading reading = {.global = {text_or_none(reply, globals), text_or_none(reply, globals + 1)},
                                      .incarnation = text_or_none(reply, globals + 2),
                                      .is_global_odd = {is_odd(reply, globals), is_odd(reply, globals + 1)}};
    for (size_t i = 0; i < migrations; i++) {
        struct xf_flags before = control->migrations[i].flags;
        size_t first = i * XF_KEYS_PER_MIGRATION;
        reading.own[XF_FLAG_DUAL_WRITE] = text_or_none(reply, first);
        reading.own[XF_FLAG_NEW_READS] = text_or_none(reply, first + 1);
        reading.is_own_odd[XF_FLAG_DUAL_WRITE] = is_odd(reply, first);
        reading.is_own_odd[XF_FLAG_NEW_READS] = is_odd(reply, first + 1);
        is_changed |= xf_mirror_saw_complete(control, i, text_or_none(reply, first + 2));
        was_emptied |= apply_one(control, i, &reading);
        is_changed |= !before.is_known || before.dual_write != control->migrations[i].flags.dual_write ||
                      before.new_reads_percent != control->migrations[i].flags.new_reads_percent;
    }
    if (was_emptied)
        report_emptied(control);
    if (!reading.incarnation.ptr)
        write_incarnation(control);
    if (is_changed)
        xf_control_publish(control);
}

static void note_read_error(struct xf_control *control, struct xf_slice text)
{
    char before[sizeof control->read_error];
    memcpy(before, control->read_error, sizeof before);
    snprintf(control->read_error, sizeof control->read_error, "the flags cannot be read: %.*s",
             (int)(text.len < 120 ? text.len : 120), text.ptr);
    if (strcmp(before, control->read_error) != 0) {
        control->counts.flag_errors++;
        xf_log(XF_LOG_ERROR, "flags", "%s, they stay as last known", control->read_error);
    }
}

static void on_read(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct reading read = *(struct reading *)ctx;
    struct xf_control *control = read.control;
    free(ctx);
    control->reads_in_flight--;
    if (err != XF_ERR_STATE) {
        bool is_whole = !err && xf_redis_reply_count(reply) == control->key_count;
        if (is_whole) {
            control->counts.flag_reads++;
            control->read_error[0] = '\0';
            apply(control, reply);
        } else if (!err) {
            note_read_error(control, xf_redis_reply_text(reply));
            err = XF_ERR_IO;
        }
        control->is_first_read_settled = true;
        if (control->read_again && control->reads_in_flight == 0) {
            control->read_again = false;
            xf_follow_read(control, NULL, NULL);
        }
    }
    if (read.done)
        read.done(read.ctx, err);
}

void xf_follow_read(struct xf_control *control, xf_read_done_fn *done, void *ctx)
{
    if (!done && control->reads_in_flight) {
        control->read_again = true;
        return;
    }
    struct reading *read = malloc(sizeof *read);
    enum xf_err err = read ? XF_OK : XF_ERR_NOMEM;
    if (read) {
        *read = (struct reading){control, done, ctx};
        err = xf_redis_command(control->redis, control->key_args, control->key_count + READ_WORDS, on_read, read);
    }
    if (!err) {
        control->reads_in_flight++;
        return;
    }
    free(read);
    if (done)
        done(ctx, err); /* every caller with `done` runs in a callback of its own, long after what asked for it */
}

static void on_poll(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct xf_control *control = ctx;
    if (control->is_publish_due)
        xf_control_publish(control);
    if (xf_redis_is_up(control->redis)) {
        xf_follow_read(control, NULL, NULL);
        xf_mirror_write_pending(control);
    }
    xf_follow_set_poll(control);
}

/* Slowly while pushes come, fast where they do not. */
void xf_follow_set_poll(struct xf_control *control)
{
    uint64_t ms = control->is_tracking ? control->safety_poll_ms : control->config->flag_poll_ms;
    if (control->is_tracking && ms == 0) {
        evtimer_del(control->poll_timer);
        return;
    }
    ms = ms < POLL_MS_MIN ? POLL_MS_MIN : ms;
    struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    XF_ASSERT(evtimer_add(control->poll_timer, &delay) == 0);
}

static void on_up(void *ctx)
{
    struct xf_control *control = ctx;
    control->was_up = true;
    xf_mirror_redis_is_up(control);
    xf_follow_read(control, NULL, NULL);
    xf_tracking_redis_is_up(control);
}

static void on_down(void *ctx)
{
    struct xf_control *control = ctx;
    if (control->was_up)
        control->up_last_ms = xf_clock_now_ms();
    control->was_up = false;
    control->is_first_read_settled = true;
    control->is_incarnation_under_way = false;
    xf_tracking_redis_is_down(control);
}

static bool add_key(struct xf_control *control, size_t i, const char *migration, const char *name)
{
    const char *prefix = control->config->redis.prefix;
    int len = migration ? asprintf(&control->keys[i], "%s:{%s}:%s", prefix, migration, name)
                        : asprintf(&control->keys[i], "%s:%s", prefix, name);
    if (len < 0) {
        control->keys[i] = NULL;
        return false;
    }
    control->key_args[READ_WORDS + i] = xf_slice(control->keys[i], (size_t)len);
    return true;
}

static enum xf_err make_keys(struct xf_control *control)
{
    size_t migrations = control->config->migration_count, i = 0;
    control->key_count = migrations * XF_KEYS_PER_MIGRATION + XF_KEYS_GLOBAL;
    control->keys = calloc(control->key_count, sizeof *control->keys);
    control->key_args = calloc(control->key_count + READ_WORDS, sizeof *control->key_args);
    if (!control->keys || !control->key_args)
        return XF_ERR_NOMEM;
    snprintf(control->key_count_text, sizeof control->key_count_text, "%zu", control->key_count);
    control->key_args[0] = XF_SLICE("EVAL");
    control->key_args[1] = xf_slice_of(read_script);
    control->key_args[2] = xf_slice_of(control->key_count_text);
    for (size_t m = 0; m < migrations; m++) {
        const char *name = control->config->migrations[m].name;
        if (!add_key(control, i++, name, xf_flag_key(XF_FLAG_DUAL_WRITE)) ||
            !add_key(control, i++, name, xf_flag_key(XF_FLAG_NEW_READS)) || !add_key(control, i++, name, "complete"))
            return XF_ERR_NOMEM;
    }
    bool is_made = add_key(control, i, NULL, xf_flag_key(XF_FLAG_DUAL_WRITE)) &&
                   add_key(control, i + 1, NULL, xf_flag_key(XF_FLAG_NEW_READS)) &&
                   add_key(control, i + 2, NULL, "incarnation");
    return is_made ? XF_OK : XF_ERR_NOMEM;
}

enum xf_err xf_follow_start(struct xf_control *control)
{
    control->up_last_ms = xf_clock_now_ms();
    control->poll_timer = evtimer_new(control->base, on_poll, control);
    if (!control->poll_timer)
        return XF_ERR_NOMEM;
    enum xf_err err = make_keys(control);
    struct xf_redis_options options = xf_follow_options(control, "commands");
    struct xf_redis_events events = {on_up, on_down, control};
    if (!err)
        err = xf_redis_new(control->base, &options, &events, &control->redis);
    if (!err)
        err = xf_tracking_start(control);
    if (!err)
        xf_follow_set_poll(control);
    return err;
}

void xf_follow_stop(struct xf_control *control)
{
    xf_tracking_stop(control);
    xf_redis_free(control->redis);
    if (control->poll_timer)
        event_free(control->poll_timer);
    for (size_t i = 0; control->keys && i < control->key_count; i++)
        free(control->keys[i]);
    free((void *)control->keys);
    free(control->key_args);
}
