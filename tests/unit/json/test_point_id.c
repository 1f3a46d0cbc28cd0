/* Point ids: every spelling that Qdrant 1.18.3 takes becomes the one canonical id, and no other is taken.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/json/point_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define UUID "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"

static void test_taken(void **state)
{
    (void)state;
    static const struct {
        const char *json, *printed;
    } rows[] = {
        {"0", "0"},
        {"17", "17"},
        {"9007199254740993", "9007199254740993"},
        {"18446744073709551615", "18446744073709551615"},
        {"\"" UUID "\"", "\"" UUID "\""},
        {"\"5C56C793-69F3-4FBF-87E6-C4BF54C28C26\"", "\"" UUID "\""},
        {"\"5c56c79369f34fbf87e6c4bf54c28c26\"", "\"" UUID "\""},
        {"\"urn:uuid:" UUID "\"", "\"" UUID "\""},
        {"\"{" UUID "}\"", "\"" UUID "\""},
        {"\"\\u0035c56c793-69f3-4fbf-87e6-c4bf54c28c2\\u0036\"", "\"" UUID "\""},
        {"\"00000000-0000-0000-0000-000000000000\"", "\"00000000-0000-0000-0000-000000000000\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct xf_point_id id;
        char text[XF_POINT_ID_TEXT_MAX];
        assert_int_equal(xf_point_id_of_json(xf_slice_of(rows[i].json), &id), XF_OK);
        size_t n = xf_point_id_print_json(id, text);
        assert_int_equal(n, strlen(rows[i].printed));
        assert_memory_equal(text, rows[i].printed, n);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       "1.0",
                                       "1e3",
                                       "-0",
                                       "-1",
                                       "+1",
                                       "01",
                                       "00",
                                       " 1",
                                       "1 ",
                                       "18446744073709551616",
                                       "184467440737095516150",
                                       "null",
                                       "true",
                                       "\"5\"",
                                       "\"\"",
                                       "\"",
                                       "\"" UUID,
                                       "\"" UUID "\" ",
                                       "\"URN:uuid:" UUID "\"",
                                       "\"{5c56c79369f34fbf87e6c4bf54c28c26}\"",
                                       "\"{" UUID "\"",
                                       "\"urn:uuid:5c56c79369f34fbf87e6c4bf54c28c26\"",
                                       "\"5c56c793-69f3-4fbf-87e6-c4bf54c28c2g\"",
                                       "\"5c56c793069f304fbf087e60c4bf54c28c26\"",
                                       "\"5c56c7936-9f3-4fbf-87e6-c4bf54c28c26\"",
                                       "\" " UUID "\"",
                                       "\"" UUID "\\ud800\"",
                                       "[92,86,199,147,105,243,79,191,135,230,196,191,84,194,140,38]"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct xf_point_id id;
        if (xf_point_id_of_json(xf_slice_of(rows[i]), &id) != XF_ERR_INVALID)
            fail_msg("taken as an id: %s", rows[i]);
    }
}

static void test_order(void **state)
{
    (void)state;
    static const char *const ascending[] = {"0",
                                            "9",
                                            "10",
                                            "18446744073709551615",
                                            "\"00000000-0000-0000-0000-000000000000\"",
                                            "\"00000000-0000-0000-0000-000000000001\"",
                                            "\"00000000-0000-0001-0000-000000000000\"",
                                            "\"ffffffff-ffff-ffff-ffff-ffffffffffff\""};
    enum { COUNT = sizeof ascending / sizeof ascending[0] };
    for (int i = 0; i < COUNT; i++) {
        for (int j = 0; j < COUNT; j++) {
            struct xf_point_id a, b;
            assert_int_equal(xf_point_id_of_json(xf_slice_of(ascending[i]), &a), XF_OK);
            assert_int_equal(xf_point_id_of_json(xf_slice_of(ascending[j]), &b), XF_OK);
            int order = xf_point_id_cmp(a, b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(xf_point_id_eq(a, b), i == j);
            assert_int_equal(xf_point_id_hash(a) == xf_point_id_hash(b), i == j);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
