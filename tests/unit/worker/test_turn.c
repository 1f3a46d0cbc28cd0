/* Exclusive copies: one at a time in order of arrival, with gaps, as large as they are quick.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/turn.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct xf_config config = {.timeouts = {.connect_ms = 1000}};
static atomic_bool is_stopping;

struct taker {
    struct xf_turns *turns;
    atomic_int *running;
    atomic_bool overlapped;
    pthread_t thread;
};

static void *take_turns(void *ctx)
{
    struct taker *taker = ctx;
    struct xf_wire *wire = NULL;
    assert_int_equal(xf_wire_new(&config, &is_stopping, &wire), XF_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(xf_turn_take(taker->turns, wire), XF_OK);
        if (atomic_fetch_add(taker->running, 1))
            atomic_store(&taker->overlapped, true);
        assert_int_equal(xf_wire_sleep(wire, 2), XF_OK);
        (void)atomic_fetch_sub(taker->running, 1);
        xf_turn_give(taker->turns, 2, 1);
    }
    xf_wire_free(wire);
    return NULL;
}

static void one_at_a_time_with_gaps(void **state)
{
    (void)state;
    struct xf_turns turns;
    struct taker takers[3];
    atomic_int running = 0;
    uint64_t start = xf_clock_now_ms();
    assert_int_equal(xf_turns_init(&turns), XF_OK);
    for (int i = 0; i < 3; i++) {
        takers[i] = (struct taker){.turns = &turns, .running = &running};
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take_turns, &takers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(takers[i].thread, NULL), 0);
        assert_false(atomic_load(&takers[i].overlapped));
    }
    assert_true(xf_clock_now_ms() - start >= 14 * 60); /* a waiting write asks again every 50 ms */
    xf_turns_fini(&turns);
}

static void as_large_as_they_are_quick(void **state)
{
    (void)state;
    struct xf_turns turns;
    struct xf_wire *wire = NULL;
    assert_int_equal(xf_wire_new(&config, &is_stopping, &wire), XF_OK);
    assert_int_equal(xf_turns_init(&turns), XF_OK);
    size_t points = xf_turns_points(&turns);
    static const struct {
        uint64_t took_ms;
        size_t share; /* of the points that there may be */
        int change;   /* of their binary logarithm */
    } rows[] = {{5, 1, 1}, {5, 0, 0}, {30, 1, 0}, {100, 1, -1}, {100, 1, -1}, {0, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(xf_turn_take(&turns, wire), XF_OK);
        xf_turn_give(&turns, rows[i].took_ms, points * rows[i].share);
        points = rows[i].change > 0 ? points * 2 : rows[i].change < 0 ? points / 2 : points;
        assert_int_equal(xf_turns_points(&turns), points);
    }
    for (int i = 0; i < 20; i++)
        xf_turn_give(&turns, 1000, 1);
    assert_int_equal(xf_turns_points(&turns), 1);
    for (int i = 0; i < 20; i++)
        xf_turn_give(&turns, 0, 5000);
    assert_int_equal(xf_turns_points(&turns), 1024);
    xf_turns_fini(&turns);
    xf_wire_free(wire);
}

static void wanted_for_a_while(void **state)
{
    (void)state;
    struct xf_turns turns;
    assert_int_equal(xf_turns_init(&turns), XF_OK);
    assert_false(xf_turns_are_wanted(&turns));
    xf_turns_want(&turns);
    assert_true(xf_turns_are_wanted(&turns));
    uint64_t first = turns.window_ms;
    xf_turns_want(&turns); /* another copy that had begun before */
    assert_true(turns.window_ms == first);
    turns.wanted_until_ms = xf_clock_now_ms(); /* as if it were over */
    assert_false(xf_turns_are_wanted(&turns));
    xf_turns_want(&turns);
    assert_true(turns.window_ms == 2 * first); /* soon after: longer */
    turns.wanted_until_ms = 1;
    xf_turns_want(&turns);
    assert_true(turns.window_ms <= 2 * first);
    xf_turns_fini(&turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_at_a_time_with_gaps),
                                       cmocka_unit_test(as_large_as_they_are_quick),
                                       cmocka_unit_test(wanted_for_a_while)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
