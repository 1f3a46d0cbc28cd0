/* Prometheus text format 0.0.4. HELP and TYPE stand once before all samples of a metric, whatever the number of
 * migrations, sides and outcomes; rows of one metric therefore stand together in the tables.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/stats/stats_int.h"

#include <string.h>

/* The first error sticks, and whatever follows it is not printed. */
struct printer {
    struct xf_buf *out;
    enum xf_err err;
};

#define PRINT(printer, ...)                                                                                            \
    do {                                                                                                               \
        if (!(printer)->err)                                                                                           \
            (printer)->err = xf_buf_printf((printer)->out, __VA_ARGS__);                                               \
    } while (0)

static void print_header(struct printer *printer, const char *name, const char *type, const char *help)
{
    PRINT(printer, "# HELP crossfade_%s %s\n# TYPE crossfade_%s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed are escaped, all else stands as it is. */
static void print_label_value(struct printer *printer, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            PRINT(printer, "\\n");
        else if (*text == '"' || *text == '\\')
            PRINT(printer, "\\%c", *text);
        else
            PRINT(printer, "%c", *text);
    }
}

static void print_migration_label(struct printer *printer, const char *migration)
{
    PRINT(printer, "migration=\"");
    print_label_value(printer, migration);
    PRINT(printer, "\"");
}

/* A gauge's sum may be below zero for a moment, when blocks are read one after the other. */
static void print_number(struct printer *printer, const char *type, uint64_t value)
{
    if (strcmp(type, "gauge") == 0)
        PRINT(printer, " %lld\n", (long long)value);
    else
        PRINT(printer, " %llu\n", (unsigned long long)value);
}

static void print_program_counters(struct printer *printer)
{
    static const struct {
        const char *name, *type, *help;
    } rows[XF_STAT_COUNT] = {
#define XF_STAT(id, name, type, help) {name, type, help},
#include "proxy/stats/stats.def"
#undef XF_STAT
    };
    for (int i = 0; i < XF_STAT_COUNT; i++) {
        print_header(printer, rows[i].name, rows[i].type, rows[i].help);
        PRINT(printer, "crossfade_%s", rows[i].name);
        print_number(printer, rows[i].type, xf_stat_sum((enum xf_stat)i));
    }
}

static const struct migration_row {
    const char *name, *labels, *type, *help;
} migration_rows[XF_MSTAT_COUNT] = {
#define XF_MSTAT(id, name, labels, type, help) {name, labels, type, help},
#include "proxy/stats/migration.def"
#undef XF_MSTAT
};

static void print_migration_sample(struct printer *printer, int row_index, const char *migration, size_t index)
{
    const struct migration_row *row = &migration_rows[row_index];
    PRINT(printer, "crossfade_%s{", row->name);
    print_migration_label(printer, migration);
    PRINT(printer, "%s%s}", *row->labels ? "," : "", row->labels);
    print_number(printer, row->type, xf_mstat_sum(index, (enum xf_mstat)row_index));
}

static void print_migration_counters(struct printer *printer, const char *const *names, size_t count)
{
    int first = 0;
    while (first < XF_MSTAT_COUNT) {
        const struct migration_row *row = &migration_rows[first];
        int end = first;
        while (end < XF_MSTAT_COUNT && strcmp(migration_rows[end].name, row->name) == 0)
            end++;
        print_header(printer, row->name, row->type, row->help);
        for (size_t m = 0; m < count; m++)
            for (int i = first; i < end; i++)
                print_migration_sample(printer, i, names[m], m);
        first = end;
    }
}

/* One histogram, added up over all blocks. */
struct hist_sum {
    uint64_t buckets[XF_HIST_BUCKETS + 1];
    uint64_t sum_us;
};

static void add_hist(struct hist_sum *sum, const struct xf_hist *hist)
{
    for (int i = 0; i <= XF_HIST_BUCKETS; i++)
        sum->buckets[i] += atomic_load_explicit(&hist->buckets[i], memory_order_relaxed);
    sum->sum_us += atomic_load_explicit(&hist->sum_us, memory_order_relaxed);
}

/* Where a histogram's samples stand: its name, the migration (or NULL) and the side. */
struct hist_labels {
    const char *name, *migration, *side;
};

static void print_hist_line(struct printer *printer, const struct hist_labels *labels, const char *suffix,
                            const char *bound)
{
    PRINT(printer, "crossfade_%s%s", labels->name, suffix);
    if (!labels->migration && !bound)
        return;
    PRINT(printer, "{");
    if (labels->migration) {
        print_migration_label(printer, labels->migration);
        PRINT(printer, ",side=\"%s\"%s", labels->side, bound ? "," : "");
    }
    if (bound)
        PRINT(printer, "le=\"%s\"", bound);
    PRINT(printer, "}");
}

static void print_hist(struct printer *printer, const struct hist_labels *labels, const struct hist_sum *sum)
{
    uint64_t so_far = 0;
    for (int i = 0; i <= XF_HIST_BUCKETS; i++) {
        so_far += sum->buckets[i];
        print_hist_line(printer, labels, "_bucket", i < XF_HIST_BUCKETS ? xf_hist_bounds[i].text : "+Inf");
        PRINT(printer, " %llu\n", (unsigned long long)so_far);
    }
    print_hist_line(printer, labels, "_sum", NULL);
    PRINT(printer, " %llu.%06llu\n", (unsigned long long)(sum->sum_us / 1000000),
          (unsigned long long)(sum->sum_us % 1000000));
    print_hist_line(printer, labels, "_count", NULL);
    PRINT(printer, " %llu\n", (unsigned long long)so_far);
}

static void print_request_hist(struct printer *printer)
{
    struct hist_sum sum = {.sum_us = 0};
    for (struct xf_stats *block = xf_stats_blocks(); block; block = block->next)
        add_hist(&sum, &block->request);
    struct hist_labels labels = {.name = "request_duration_seconds"};
    print_header(printer, labels.name, "histogram", "First byte of a request to last byte of its answer");
    print_hist(printer, &labels, &sum);
}

static void print_write_hists(struct printer *printer, const char *const *names, size_t count)
{
    struct hist_labels labels = {.name = "dual_write_side_duration_seconds"};
    print_header(printer, labels.name, "histogram", "What each side's answer to a dual write took");
    for (size_t m = 0; m < count; m++) {
        struct hist_sum legacy = {.sum_us = 0}, new_side = {.sum_us = 0};
        for (struct xf_stats *block = xf_stats_blocks(); block; block = block->next) {
            if (m >= block->migration_count)
                continue;
            add_hist(&legacy, &block->migrations[m].legacy_write);
            add_hist(&new_side, &block->migrations[m].new_write);
        }
        labels.migration = names[m];
        labels.side = "legacy";
        print_hist(printer, &labels, &legacy);
        labels.side = "new";
        print_hist(printer, &labels, &new_side);
    }
}

enum xf_err xf_stats_print(struct xf_buf *out, const char *const *migration_names, size_t count)
{
    struct printer printer = {.out = out, .err = XF_OK};
    print_program_counters(&printer);
    print_request_hist(&printer);
    if (count) {
        print_migration_counters(&printer, migration_names, count);
        print_write_hists(&printer, migration_names, count);
    }
    return printer.err;
}
