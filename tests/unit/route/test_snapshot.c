/* The snapshot: names lead to migrations, everything is copied, nothing is left behind.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/route/fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void names_lead_to_their_migration(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_string_equal(xf_snapshot_find(fixture.snapshot, XF_SLICE("old_docs"))->conf->name, "one");
    assert_string_equal(xf_snapshot_find(fixture.snapshot, XF_SLICE("docs"))->conf->name, "one");
    assert_string_equal(xf_snapshot_find(fixture.snapshot, XF_SLICE("docs_alias"))->conf->name, "one");
    assert_string_equal(xf_snapshot_find(fixture.snapshot, XF_SLICE("shared"))->conf->name, "two");
    assert_int_equal(xf_snapshot_find(fixture.snapshot, XF_SLICE("shared"))->index, 1);
    assert_null(xf_snapshot_find(fixture.snapshot, XF_SLICE("Docs")));
    assert_null(xf_snapshot_find(fixture.snapshot, XF_SLICE("doc")));
    assert_null(xf_snapshot_find(fixture.snapshot, XF_SLICE("")));
    assert_int_equal(fixture.snapshot->generation, 7);
    fixture_fini(&fixture);
}

static void everything_is_copied(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    char vector[] = "image", alias[] = "temporary";
    struct xf_slice names[] = {xf_slice_of(vector), XF_SLICE("")};
    fixture.views[0].vector_names = names;
    fixture.views[0].vector_name_count = 2;
    fixture.alias = (struct xf_alias){xf_slice_of(alias), 1};
    fixture_publish(&fixture);
    memset(vector, 'x', sizeof vector - 1);
    memset(alias, 'x', sizeof alias - 1);
    names[1] = XF_SLICE("other");
    const struct xf_migration_view *view = xf_snapshot_find(fixture.snapshot, XF_SLICE("docs"));
    assert_int_equal(view->vector_name_count, 2);
    assert_true(xf_slice_eq(view->vector_names[0], XF_SLICE("image")));
    assert_true(xf_slice_eq(view->vector_names[1], XF_SLICE("")));
    assert_int_equal(xf_snapshot_find(fixture.snapshot, XF_SLICE("temporary"))->index, 1);
    fixture_fini(&fixture);
}

static void a_real_name_wins_over_an_alias(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.alias = (struct xf_alias){XF_SLICE("docs"), 1};
    fixture_publish(&fixture);
    assert_int_equal(xf_snapshot_find(fixture.snapshot, XF_SLICE("docs"))->index, 0);
    fixture_fini(&fixture);
}

static void two_migrations_cannot_share_a_name(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.migrations[1].side[XF_NEW].collection = "old_docs";
    struct xf_snapshot_input input = {.config = &fixture.config, .migrations = fixture.views};
    struct xf_snapshot *snapshot = NULL;
    assert_int_equal(xf_snapshot_new(&input, &snapshot), XF_ERR_INVALID);
    assert_null(snapshot);
    fixture_fini(&fixture);
}

static void thousands_of_aliases_are_found(void **state)
{
    (void)state;
    enum { COUNT = 5000, TEXT = 24 };
    struct fixture fixture;
    fixture_init(&fixture);
    struct xf_alias *aliases = calloc(COUNT, sizeof *aliases);
    char(*texts)[TEXT] = calloc(COUNT, TEXT);
    assert_non_null(aliases);
    assert_non_null(texts);
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(texts[i], TEXT, "alias-%zu", i);
        aliases[i] = (struct xf_alias){xf_slice_of(texts[i]), i % 2};
    }
    struct xf_snapshot_input input = {
        .config = &fixture.config, .migrations = fixture.views, .aliases = aliases, .alias_count = COUNT};
    struct xf_snapshot *snapshot;
    assert_int_equal(xf_snapshot_new(&input, &snapshot), XF_OK);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(xf_snapshot_find(snapshot, aliases[i].name)->index, i % 2);
    assert_null(xf_snapshot_find(snapshot, XF_SLICE("alias-5000")));
    assert_ptr_equal(xf_snapshot_ref(snapshot), snapshot);
    xf_snapshot_unref(snapshot);
    assert_non_null(xf_snapshot_find(snapshot, XF_SLICE("docs")));
    xf_snapshot_unref(snapshot);
    xf_snapshot_unref(NULL);
    free(aliases);
    free(texts);
    fixture_fini(&fixture);
}

static void flags_make_phases(void **state)
{
    (void)state;
    static const struct {
        bool dual_write;
        uint8_t percent;
        enum xf_err err;
        const char *phase;
    } rows[] = {
        {false, 0, XF_OK, "legacy_only"},  {true, 0, XF_OK, "dual_write"},    {true, 1, XF_OK, "canary"},
        {true, 99, XF_OK, "canary"},       {true, 100, XF_OK, "switched"},    {false, 100, XF_OK, "new_only"},
        {false, 25, XF_ERR_INVALID, NULL}, {true, 101, XF_ERR_INVALID, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum xf_phase phase;
        assert_int_equal(xf_phase_of_flags(rows[i].dual_write, rows[i].percent, &phase), rows[i].err);
        if (!rows[i].err)
            assert_string_equal(xf_phase_name(phase), rows[i].phase);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_to_their_migration),  cmocka_unit_test(everything_is_copied),
        cmocka_unit_test(a_real_name_wins_over_an_alias), cmocka_unit_test(two_migrations_cannot_share_a_name),
        cmocka_unit_test(thousands_of_aliases_are_found), cmocka_unit_test(flags_make_phases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
