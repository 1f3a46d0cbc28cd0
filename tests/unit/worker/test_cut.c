/* Raw slices: what is cut, and what is refused, also when the text ends anywhere.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static void values_come_whole(void **state)
{
    (void)state;
    static const char *const values[] = {"1",
                                         "-1.5e-9",
                                         "null",
                                         "\"a\\\"b\"",
                                         "{}",
                                         "[]",
                                         "[1,[2,{\"a\":\"]}\"}],\"\\\\\"]",
                                         "\"\"",
                                         "{\"x\":[{}]}",
                                         "[0.1234567,0.1234567,0.1234567,0.1234567,0.1234567,{\"a long key, longer "
                                         "than a lane\":\"and \\\" its value\"}]"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[300];
        int n = snprintf(text, sizeof text, " %s ,7", values[i]);
        struct xf_cut cut = xf_cut(xf_slice(text, (size_t)n));
        struct xf_slice value = xf_cut_value(&cut);
        assert_int_equal(cut.err, XF_OK);
        assert_true(xf_slice_eq(value, xf_slice_of(values[i])));
        assert_int_equal(xf_cut_peek(&cut), ',');
    }
}

static void broken_values_are_refused(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         " ",
                                         "[1}",
                                         "{\"a\":1]",
                                         "\"abc",
                                         "[\"abc]",
                                         "\"abc\\",
                                         "]",
                                         ",",
                                         "[[1]",
                                         "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct xf_cut cut = xf_cut(xf_slice_of(values[i]));
        struct xf_slice value = xf_cut_value(&cut);
        assert_int_equal(value.len, 0);
        assert_int_equal(cut.err, XF_ERR_JSON_SYNTAX);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[2 * 129];
    for (size_t depth = 128; depth <= 129; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct xf_cut cut = xf_cut(xf_slice(text, 2 * depth));
        (void)xf_cut_value(&cut);
        assert_int_equal(cut.err, depth == 128 ? XF_OK : XF_ERR_JSON_SYNTAX);
    }
}

/* Text of every length in a block of its own, so that a sanitizer sees each byte read too many. */
static void text_may_end_anywhere(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,2,{\"key with \\u00e9\":\"value \\\" quoted\"}],\"b\":\"0123456789abcdef\",\"c\":12}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, text, n);
        struct xf_cut cut = xf_cut(xf_slice(copy, n));
        for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) {
            (void)xf_cut_key(&cut);
            (void)xf_cut_value(&cut);
        }
        assert_int_equal(cut.err, XF_ERR_JSON_SYNTAX);
        free(copy);
    }
}

static void members_and_texts(void **state)
{
    (void)state;
    struct xf_slice object = XF_SLICE("{\"a\":{\"b\":2},\"b\":3}");
    assert_true(xf_slice_eq(xf_cut_member(object, "b"), XF_SLICE("3")));
    assert_int_equal(xf_cut_member(object, "c").len, 0);
    assert_int_equal(xf_cut_member(XF_SLICE("[1]"), "a").len, 0);
    assert_true(xf_cut_text_eq(XF_SLICE("\\u00e9\\ud83d\\ude00\\/"), XF_SLICE("\xc3\xa9\xf0\x9f\x98\x80/")));
    assert_false(xf_cut_text_eq(XF_SLICE("\\ud83d"), XF_SLICE("x")));
    assert_false(xf_cut_text_eq(XF_SLICE("a"), XF_SLICE("b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_whole),  cmocka_unit_test(broken_values_are_refused),
        cmocka_unit_test(nesting_is_bounded), cmocka_unit_test(text_may_end_anywhere),
        cmocka_unit_test(members_and_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
