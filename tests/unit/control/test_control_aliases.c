/* Aliases and vector names: in the first snapshot, after a refresh asked for by another thread, kept through failures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control/fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define ALIASES(list) "{\"result\":{\"aliases\":[" list "]},\"status\":\"ok\",\"time\":0.1}"
#define ALIAS(alias, collection) "{\"alias_name\":\"" alias "\",\"collection_name\":\"" collection "\"}"
#define INFO(vectors) "{\"result\":{\"config\":{\"params\":{\"vectors\":" vectors "}}}}"

static void start_stubs(struct fixture *f)
{
    for (int i = 0; i < 2; i++) {
        http_stub_start(&f->stub[i], f->base);
        snprintf(f->url[i], sizeof f->url[i], "http://127.0.0.1:%u", f->stub[i].port);
        f->stub[i].aliases = ALIASES("");
    }
}

static size_t found(const struct fixture *f, const char *name)
{
    const struct xf_migration_view *view = xf_snapshot_find(f->snapshot, xf_slice_of(name));
    return view ? view->index : SIZE_MAX;
}

static void test_first_snapshot_knows_aliases_and_vectors(void **state)
{
    struct fixture *f = *state;
    start_stubs(f);
    f->stub[0].aliases = ALIASES(ALIAS("code", "alpha_old") "," ALIAS("foreign", "elsewhere") "," ALIAS(
        "wrong side", "alpha_new") "," ALIAS("spaced", "beta new"));
    f->stub[1].aliases = ALIASES(ALIAS("fresh", "alpha_new"));
    f->stub[0].collection = INFO("{\"a\":{\"size\":4},\"b\":{\"size\":4}}");
    fixture_open(f);
    assert_int_equal(found(f, "code"), ALPHA);
    assert_int_equal(found(f, "fresh"), ALPHA);
    assert_int_equal(found(f, "spaced"), BETA);
    assert_int_equal(found(f, "foreign"), SIZE_MAX);
    assert_int_equal(found(f, "wrong side"), SIZE_MAX); /* the new collection of alpha is on the other upstream */
    assert_int_equal(f->snapshot->migrations[ALPHA].vector_name_count, 2);
    assert_true(xf_slice_eq(f->snapshot->migrations[ALPHA].vector_names[1], XF_SLICE("b")));
    assert_string_equal(f->stub[0].api_key, "key-of-main");
    assert_string_equal(f->stub[1].api_key, "");
    assert_true(has_metric(f, "crossfade_alias_refresh_errors_total 0\n"));
}

static bool do_both_match(void *ctx)
{
    const struct xf_migration_view *view = &((struct fixture *)ctx)->snapshot->migrations[ALPHA];
    return view->vectors_match && view->filters_match;
}

static bool do_filters_differ(void *ctx)
{
    const struct xf_migration_view *view = &((struct fixture *)ctx)->snapshot->migrations[ALPHA];
    return view->vectors_match && !view->filters_match;
}

/* Nothing counts as alike until both collections have said so; what changes is seen by the next refresh. */
static void test_what_the_two_sides_have_in_common(void **state)
{
    static const char bare[] = "{\"result\":{\"config\":{\"params\":{\"vectors\":{\"size\":4,\"distance\":\"Dot\"}}},"
                               "\"payload_schema\":{}}}";
    static const char indexed[] = "{\"result\":{\"config\":{\"params\":{\"vectors\":{\"size\":4,\"distance\":\"Dot\"}}},"
                                  "\"payload_schema\":{\"k\":{\"data_type\":\"keyword\",\"points\":1}}}}";
    struct fixture *f = *state;
    start_stubs(f);
    f->stub[0].collection = bare;
    fixture_open(f);
    assert_false(f->snapshot->migrations[ALPHA].vectors_match || f->snapshot->migrations[ALPHA].filters_match);
    f->stub[1].collection = bare;
    xf_control_refresh_aliases(f->control);
    run_until(f->base, do_both_match, f);
    f->stub[1].collection = indexed;
    xf_control_refresh_aliases(f->control);
    run_until(f->base, do_filters_differ, f);
    f->stub[1].collection = "{}"; /* no answer of Qdrant's: what was last known stays */
    xf_control_refresh_aliases(f->control);
    run_for_ms(f->base, 100);
    assert_true(do_filters_differ(f));
}

static void *refresh(void *control)
{
    for (int i = 0; i < 100; i++)
        xf_control_refresh_aliases(control);
    return NULL;
}

static bool has_alias(void *ctx)
{
    return found(ctx, "code") == ALPHA;
}

static void test_refresh_from_another_thread(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    start_stubs(f);
    fixture_open(f);
    assert_false(has_alias(f));
    f->stub[0].aliases = ALIASES(ALIAS("code", "alpha_old"));
    assert_int_equal(pthread_create(&thread, NULL, refresh, f->control), 0);
    run_until(f->base, has_alias, f);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static bool has_refresh_errors(void *ctx)
{
    return ((struct fixture *)ctx)->control->counts.alias_refresh_errors > 0;
}

static bool has_lost_alias(void *ctx)
{
    return !has_alias(ctx);
}

static void test_failure_keeps_the_last_known(void **state)
{
    struct fixture *f = *state;
    start_stubs(f);
    f->stub[0].aliases = ALIASES(ALIAS("code", "alpha_old"));
    fixture_open(f);
    assert_true(has_alias(f));
    f->stub[0].aliases = "{}";
    xf_control_refresh_aliases(f->control);
    run_until(f->base, has_refresh_errors, f);
    assert_true(has_alias(f));
    f->stub[0].aliases = ALIASES("");
    f->stub[0].status = 500;
    run_for_ms(f->base, 100);
    assert_true(has_alias(f));
    f->stub[0].status = 0; /* a failed round is tried again soon, without being asked */
    run_until(f->base, has_lost_alias, f);
}

static void test_silent_upstream_does_not_hold_the_start(void **state)
{
    struct fixture *f = *state;
    start_stubs(f);
    f->stub[0].is_silent = true;
    f->stub[1].aliases = ALIASES(ALIAS("fresh", "alpha_new"));
    redis_do(&f->server, "SET crossfade:ENABLE_DUAL_WRITE 1");
    fixture_open(f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_DUAL_WRITE);
    assert_int_equal(found(f, "fresh"), ALPHA);
    fixture_close(f); /* with requests under way */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first_snapshot_knows_aliases_and_vectors),
        TEST(test_what_the_two_sides_have_in_common),
        TEST(test_refresh_from_another_thread),
        TEST(test_failure_keeps_the_last_known),
        TEST(test_silent_upstream_does_not_hold_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
