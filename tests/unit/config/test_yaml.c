/* The YAML tree: places, kinds, and what is refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/yaml/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct xf_yaml_node *parse(const char *text)
{
    struct xf_yaml_problem problem = {0};
    struct xf_yaml_node *root = NULL;
    if (xf_yaml_parse(xf_slice_of(text), &XF_YAML_LIMITS_DEFAULT, &problem, &root))
        fail_msg("%zu:%zu: %s", problem.place.line, problem.place.column, problem.text);
    return root;
}

static void test_tree(void **state)
{
    (void)state;
    struct xf_yaml_node *root = parse("a: 1\nb:\n  - x\n  - 'y'\nc: {d: \"q\\0r\"}\ne:\n");
    assert_int_equal(root->kind, XF_YAML_MAP);
    assert_int_equal(root->count, 4);
    const struct xf_yaml_node *list = xf_yaml_get(root, "b");
    assert_int_equal(list->kind, XF_YAML_LIST);
    assert_int_equal(list->key_place.line, 2);
    assert_string_equal(xf_yaml_item(list, 1)->text, "y");
    assert_false(xf_yaml_item(list, 1)->is_plain);
    assert_true(xf_yaml_item(list, 0)->is_plain);
    assert_int_equal(xf_yaml_item(list, 1)->place.line, 4);
    assert_int_equal(xf_yaml_item(list, 1)->place.column, 5);
    assert_null(xf_yaml_item(list, 2));
    const struct xf_yaml_node *quoted = xf_yaml_get(xf_yaml_get(root, "c"), "d");
    assert_int_equal(quoted->text_len, 3);
    assert_memory_equal(quoted->text, "q\0r", 4);
    assert_true(xf_yaml_is_null(xf_yaml_get(root, "e")));
    assert_false(xf_yaml_is_null(xf_yaml_get(root, "a")));
    assert_null(xf_yaml_get(root, "missing"));
    assert_null(xf_yaml_get(list, "b"));
    xf_yaml_free(root);
}

static void test_null_is_only_plain(void **state)
{
    (void)state;
    struct xf_yaml_node *root = parse("[null, ~, 'null', '', x]");
    static const bool wanted[] = {true, true, false, false, false};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(xf_yaml_is_null(xf_yaml_item(root, i)), wanted[i]);
    xf_yaml_free(root);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *problem;
    } rows[] = {
        {"", "1:1: the file is empty"},
        {"# only a comment\n", "2:1: the file is empty"},
        {"a: &x 1\n", "1:4: found an anchor (&), which is not supported: write the value out"},
        {"a: &x {b: 1}\n", "1:4: found an anchor (&), which is not supported: write the value out"},
        {"a: &x [b]\n", "1:4: found an anchor (&), which is not supported: write the value out"},
        {"a: *x\n", "1:4: found an alias (*), which is not supported: write the value out"},
        {"*x : 1\n", "1:1: found an alias (*), which is not supported: write the value out"},
        {"a: !!str 1\n", "1:4: found a tag (!), which is not supported: write the value without it"},
        {"a: !mine [1]\n", "1:4: found a tag (!), which is not supported: write the value without it"},
        {"a: 1\nb: 2\na: 3\n", "3:1: found the key \"a\" twice, first in line 1"},
        {"? [a]\n: 1\n", "1:3: found a list or a map where a key was expected"},
        {"\"a\\0b\": 1\n", "1:1: found a NUL in a key"},
        {"a: 1\n---\nb: 1\n", "2:1: found a second document (---), expected one"},
        {"a: [1\n", "2:1: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence"},
        {"a: \x01\n", "1:1: not valid YAML: control characters are not allowed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct xf_yaml_problem problem = {0};
        struct xf_yaml_node *root = NULL;
        char line[400];
        assert_int_equal(xf_yaml_parse(xf_slice_of(rows[i].text), &XF_YAML_LIMITS_DEFAULT, &problem, &root),
                         XF_ERR_INVALID);
        assert_null(root);
        snprintf(line, sizeof line, "%zu:%zu: %s", problem.place.line, problem.place.column, problem.text);
        assert_string_equal(line, rows[i].problem);
    }
}

static void check_limit(const char *text, struct xf_yaml_limits limits, const char *wanted)
{
    struct xf_yaml_problem problem = {0};
    struct xf_yaml_node *root = NULL;
    enum xf_err err = xf_yaml_parse(xf_slice_of(text), &limits, &problem, &root);
    assert_int_equal(err, wanted ? XF_ERR_FULL : XF_OK);
    if (wanted)
        assert_string_equal(problem.text, wanted);
    xf_yaml_free(root);
}

static void test_limits(void **state)
{
    (void)state;
    check_limit("[[[1]]]", (struct xf_yaml_limits){100, 3, 4}, NULL);
    check_limit("[[[1]]]", (struct xf_yaml_limits){100, 2, 4}, "the file is nested too deeply");
    check_limit("[[[1]]]", (struct xf_yaml_limits){100, 3, 3}, "the file has too many values");
    check_limit("[[[1]]]", (struct xf_yaml_limits){6, 3, 4}, "the file is too large");
}

static void test_load(void **state)
{
    (void)state;
    struct xf_yaml_problem problem = {0};
    struct xf_yaml_node *root = NULL;
    assert_int_equal(xf_yaml_load("/nonexistent/file", &XF_YAML_LIMITS_DEFAULT, &problem, &root), XF_ERR_IO);
    assert_string_equal(problem.text, "cannot be read: No such file or directory");
    assert_int_equal(xf_yaml_load("/", &XF_YAML_LIMITS_DEFAULT, &problem, &root), XF_ERR_IO);
    assert_string_equal(problem.text, "cannot be read: Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),     cmocka_unit_test(test_null_is_only_plain),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
