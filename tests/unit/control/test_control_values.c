/* Saved values and the complete marker: through restarts with and without Redis, with and without the state directory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static bool has_value(const struct fixture *f, const char *name, const char *value)
{
    struct xf_buf out;
    xf_buf_init(&out, 4096);
    enum xf_err err = xf_control_load(f->control, ALPHA, name, &out);
    bool is_equal = !err && xf_slice_eq(xf_buf_view(&out), xf_slice_of(value));
    xf_buf_fini(&out);
    return is_equal;
}

static bool nothing_is_pending(void *ctx)
{
    struct fixture *f = ctx;
    for (struct xf_value *v = f->control->migrations[ALPHA].values.first; v; v = v->next)
        if (v->is_pending)
            return false;
    return true;
}

static bool has_cursor(void *ctx)
{
    return has_value(ctx, "cursor", "17");
}

static bool redis_has_cursor(void *ctx)
{
    return redis_has(&((struct fixture *)ctx)->server, "crossfade:{alpha}:cursor", "17");
}

static bool is_complete_now(void *ctx)
{
    struct fixture *f = ctx;
    return xf_control_is_complete(f->control, ALPHA) && f->snapshot->migrations[ALPHA].follower_is_complete;
}

static void forget_state(struct fixture *f)
{
    char path[128];
    snprintf(path, sizeof path, "%s/alpha.state", f->state_dir);
    assert_int_equal(unlink(path), 0);
}

static void save_cursor(struct fixture *f)
{
    assert_int_equal(xf_control_save(f->control, ALPHA, "cursor", XF_SLICE("17")), XF_OK);
    assert_true(has_cursor(f));
}

static void test_names_and_bounds(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    static const char *const bad[] = {"", "names", "ENABLE_DUAL_WRITE", "ENABLE_NEW_READS", "a:b", "a b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(xf_control_save(f->control, ALPHA, bad[i], XF_SLICE("x")), XF_ERR_INVALID);
    struct xf_buf out;
    xf_buf_init(&out, 16);
    assert_int_equal(xf_control_load(f->control, ALPHA, "cursor", &out), XF_ERR_NOT_FOUND);
    save_cursor(f);
    assert_int_equal(xf_control_load(f->control, BETA, "cursor", &out), XF_ERR_NOT_FOUND);
}

static void test_found_in_redis_without_state(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 1");
    fixture_open(f);
    save_cursor(f);
    xf_control_set_complete(f->control, ALPHA, true);
    assert_true(is_complete_now(f));
    run_until(f->base, nothing_is_pending, f);
    assert_true(redis_has_cursor(f));
    assert_true(redis_has(&f->server, "crossfade:{alpha}:complete", "1"));
    fixture_close(f);
    forget_state(f);
    fixture_open(f);
    assert_true(is_complete_now(f)); /* read with the flags, so in the first snapshot */
    run_until(f->base, has_cursor, f);
}

static void test_saved_while_redis_is_away(void **state)
{
    struct fixture *f = *state;
    redis_server_kill(&f->server);
    fixture_open(f);
    save_cursor(f);
    xf_control_set_complete(f->control, ALPHA, true);
    fixture_close(f);
    fixture_open(f);
    assert_true(has_cursor(f));
    assert_true(is_complete_now(f));
    redis_server_start(&f->server);
    run_until(f->base, redis_has_cursor, f);
    run_until(f->base, nothing_is_pending, f);
    assert_true(redis_has(&f->server, "crossfade:{alpha}:complete", "1"));
}

static void test_emptied_redis_gets_them_back(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    save_cursor(f);
    run_until(f->base, nothing_is_pending, f);
    redis_server_kill(&f->server);
    run_until(f->base, is_redis_down, f);
    redis_server_start(&f->server);
    run_until(f->base, redis_has_cursor, f);
}

static void test_another_replica_says_complete(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 1");
    fixture_open(f);
    fixture_only_push(f);
    assert_false(is_complete_now(f));
    redis_do(&f->server, "SET crossfade:{alpha}:complete 1");
    run_until(f->base, is_complete_now, f);
}

static void test_end_of_dual_writes_forgets_completeness(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 1");
    fixture_open(f);
    xf_control_set_complete(f->control, ALPHA, true);
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 0");
    fixture_wait_phase(f, XF_PHASE_LEGACY_ONLY);
    assert_false(xf_control_is_complete(f->control, ALPHA));
    assert_false(f->snapshot->migrations[ALPHA].follower_is_complete);
    run_until(f->base, nothing_is_pending, f);
    assert_true(redis_has(&f->server, "crossfade:{alpha}:complete", "0"));
}

static bool is_refreshed(void *ctx)
{
    return ((struct fixture *)ctx)->done > 0;
}

static void read_values(struct fixture *f)
{
    f->done = 0;
    assert_int_equal(xf_control_read_values(f->control, ALPHA, fixture_done, f), XF_OK);
    assert_int_equal(f->done, 0); /* never before return */
    run_until(f->base, is_refreshed, f);
    assert_int_equal(f->done_err, XF_OK);
}

/* A replica that does not lead shows what the leader has saved and writes nothing, not even what it had not got rid of. */
static void test_who_does_not_lead_reads(void **state)
{
    struct fixture *f = *state;
    redis_server_kill(&f->server);
    fixture_open(f);
    save_cursor(f); /* while it leads, and Redis is away */
    xf_control_write_values(f->control, ALPHA, false);
    redis_server_start(&f->server);
    redis_do(&f->server, "SET crossfade:{alpha}:cursor 18");
    redis_do(&f->server, "SADD crossfade:{alpha}:names cursor gone");
    run_until(f->base, is_redis_up, f);
    read_values(f);
    assert_true(has_value(f, "cursor", "18"));
    redis_do(&f->server, "SET crossfade:{alpha}:cursor 19");
    assert_int_equal(xf_control_save(f->control, ALPHA, "cursor", XF_SLICE("20")), XF_OK);
    read_values(f);
    assert_true(has_value(f, "cursor", "19"));
    xf_control_write_values(f->control, ALPHA, true);
    assert_int_equal(xf_control_save(f->control, ALPHA, "cursor", XF_SLICE("21")), XF_OK);
    run_until(f->base, nothing_is_pending, f);
    assert_true(redis_has(&f->server, "crossfade:{alpha}:cursor", "21"));
}

/* But what Redis has lost it puts back, unless somebody else has: the next leader may be one that never saw it. */
static void test_who_does_not_lead_puts_back_what_is_lost(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "MSET crossfade:{alpha}:ENABLE_DUAL_WRITE 1 crossfade:{alpha}:complete 1");
    fixture_open(f);
    save_cursor(f);
    run_until(f->base, nothing_is_pending, f);
    xf_control_write_values(f->control, ALPHA, false);
    redis_do(&f->server, "DEL crossfade:{alpha}:cursor crossfade:{alpha}:names crossfade:{alpha}:complete");
    f->done = 0;
    assert_int_equal(xf_control_read_values(f->control, ALPHA, fixture_done, f), XF_OK);
    run_until(f->base, is_done, f);
    assert_int_equal(f->done_err, XF_ERR_NOT_FOUND);
    run_until(f->base, nothing_is_pending, f);
    assert_true(redis_has_cursor(f) && redis_has(&f->server, "crossfade:{alpha}:complete", "1"));
    read_values(f);

    redis_do(&f->server, "DEL crossfade:{alpha}:names");
    redis_do(&f->server, "SET crossfade:{alpha}:cursor 40"); /* by the leader, which is quicker */
    f->done = 0;
    assert_int_equal(xf_control_read_values(f->control, ALPHA, fixture_done, f), XF_OK);
    run_until(f->base, is_done, f);
    read_values(f);
    assert_true(has_value(f, "cursor", "40"));
    assert_true(redis_has(&f->server, "crossfade:{alpha}:cursor", "40"));
}

/* "Complete" is the leader's to say; that dual writes were off, everybody's. */
static void test_who_does_not_lead_says_only_that_it_is_not_complete(void **state)
{
    struct fixture *f = *state;
    redis_do(&f->server, "MSET crossfade:{alpha}:ENABLE_DUAL_WRITE 1 crossfade:{alpha}:complete 0");
    fixture_open(f);
    xf_control_write_values(f->control, ALPHA, false);
    xf_control_set_complete(f->control, ALPHA, true);
    f->done = 0;
    assert_int_equal(xf_control_set_flags(f->control, ALPHA, "1", NULL, fixture_done, f), XF_OK);
    run_until(f->base, is_done, f);
    assert_false(xf_control_is_complete(f->control, ALPHA));
    assert_true(redis_has(&f->server, "crossfade:{alpha}:complete", "0"));
    redis_do(&f->server, "SET crossfade:{alpha}:complete 1");
    run_until(f->base, is_complete_now, f);
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 0");
    fixture_wait_phase(f, XF_PHASE_LEGACY_ONLY);
    run_until(f->base, nothing_is_pending, f);
    assert_true(redis_has(&f->server, "crossfade:{alpha}:complete", "0"));
}

static void test_reading_without_redis(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    run_until(f->base, is_redis_up, f);
    f->done = 0;
    assert_int_equal(xf_control_read_values(f->control, ALPHA, fixture_done, f), XF_OK);
    redis_server_kill(&f->server);
    run_until(f->base, is_redis_down, f);
    run_until(f->base, is_done, f);
    assert_int_not_equal(xf_control_read_values(f->control, ALPHA, fixture_done, f), XF_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_and_bounds),
        TEST(test_found_in_redis_without_state),
        TEST(test_saved_while_redis_is_away),
        TEST(test_emptied_redis_gets_them_back),
        TEST(test_another_replica_says_complete),
        TEST(test_end_of_dual_writes_forgets_completeness),
        TEST(test_who_does_not_lead_reads),
        TEST(test_who_does_not_lead_puts_back_what_is_lost),
        TEST(test_who_does_not_lead_says_only_that_it_is_not_complete),
        TEST(test_reading_without_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
