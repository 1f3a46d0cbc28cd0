/* Splitting answers and writing the copy recipe: the exact text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/points.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static const char scroll[] =
    "{\"result\":{\"points\":[{\"id\":1,\"payload\":{\"n\":18446744073709551615},\"vector\":{\"a\":[1.0,2e-9],\"b\":[3."
    "0]}},"
    "{\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\"payload\":null,\"vector\":{\"a\":[1.0]},\"shard_key\":\"k\"}],"
    "\"next_page_offset\":7},\"status\":\"ok\",\"time\":0.1}";

static void a_scroll_answer_is_split(void **state)
{
    (void)state;
    struct xf_page page = {0};
    assert_int_equal(xf_page_split(&page, xf_slice_of(scroll)), XF_OK);
    assert_int_equal(page.count, 2);
    assert_true(page.list[0].is_plain && page.list[0].id.lo == 1);
    assert_true(xf_slice_eq(page.list[0].payload, XF_SLICE("{\"n\":18446744073709551615}")));
    assert_true(!page.list[1].is_plain && page.list[1].id.is_uuid);
    assert_int_equal(page.list[1].payload.len, 0);
    assert_true(page.has_next && page.next.lo == 7);
    assert_int_equal(xf_page_split(&page, XF_SLICE("{\"result\":[{\"id\":3}],\"status\":\"ok\"}")), XF_OK);
    assert_true(page.count == 1 && !page.has_next && page.list[0].id.lo == 3);
    xf_page_fini(&page);
}

static void cut_and_odd_answers_are_refused(void **state)
{
    (void)state;
    struct xf_page page = {0};
    for (size_t n = 0; n < sizeof scroll - 1; n++) {
        char *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, scroll, n);
        assert_int_not_equal(xf_page_split(&page, xf_slice(copy, n)), XF_OK);
        assert_int_equal(page.count, 0);
        free(copy);
    }
    static const char *const odd[] = {"{\"status\":\"ok\"}",
                                      "{\"result\":{}}",
                                      "{\"result\":[{\"payload\":{}}]}",
                                      "{\"result\":[{\"id\":1.0}]}",
                                      "{\"result\":[{\"id\":-1}]}",
                                      "{\"result\":[7]}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_int_not_equal(xf_page_split(&page, xf_slice_of(odd[i])), XF_OK);
    xf_page_fini(&page);
}

static void put_text(const struct xf_recipe *recipe, const char *answer, const char *wanted, size_t wanted_taken)
{
    struct xf_page page = {0};
    struct xf_buf body;
    size_t taken = 0;
    xf_buf_init(&body, 1 << 20);
    assert_int_equal(xf_page_split(&page, xf_slice_of(answer)), XF_OK);
    assert_int_equal(xf_recipe_put(recipe, page.list, page.count, &body, &taken), XF_OK);
    assert_int_equal(taken, wanted_taken);
    assert_string_equal((xf_buf_append(&body, "", 1) == XF_OK ? xf_buf_view(&body).ptr : ""), wanted);
    xf_buf_fini(&body);
    xf_page_fini(&page);
}

static void the_recipe_states_payloads_and_removes_absent_vectors(void **state)
{
    (void)state;
    const struct xf_slice names[] = {XF_SLICE("a"), XF_SLICE("b")};
    struct xf_recipe recipe = {names, 2, XF_SLICE_NONE, 1 << 20};
    put_text(&recipe, scroll,
             "{\"operations\":[{\"upsert\":{\"points\":["
             "{\"id\":1,\"payload\":{\"n\":18446744073709551615},\"vector\":{\"a\":[1.0,2e-9],\"b\":[3.0]}},"
             "{\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\"vector\":{\"a\":[1.0]},\"payload\":{}}]}},"
             "{\"delete_vectors\":{\"points\":[\"550e8400-e29b-41d4-a716-446655440000\"],\"vector\":[\"b\"]}}]}",
             2);
    const struct xf_slice unnamed[] = {XF_SLICE("")};
    recipe = (struct xf_recipe){unnamed, 1, XF_SLICE("\"k\""), 1 << 20};
    put_text(
        &recipe, "{\"result\":[{\"id\":4,\"payload\":{},\"vector\":[0.5]}]}",
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":4,\"payload\":{},\"vector\":[0.5]}],\"shard_key\":\"k\"}}]}",
        1);
}

static void requests_are_split_by_bytes(void **state)
{
    (void)state;
    struct xf_recipe recipe = {NULL, 0, XF_SLICE_NONE, 300};
    put_text(&recipe, scroll,
             "{\"operations\":[{\"upsert\":{\"points\":["
             "{\"id\":1,\"payload\":{\"n\":18446744073709551615},\"vector\":{\"a\":[1.0,2e-9],\"b\":[3.0]}}]}}]}",
             1);
    struct xf_page page = {0};
    struct xf_buf body;
    size_t taken = 0;
    xf_buf_init(&body, 1 << 20);
    recipe.bytes_max = 200;
    assert_int_equal(xf_page_split(&page, xf_slice_of(scroll)), XF_OK);
    assert_int_equal(xf_recipe_put(&recipe, page.list, page.count, &body, &taken), XF_ERR_FULL);
    xf_buf_fini(&body);
    xf_page_fini(&page);
}

/* The bound is on what is sent, so every body must keep it, whatever names and keys there are. */
static void no_body_is_larger_than_allowed(void **state)
{
    (void)state;
    struct xf_slice names[20];
    for (size_t i = 0; i < 20; i++)
        names[i] = XF_SLICE("a vector name that no point has");
    struct xf_point points[50];
    for (size_t i = 0; i < 50; i++) {
        points[i] = (struct xf_point){.raw = XF_SLICE("{\"id\":18446744073709551615}"),
                                      .id_text = XF_SLICE("18446744073709551615")};
    }
    for (size_t bytes_max = 4000; bytes_max < 30000; bytes_max += 97) {
        struct xf_recipe recipe = {names, 20, XF_SLICE("\"a shard key\""), bytes_max};
        struct xf_buf body;
        size_t taken = 0;
        xf_buf_init(&body, bytes_max);
        assert_int_equal(xf_recipe_put(&recipe, points, 50, &body, &taken), XF_OK);
        assert_true(taken >= 1 && xf_buf_len(&body) <= bytes_max);
        xf_buf_fini(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scroll_answer_is_split),
        cmocka_unit_test(cut_and_odd_answers_are_refused),
        cmocka_unit_test(the_recipe_states_payloads_and_removes_absent_vectors),
        cmocka_unit_test(requests_are_split_by_bytes),
        cmocka_unit_test(no_body_is_larger_than_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
