/* The state file: what is written is read again, and nothing that was torn or changed is believed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/state_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void fill(struct xf_flags *flags, struct xf_values *values, struct xf_buf *text)
{
    assert_int_equal(xf_flags_restore(flags, 1, 25), XF_OK);
    memcpy(flags->incarnation, "abc", 4);
    flags->is_held[XF_FLAG_NEW_READS] = true;
    assert_int_equal(xf_values_set(values, XF_SLICE("cursor"), XF_SLICE("a\nb\0c"), true), XF_OK);
    assert_int_equal(xf_values_set(values, XF_SLICE("complete"), XF_SLICE("1"), false), XF_OK);
    assert_int_equal(xf_values_set(values, XF_SLICE("empty"), XF_SLICE(""), false), XF_OK);
    xf_buf_init(text, 1 << 20);
    assert_int_equal(xf_state_print(flags, values, text), XF_OK);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct xf_flags flags = {0}, again = {0};
    struct xf_values values = {0}, read = {0};
    struct xf_buf text;
    fill(&flags, &values, &text);
    assert_int_equal(xf_state_parse(xf_buf_view(&text), &again, &read), XF_OK);
    assert_true(again.dual_write);
    assert_int_equal(again.phase, XF_PHASE_CANARY);
    assert_int_equal(again.new_reads_percent, 25);
    assert_true(again.is_held[XF_FLAG_NEW_READS] && !again.is_held[XF_FLAG_DUAL_WRITE]);
    assert_string_equal(again.incarnation, "abc");
    struct xf_value *cursor = xf_values_find(&read, XF_SLICE("cursor"));
    assert_non_null(cursor);
    assert_true(cursor->is_pending);
    assert_true(xf_slice_eq(xf_slice(cursor->bytes, cursor->len), XF_SLICE("a\nb\0c")));
    assert_false(xf_values_find(&read, XF_SLICE("complete"))->is_pending);
    assert_int_equal(xf_values_find(&read, XF_SLICE("empty"))->len, 0);
    xf_values_fini(&values);
    xf_values_fini(&read);
    xf_buf_fini(&text);
}

/* Values may be known before flags are. */
static void test_flags_that_are_not_known(void **state)
{
    (void)state;
    struct xf_flags flags = {0}, again = {0};
    struct xf_values values = {0}, read = {0};
    struct xf_buf text;
    assert_int_equal(xf_values_set(&values, XF_SLICE("cursor"), XF_SLICE("17"), true), XF_OK);
    xf_buf_init(&text, 1 << 20);
    assert_int_equal(xf_state_print(&flags, &values, &text), XF_OK);
    assert_int_equal(xf_state_parse(xf_buf_view(&text), &again, &read), XF_OK);
    assert_false(again.is_known);
    assert_non_null(xf_values_find(&read, XF_SLICE("cursor")));
    flags.is_known = true;
    xf_buf_clear(&text);
    assert_int_equal(xf_state_print(&flags, &values, &text), XF_OK);
    assert_int_equal(xf_state_parse(xf_buf_view(&text), &again, &read), XF_OK);
    assert_true(again.is_known && !again.dual_write);
    xf_values_fini(&values);
    xf_values_fini(&read);
    xf_buf_fini(&text);
}

static void test_torn_or_changed_is_refused(void **state)
{
    (void)state;
    struct xf_flags flags = {0}, untouched = {0};
    struct xf_values values = {0}, read = {0};
    struct xf_buf text;
    fill(&flags, &values, &text);
    struct xf_slice whole = xf_buf_view(&text);
    char *copy = malloc(whole.len);
    assert_non_null(copy);
    for (size_t i = 0; i < whole.len; i++) {
        assert_int_not_equal(xf_state_parse(xf_slice(whole.ptr, i), &untouched, &read), XF_OK);
        memcpy(copy, whole.ptr, whole.len);
        copy[i] ^= 4;
        assert_int_not_equal(xf_state_parse(xf_slice(copy, whole.len), &untouched, &read), XF_OK);
    }
    assert_int_equal(untouched.phase, XF_PHASE_LEGACY_ONLY);
    free(copy);
    xf_values_fini(&values);
    xf_values_fini(&read);
    xf_buf_fini(&text);
}

static void test_files(void **state)
{
    (void)state;
    char base[] = "/tmp/xf-state-XXXXXX", dir[64], path[96];
    struct stat info;
    assert_non_null(mkdtemp(base));
    snprintf(dir, sizeof dir, "%s/a/b", base);
    assert_int_equal(xf_state_make_dir(dir), XF_OK);
    assert_int_equal(xf_state_make_dir(dir), XF_OK); /* it is there */
    struct xf_buf out;
    xf_buf_init(&out, 1 << 16);
    assert_int_equal(xf_state_read_file(dir, "../x y", &out), XF_ERR_NOT_FOUND);
    assert_int_equal(xf_state_write_file(dir, "../x y", XF_SLICE("one")), XF_OK);
    assert_int_equal(xf_state_write_file(dir, "../x y", XF_SLICE("two")), XF_OK);
    assert_int_equal(xf_state_read_file(dir, "../x y", &out), XF_OK);
    assert_true(xf_slice_eq(xf_buf_view(&out), XF_SLICE("two")));
    snprintf(path, sizeof path, "%s/%%2E%%2E%%2Fx%%20y.state", dir);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(stat(dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(rmdir(dir), 0); /* nothing temporary is left */
    assert_int_equal(xf_state_write_file(dir, "m", XF_SLICE("x")), XF_ERR_IO);
    snprintf(dir, sizeof dir, "%s/a", base);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(rmdir(base), 0);
    xf_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_flags_that_are_not_known),
                                       cmocka_unit_test(test_torn_or_changed_is_refused), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
