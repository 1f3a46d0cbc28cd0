/* What flags mean: every value, precedence, illegal pairs, and the emptied Redis.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int dual_write, new_reads; /* -1: refused */
    } rows[] = {{"0", 0, 0},       {"1", 100, 100},   {"true", 100, 100}, {"false", 0, 0},    {"on", 100, 100},
                {"off", 0, 0},     {"yes", 100, 100}, {"no", 0, 0},       {"TRUE", 100, 100}, {"Off", 0, 0},
                {"yEs", 100, 100}, {"25%", -1, 25},   {"0%", -1, 0},      {"100%", -1, 100},  {"1%", -1, 1},
                {"101%", -1, -1},  {"-1%", -1, -1},   {"2.5%", -1, -1},   {"%", -1, -1},      {"25", -1, -1},
                {"", -1, -1},      {" 1", -1, -1},    {"1\n", -1, -1},    {"2", -1, -1},      {"enabled", -1, -1},
                {"25 %", -1, -1},  {"0025%", -1, -1}, {"tru", -1, -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t dual = 7, reads = 7;
        enum xf_err dual_err = xf_flag_parse(XF_FLAG_DUAL_WRITE, xf_slice_of(rows[i].text), &dual);
        enum xf_err reads_err = xf_flag_parse(XF_FLAG_NEW_READS, xf_slice_of(rows[i].text), &reads);
        assert_int_equal(dual_err ? -1 : dual, rows[i].dual_write);
        assert_int_equal(reads_err ? -1 : reads, rows[i].new_reads);
        assert_true(dual_err == XF_OK || dual == 7); /* the last good value is untouched */
        assert_true(reads_err == XF_OK || reads == 7);
    }
}

static struct xf_slice text(const char *value)
{
    return value ? xf_slice_of(value) : XF_SLICE_NONE;
}

static struct xf_flag_change apply(struct xf_flags *flags, const char *own_dual, const char *own_reads,
                                   const char *global_dual, const char *global_reads, const char *incarnation)
{
    struct xf_flag_reading reading = {.own = {text(own_dual), text(own_reads)},
                                      .global = {text(global_dual), text(global_reads)},
                                      .incarnation = text(incarnation)};
    return xf_flags_apply(flags, &reading);
}

static void test_precedence(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    assert_false(apply(&flags, NULL, NULL, NULL, NULL, "a").is_in_force_changed);
    assert_int_equal(flags.from[XF_FLAG_DUAL_WRITE], XF_FROM_DEFAULT);
    assert_true(apply(&flags, NULL, NULL, "1", NULL, "a").is_in_force_changed);
    assert_int_equal(flags.phase, XF_PHASE_DUAL_WRITE);
    assert_int_equal(flags.from[XF_FLAG_DUAL_WRITE], XF_FROM_GLOBAL);
    assert_true(apply(&flags, "0", NULL, "1", NULL, "a").is_in_force_changed);
    assert_int_equal(flags.phase, XF_PHASE_LEGACY_ONLY);
    assert_int_equal(flags.from[XF_FLAG_DUAL_WRITE], XF_FROM_MIGRATION);
    apply(&flags, "1", "30%", "0", "1", "a");
    assert_int_equal(flags.phase, XF_PHASE_CANARY);
    assert_int_equal(flags.new_reads_percent, 30);
    apply(&flags, "on", NULL, NULL, "yes", "a");
    assert_int_equal(flags.phase, XF_PHASE_SWITCHED);
    apply(&flags, "off", "on", NULL, NULL, "a");
    assert_int_equal(flags.phase, XF_PHASE_NEW_ONLY);
}

static void test_bad_value_keeps_the_last_good_one(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    apply(&flags, "1", NULL, "0", NULL, "a");
    struct xf_flag_change change = apply(&flags, "maybe", NULL, "0", NULL, "a");
    assert_true(change.is_error_new);
    assert_false(change.is_in_force_changed);
    assert_int_equal(flags.phase, XF_PHASE_DUAL_WRITE); /* not the global 0 */
    assert_non_null(strstr(flags.error, "maybe"));
    assert_false(apply(&flags, "maybe", NULL, "0", NULL, "a").is_error_new); /* once */
    assert_true(apply(&flags, "perhaps", NULL, "0", NULL, "a").is_error_new);
    apply(&flags, "1", NULL, "0", NULL, "a");
    assert_string_equal(flags.error, "");
}

static void test_canary_without_dual_write_has_no_phase(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    apply(&flags, "1", "25%", NULL, NULL, "a");
    assert_int_equal(flags.phase, XF_PHASE_CANARY);
    assert_true(apply(&flags, "0", "25%", NULL, NULL, "a").is_error_new);
    assert_int_equal(flags.phase, XF_PHASE_CANARY);
    assert_true(flags.dual_write);
    assert_int_equal(flags.new_reads_percent, 25);
    apply(&flags, "0", "0", NULL, NULL, "a");
    assert_int_equal(flags.phase, XF_PHASE_LEGACY_ONLY);
    assert_string_equal(flags.error, "");
}

static void test_deleted_key_means_off(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    apply(&flags, "1", "1", NULL, NULL, "a");
    apply(&flags, "1", NULL, NULL, NULL, "a");
    assert_int_equal(flags.phase, XF_PHASE_DUAL_WRITE);
    assert_false(apply(&flags, NULL, NULL, NULL, NULL, "a").was_emptied);
    assert_int_equal(flags.phase, XF_PHASE_LEGACY_ONLY);
}

static void test_emptied_redis_switches_nothing(void **state)
{
    (void)state;
    static const char *const incarnations[] = {NULL, "b"};
    for (size_t i = 0; i < 2; i++) {
        struct xf_flags flags = {0};
        apply(&flags, "1", "1", NULL, NULL, "a");
        struct xf_flag_change change = apply(&flags, NULL, NULL, NULL, NULL, incarnations[i]);
        assert_true(change.was_emptied && change.is_error_new && change.is_state_changed);
        assert_int_equal(flags.phase, XF_PHASE_SWITCHED);
        assert_non_null(strstr(flags.error, "emptied"));
        change = apply(&flags, NULL, NULL, NULL, NULL, "b"); /* the new one is there: nothing lets go */
        assert_false(change.was_emptied);
        assert_int_equal(flags.phase, XF_PHASE_SWITCHED);
        apply(&flags, "1", NULL, NULL, NULL, "b"); /* one is set again, the other does not fall */
        assert_int_equal(flags.phase, XF_PHASE_SWITCHED);
        apply(&flags, "1", NULL, NULL, "0", "b");
        assert_int_equal(flags.phase, XF_PHASE_DUAL_WRITE);
        assert_string_equal(flags.error, "");
        apply(&flags, NULL, NULL, NULL, NULL, "b"); /* now a deletion counts */
        assert_int_equal(flags.phase, XF_PHASE_LEGACY_ONLY);
    }
}

static void test_emptied_redis_that_is_set_again_is_believed(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    apply(&flags, "1", NULL, NULL, NULL, "a");
    assert_true(apply(&flags, "0", NULL, NULL, NULL, "b").was_emptied);
    assert_int_equal(flags.phase, XF_PHASE_LEGACY_ONLY);
    assert_string_equal(flags.error, "");
}

static void test_first_start_adopts_the_incarnation(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    assert_false(apply(&flags, "1", NULL, NULL, NULL, NULL).was_emptied);
    assert_false(apply(&flags, "1", NULL, NULL, NULL, "a").was_emptied);
    assert_string_equal(flags.incarnation, "a");
    assert_true(apply(&flags, NULL, NULL, NULL, NULL, NULL).was_emptied);
}

static struct xf_flag_change apply_to(struct xf_flags *flags, const char *dual_write, const char *new_reads,
                                      bool is_complete, bool has_backfilled)
{
    struct xf_flag_reading reading = {.own = {text(dual_write), text(new_reads)},
                                      .incarnation = text("a"),
                                      .is_complete = is_complete,
                                      .has_backfilled = has_backfilled};
    return xf_flags_apply(flags, &reading);
}

static void test_no_jump_to_a_collection_that_misses_points(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    apply_to(&flags, NULL, NULL, false, false);
    assert_true(apply_to(&flags, "0", "1", false, true).is_error_new);
    assert_int_equal(flags.phase, XF_PHASE_LEGACY_ONLY);
    assert_non_null(strstr(flags.error, "legacy_only cannot become new_only"));
    apply_to(&flags, "1", "0", false, true);
    assert_string_equal(flags.error, "");
    assert_true(apply_to(&flags, "0", "1", false, true).is_error_new);
    assert_int_equal(flags.phase, XF_PHASE_DUAL_WRITE);
    apply_to(&flags, "0", "1", true, true); /* dual writes all the way, and the backfill was through */
    assert_int_equal(flags.phase, XF_PHASE_NEW_ONLY);
}

static void test_no_jump_back_to_a_collection_that_misses_writes(void **state)
{
    (void)state;
    static const char *const refused[][2] = {{"0", "0"}, {"1", "0"}, {"1", "50%"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct xf_flags flags = {0};
        apply_to(&flags, "1", "1", false, false);
        apply_to(&flags, "0", "1", false, false);
        assert_int_equal(flags.phase, XF_PHASE_NEW_ONLY);
        assert_true(apply_to(&flags, refused[i][0], refused[i][1], true, true).is_error_new);
        assert_int_equal(flags.phase, XF_PHASE_NEW_ONLY);
        assert_false(flags.dual_write);
        apply_to(&flags, "1", "1", false, false); /* the way back */
        assert_int_equal(flags.phase, XF_PHASE_SWITCHED);
        apply_to(&flags, refused[i][0], refused[i][1], false, false);
        assert_string_equal(flags.error, "");
    }
}

static void test_guard_warn_lets_every_jump_through(void **state)
{
    (void)state;
    struct xf_flags flags = {.may_jump = true};
    apply_to(&flags, NULL, NULL, false, false);
    apply_to(&flags, "0", "1", false, false);
    assert_int_equal(flags.phase, XF_PHASE_NEW_ONLY);
    apply_to(&flags, "0", "0", false, false);
    assert_int_equal(flags.phase, XF_PHASE_LEGACY_ONLY);
}

/* A process whose state directory was lost must not take a finished migration back to legacy. */
static void test_a_first_reading_may_say_new_only_where_a_backfill_was(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    apply_to(&flags, "0", "1", false, true);
    assert_int_equal(flags.phase, XF_PHASE_NEW_ONLY);
    struct xf_flags fresh = {0};
    apply_to(&fresh, "0", "1", false, false);
    assert_int_equal(fresh.phase, XF_PHASE_LEGACY_ONLY);
    struct xf_flags restored = {0};
    assert_int_equal(xf_flags_restore(&restored, 0, 0), XF_OK);
    apply_to(&restored, "0", "1", false, true);
    assert_int_equal(restored.phase, XF_PHASE_LEGACY_ONLY);
}

static void test_a_key_that_is_no_text_keeps_the_last_good_value(void **state)
{
    (void)state;
    struct xf_flags flags = {0};
    apply(&flags, "1", NULL, "0", NULL, "a");
    struct xf_flag_reading reading = {.global = {text("0"), XF_SLICE_NONE}, .incarnation = text("a")};
    reading.is_own_odd[XF_FLAG_DUAL_WRITE] = true;
    assert_true(xf_flags_apply(&flags, &reading).is_error_new);
    assert_int_equal(flags.phase, XF_PHASE_DUAL_WRITE);
    assert_non_null(strstr(flags.error, "not a text"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_bad_value_keeps_the_last_good_one),
        cmocka_unit_test(test_canary_without_dual_write_has_no_phase),
        cmocka_unit_test(test_deleted_key_means_off),
        cmocka_unit_test(test_emptied_redis_switches_nothing),
        cmocka_unit_test(test_emptied_redis_that_is_set_again_is_believed),
        cmocka_unit_test(test_first_start_adopts_the_incarnation),
        cmocka_unit_test(test_no_jump_to_a_collection_that_misses_points),
        cmocka_unit_test(test_no_jump_back_to_a_collection_that_misses_writes),
        cmocka_unit_test(test_guard_warn_lets_every_jump_through),
        cmocka_unit_test(test_a_first_reading_may_say_new_only_where_a_backfill_was),
        cmocka_unit_test(test_a_key_that_is_no_text_keeps_the_last_good_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
