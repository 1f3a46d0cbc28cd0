/* Life of the control thread's state, the snapshots made of it, and the calls of control.h.
 *
 * At the start the answers of Redis and of the upstreams are waited for, within a bound, so that the first snapshot
 * does not say "legacy only" for a moment where Redis says otherwise: a write in that moment would miss one side.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "proxy/control/control_int.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_WAIT_MS = 2000, SAFETY_POLL_MS = 1000, KEY_MAX = 1024 };

static void fill_view(const struct xf_control *control, size_t i, struct xf_migration_view *view)
{
    const struct xf_control_migration *m = &control->migrations[i];
    const struct xf_facts *legacy = &m->facts[XF_LEGACY];
    *view = (struct xf_migration_view){.is_refused = xf_control_is_refused(control, i),
                                       .phase = m->flags.phase,
                                       .dual_write = m->flags.dual_write,
                                       .new_reads_percent = m->flags.new_reads_percent,
                                       .follower_is_complete = xf_control_is_complete(control, i),
                                       .vectors_match = xf_facts_vectors_match(legacy, &m->facts[XF_NEW]),
                                       .filters_match = xf_facts_filters_match(legacy, &m->facts[XF_NEW]),
                                       .vector_names = legacy->vectors.items,
                                       .vector_name_count = legacy->vectors.count};
}

static enum xf_err make_snapshot(struct xf_control *control, struct xf_snapshot **snapshot)
{
    size_t count = control->config->migration_count;
    struct xf_alias *aliases = NULL;
    size_t alias_count = 0;
    struct xf_migration_view *views = calloc(count + 1, sizeof *views);
    enum xf_err err = views ? xf_aliases_list(control, &aliases, &alias_count) : XF_ERR_NOMEM;
    if (!err) {
        for (size_t i = 0; i < count; i++)
            fill_view(control, i, &views[i]);
        struct xf_snapshot_input input = {control->config, control->generation + 1, views, aliases, alias_count};
        err = xf_snapshot_new(&input, snapshot);
    }
    free(aliases);
    free(views);
    return err;
}

static enum xf_err publish(struct xf_control *control)
{
    struct xf_snapshot *snapshot;
    enum xf_err err = make_snapshot(control, &snapshot);
    if (err)
        return err;
    control->generation++;
    control->publish(control->publish_ctx, snapshot);
    return XF_OK;
}

void xf_control_publish(struct xf_control *control)
{
    enum xf_err err = control->is_started ? publish(control) : XF_OK;
    if (err) /* the next poll tries again */
        xf_log(XF_LOG_ERROR, "control", "no snapshot could be made (%s), the last one stays in force",
               xf_err_sentence(err));
    control->is_publish_due = err != XF_OK;
}

static void on_save(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    xf_state_save_all(ctx);
}

static void on_wait_over(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    ((struct xf_control *)ctx)->is_wait_over = true;
}

/* A loop exit asked for meanwhile (a signal) is handed on to the caller's own run. */
static void wait_for_first_answers(struct xf_control *control)
{
    struct timeval bound = {FIRST_WAIT_MS / 1000, 0};
    XF_ASSERT(evtimer_add(control->wait_timer, &bound) == 0);
    while (!control->is_wait_over && !(control->is_first_read_settled && xf_aliases_are_settled(control))) {
        if (event_base_loop(control->base, EVLOOP_ONCE) != 0)
            break;
        if (event_base_got_exit(control->base) || event_base_got_break(control->base)) {
            event_base_loopexit(control->base, NULL);
            break;
        }
    }
    evtimer_del(control->wait_timer);
}

static enum xf_err start(struct xf_control *control)
{
    const struct xf_config *config = control->config;
    control->migrations = calloc(config->migration_count + 1, sizeof *control->migrations);
    control->save_timer = evtimer_new(control->base, on_save, control);
    control->wait_timer = evtimer_new(control->base, on_wait_over, control);
    if (!control->migrations || !control->save_timer || !control->wait_timer)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < config->migration_count; i++)
        control->migrations[i].conf = &config->migrations[i];
    xf_state_load_all(control);
    enum xf_err err = xf_state_writer_new(config, &control->state_writer);
    if (!err)
        err = xf_aliases_start(control);
    if (!err)
        err = xf_follow_start(control);
    if (err)
        return err;
    wait_for_first_answers(control);
    if (!xf_redis_is_up(control->redis))
        xf_log(XF_LOG_WARN, "control", "redis is not there, starting with the flags last known");
    control->is_started = true;
    return publish(control);
}

enum xf_err xf_control_new(const struct xf_config *config, struct event_base *base, xf_publish_fn *publish_fn,
                           void *ctx, struct xf_control **out)
{
    struct xf_control *control = calloc(1, sizeof *control);
    if (!control)
        return XF_ERR_NOMEM;
    control->config = config;
    control->base = base;
    control->publish = publish_fn;
    control->publish_ctx = ctx;
    control->safety_poll_ms = SAFETY_POLL_MS;
    control->refresh_fd = -1;
    enum xf_err err = start(control);
    if (err)
        xf_control_free(control);
    else
        *out = control;
    return err;
}

void xf_control_free(struct xf_control *control)
{
    if (!control)
        return;
    xf_follow_stop(control);
    xf_aliases_stop(control);
    if (control->state_writer)
        xf_state_save_all(control);
    xf_state_writer_free(control->state_writer);
    if (control->save_timer)
        event_free(control->save_timer);
    if (control->wait_timer)
        event_free(control->wait_timer);
    for (size_t i = 0; control->migrations && i < control->config->migration_count; i++) {
        xf_values_fini(&control->migrations[i].values);
        for (int side = 0; side < XF_SIDE_COUNT; side++)
            xf_facts_fini(&control->migrations[i].facts[side]);
    }
    free(control->migrations);
    free(control);
}

void xf_control_flags(const struct xf_control *control, size_t migration, struct xf_flag_state *state)
{
    const struct xf_flags *flags = &control->migrations[migration].flags;
    const char *error = flags->error[0] ? flags->error : control->read_error[0] ? control->read_error : NULL;
    *state = (struct xf_flag_state){.dual_write = flags->dual_write,
                                    .new_reads_percent = flags->new_reads_percent,
                                    .dual_write_from = xf_flag_from_name(flags->from[XF_FLAG_DUAL_WRITE]),
                                    .new_reads_from = xf_flag_from_name(flags->from[XF_FLAG_NEW_READS]),
                                    .error = error};
}

enum xf_phase xf_control_phase(const struct xf_control *control, size_t migration)
{
    return control->migrations[migration].flags.phase;
}

bool xf_control_was_dual_writing(const struct xf_control *control, size_t migration)
{
    return control->migrations[migration].was_dual_writing;
}

bool xf_control_was_one_sided(const struct xf_control *control, size_t migration)
{
    return control->migrations[migration].was_one_sided;
}

bool xf_control_is_refused(const struct xf_control *control, size_t migration)
{
    const struct xf_control_migration *m = &control->migrations[migration];
    return m->is_held_back || !m->flags.is_known;
}

void xf_control_hold_back(struct xf_control *control, size_t migration, bool is_held_back)
{
    struct xf_control_migration *m = &control->migrations[migration];
    bool was_refused = xf_control_is_refused(control, migration);
    m->is_held_back = is_held_back;
    if (was_refused != xf_control_is_refused(control, migration))
        xf_control_publish(control);
}

bool xf_control_redis_is_up(const struct xf_control *control)
{
    return xf_redis_is_up(control->redis);
}

uint64_t xf_control_redis_down_ms(const struct xf_control *control)
{
    return xf_redis_is_up(control->redis) ? 0 : xf_clock_now_ms() - control->up_last_ms;
}

void xf_control_set_complete(struct xf_control *control, size_t migration, bool is_complete)
{
    if (xf_mirror_set_complete(control, migration, is_complete))
        xf_control_publish(control);
}

bool xf_control_is_complete(const struct xf_control *control, size_t migration)
{
    const struct xf_value *value = xf_values_find(&control->migrations[migration].values, XF_SLICE("complete"));
    return value && xf_slice_eq(xf_slice(value->bytes, value->len), XF_SLICE("1"));
}

struct setting {
    struct xf_control *control;
    xf_control_done_fn *done;
    void *ctx;
};

static void on_in_force(void *ctx, enum xf_err err)
{
    struct setting setting = *(struct setting *)ctx;
    free(ctx);
    setting.done(setting.ctx, err);
}

static void on_set(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct setting *setting = ctx;
    if (!err && xf_redis_reply_is_status(reply, "OK")) {
        xf_follow_read(setting->control, on_in_force, setting);
        return;
    }
    if (!err) {
        xf_log(XF_LOG_ERROR, "flags", "redis did not take the flags: %.*s", XF_SLICE_ARG(xf_redis_reply_text(reply)));
        err = XF_ERR_IO;
    }
    on_in_force(setting, err);
}

static enum xf_err check_pair(const struct xf_control *control, size_t migration, const char *dual_write,
                              const char *new_reads)
{
    const struct xf_flags *flags = &control->migrations[migration].flags;
    uint8_t dual = flags->wanted[XF_FLAG_DUAL_WRITE], reads = flags->wanted[XF_FLAG_NEW_READS];
    enum xf_phase phase;
    if (dual_write && xf_flag_parse(XF_FLAG_DUAL_WRITE, xf_slice_of(dual_write), &dual))
        return XF_ERR_INVALID;
    if (new_reads && xf_flag_parse(XF_FLAG_NEW_READS, xf_slice_of(new_reads), &reads))
        return XF_ERR_INVALID;
    if (xf_phase_of_flags(dual != 0, reads, &phase))
        return XF_ERR_STATE;
    bool may_jump = control->migrations[migration].conf->guard == XF_GUARD_WARN;
    bool is_complete = xf_control_is_complete(control, migration);
    return !may_jump && xf_flags_obstacle(flags->phase, phase, is_complete) ? XF_ERR_BUSY : XF_OK;
}

enum xf_err xf_control_set_flags(struct xf_control *control, size_t migration, const char *dual_write,
                                 const char *new_reads, xf_control_done_fn *done, void *ctx)
{
    struct xf_slice args[5] = {XF_SLICE("MSET")};
    size_t count = 1;
    enum xf_err err = dual_write || new_reads ? check_pair(control, migration, dual_write, new_reads) : XF_ERR_INVALID;
    if (err)
        return err;
    if (!xf_redis_is_up(control->redis))
        return XF_ERR_IO;
    if (dual_write) {
        args[count++] = xf_slice_of(control->keys[migration * XF_KEYS_PER_MIGRATION + XF_FLAG_DUAL_WRITE]);
        args[count++] = xf_slice_of(dual_write);
    }
    if (new_reads) {
        args[count++] = xf_slice_of(control->keys[migration * XF_KEYS_PER_MIGRATION + XF_FLAG_NEW_READS]);
        args[count++] = xf_slice_of(new_reads);
    }
    struct setting *setting = malloc(sizeof *setting);
    if (!setting)
        return XF_ERR_NOMEM;
    *setting = (struct setting){control, done, ctx};
    err = xf_redis_command(control->redis, args, count, on_set, setting);
    if (err)
        free(setting);
    return err;
}

enum xf_err xf_control_save(struct xf_control *control, size_t migration, const char *name, struct xf_slice value)
{
    enum xf_err err = xf_values_set(&control->migrations[migration].values, xf_slice_of(name), value, true);
    if (err)
        return err;
    xf_mirror_write_pending(control);
    xf_state_changed(control, migration, XF_SAVE_LATER_MS);
    return XF_OK;
}

enum xf_err xf_control_load(const struct xf_control *control, size_t migration, const char *name, struct xf_buf *out)
{
    const struct xf_value *value = xf_values_find(&control->migrations[migration].values, xf_slice_of(name));
    return value ? xf_buf_append(out, value->bytes, value->len) : XF_ERR_NOT_FOUND;
}
