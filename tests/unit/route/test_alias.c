/* Changes of aliases while a migration is dual writing: whatever names the migration is not safe, in any shape of the
 * body.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/route/fixture.h"

#include "proxy/route/route.h"

static const struct {
    const char *body;
    enum xf_err err;
    bool is_safe;
} rows[] = {
    {"{\"actions\":[{\"create_alias\":{\"collection_name\":\"other\",\"alias_name\":\"a\"}}]}", XF_OK, true},
    {"{\"actions\":[]}", XF_OK, true},
    {"{\"actions\":[{\"create_alias\":{\"collection_name\":\"docs\",\"alias_name\":\"a\"}}]}", XF_OK, false},
    {"{\"actions\":[{\"create_alias\":{\"collection_name\":\"other\",\"alias_name\":\"docs_alias\"}}]}", XF_OK, false},
    {"{\"actions\":[{\"create_alias\":{\"collection_name\":\"other\",\"alias_name\":\"docs\"}}]}", XF_OK, false},
    {"{\"actions\":[{\"delete_alias\":{\"alias_name\":\"docs_alias\"}}]}", XF_OK, false},
    {"{\"actions\":[{\"rename_alias\":{\"old_alias_name\":\"docs_alias\",\"new_alias_name\":\"b\"}}]}", XF_OK, false},
    {"{\"actions\":[{\"rename_alias\":{\"old_alias_name\":\"b\",\"new_alias_name\":\"old_docs\"}}]}", XF_OK, false},
    {"{\"actions\":[{\"delete_alias\":{\"alias_name\":\"x\"}},{\"delete_alias\":{\"alias_name\":\"docs_alias\"}}]}",
     XF_OK, false},
    /* Escapes, arrays for objects and repeated keys do not hide a name. */
    {"{\"actions\":[{\"delete_alias\":{\"alias_name\":\"docs\\u005falias\"}}]}", XF_OK, false},
    {"[[[[\"docs_alias\"]]]]", XF_OK, false},
    {"{\"actions\":[{\"delete_alias\":{\"alias_name\":\"docs_alias\",\"alias_name\":\"x\"}}]}", XF_OK, false},
    /* The second migration is not dual writing. */
    {"{\"actions\":[{\"create_alias\":{\"collection_name\":\"shared\",\"alias_name\":\"a\"}}]}", XF_OK, true},
    {"", XF_ERR_INVALID, false},
    {"{\"actions\":[", XF_ERR_INVALID, false},
    {"{\"actions\":[]} {\"actions\":[]}", XF_ERR_INVALID, false},
    {"{\"actions\":[]} \n", XF_OK, true},
};

static void names_of_the_migration_are_found(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_set_phase(&fixture, 0, XF_PHASE_CANARY, 10);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool is_safe = false;
        assert_int_equal(xf_route_alias_change_is_safe(fixture.snapshot, xf_slice_of(rows[i].body), &is_safe),
                         rows[i].err);
        if (is_safe != rows[i].is_safe)
            fail_msg("%s: is_safe is %d", rows[i].body, is_safe);
    }
    fixture_fini(&fixture);
}

static void what_is_not_known_is_guarded(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.views[0].is_refused = true;
    fixture_publish(&fixture);
    bool is_safe = true;
    struct xf_slice body = XF_SLICE("{\"actions\":[{\"delete_alias\":{\"alias_name\":\"docs_alias\"}}]}");
    assert_int_equal(xf_route_alias_change_is_safe(fixture.snapshot, body, &is_safe), XF_OK);
    assert_false(is_safe);
    fixture_fini(&fixture);
}

static void nothing_is_guarded_before_dual_writes(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    bool is_safe = false;
    struct xf_slice body = XF_SLICE("{\"actions\":[{\"delete_alias\":{\"alias_name\":\"docs_alias\"}}]}");
    assert_int_equal(xf_route_alias_change_is_safe(fixture.snapshot, body, &is_safe), XF_OK);
    assert_true(is_safe);
    fixture.migrations[0].allow_unsafe = true;
    fixture_set_phase(&fixture, 0, XF_PHASE_DUAL_WRITE, 0);
    is_safe = false;
    assert_int_equal(xf_route_alias_change_is_safe(fixture.snapshot, body, &is_safe), XF_OK);
    assert_true(is_safe);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_migration_are_found),
        cmocka_unit_test(nothing_is_guarded_before_dual_writes),
        cmocka_unit_test(what_is_not_known_is_guarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
