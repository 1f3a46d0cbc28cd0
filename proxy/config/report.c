/* The problems of a configuration, collected so that one run shows them all, in the order of the file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/config_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORD_CHARS_MAX = 32 };

/* A key may hold anything, and a terminal obeys some of it. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

void xf_config_say(struct xf_config_loader *loader, struct xf_yaml_place place, const char *path, const char *format,
                   ...)
{
    struct xf_config_report *report = &loader->report;
    char *message = NULL, *text = NULL;
    if (report->count++ >= XF_CONFIG_PROBLEMS_MAX)
        return;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&message, format, args);
    va_end(args);
    if (len < 0 || asprintf(&text, "%s%s%s", path, *path ? ": " : "", message) < 0) {
        text = NULL;
        report->is_out_of_memory = true;
    } else {
        make_printable(text);
    }
    if (len >= 0)
        free(message);
    report->problems[report->count - 1] = (struct xf_config_problem){place, text};
}

void xf_config_out_of_memory(struct xf_config_loader *loader)
{
    loader->report.is_out_of_memory = true;
}

static bool is_before(const struct xf_yaml_place *a, const struct xf_yaml_place *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* By insertion: few, nearly in order, and those of one place stay as they were found. */
static void sort(struct xf_config_problem *problems, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct xf_config_problem problem = problems[i];
        size_t j = i;
        for (; j && is_before(&problem.place, &problems[j - 1].place); j--)
            problems[j] = problems[j - 1];
        problems[j] = problem;
    }
}

static enum xf_err print_problem(const struct xf_config_problem *problem, const char *file, struct xf_buf *out)
{
    if (!problem->text)
        return XF_ERR_NOMEM;
    if (!problem->place.line)
        return xf_buf_printf(out, "%s: %s\n", file, problem->text);
    return xf_buf_printf(out, "%s:%zu:%zu: %s\n", file, problem->place.line, problem->place.column, problem->text);
}

enum xf_err xf_config_report_print(struct xf_config_report *report, const char *file, struct xf_buf *out)
{
    size_t kept = report->count < XF_CONFIG_PROBLEMS_MAX ? report->count : XF_CONFIG_PROBLEMS_MAX;
    enum xf_err err = XF_OK;
    sort(report->problems, kept);
    for (size_t i = 0; i < kept; i++) {
        if (!err)
            err = print_problem(&report->problems[i], file, out);
        free(report->problems[i].text);
    }
    if (!err && report->count > kept)
        err = xf_buf_printf(out, "%s: and %zu more problems\n", file, report->count - kept);
    if (!err && report->is_out_of_memory)
        err = XF_ERR_NOMEM;
    report->count = 0;
    return err;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, left out or changed. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[WORD_CHARS_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned changed = diagonal + (xf_ascii_lower(a[i - 1]) != xf_ascii_lower(b[j - 1]));
            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

const char *xf_config_nearest(const char *written, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    size_t written_len = strlen(written);
    unsigned best = 1 + (unsigned)least((unsigned)(written_len + 2) / 3, 4);
    for (size_t i = 0; i < count && written_len <= WORD_CHARS_MAX; i++) {
        size_t len = strlen(candidates[i]);
        unsigned far = len <= WORD_CHARS_MAX ? distance(written, written_len, candidates[i], len) : best;
        if (far < best) {
            best = far;
            nearest = candidates[i];
        }
    }
    return nearest;
}
