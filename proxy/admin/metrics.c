/* GET /metrics: the data threads' counters, the control thread's gauges, and the journal's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include "proxy/stats/stats.h"

#include <stdlib.h>

static uint64_t value_of(const struct xf_journal_state *state, int row)
{
    switch (row) {
    case 0:
        return state->dirty;
    case 1:
        return state->is_unknown;
    case 2:
        return state->oldest_dirty_age_ms / 1000;
    case 3:
        return state->in_flight;
    default:
        return state->copies;
    }
}

static enum xf_err print_journal(const struct xf_admin *admin, struct xf_buf *out)
{
    static const struct {
        const char *name, *help;
    } rows[] = {{"dirty_points", "Points that may differ between the sides"},
                {"dirty_unknown", "1 if other points than these may differ too, until a reconcile"},
                {"oldest_dirty_seconds", "Since when the oldest of them may differ"},
                {"writes_in_flight", "Writes begun and not yet answered by both sides"},
                {"copies_in_flight", "Copies under way"}};
    const struct xf_config *config = admin->parts.config;
    enum xf_err err = XF_OK;
    for (int row = 0; row < (int)(sizeof rows / sizeof rows[0]) && !err; row++) {
        err = xf_buf_printf(out, "# HELP crossfade_%s %s\n# TYPE crossfade_%s gauge\n", rows[row].name, rows[row].help,
                            rows[row].name);
        for (size_t i = 0; i < config->migration_count && !err; i++) {
            struct xf_journal_state state;
            xf_journal_state(admin->parts.journal, i, &state);
            err =
                xf_buf_printf(out, "crossfade_%s{migration=\"%s\"} %llu\n", rows[row].name, /* names need no escapes */
                              config->migrations[i].name, (unsigned long long)value_of(&state, row));
        }
    }
    return err;
}

static enum xf_err print_stats(const struct xf_config *config, struct xf_buf *out)
{
    const char **names = calloc(config->migration_count + 1, sizeof *names);
    if (!names)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < config->migration_count; i++)
        names[i] = config->migrations[i].name;
    enum xf_err err = xf_stats_print(out, names, config->migration_count);
    free(names);
    return err;
}

static enum xf_err print_all(const struct xf_admin *admin, struct xf_buf *out)
{
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE("# HELP crossfade_build_info The version that runs\n"
                                                        "# TYPE crossfade_build_info gauge\n"
                                                        "crossfade_build_info{version=\"" XF_VERSION "\"} 1\n"));
    if (!err)
        err = print_stats(admin->parts.config, out);
    if (!err)
        err = xf_control_metrics(admin->parts.control, out);
    return err ? err : print_journal(admin, out);
}

void xf_admin_on_metrics(struct xf_admin_request *request)
{
    struct xf_buf out;
    xf_buf_init(&out, XF_ADMIN_ANSWER_BYTES_MAX);
    enum xf_err err = print_all(request->admin, &out);
    if (err)
        xf_admin_error_code(request->http, err);
    else
        xf_admin_reply(request->http, 200, "text/plain; version=0.0.4; charset=utf-8", xf_buf_view(&out));
    xf_buf_fini(&out);
}
