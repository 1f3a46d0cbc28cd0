/* Counters from several threads add up, and what is printed can be read back by the rules of Prometheus' text format.
 *
 * SPDX-License-Identifier: Apache-2.0 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "proxy/stats/stats.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"one", "tw\"o\\\n{x}"};

static char *print_all(void)
{
    struct xf_buf out;
    xf_buf_init(&out, 1 << 20);
    assert_int_equal(xf_stats_print(&out, names, 2), XF_OK);
    char *text = strndup(xf_buf_view(&out).ptr, xf_buf_len(&out));
    assert_non_null(text);
    xf_buf_fini(&out);
    return text;
}

static const char *skip_name(const char *at)
{
    assert_true(isalpha((unsigned char)*at) || *at == '_');
    while (isalnum((unsigned char)*at) || *at == '_')
        at++;
    return at;
}

static const char *skip_labels(const char *at)
{
    while (*++at != '}') {
        at = skip_name(at);
        assert_int_equal(*at++, '=');
        assert_int_equal(*at, '"');
        while (*++at != '"') {
            assert_true(*at != '\n' && *at != '\0');
            if (*at == '\\')
                assert_non_null(strchr("\\\"n", *++at));
        }
        if (at[1] == '}')
            return at + 2;
        assert_int_equal(*++at, ',');
    }
    return at + 1;
}

/* The metric that a sample belongs to: its name without what a histogram adds. */
static size_t family_len(const char *line, const char *type)
{
    size_t len = (size_t)(skip_name(line) - line);
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    for (size_t i = 0; strcmp(type, "histogram") == 0 && i < 3; i++)
        if (len > strlen(suffixes[i]) &&
            strncmp(line + len - strlen(suffixes[i]), suffixes[i], strlen(suffixes[i])) == 0)
            return len - strlen(suffixes[i]);
    return len;
}

static void check_sample(const char *line, const char *family, const char *type)
{
    assert_int_equal(family_len(line, type), strlen(family));
    assert_int_equal(strncmp(line, family, strlen(family)), 0);
    const char *at = skip_name(line);
    if (*at == '{')
        at = skip_labels(at);
    assert_int_equal(*at++, ' ');
    char *end;
    (void)strtod(at, &end);
    assert_ptr_not_equal(end, at);
    assert_int_equal(*end, '\0');
}

/* Every sample stands under the TYPE line of its own metric, and no metric has two of them. */
static void printed_text_is_readable(void **state)
{
    (void)state;
    struct xf_stats *stats;
    assert_int_equal(xf_stats_new(2, &stats), XF_OK);
    xf_hist_record_us(&stats->request, 700);
    char *text = print_all();
    char family[128] = "", type[32] = "";
    char seen[64][128];
    size_t seen_count = 0, samples = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && rest;) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line + 7, "%127s", family), 1);
            for (size_t i = 0; i < seen_count; i++)
                assert_string_not_equal(seen[i], family);
            assert_true(seen_count < 64);
            (void)snprintf(seen[seen_count++], sizeof seen[0], "%s", family);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char name[128];
            assert_int_equal(sscanf(line + 7, "%127s %31s", name, type), 2);
            assert_string_equal(name, family);
            assert_true(!strcmp(type, "counter") || !strcmp(type, "gauge") || !strcmp(type, "histogram"));
        } else {
            check_sample(line, family, type);
            samples++;
        }
    }
    assert_true(samples > XF_STAT_COUNT + 2 * XF_MSTAT_COUNT);
    free(text);
    xf_stats_free_all();
}

static void assert_has_line(const char *text, const char *line)
{
    const char *found = strstr(text, line);
    if (!found || (found != text && found[-1] != '\n') || found[strlen(line)] != '\n')
        fail_msg("no line: %s\n%s", line, text);
}

static void blocks_add_up(void **state)
{
    (void)state;
    struct xf_stats *a, *b;
    assert_int_equal(xf_stats_new(2, &a), XF_OK);
    assert_int_equal(xf_stats_new(2, &b), XF_OK);
    xf_stat_add(a, XF_STAT_REQUESTS, 40);
    xf_stat_add(b, XF_STAT_REQUESTS, 2);
    xf_stat_add(a, XF_STAT_CLIENT_OPEN, 1);
    xf_stat_sub(b, XF_STAT_CLIENT_OPEN, 3);
    xf_mstat_add(a, 1, XF_MSTAT_WRITES_DUAL, 5);
    xf_mstat_add(b, 1, XF_MSTAT_WRITES_DUAL, 6);
    xf_hist_record_us(&a->request, 500);      /* on the bound: inside */
    xf_hist_record_us(&b->request, 501);      /* just past it */
    xf_hist_record_us(&b->request, 99000000); /* past every bound */
    assert_int_equal(xf_stat_sum(XF_STAT_REQUESTS), 42);
    assert_int_equal(xf_mstat_sum(1, XF_MSTAT_WRITES_DUAL), 11);
    char *text = print_all();
    assert_has_line(text, "crossfade_requests_total 42");
    assert_has_line(text, "crossfade_client_connections -2");
    assert_has_line(text, "crossfade_writes_total{migration=\"one\",to=\"both\"} 0");
    assert_has_line(text, "crossfade_writes_total{migration=\"tw\\\"o\\\\\\n{x}\",to=\"both\"} 11");
    assert_has_line(text, "crossfade_refused_writes_total{migration=\"one\"} 0");
    assert_has_line(text, "crossfade_request_duration_seconds_bucket{le=\"0.0005\"} 1");
    assert_has_line(text, "crossfade_request_duration_seconds_bucket{le=\"0.001\"} 2");
    assert_has_line(text, "crossfade_request_duration_seconds_bucket{le=\"10\"} 2");
    assert_has_line(text, "crossfade_request_duration_seconds_bucket{le=\"+Inf\"} 3");
    assert_has_line(text, "crossfade_request_duration_seconds_sum 99.001001");
    assert_has_line(text, "crossfade_request_duration_seconds_count 3");
    assert_has_line(text, "crossfade_dual_write_side_duration_seconds_count{migration=\"one\",side=\"new\"} 0");
    free(text);
    xf_stats_free_all();
}

static void *count_much(void *arg)
{
    (void)arg;
    struct xf_stats *stats;
    if (xf_stats_new(1, &stats))
        return NULL;
    for (int i = 0; i < 100000; i++) {
        xf_stat_add(stats, XF_STAT_REQUESTS, 1);
        xf_mstat_add(stats, 0, XF_MSTAT_READS_NEW, 1);
        xf_hist_record_us(&stats->request, 1);
    }
    return stats;
}

static void threads_count_beside_a_reader(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, NULL), 0);
    uint64_t before = 0;
    for (int i = 0; i < 20; i++) {
        free(print_all());
        uint64_t now = xf_stat_sum(XF_STAT_REQUESTS);
        assert_true(now >= before);
        before = now;
    }
    for (size_t i = 0; i < 4; i++) {
        void *block;
        assert_int_equal(pthread_join(threads[i], &block), 0);
        assert_non_null(block);
    }
    assert_int_equal(xf_stat_sum(XF_STAT_REQUESTS), 400000);
    assert_int_equal(xf_mstat_sum(0, XF_MSTAT_READS_NEW), 400000);
    xf_stats_free_all();
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct xf_buf out;
    xf_buf_init(&out, 500);
    assert_int_equal(xf_stats_print(&out, names, 2), XF_ERR_FULL);
    xf_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_text_is_readable),
        cmocka_unit_test(blocks_add_up),
        cmocka_unit_test(threads_count_beside_a_reader),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
