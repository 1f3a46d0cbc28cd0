/* What Qdrant's answers say about names, and that anything else is refused whole.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define INFO(params)                                                                                                   \
    "{\"result\":{\"status\":\"green\",\"config\":{\"params\":" params "}},\"status\":\"ok\",\"time\":0.1}"

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t count;
        const char *names[3];
    } rows[] = {
        {INFO("{\"vectors\":{\"size\":4,\"distance\":\"Cosine\"},\"shard_number\":1}"), 1, {""}},
        {INFO("{\"vectors\":{\"content\":{\"size\":4,\"distance\":\"Dot\"},\"size\":{\"size\":2,\"distance\":\"Dot\"}}"
              "}"),
         2,
         {"content", "size"}},
        {INFO("{\"vectors\":{},\"sparse_vectors\":{\"text\":{\"modifier\":\"idf\"}}}"), 1, {"text"}},
        {INFO("{\"vectors\":{\"size\":4},\"sparse_vectors\":{\"text\":{}}}"), 2, {"", "text"}},
        {INFO("{\"sparse_vectors\":null}"), 0, {NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xf_name_list list = {0};
        assert_int_equal(xf_names_of_vectors(xf_slice_of(rows[i].body), &list), XF_OK);
        assert_int_equal(list.count, rows[i].count);
        for (size_t k = 0; k < list.count && rows[i].names[k]; k++)
            assert_true(xf_slice_eq(list.items[k], xf_slice_of(rows[i].names[k])));
        xf_name_list_fini(&list);
    }
}

static void test_aliases(void **state)
{
    (void)state;
    struct xf_name_list list = {0};
    assert_int_equal(xf_names_of_aliases(XF_SLICE("{\"result\":{\"aliases\":[{\"alias_name\":\"a\",\"collection_name\":"
                                                  "\"c\"},{\"collection_name\":\"d\",\"alias_name\":\"b\"}]}}"),
                                         &list),
                     XF_OK);
    assert_int_equal(list.count, 4);
    assert_true(xf_slice_eq(list.items[0], XF_SLICE("a")) && xf_slice_eq(list.items[1], XF_SLICE("c")));
    assert_true(xf_slice_eq(list.items[2], XF_SLICE("b")) && xf_slice_eq(list.items[3], XF_SLICE("d")));
    xf_name_list_fini(&list);
}

static void test_other_answers_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "x",
                                         "[]",
                                         "{}",
                                         "{\"result\":null}",
                                         "{\"result\":{\"aliases\":{}}}",
                                         "{\"result\":{\"aliases\":[{\"alias_name\":\"a\"}]}}",
                                         "{\"result\":{\"aliases\":[{\"alias_name\":1,\"collection_name\":\"c\"}]}}",
                                         "{\"result\":{\"config\":{\"params\":[]}}}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct xf_name_list list = {0};
        assert_int_not_equal(xf_names_of_aliases(xf_slice_of(bodies[i]), &list), XF_OK);
        assert_int_not_equal(xf_names_of_vectors(xf_slice_of(bodies[i]), &list), XF_OK);
        assert_int_equal(list.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_aliases),
                                       cmocka_unit_test(test_other_answers_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
