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
        struct xf_facts facts = {0};
        assert_int_equal(xf_facts_of(xf_slice_of(rows[i].body), &facts), XF_OK);
        assert_true(facts.is_there);
        assert_int_equal(facts.vectors.count, rows[i].count);
        for (size_t k = 0; k < facts.vectors.count && rows[i].names[k]; k++)
            assert_true(xf_slice_eq(facts.vectors.items[k], xf_slice_of(rows[i].names[k])));
        xf_facts_fini(&facts);
    }
}

static struct xf_facts facts_of(const char *body)
{
    struct xf_facts facts = {0};
    assert_int_equal(xf_facts_of(xf_slice_of(body), &facts), XF_OK);
    return facts;
}

#define TWO(vectors, schema)                                                                                           \
    "{\"result\":{\"config\":{\"params\":{" vectors "}},\"payload_schema\":{" schema "}}}"
#define A4 "\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Cosine\"}}"
#define KIND(type, more) "{\"data_type\":\"" type "\"" more ",\"points\":7}"

/* What decides whether the two sides take, store and match the same, and what does not. */
static void test_what_two_collections_have_in_common(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        bool vectors_match, filters_match;
    } rows[] = {
        {TWO(A4, ""), TWO(A4, ""), true, true},
        /* order, and where things are kept */
        {TWO("\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Dot\"},\"b\":{\"size\":2,\"distance\":\"Dot\"}}", ""),
         TWO("\"vectors\":{\"b\":{\"size\":2,\"distance\":\"Dot\",\"on_disk\":true},\"a\":{\"size\":4,\"distance\":\"Dot\","
             "\"quantization_config\":{\"scalar\":{\"type\":\"int8\"}}}},\"shard_number\":6", ""),
         true, true},
        {TWO("\"vectors\":{\"size\":4,\"distance\":\"Dot\"}", ""),
         TWO("\"vectors\":{\"\":{\"size\":4,\"distance\":\"Dot\"}}", ""), true, true},
        {TWO(A4, ""), TWO("\"vectors\":{\"a\":{\"size\":5,\"distance\":\"Cosine\"}}", ""), false, true},
        {TWO(A4, ""), TWO("\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Dot\"}}", ""), false, true},
        {TWO(A4, ""), TWO("\"vectors\":{\"c\":{\"size\":4,\"distance\":\"Cosine\"}}", ""), false, true},
        {TWO(A4, ""), TWO("\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Cosine\",\"datatype\":\"float32\"}}", ""), true, true},
        {TWO(A4, ""), TWO("\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Cosine\",\"datatype\":\"uint8\"}}", ""), false, true},
        {TWO(A4, ""),
         TWO("\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Cosine\",\"multivector_config\":{\"comparator\":\"max_sim\"}}}", ""),
         false, true},
        {TWO("\"sparse_vectors\":{\"s\":{}}", ""), TWO("\"sparse_vectors\":{\"s\":{\"modifier\":\"none\"}}", ""), true, true},
        {TWO("\"sparse_vectors\":{\"s\":{}}", ""), TWO("\"sparse_vectors\":{\"s\":{\"modifier\":\"idf\"}}", ""), false, true},
        {TWO("\"sparse_vectors\":{\"s\":{}}", ""), TWO("\"sparse_vectors\":{}", ""), false, true},
        /* payload indexes */
        {TWO(A4, "\"k\":" KIND("keyword", "")), TWO(A4, ""), true, false},
        {TWO(A4, "\"k\":" KIND("keyword", "") ",\"l\":" KIND("integer", "")),
         TWO(A4, "\"l\":" KIND("integer", "") ",\"k\":" KIND("keyword", "")), true, true},
        {TWO(A4, "\"k\":" KIND("keyword", "")), TWO(A4, "\"k\":" KIND("uuid", "")), true, false},
        {TWO(A4, "\"k\":" KIND("keyword", "")),
         TWO(A4, "\"k\":" KIND("keyword", ",\"params\":{\"type\":\"keyword\",\"is_tenant\":true,\"on_disk\":false}")), true, true},
        {TWO(A4, "\"k\":" KIND("text", ",\"params\":{\"tokenizer\":\"word\",\"lowercase\":true}")),
         TWO(A4, "\"k\":" KIND("text", ",\"params\":{\"lowercase\":true,\"type\":\"text\",\"tokenizer\":\"word\"}")), true, true},
        {TWO(A4, "\"k\":" KIND("text", ",\"params\":{\"tokenizer\":\"word\"}")),
         TWO(A4, "\"k\":" KIND("text", ",\"params\":{\"tokenizer\":\"prefix\"}")), true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xf_facts one = facts_of(rows[i].one), other = facts_of(rows[i].other), none = {0};
        if (xf_facts_vectors_match(&one, &other) != rows[i].vectors_match ||
            xf_facts_filters_match(&one, &other) != rows[i].filters_match)
            fail_msg("row %zu: %s\n%s", i, rows[i].one, rows[i].other);
        assert_true(xf_facts_eq(&one, &one));
        assert_false(xf_facts_vectors_match(&one, &none) || xf_facts_filters_match(&none, &none));
        xf_facts_fini(&one);
        xf_facts_fini(&other);
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
        struct xf_facts facts = {0};
        assert_int_not_equal(xf_names_of_aliases(xf_slice_of(bodies[i]), &list), XF_OK);
        assert_int_not_equal(xf_facts_of(xf_slice_of(bodies[i]), &facts), XF_OK);
        assert_int_equal(list.count, 0);
        assert_false(facts.is_there);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_what_two_collections_have_in_common),
                                       cmocka_unit_test(test_aliases),
                                       cmocka_unit_test(test_other_answers_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
