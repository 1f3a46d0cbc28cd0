/* The byte classes against their definitions in the RFCs, and the scans at every length and alignment against a plain
 * loop.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/class_int.h"
#include "tests/unit/http/parse.h"

static bool is_alnum(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(int c, const char *set)
{
    return c && strchr(set, c);
}

static unsigned classes_of(int c)
{
    bool is_visible = c > 0x20 && c < 0x7f;
    unsigned classes = 0;
    if (is_alnum(c) || is_one_of(c, "!#$%&'*+-.^_`|~"))
        classes |= XF_CHAR_TOKEN;
    if (is_visible || c == ' ' || c == '\t' || c >= 0x80)
        classes |= XF_CHAR_VALUE;
    if (is_visible && !is_one_of(c, "#<>`"))
        classes |= XF_CHAR_TARGET;
    if (is_alnum(c) || is_one_of(c, "-._~!$&'()*+,;=:@"))
        classes |= XF_CHAR_PATH_PLAIN;
    if (is_alnum(c) || is_one_of(c, "-._~"))
        classes |= XF_CHAR_HOST;
    return classes;
}

static void test_table(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++)
        assert_int_equal(xf_http_class[c], classes_of(c));
}

static void test_scans(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 40; len++) {
        for (size_t at = 0; at < len; at++) {
            char *text = exact_copy("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", len);
            for (int c = 0; c < 256; c++) {
                text[at] = (char)c;
                const char *end = text + len;
                assert_ptr_equal(xf_http_skip_value(text, end), xf_http_skip(text, end, XF_CHAR_VALUE));
                assert_ptr_equal(xf_http_skip_token(text, end), xf_http_skip(text, end, XF_CHAR_TOKEN));
                assert_ptr_equal(xf_http_skip_target(text, end), xf_http_skip(text, end, XF_CHAR_TARGET));
                assert_ptr_equal(xf_http_skip(text, end, XF_CHAR_VALUE),
                                 classes_of(c) & XF_CHAR_VALUE ? end : text + at);
            }
            free(text);
        }
    }
}

static void test_hex(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *at = c ? strchr(digits, c) : NULL;
        assert_int_equal(xf_http_hex((char)c), at ? (int)((at - digits) % 16) : -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_scans),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
