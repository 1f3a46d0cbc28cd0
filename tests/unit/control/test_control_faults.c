/* Redis down at the start and later, hung, restarted, emptied: phases stay, and it is said.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control/fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void set_switched(struct fixture *f)
{
    redis_do(&f->server, "MSET crossfade:{alpha}:ENABLE_DUAL_WRITE 1 crossfade:{alpha}:ENABLE_NEW_READS 1");
    redis_do(&f->server, "SET crossfade:ENABLE_DUAL_WRITE 0");
}

static void open_switched(struct fixture *f)
{
    set_switched(f);
    fixture_open(f);
    fixture_wait_phase(f, XF_PHASE_SWITCHED);
}

static bool is_refused(const struct fixture *f)
{
    assert_int_equal(xf_control_is_refused(f->control, ALPHA), f->snapshot->migrations[ALPHA].is_refused);
    return f->snapshot->migrations[ALPHA].is_refused;
}

static bool has_incarnation(void *ctx)
{
    struct fixture *f = ctx;
    return !redis_has(&f->server, "crossfade:incarnation", NULL) &&
           f->control->migrations[ALPHA].flags.incarnation[0] != '\0' &&
           !f->control->migrations[ALPHA].flags.is_adopting;
}

static void test_down_at_start_without_state(void **state)
{
    struct fixture *f = *state;
    redis_server_kill(&f->server);
    fixture_open(f);
    assert_true(is_refused(f)); /* another replica may have moved on long ago */
    assert_true(has_metric(f, "crossfade_unusable{migration=\"alpha\"} 1\n"));
    assert_false(xf_control_redis_is_up(f->control));
    assert_true(has_metric(f, "crossfade_redis_up 0\n"));
    assert_int_equal(xf_control_set_flags(f->control, ALPHA, "1", NULL, fixture_done, f), XF_ERR_IO);
    run_for_ms(f->base, 20);
    assert_true(xf_control_redis_down_ms(f->control) > 0);
    redis_server_start(&f->server);
    set_switched(f);
    fixture_wait_phase(f, XF_PHASE_SWITCHED);
    assert_false(is_refused(f));
    assert_true(has_metric(f, "crossfade_unusable{migration=\"alpha\"} 0\n"));
    assert_int_equal(xf_control_redis_down_ms(f->control), 0);
}

static bool is_known(void *ctx)
{
    return !is_refused(ctx);
}

/* Flags that are not there are an answer too: off. It outlives a restart. */
static void test_known_by_a_redis_without_flags(void **state)
{
    struct fixture *f = *state;
    redis_server_kill(&f->server);
    fixture_open(f);
    assert_true(is_refused(f));
    assert_int_equal(xf_control_save(f->control, ALPHA, "cursor", XF_SLICE("17")), XF_OK);
    fixture_close(f);
    fixture_open(f); /* there is a state file now, but it says nothing about flags */
    assert_true(is_refused(f));
    assert_false(xf_control_was_one_sided(f->control, ALPHA));
    redis_server_start(&f->server);
    run_until(f->base, is_known, f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_LEGACY_ONLY);
    fixture_close(f);
    redis_server_kill(&f->server);
    fixture_open(f);
    assert_false(is_refused(f));
    assert_true(xf_control_was_one_sided(f->control, ALPHA));
    assert_false(xf_control_was_dual_writing(f->control, ALPHA));
}

static void test_held_back(void **state)
{
    struct fixture *f = *state;
    open_switched(f);
    unsigned published = f->published;
    assert_false(is_refused(f));
    xf_control_hold_back(f->control, ALPHA, false);
    assert_int_equal(f->published, published);
    xf_control_hold_back(f->control, ALPHA, true);
    assert_true(is_refused(f) && !f->snapshot->migrations[BETA].is_refused);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
    xf_control_hold_back(f->control, ALPHA, false);
    assert_false(is_refused(f));
    assert_int_equal(f->published, published + 2);
}

static void test_down_at_start_with_state(void **state)
{
    struct fixture *f = *state;
    open_switched(f);
    fixture_close(f);
    redis_server_kill(&f->server);
    fixture_open(f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
    assert_int_equal(fixture_phase(f, BETA), XF_PHASE_LEGACY_ONLY);
    struct xf_flag_state flags;
    xf_control_flags(f->control, ALPHA, &flags);
    assert_string_equal(flags.dual_write_from, "state_dir");
    assert_false(is_refused(f));
    assert_true(xf_control_was_dual_writing(f->control, ALPHA));
    assert_true(xf_control_was_one_sided(f->control, BETA));
}

static void test_torn_state_counts_as_none(void **state)
{
    struct fixture *f = *state;
    char path[128];
    open_switched(f);
    fixture_close(f);
    redis_server_kill(&f->server);
    snprintf(path, sizeof path, "%s/alpha.state", f->state_dir);
    assert_int_equal(truncate(path, 30), 0);
    fixture_open(f);
    assert_true(is_refused(f));
    assert_false(f->snapshot->migrations[BETA].is_refused);
}

static void test_killed_and_restarted_empty(void **state)
{
    struct fixture *f = *state;
    open_switched(f);
    run_until(f->base, has_incarnation, f);
    redis_server_kill(&f->server);
    run_until(f->base, is_redis_down, f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
    redis_server_start(&f->server);
    run_until(f->base, has_error, f);
    assert_non_null(strstr(error_of(f, ALPHA), "emptied"));
    run_until(f->base, has_incarnation, f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
    assert_true(has_metric(f, "crossfade_redis_reconnects_total 1\n"));
    assert_true(has_metric(f, "crossfade_redis_emptied_total 1\n"));
    redis_do(&f->server, "MSET crossfade:{alpha}:ENABLE_DUAL_WRITE 1 crossfade:{alpha}:ENABLE_NEW_READS 10%%");
    fixture_wait_phase(f, XF_PHASE_CANARY);
    assert_null(error_of(f, ALPHA));
}

static void test_flushall_switches_nothing_not_even_after_a_restart(void **state)
{
    struct fixture *f = *state;
    open_switched(f);
    run_until(f->base, has_incarnation, f);
    fixture_only_push(f);
    redis_do(&f->server, "FLUSHALL");
    run_until(f->base, has_error, f);
    run_until(f->base, has_incarnation, f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
    f->config.flag_poll_ms = 20;
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
    assert_non_null(error_of(f, ALPHA));
    redis_do(&f->server, "MSET crossfade:ENABLE_DUAL_WRITE 1 crossfade:ENABLE_NEW_READS 0");
    fixture_wait_phase(f, XF_PHASE_DUAL_WRITE);
    run_until(f->base, has_no_error, f);
}

static void test_emptied_while_the_proxy_was_away(void **state)
{
    struct fixture *f = *state;
    open_switched(f);
    run_until(f->base, has_incarnation, f);
    fixture_close(f);
    redis_do(&f->server, "FLUSHALL");
    fixture_open(f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
    assert_non_null(error_of(f, ALPHA));
}

static void test_deleted_flag_means_off(void **state)
{
    struct fixture *f = *state;
    open_switched(f);
    run_until(f->base, has_incarnation, f);
    redis_do(&f->server, "DEL crossfade:{alpha}:ENABLE_NEW_READS");
    fixture_wait_phase(f, XF_PHASE_DUAL_WRITE);
    redis_do(&f->server, "DEL crossfade:{alpha}:ENABLE_DUAL_WRITE crossfade:ENABLE_DUAL_WRITE");
    fixture_wait_phase(f, XF_PHASE_LEGACY_ONLY);
    assert_null(error_of(f, ALPHA));
    assert_true(has_metric(f, "crossfade_redis_emptied_total 0\n"));
}

static void test_hung_redis_is_noticed(void **state)
{
    struct fixture *f = *state;
    open_switched(f);
    run_until(f->base, is_tracking, f);
    kill(f->server.pid, SIGSTOP);
    run_until(f->base, is_redis_down, f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
    kill(f->server.pid, SIGCONT);
    run_until(f->base, is_redis_up, f);
    fixture_only_push(f);
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_NEW_READS 0");
    fixture_wait_phase(f, XF_PHASE_DUAL_WRITE);
}

static void test_user_who_may_not_read_changes_nothing(void **state)
{
    struct fixture *f = *state;
    open_switched(f);
    fixture_close(f);
    redis_do(&f->server, "ACL SETUSER blind on >pw ~other:* &* +@all");
    f->config.redis.user = "blind";
    f->config.redis.password = "pw";
    fixture_open(f);
    run_until(f->base, has_error, f);
    assert_non_null(strstr(error_of(f, ALPHA), "cannot be read"));
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_SWITCHED);
}

static bool has_write_errors(void *ctx)
{
    return ((struct fixture *)ctx)->control->counts.state_write_errors > 0;
}

static void test_state_that_cannot_be_written_is_counted(void **state)
{
    struct fixture *f = *state;
    char file[] = "/tmp/xf-nodir-XXXXXX", kept[sizeof f->state_dir];
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    memcpy(kept, f->state_dir, sizeof kept);
    snprintf(f->state_dir, sizeof f->state_dir, "%s/in-a-file", file);
    open_switched(f);
    run_until(f->base, has_write_errors, f);
    assert_false(has_metric(f, "crossfade_state_write_errors_total 0\n"));
    fixture_close(f);
    unlink(file);
    memcpy(f->state_dir, kept, sizeof kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static bool has_failed_to_sync(void *ctx)
{
    return xf_state_writer_errors(((struct fixture *)ctx)->control->state_writer) > 0;
}

/* A FIFO without a reader holds whoever opens it for writing, as a disk that hangs would. */
static void test_a_disk_that_hangs_delays_no_flip(void **state)
{
    struct fixture *f = *state;
    char path[128];
    fixture_open(f);
    run_until(f->base, has_incarnation, f);
    run_for_ms(f->base, 300); /* what was to be saved is saved */
    snprintf(path, sizeof path, "%s/alpha.tmp", f->state_dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    for (int i = 0; i < 4; i++) {
        redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE %d", !(i % 2));
        fixture_wait_phase(f, i % 2 ? XF_PHASE_LEGACY_ONLY : XF_PHASE_DUAL_WRITE);
        run_for_ms(f->base, 20); /* the save is under way */
    }
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    run_until(f->base, has_failed_to_sync, f); /* a FIFO cannot be synced */
    close(fd);
    redis_do(&f->server, "SET crossfade:{alpha}:ENABLE_DUAL_WRITE 1");
    fixture_wait_phase(f, XF_PHASE_DUAL_WRITE);
    fixture_close(f);
    redis_server_kill(&f->server);
    fixture_open(f);
    assert_int_equal(fixture_phase(f, ALPHA), XF_PHASE_DUAL_WRITE); /* the next save went through */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_down_at_start_without_state),
        TEST(test_down_at_start_with_state),
        TEST(test_known_by_a_redis_without_flags),
        TEST(test_held_back),
        TEST(test_a_disk_that_hangs_delays_no_flip),
        TEST(test_torn_state_counts_as_none),
        TEST(test_killed_and_restarted_empty),
        TEST(test_flushall_switches_nothing_not_even_after_a_restart),
        TEST(test_emptied_while_the_proxy_was_away),
        TEST(test_deleted_flag_means_off),
        TEST(test_hung_redis_is_noticed),
        TEST(test_user_who_may_not_read_changes_nothing),
        TEST(test_state_that_cannot_be_written_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
