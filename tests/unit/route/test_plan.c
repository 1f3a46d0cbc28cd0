/* What becomes of a request in each phase: the table below is the policy as a user of the proxy meets it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/route/fixture.h"

#include "proxy/route/route.h"
#include "tests/unit/route/path.h"

#include <stdio.h>

static struct xf_plan plan_of(const struct fixture *fixture, enum xf_http_method method, const char *text,
                              unsigned draw)
{
    struct xf_path path = path_of(text);
    struct xf_plan plan;
    xf_route_plan(fixture->snapshot, method, &path, draw, &plan);
    return plan;
}

/* One letter for what happens: L, N passed to that side; D both sides; - the default upstream; 4 = 409, 5 = 501, 0 =
 * 400. */
static char outcome(const struct xf_plan *plan)
{
    switch (plan->action) {
    case XF_ACTION_DUAL:
        return 'D';
    case XF_ACTION_REFUSE:
        assert_non_null(plan->reason);
        assert_true(strlen(plan->reason) > 40);
        return plan->status == 409 ? '4' : plan->status == 501 ? '5' : plan->status == 400 ? '0' : '?';
    case XF_ACTION_PASS:
        return !plan->migration ? '-' : plan->side == XF_NEW ? 'N' : 'L';
    }
    return '?';
}

static const struct {
    enum xf_phase phase;
    uint8_t percent;
} phases[] = {{XF_PHASE_LEGACY_ONLY, 0},
              {XF_PHASE_DUAL_WRITE, 0},
              {XF_PHASE_CANARY, 25},
              {XF_PHASE_SWITCHED, 100},
              {XF_PHASE_NEW_ONLY, 100}};

struct row {
    enum xf_http_method method;
    const char *path;
    const char
        *expected; /* an outcome for each phase: legacy_only, dual_write, canary (not drawn), switched, new_only */
};

static const struct row rows[] = {
    /* Reads of points and of the collection, under every name. */
    {XF_HTTP_POST, "/collections/old_docs/points/search", "LLLNN"},
    {XF_HTTP_POST, "/collections/docs/points/search", "LLLNN"},
    {XF_HTTP_POST, "/collections/docs_alias/points/query", "LLLNN"},
    {XF_HTTP_POST, "/collections/old_docs/points", "LLLNN"},
    {XF_HTTP_GET, "/collections/docs/points/17", "LLLNN"},
    {XF_HTTP_GET, "/collections/docs", "LLLNN"},
    {XF_HTTP_GET, "/collections/docs/exists", "LLLNN"},
    {XF_HTTP_GET, "/collections/docs/aliases", "LLLNN"},
    {XF_HTTP_GET, "/collections/docs/snapshots", "LLLNN"},
    {XF_HTTP_POST, "/collections/docs/snapshots", "LLLNN"},
    {XF_HTTP_GET, "/collections/docs/cluster", "LLLNN"},
    /* Writes. */
    {XF_HTTP_PUT, "/collections/old_docs/points", "LDDDN"},
    {XF_HTTP_PUT, "/collections/docs_alias/points", "LDDDN"},
    {XF_HTTP_POST, "/collections/docs/points/delete", "LDDDN"},
    {XF_HTTP_POST, "/collections/docs/points/batch", "LDDDN"},
    {XF_HTTP_PUT, "/collections/docs/points/payload", "LDDDN"},
    {XF_HTTP_PUT, "/collections/docs/index", "LDDDN"},
    {XF_HTTP_DELETE, "/collections/docs/index/colour", "LDDDN"},
    /* Settings. */
    {XF_HTTP_PATCH, "/collections/docs", "LLLNN"},
    {XF_HTTP_PUT, "/collections/docs/vectors/image", "LLLNN"},
    {XF_HTTP_DELETE, "/collections/docs/vectors/image", "LLLNN"},
    /* The collection's life. */
    {XF_HTTP_PUT, "/collections/old_docs", "L4444"},
    {XF_HTTP_DELETE, "/collections/old_docs", "L4444"},
    {XF_HTTP_PUT, "/collections/docs", "4444N"},
    {XF_HTTP_DELETE, "/collections/docs", "4444N"},
    {XF_HTTP_DELETE, "/collections/docs_alias", "L444N"},
    /* Ways around the journal. */
    {XF_HTTP_PUT, "/collections/docs/snapshots/recover", "L444N"},
    {XF_HTTP_POST, "/collections/docs/snapshots/upload", "L444N"},
    {XF_HTTP_POST, "/collections/docs/shards/0/snapshots/upload", "L444N"},
    {XF_HTTP_POST, "/collections/docs/shards/0/snapshot/partial/recover", "L444N"},
    {XF_HTTP_POST, "/collections/docs/cluster", "L444N"},
    {XF_HTTP_PUT, "/collections/docs/shards", "L444N"},
    {XF_HTTP_POST, "/collections/docs/shards/delete", "L444N"},
    {XF_HTTP_POST, "/collections/docs/truncate_unapplied_wal", "L444N"},
    {XF_HTTP_DELETE, "/collections/docs/snapshots/x.snapshot", "LLLNN"},
    /* What the proxy does not know. */
    {XF_HTTP_POST, "/collections/docs/debug", "L555N"},
    {XF_HTTP_POST, "/collections/docs/points/explode", "L555N"},
    {XF_HTTP_GET, "/collections/docs/points/17/18", "L555N"},
    {XF_HTTP_METHOD_OTHER, "/collections/docs/points", "L555N"},
    {XF_HTTP_DELETE, "/collections/docs/points", "L555N"},
    {XF_HTTP_POST, "/collections/docs/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", "L555N"},
    {XF_HTTP_OPTIONS, "/collections/docs/points", "LLLNN"},
    {XF_HTTP_HEAD, "/collections/docs", "LLLNN"},
    /* What no migration concerns. */
    {XF_HTTP_GET, "/collections", "-----"},
    {XF_HTTP_PUT, "/collections/other/points", "-----"},
    {XF_HTTP_DELETE, "/collections/other", "-----"},
    {XF_HTTP_POST, "/collections/other/points/explode", "-----"},
    {XF_HTTP_POST, "/collections/aliases", "-----"},
    {XF_HTTP_GET, "/aliases", "-----"},
    {XF_HTTP_GET, "/", "-----"},
    {XF_HTTP_GET, "/nothing/here", "-----"},
    {XF_HTTP_POST, "/Collections/docs/points/delete", "-----"},
    /* Names that are folders. */
    {XF_HTTP_PUT, "/collections/..", "00000"},
    {XF_HTTP_GET, "/collections/.", "00000"},
    {XF_HTTP_PUT, "/collections/../points", "00000"},
    {XF_HTTP_GET, "/collections/./anything/at/all", "00000"},
    {XF_HTTP_GET, "/collections/...", "-----"},
};

static void every_phase_has_its_policy(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t p = 0; p < sizeof phases / sizeof phases[0]; p++) {
        fixture_set_phase(&fixture, 0, phases[p].phase, phases[p].percent);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct xf_plan plan = plan_of(&fixture, rows[i].method, rows[i].path, 99);
            if (outcome(&plan) != rows[i].expected[p])
                fail_msg("%s method %d %s: %c, expected %c", xf_phase_name(phases[p].phase), rows[i].method,
                         rows[i].path, outcome(&plan), rows[i].expected[p]);
        }
    }
    fixture_fini(&fixture);
}

/* Nothing is known of the first migration: whatever the phase says, and whatever is asked, under every name. */
static void nothing_known_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t phase = 0; phase < sizeof phases / sizeof phases[0]; phase++) {
        fixture.views[0].is_refused = true;
        fixture_set_phase(&fixture, 0, phases[phase].phase, phases[phase].percent);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct xf_plan plan = plan_of(&fixture, rows[i].method, rows[i].path, 0);
            if (plan.migration != &fixture.snapshot->migrations[0])
                continue;
            assert_int_equal(plan.action, XF_ACTION_REFUSE);
            assert_int_equal(plan.status, 503);
            assert_int_equal(plan.retry_after_s, 1);
            assert_non_null(strstr(plan.reason, "redis.url"));
        }
        assert_int_equal(plan_of(&fixture, XF_HTTP_POST, "/collections/shared/points/search", 0).action, XF_ACTION_PASS);
        assert_int_equal(plan_of(&fixture, XF_HTTP_GET, "/collections", 0).action, XF_ACTION_PASS);
        assert_true(plan_of(&fixture, XF_HTTP_POST, "/collections/aliases", 0).needs_alias_check);
    }
    fixture_fini(&fixture);
}

static void canary_share_reads_new(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_set_phase(&fixture, 0, XF_PHASE_CANARY, 25);
    for (unsigned draw = 0; draw < 100; draw++) {
        struct xf_plan plan = plan_of(&fixture, XF_HTTP_POST, "/collections/docs/points/search", draw);
        assert_int_equal(plan.side, draw < 25 ? XF_NEW : XF_LEGACY);
        assert_true(plan.may_be_canary);
        plan = plan_of(&fixture, XF_HTTP_POST, "/collections/docs/facet", draw);
        assert_int_equal(plan.side, draw < 25 ? XF_NEW : XF_LEGACY);
        plan = plan_of(&fixture, XF_HTTP_GET, "/collections/docs", draw);
        assert_int_equal(plan.side, XF_LEGACY);
        assert_false(plan.may_be_canary);
        plan = plan_of(&fixture, XF_HTTP_PUT, "/collections/docs/points", draw);
        assert_int_equal(plan.side, XF_LEGACY);
        assert_int_equal(plan.action, XF_ACTION_DUAL);
    }
    fixture_fini(&fixture);
}

static void settings_are_counted_only_while_dual_writing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_false(plan_of(&fixture, XF_HTTP_PATCH, "/collections/docs", 0).is_setting);
    fixture_set_phase(&fixture, 0, XF_PHASE_SWITCHED, 100);
    assert_true(plan_of(&fixture, XF_HTTP_PATCH, "/collections/docs", 0).is_setting);
    assert_true(plan_of(&fixture, XF_HTTP_DELETE, "/collections/docs/vectors/v", 0).is_setting);
    assert_false(plan_of(&fixture, XF_HTTP_PUT, "/collections/docs/index", 0).is_setting);
    fixture_fini(&fixture);
}

static void allow_unsafe_lets_through_to_one_side(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.migrations[0].allow_unsafe = true;
    fixture_set_phase(&fixture, 0, XF_PHASE_DUAL_WRITE, 0);
    struct xf_plan plan = plan_of(&fixture, XF_HTTP_PUT, "/collections/docs/snapshots/recover", 0);
    assert_int_equal(outcome(&plan), 'L');
    plan = plan_of(&fixture, XF_HTTP_POST, "/collections/docs/shards/delete", 0);
    assert_int_equal(outcome(&plan), 'L');
    /* Deleting "docs" deletes docs, never the legacy collection behind it. */
    plan = plan_of(&fixture, XF_HTTP_DELETE, "/collections/docs", 0);
    assert_int_equal(outcome(&plan), 'N');
    assert_true(plan.keeps_name);
    plan = plan_of(&fixture, XF_HTTP_DELETE, "/collections/old_docs", 0);
    assert_int_equal(outcome(&plan), 'L');
    plan = plan_of(&fixture, XF_HTTP_POST, "/collections/aliases", 0);
    assert_false(plan.needs_alias_check);
    plan = plan_of(&fixture, XF_HTTP_POST, "/collections/docs/points/explode", 0);
    assert_int_equal(outcome(&plan), '5');
    fixture_fini(&fixture);
}

static void one_name_on_two_upstreams(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct xf_plan plan = plan_of(&fixture, XF_HTTP_DELETE, "/collections/shared", 0);
    assert_int_equal(outcome(&plan), 'L');
    fixture_set_phase(&fixture, 1, XF_PHASE_NEW_ONLY, 100);
    plan = plan_of(&fixture, XF_HTTP_DELETE, "/collections/shared", 0);
    assert_int_equal(outcome(&plan), 'N');
    plan = plan_of(&fixture, XF_HTTP_POST, "/collections/shared/points/scroll", 0);
    assert_int_equal(outcome(&plan), 'N');
    /* The other migration has not moved. */
    plan = plan_of(&fixture, XF_HTTP_POST, "/collections/docs/points/scroll", 0);
    assert_int_equal(outcome(&plan), 'L');
    fixture_fini(&fixture);
}

static void bodies_that_name_collections(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_true(plan_of(&fixture, XF_HTTP_POST, "/collections/docs/points/query", 0).may_rewrite_body);
    assert_true(plan_of(&fixture, XF_HTTP_POST, "/collections/other/points/query", 0).may_rewrite_body);
    assert_false(plan_of(&fixture, XF_HTTP_POST, "/collections/docs/points/scroll", 0).may_rewrite_body);
    assert_false(plan_of(&fixture, XF_HTTP_PUT, "/collections/other", 0).may_rewrite_body);
    assert_false(plan_of(&fixture, XF_HTTP_POST, "/collections/aliases", 0).needs_alias_check);
    fixture_set_phase(&fixture, 1, XF_PHASE_DUAL_WRITE, 0);
    assert_true(plan_of(&fixture, XF_HTTP_POST, "/collections/aliases", 0).needs_alias_check);
    assert_false(plan_of(&fixture, XF_HTTP_GET, "/aliases", 0).needs_alias_check);
    fixture_fini(&fixture);
}

static void what_may_write_is_marked(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_true(plan_of(&fixture, XF_HTTP_PUT, "/collections/docs/points", 0).is_write);
    assert_false(plan_of(&fixture, XF_HTTP_POST, "/collections/docs/points", 0).is_write);
    assert_false(plan_of(&fixture, XF_HTTP_GET, "/collections/docs/points/1", 0).is_write);
    assert_true(plan_of(&fixture, XF_HTTP_POST, "/collections/other/unheard/of", 0).is_write);
    assert_true(plan_of(&fixture, XF_HTTP_METHOD_OTHER, "/", 0).is_write);
    assert_true(plan_of(&fixture, XF_HTTP_POST, "/collections/docs/snapshots", 0).is_write);
    assert_false(plan_of(&fixture, XF_HTTP_GET, "/nothing", 0).is_write);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phase_has_its_policy),
        cmocka_unit_test(nothing_known_is_refused),
        cmocka_unit_test(canary_share_reads_new),
        cmocka_unit_test(settings_are_counted_only_while_dual_writing),
        cmocka_unit_test(allow_unsafe_lets_through_to_one_side),
        cmocka_unit_test(one_name_on_two_upstreams),
        cmocka_unit_test(bodies_that_name_collections),
        cmocka_unit_test(what_may_write_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
