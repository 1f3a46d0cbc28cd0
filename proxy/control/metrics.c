/* The gauges and counters of this module as text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/control_int.h"

#include <inttypes.h>

static enum xf_err head(struct xf_buf *out, const char *name, const char *type, const char *help)
{
    return xf_buf_printf(out, "# HELP crossfade_%s %s\n# TYPE crossfade_%s %s\n", name, help, name, type);
}

static enum xf_err number(struct xf_buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    enum xf_err err = head(out, name, type, help);
    return err ? err : xf_buf_printf(out, "crossfade_%s %" PRIu64 "\n", name, value);
}

/* One sample with the migration as its first label, whose value may hold anything. */
static enum xf_err sample(const struct xf_control *control, size_t i, struct xf_buf *out, const char *metric,
                          const char *label, const char *label_value, unsigned value)
{
    enum xf_err err = xf_buf_printf(out, "crossfade_%s{migration=\"", metric);
    if (!err)
        err = xf_buf_append_json_escaped(out, xf_slice_of(control->migrations[i].conf->name));
    return err ? err : xf_buf_printf(out, "\",%s=\"%s\"} %u\n", label, label_value, value);
}

static enum xf_err flags(const struct xf_control *control, struct xf_buf *out)
{
    enum xf_err err = head(out, "flag", "gauge", "Flags in force, in percent");
    for (size_t i = 0; i < control->config->migration_count && !err; i++) {
        const struct xf_flags *f = &control->migrations[i].flags;
        err = sample(control, i, out, "flag", "flag", "dual_write", f->dual_write ? 100 : 0);
        if (!err)
            err = sample(control, i, out, "flag", "flag", "new_reads", f->new_reads_percent);
    }
    return err;
}

static enum xf_err phases(const struct xf_control *control, struct xf_buf *out)
{
    enum xf_err err = head(out, "phase", "gauge", "1 for the phase in force");
    for (size_t i = 0; i < control->config->migration_count; i++)
        for (enum xf_phase phase = 0; phase < XF_PHASE_COUNT && !err; phase++)
            err = sample(control, i, out, "phase", "phase", xf_phase_name(phase),
                         control->migrations[i].flags.phase == phase);
    return err;
}

static enum xf_err refused(const struct xf_control *control, struct xf_buf *out)
{
    enum xf_err err = head(out, "unusable", "gauge", "1 while every request to the migration is refused: its state is not known");
    for (size_t i = 0; i < control->config->migration_count && !err; i++) {
        err = xf_buf_append_slice(out, XF_SLICE("crossfade_unusable{migration=\""));
        if (!err)
            err = xf_buf_append_json_escaped(out, xf_slice_of(control->migrations[i].conf->name));
        if (!err)
            err = xf_buf_printf(out, "\"} %d\n", xf_control_is_refused(control, i));
    }
    return err;
}

static uint64_t migrations_in_error(const struct xf_control *control)
{
    uint64_t count = 0;
    for (size_t i = 0; i < control->config->migration_count; i++)
        count += control->migrations[i].flags.error[0] || control->read_error[0];
    return count;
}

enum xf_err xf_control_metrics(const struct xf_control *control, struct xf_buf *out)
{
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"redis_up", "gauge", "Whether Redis answers", xf_redis_is_up(control->redis)},
        {"redis_push", "gauge", "Whether Redis pushes changes of flags (else they are polled)", control->is_tracking},
        {"redis_reconnects_total", "counter", "Connections to Redis that came back",
         xf_redis_reconnects(control->redis)},
        {"redis_emptied_total", "counter", "Times that Redis was found emptied or replaced", control->counts.emptied},
        {"flag_errors", "gauge", "Migrations whose flags in Redis are in error now", migrations_in_error(control)},
        {"flag_errors_total", "counter", "Errors found in flags", control->counts.flag_errors},
        {"state_write_errors_total", "counter", "Failed writes to the state directory",
         control->counts.state_write_errors + xf_state_writer_errors(control->state_writer)},
        {"alias_refresh_errors_total", "counter", "Failed requests for aliases and vector names",
         control->counts.alias_refresh_errors},
    };
    enum xf_err err = XF_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !err; i++)
        err = number(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
    if (!err)
        err = flags(control, out);
    if (!err)
        err = refused(control, out);
    return err ? err : phases(control, out);
}
