/* The timer wheel: fires once, not early, whatever is armed, moved or cancelled meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

struct probe {
    struct xf_timer timer;
    uint64_t fired_at;
    unsigned fired;
};

static uint64_t now_ms;
static struct xf_wheel wheel;

static void on_fire(struct xf_timer *timer)
{
    struct probe *probe = (struct probe *)(void *)timer;
    probe->fired++;
    probe->fired_at = now_ms;
}

static void pass_time(uint64_t until_ms)
{
    while (now_ms < until_ms) {
        now_ms += XF_TIMER_TICK_MS;
        xf_wheel_run(&wheel, now_ms);
    }
}

static int setup(void **state)
{
    (void)state;
    now_ms = 1000000;
    xf_wheel_init(&wheel, now_ms);
    return 0;
}

static void fires_once_and_not_early(void **state)
{
    static const uint64_t delays_ms[] = {0, 1, 49, 50, 51, 999, 25600, 25601, 90000};
    (void)state;
    for (size_t i = 0; i < sizeof delays_ms / sizeof *delays_ms; i++) {
        struct probe probe = {0};
        uint64_t due = now_ms + delays_ms[i];
        xf_timer_init(&probe.timer, on_fire);
        xf_timer_arm(&wheel, &probe.timer, due);
        pass_time(due + 10 * XF_TIMER_TICK_MS);
        assert_int_equal(probe.fired, 1);
        assert_true(probe.fired_at >= due);
        assert_true(probe.fired_at <= due + 2 * XF_TIMER_TICK_MS);
        assert_false(xf_timer_is_armed(&probe.timer));
    }
}

static void moves_later_and_earlier(void **state)
{
    struct probe later = {0}, earlier = {0};
    uint64_t start = now_ms;
    (void)state;
    xf_timer_init(&later.timer, on_fire);
    xf_timer_init(&earlier.timer, on_fire);
    xf_timer_arm(&wheel, &later.timer, start + 200);
    xf_timer_arm(&wheel, &later.timer, start + 5000);
    xf_timer_arm(&wheel, &earlier.timer, start + 60000);
    xf_timer_arm(&wheel, &earlier.timer, start + 300);
    pass_time(start + 600);
    assert_int_equal(later.fired, 0);
    assert_int_equal(earlier.fired, 1);
    pass_time(start + 6000);
    assert_int_equal(later.fired, 1);
    assert_true(later.fired_at >= start + 5000);
}

static void cancelled_is_silent(void **state)
{
    struct probe probe = {0};
    (void)state;
    xf_timer_init(&probe.timer, on_fire);
    xf_timer_cancel(&probe.timer);
    xf_timer_arm(&wheel, &probe.timer, now_ms + 100);
    xf_timer_cancel(&probe.timer);
    pass_time(now_ms + 60000);
    assert_int_equal(probe.fired, 0);
}

static void survives_a_long_pause(void **state)
{
    struct probe probes[300];
    (void)state;
    for (size_t i = 0; i < 300; i++) {
        probes[i] = (struct probe){0};
        xf_timer_init(&probes[i].timer, on_fire);
        xf_timer_arm(&wheel, &probes[i].timer, now_ms + i * 401);
    }
    now_ms += 3600 * 1000;
    xf_wheel_run(&wheel, now_ms);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(probes[i].fired, 1);
}

static void rearm(struct xf_timer *timer)
{
    struct probe *probe = (struct probe *)(void *)timer;
    probe->fired++;
    xf_timer_arm(&wheel, timer, now_ms + 100);
}

static void may_be_armed_from_its_own_callback(void **state)
{
    struct probe probe = {0};
    (void)state;
    xf_timer_init(&probe.timer, rearm);
    xf_timer_arm(&wheel, &probe.timer, now_ms + 100);
    pass_time(now_ms + 2000);
    assert_in_range(probe.fired, 8, 20);
    xf_timer_cancel(&probe.timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(fires_once_and_not_early, setup),
        cmocka_unit_test_setup(moves_later_and_earlier, setup),
        cmocka_unit_test_setup(cancelled_is_silent, setup),
        cmocka_unit_test_setup(survives_a_long_pause, setup),
        cmocka_unit_test_setup(may_be_armed_from_its_own_callback, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
