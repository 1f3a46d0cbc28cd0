/* Which ids count as hot: those whose copies were in vain three times in a row.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/hot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct xf_hot hot; /* too large for the stack */

static struct xf_point_id number(uint64_t n)
{
    return (struct xf_point_id){.lo = n};
}

static void three_times_in_a_row(void **state)
{
    (void)state;
    struct xf_point_id uuid = {.lo = 7, .is_uuid = true};
    xf_hot_clear(&hot);
    for (int i = 0; i < 3; i++) {
        assert_false(xf_hot_is(&hot, number(7)));
        xf_hot_add(&hot, number(7));
    }
    assert_true(xf_hot_is(&hot, number(7)));
    assert_false(xf_hot_is(&hot, uuid));
    xf_hot_forget(&hot, number(7));
    assert_false(xf_hot_is(&hot, number(7)));
    xf_hot_add(&hot, number(7));
    assert_false(xf_hot_is(&hot, number(7)));
    xf_hot_forget(&hot, number(8)); /* is not there */
}

static void more_than_fit(void **state)
{
    (void)state;
    xf_hot_clear(&hot);
    for (int i = 0; i < 5; i++)
        for (uint64_t n = 0; n < 2 * XF_HOT_SLOTS; n++)
            xf_hot_add(&hot, number(n));
    assert_true(xf_hot_is(&hot, number(0)));
    assert_false(xf_hot_is(&hot, number(2 * XF_HOT_SLOTS - 1)));
    size_t count = 0;
    for (uint64_t n = 0; n < 2 * XF_HOT_SLOTS; n++)
        count += xf_hot_is(&hot, number(n));
    assert_true(count == hot.used && count < XF_HOT_SLOTS);
    xf_hot_clear(&hot);
    assert_false(xf_hot_is(&hot, number(0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(three_times_in_a_row), cmocka_unit_test(more_than_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
