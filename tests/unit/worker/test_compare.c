/* Which values count as equal, and which must not.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void payloads(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
        {"{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1}", false},
        {"18446744073709551615", "18446744073709551614", false},
        {"9007199254740993", "9007199254740992", false},
        {"1e16", "1e+16", true},
        {"0.1", "0.10000000000000002", true},  /* the next double */
        {"0.1", "0.10000000000000003", false}, /* the one after it */
        {"1", "1.0", false},
        {"-0.0", "0.0", true},
        {"\"\\u00e9\"", "\"\xc3\xa9\"", true},
        {"\"a\"", "\"b\"", false},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"null", "false", false},
        {"null", "{}", false},
        {"{\"a\":{\"x\":1.5,\"y\":null}}", "{\"a\":{\"y\":null,\"x\":1.5}}", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(xf_json_equal(xf_slice_of(rows[i].a), xf_slice_of(rows[i].b)), rows[i].equal);
        assert_int_equal(xf_json_equal(xf_slice_of(rows[i].b), xf_slice_of(rows[i].a)), rows[i].equal);
    }
}

static void vectors(void **state)
{
    (void)state;
    struct xf_slice names[] = {XF_SLICE(""), XF_SLICE("cos"), XF_SLICE("dot")};
    bool is_cosine[] = {false, true, false}, is_sparse[] = {false, false, false};
    const struct xf_collection collection = {
        .vector_names = names, .is_cosine = is_cosine, .is_sparse = is_sparse, .name_count = 3};
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"[0.5,1e-7]", "[0.50,0.0000001]", true},
        {"[0.5]", "[0.50000006]", false},
        {"{\"cos\":[0.5]}", "{\"cos\":[0.50000006]}", true},
        {"{\"cos\":[0.5]}", "{\"cos\":[0.50001]}", false},
        {"{\"dot\":[0.5]}", "{\"dot\":[0.50000006]}", false},
        {"{\"cos\":[1.0],\"dot\":[2.0]}", "{\"dot\":[2.0],\"cos\":[1.0]}", true},
        {"{\"cos\":[1.0]}", "{\"cos\":[1.0],\"dot\":[2.0]}", false},
        {"{\"cos\":[1.0]}", "{\"dot\":[1.0]}", false},
        {"{\"dot\":{\"indices\":[16777217],\"values\":[1.0]}}", "{\"dot\":{\"indices\":[16777216],\"values\":[1.0]}}",
         false},
        {"[[1.0],[2.0]]", "[[1.0],[2.5]]", false},
        {"{}", "", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xf_point a = {.vector = xf_slice_of(rows[i].a)}, b = {.vector = xf_slice_of(rows[i].b)};
        assert_int_equal(xf_point_difference(&a, &b, &collection) == NULL, rows[i].equal);
        assert_int_equal(xf_point_difference(&b, &a, &collection) == NULL, rows[i].equal);
    }
    struct xf_point with = {.payload = XF_SLICE("{\"a\":1}")}, without = {0};
    assert_non_null(xf_point_difference(&with, &without, &collection));
}

static void hits(void **state)
{
    (void)state;
#define HITS(list) "{\"result\":{\"points\":[" list "]},\"status\":\"ok\"}"
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"), true},
        {HITS("{\"id\":1,\"score\":0.8},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":2,\"score\":0.8},{\"id\":1,\"score\":0.8}"), true},
        {HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":1,\"score\":0.9},{\"id\":3,\"score\":0.8}"), true},
        {HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":3,\"score\":0.9},{\"id\":2,\"score\":0.8}"), false},
        {HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.7}"), false},
        {HITS("{\"id\":1,\"score\":0.9}"), HITS(""), false},
        {HITS(""), HITS(""), true},
        {HITS("{\"id\":1,\"score\":0.9}"), "{\"result\":{\"points\":[{\"id\":1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(xf_hits_equal(xf_slice_of(rows[i].a), xf_slice_of(rows[i].b)), rows[i].equal);
        assert_int_equal(xf_hits_equal(xf_slice_of(rows[i].b), xf_slice_of(rows[i].a)), rows[i].equal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(payloads), cmocka_unit_test(vectors), cmocka_unit_test(hits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
