/* Flags set with plain SET reach the snapshot: at the start, by push alone, by polling alone, and through set_flags.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "tests/unit/control/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_first_snapshot_knows_the_flags(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE yes");
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_NEW_READS 25%%");
    redis_do(&f->server, "SET crossfade:ENABLE_DUAL_WRITE 1");
    fixture_open(f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_CANARY);
    assert_int_equal(f->snapshot->migrations[ALPHA].new_reads_percent, 25);
    assert_int_equal(fixture_phase(f, BETA), XF_PHASE_DUAL_WRITE);
    struct xf_flag_state flags;
    xf_control_flags(f->control, BETA, &flags);
    assert_string_equal(flags.dual_write_from, "global");
    assert_string_equal(flags.new_reads_from, "default");
    assert_true(has_metric(f, "crossfade_flag{migration=\"alpha\",flag=\"new_reads\"} 25\n"));
    assert_true(has_metric(f, "crossfade_phase{migration=\"alpha\",phase=\"canary\"} 1\n"));
    assert_true(has_metric(f, "crossfade_phase{migration=\"alpha\",phase=\"switched\"} 0\n"));
    assert_true(has_metric(f, "crossfade_redis_up 1\n"));
}

/* With every poll off only a push can bring the change. The time is printed, not judged. */
static void test_push_alone_flips(void **state)
{
    enum { FLIPS = 50 };
    struct fixture *f = *state;
    uint64_t worst_ns = 0, sum_ns = 0;
    fixture_open(f);
    fixture_only_push(f);
    for (int i = 0; i < FLIPS; i++) {
        run_for_ms(f->base, 30); /* the last flip's state file is on the disk: it is the flip that is measured */
        uint64_t set_ns = xf_clock_now_ns();
        redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE %s", i % 2 ? "off" : "ON");
        fixture_wait_phase(f, i % 2 ? XF_PHASE_LEGACY_ONLY : XF_PHASE_DUAL_WRITE);
        uint64_t took_ns = f->published_ns - set_ns;
        sum_ns += took_ns;
        worst_ns = took_ns > worst_ns ? took_ns : worst_ns;
    }
    print_message("SET to snapshot: mean %u us, worst %u us\n", (unsigned)(sum_ns / FLIPS / 1000),
                  (unsigned)(worst_ns / 1000));
    redis_do(&f->server, "SET crossfade:ENABLE_DUAL_WRITE 1"); /* the own key still says off */
    redis_do(&f->server, "DEL crossfade:{alpha}:ENABLE_DUAL_WRITE");
    fixture_wait_phase(f, XF_PHASE_DUAL_WRITE);
}

static void test_a_list_in_place_of_a_flag_is_an_error(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 1");
    fixture_open(f);
    redis_do(&f->server, "EVAL return{redis.call('DEL',KEYS[1]),redis.call('RPUSH',KEYS[1],'x')} 1 "
                         "crossfade:{alpha}:ENABLE_DUAL_WRITE");
    run_until(f->base, has_error, f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_DUAL_WRITE);
    assert_non_null(strstr(error_of(f, ALPHA), "ENABLE_DUAL_WRITE is not a text"));
    assert_true(has_metric(f, "crossfade_flag_errors 1\n"));
    redis_do(&f->server, "DEL crossfade:{alpha}:ENABLE_DUAL_WRITE");
    fixture_wait_phase(f, XF_PHASE_LEGACY_ONLY);
}

static void test_other_keys_cause_no_reading(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_only_push(f);
    run_for_ms(f->base, 100);
    uint64_t reads = f->control->counts.flag_reads;
    redis_do(&f->server, "SET crossfade:{alpha}:cursor 17");
    redis_do(&f->server, "SET unrelated 1");
    run_for_ms(f->base, 100);
    assert_int_equal(f->control->counts.flag_reads, reads);
}

static void test_user_who_may_not_track_is_polled(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "ACL SETUSER poor on >pw ~crossfade:* &* +@all -client");
    f->config.redis.user = "poor";
    f->config.redis.password = "pw";
    fixture_open(f);
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 1");
    fixture_wait_phase(f, XF_PHASE_DUAL_WRITE);
    assert_false(is_tracking(f));
    assert_true(has_metric(f, "crossfade_redis_push 0\n"));
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_NEW_READS 1");
    fixture_wait_phase(f, XF_PHASE_SWITCHED);
}

static void test_lost_listener_is_replaced(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    run_until(f->base, is_tracking, f);
    redis_do(&f->server, "CLIENT KILL TYPE pubsub");
    run_until(f->base, is_not_tracking, f);
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 1");
    fixture_wait_phase(f, XF_PHASE_DUAL_WRITE);
    fixture_only_push(f); /* it came back */
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_NEW_READS true");
    fixture_wait_phase(f, XF_PHASE_SWITCHED);
}

static void test_bad_and_illegal_values_are_shown(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "MSET crossfade:{alpha}:ENABLE_DUAL_WRITE 1 crossfade:{alpha}:ENABLE_NEW_READS 10%%");
    fixture_open(f);
    assert_null(error_of(f, ALPHA));
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_NEW_READS 110%%");
    run_until(f->base, has_error, f);
    assert_non_null(strstr(error_of(f, ALPHA), "110%"));
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_CANARY);
    assert_true(has_metric(f, "crossfade_flag_errors 1\n"));
    redis_do(&f->server, "MSET crossfade:{alpha}:ENABLE_DUAL_WRITE 0 crossfade:{alpha}:ENABLE_NEW_READS 10%%");
    run_for_ms(f->base, 200);
    run_until(f->base, has_error, f);
    assert_non_null(strstr(error_of(f, ALPHA), "dual_write is off"));
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_CANARY);
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_NEW_READS 0");
    fixture_wait_phase(f, XF_PHASE_LEGACY_ONLY);
    assert_null(error_of(f, ALPHA));
    assert_true(has_metric(f, "crossfade_flag_errors 0\n"));
}

static void test_set_flags(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_only_push(f);
    assert_int_equal(xf_control_set_flags(f->control, ALPHA, "maybe", NULL, fixture_done, f), XF_ERR_INVALID);
    assert_int_equal(xf_control_set_flags(f->control, ALPHA, NULL, NULL, fixture_done, f), XF_ERR_INVALID);
    assert_int_equal(xf_control_set_flags(f->control, ALPHA, NULL, "25%", fixture_done, f), XF_ERR_STATE);
    assert_int_equal(xf_control_set_flags(f->control, ALPHA, "on", "25%", fixture_done, f), XF_OK);
    assert_int_equal(f->done, 0);
    run_until(f->base, is_done, f);
    assert_int_equal(f->done_err, XF_OK);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_CANARY); /* in force when `done` says so */
    assert_int_equal(fixture_phase(f, BETA), XF_PHASE_LEGACY_ONLY);
    assert_true(redis_has(&f->server, "crossfade:{alpha}:ENABLE_NEW_READS", "25%"));
    f->done = 0;
    assert_int_equal(xf_control_set_flags(f->control, ALPHA, NULL, "0", fixture_done, f), XF_OK);
    fixture_close(f); /* with it under way */
    assert_int_equal(f->done, 1);
    assert_int_equal(f->done_err, XF_ERR_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_snapshot_knows_the_flags, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_push_alone_flips, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_list_in_place_of_a_flag_is_an_error, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_other_keys_cause_no_reading, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_user_who_may_not_track_is_polled, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_lost_listener_is_replaced, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_bad_and_illegal_values_are_shown, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_set_flags, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
