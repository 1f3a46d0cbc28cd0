/* GET /metrics: the data threads' counters, the control thread's gauges, and the journal's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include "proxy/stats/stats.h"

#include <stdlib.h>

/* One gauge of the journal's, for each migration. */
struct row {
    const char *name, *help;
    uint64_t (*value)(const struct xf_journal_state *state);
};
#define VALUE(name, expression)                                                                                        \
    static uint64_t name(const struct xf_journal_state *state)                                                         \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
VALUE(dirty, state->dirty)
VALUE(is_unknown, state->is_unknown)
VALUE(oldest_s, state->oldest_dirty_age_ms / 1000)
VALUE(in_flight, state->in_flight)
VALUE(copies, state->copies)
VALUE(held, state->held)
VALUE(replicas, state->replicas)
VALUE(lapsed, state->lapsed)
VALUE(leads, state->is_leader)
VALUE(cut_off, state->is_cut_off)
#undef VALUE

static enum xf_err print_gauges(const struct xf_admin *admin, struct xf_buf *out)
{
    static const struct row rows[] = {
        {"dirty_points", "Points that may differ between the sides", dirty},
        {"dirty_unknown", "1 if other points than these may differ too, until a reconcile", is_unknown},
        {"oldest_dirty_seconds", "Since when the oldest of them may differ", oldest_s},
        {"writes_in_flight", "Writes of all replicas begun and not yet answered by both sides", in_flight},
        {"copies_in_flight", "Copies under way", copies},
        {"journal_held", "Points on which a request without an answer may still land", held},
        {"journal_replicas", "Replicas that have joined and not left, this one included", replicas},
        {"journal_replicas_lapsed", "Those of them that are gone without having left", lapsed},
        {"journal_leader", "1 if this replica leads the migration: it copies and takes commands", leads},
        {"journal_cut_off", "1 while this replica is without Redis or without its lease: ids go to a file", cut_off},
    };
    const struct xf_config *config = admin->parts.config;
    enum xf_err err = XF_OK;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0] && !err; row++) {
        err = xf_buf_printf(out, "# HELP crossfade_%s %s\n# TYPE crossfade_%s gauge\n", rows[row].name, rows[row].help,
                            rows[row].name);
        for (size_t i = 0; i < config->migration_count && !err; i++) {
            struct xf_journal_state state;
            xf_journal_state(admin->parts.journal, i, &state);
            err =
                xf_buf_printf(out, "crossfade_%s{migration=\"%s\"} %llu\n", rows[row].name, /* names need no escapes */
                              config->migrations[i].name, (unsigned long long)rows[row].value(&state));
        }
    }
    return err;
}

static enum xf_err print_counts(const struct xf_admin *admin, struct xf_buf *out)
{
    struct xf_journal_counts counts;
    xf_journal_counts(admin->parts.journal, &counts);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"begins_total", "counter", "Writes that began", counts.begins},
        {"ends_total", "counter", "Writes that ended", counts.ends},
        {"conflicts_total", "counter", "Begins that Redis put off because of another write or a copy", counts.conflicts},
        {"forced_total", "counter", "Begins that lost patience and went on, which makes points dirty", counts.forced},
        {"queued_total", "counter", "Writes that waited for another one of this replica", counts.queued},
        {"cut_off_writes_total", "counter", "Writes that began or ended without Redis", counts.cut_off_writes},
        {"rejoins_total", "counter", "Times that this replica joined again", counts.rejoins},
        {"lapses_total", "counter", "Lapses of other replicas that this one has declared", counts.lapses_seen},
        {"rolled_back_total", "counter", "Times that Redis had lost what it knew before", counts.rolled_back},
        {"emptied_total", "counter", "Times that Redis was found empty, or another one", counts.emptied},
        {"file_full_total", "counter", "Times that the file of ids was full, which makes everything unknown",
         counts.file_full},
        {"file_bytes", "gauge", "What the files of ids that wait for Redis take", counts.file_bytes},
    };
    enum xf_err err = XF_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !err; i++)
        err = xf_buf_printf(out, "# HELP crossfade_journal_%s %s\n# TYPE crossfade_journal_%s %s\ncrossfade_journal_%s %llu\n",
                            rows[i].name, rows[i].help, rows[i].name, rows[i].type, rows[i].name,
                            (unsigned long long)rows[i].value);
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
    if (!err)
        err = print_gauges(admin, out);
    return err ? err : print_counts(admin, out);
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
