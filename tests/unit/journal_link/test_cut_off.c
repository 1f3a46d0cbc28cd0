/* Redis goes away, comes back, forgets, or does not answer in time: where the ids of writes are then.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_link/writes.h"

#include "common/base/clock.h"
#include "proxy/journal/link_int.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void give_up_lease(struct xf_journal *replica)
{
    atomic_store(&replica->member.lease_until_ms, 0);
}

static void pause_server(const struct bench *bench)
{
    assert_int_equal(kill(bench->server.pid, SIGSTOP), 0);
}

static void wake_server(const struct bench *bench)
{
    assert_int_equal(kill(bench->server.pid, SIGCONT), 0);
}

static bool is_down(void *ctx)
{
    const struct xf_journal_link *link = ctx;
    return !xf_redis_is_up(link->redis);
}

static void test_without_redis_a_write_goes_on_at_once(void **state)
{
    struct bench bench;
    struct write write, all;
    (void)state;
    bench_init(&bench);
    redis_server_kill(&bench.server);
    run_until(bench.base, is_down, bench.link);
    begin(bench.link, &write, 1); /* joined still, as far as anybody knows; but there is no connection */
    assert_true(write.is_begun && write.err == XF_OK);
    assert_true(xf_journal_is_cut_off(write.op));
    assert_true(file_has(&bench.a, 1));
    assert_int_equal(atomic_load(&bench.a.member.cut_off_ops), 1);
    assert_int_equal(xf_journal_confirm(write.op), XF_OK);
    assert_int_equal(bench.a.file.count, 1); /* once is enough */
    end(&write, &clean);
    assert_int_equal(bench.a.file.count, 1);
    assert_false(atomic_load(&bench.a.member.is_spill_held));
    begin_all(bench.link, &all);
    assert_true(all.is_begun && bench.a.file.alls == 1);
    end(&all, &held);
    assert_int_equal(bench.a.file.alls, 1);
    assert_true(atomic_load(&bench.a.member.is_spill_held));
    assert_false(xf_journal_link_is_busy(bench.link));
    begin(bench.link, &write, 3);
    replica_give(&bench.a);
    end(&write, &clean);
    assert_true(file_has(&bench.a, 3)); /* what was given may have been copied before the write was through */
    assert_int_equal(atomic_load(&bench.a.tally.cut_off_writes), 3);
    bench_fini(&bench);
}

static void test_what_had_no_effect_is_not_remembered(void **state)
{
    struct bench bench;
    struct write write;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &write, 1);
    wait_begun(&bench, &write);
    redis_server_kill(&bench.server);
    run_until(bench.base, is_down, bench.link);
    end(&write, &nothing);
    assert_int_equal(bench.a.file.count, 0);
    assert_int_equal(atomic_load(&bench.a.member.generation), 0); /* its record goes with the session */
    bench_fini(&bench);
}

static void test_a_full_file_refuses_the_write(void **state)
{
    struct bench bench;
    struct write write, open;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &open, 2);
    wait_begun(&bench, &open);
    redis_server_kill(&bench.server);
    run_until(bench.base, is_down, bench.link);
    atomic_store(&bench.a.file.is_full, true);
    begin(bench.link, &write, 1);
    assert_true(write.is_begun);
    assert_int_equal(write.err, XF_ERR_IO);
    assert_null(write.op);
    give_up_lease(&bench.a);
    assert_int_equal(xf_journal_confirm(open.op), XF_ERR_IO);
    assert_false(atomic_load(&bench.a.member.is_losing));
    end(&open, &held); /* has no place any more, but is not lost */
    assert_true(atomic_load(&bench.a.member.is_losing));
    assert_true(atomic_load(&bench.a.member.is_loss_held));
    assert_false(xf_journal_link_is_busy(bench.link));
    bench_fini(&bench);
}

/* The connection goes with a begin and three ends on their way. */
static void test_lost_with_commands_unanswered(void **state)
{
    struct bench bench;
    struct write open, clean_one, held_one, without_effect, asking, queued;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &open, 1);
    begin(bench.link, &clean_one, 2);
    begin(bench.link, &held_one, 3);
    begin(bench.link, &without_effect, 4);
    wait_begun(&bench, &without_effect);
    assert_true(open.is_begun && clean_one.is_begun && held_one.is_begun);
    pause_server(&bench);
    end(&clean_one, &clean);
    end(&held_one, &held);
    end(&without_effect, &nothing);
    begin(bench.link, &asking, 5);
    begin(bench.link, &queued, 3); /* behind the end that is not answered */
    run_for_ms(bench.base, 50);
    assert_false(asking.is_begun || queued.is_begun);
    assert_int_equal(atomic_load(&bench.a.member.unacknowledged), 4);
    redis_server_kill(&bench.server);
    wait_begun(&bench, &asking);
    wait_begun(&bench, &queued);
    assert_true(xf_journal_is_cut_off(asking.op) && xf_journal_is_cut_off(queued.op));
    assert_int_equal(atomic_load(&bench.a.member.generation), 0);
    assert_int_equal(atomic_load(&bench.a.losses), 1);
    assert_true(file_has(&bench.a, 2) && file_has(&bench.a, 3) && file_has(&bench.a, 5));
    assert_false(file_has(&bench.a, 4));
    assert_true(atomic_load(&bench.a.member.is_spill_held));
    assert_false(file_has(&bench.a, 1)); /* on record in Redis, for all that is known: until it joins again, or asks */
    assert_int_equal(xf_journal_confirm(open.op), XF_OK);
    assert_true(file_has(&bench.a, 1) && xf_journal_is_cut_off(open.op));
    assert_int_equal(atomic_load(&bench.a.member.cut_off_ops), 3);
    end(&open, &clean);
    end(&asking, &clean);
    end(&queued, &clean);
    bench_fini(&bench);
}

static void test_a_lease_that_ends_before_the_answer(void **state)
{
    struct bench bench;
    struct write write;
    (void)state;
    bench_init(&bench);
    pause_server(&bench);
    begin(bench.link, &write, 1);
    give_up_lease(&bench.a);
    wake_server(&bench);
    wait_begun(&bench, &write);
    assert_true(xf_journal_is_cut_off(write.op) && file_has(&bench.a, 1));
    assert_int_equal(redis_in_flight(&bench.server), 1);
    end(&write, &clean); /* nobody has lapsed it: it is on record still */
    wait_quiet(&bench, bench.link);
    assert_int_equal(redis_in_flight(&bench.server), 0);
    assert_int_equal(bench.a.file.count, 1);
    assert_true(atomic_load(&bench.a.member.generation) != 0);
    bench_fini(&bench);
}

static bool is_refused(void *ctx)
{
    const struct write *write = ctx;
    return write->is_begun && write->err == XF_ERR_IO;
}

static void test_neither_lease_nor_file(void **state)
{
    struct bench bench;
    struct write write;
    (void)state;
    bench_init(&bench);
    atomic_store(&bench.a.file.is_full, true);
    pause_server(&bench);
    begin(bench.link, &write, 2);
    give_up_lease(&bench.a);
    wake_server(&bench);
    run_until(bench.base, is_refused, &write);
    wait_quiet(&bench, bench.link);
    assert_int_equal(redis_in_flight(&bench.server), 0); /* nobody will send it, so nobody waits for it */
    assert_false(redis_dirty(&bench.server, 2));
    bench_fini(&bench);
}

/* An op that is open over a loss: the join forgets it, its end is told as a mark. */
static void test_open_while_the_replica_joins_again(void **state)
{
    struct bench bench;
    struct write open, unknown, all, new;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &open, 1);
    begin(bench.link, &unknown, 2);
    wait_begun(&bench, &open);
    wait_begun(&bench, &unknown);
    xf_member_lost(&bench.a.member, bench.a.generations);
    replica_join_again(&bench.a, &bench.server);
    assert_int_equal(redis_in_flight(&bench.server), 0);
    assert_true(redis_dirty(&bench.server, 1) && redis_dirty(&bench.server, 2));
    assert_true(file_has(&bench.a, 1) && file_has(&bench.a, 2));
    assert_int_equal(atomic_load(&bench.a.member.cut_off_ops), 2);
    replica_give(&bench.a);
    assert_int_equal(xf_journal_confirm(open.op), XF_OK);
    assert_true(file_has(&bench.a, 1)); /* once more: what was given may be clean by now */
    assert_int_equal(bench.a.file.count, 1);
    assert_true(xf_journal_is_cut_off(open.op));

    begin(bench.link, &new, 3); /* what begins now is as ever */
    wait_begun(&bench, &new);
    assert_false(xf_journal_is_cut_off(new.op));
    redis_do(&bench.server, "DEL crossfade:{m}:j:dirty");
    end(&open, &clean);
    end(&unknown, &held);
    end(&new, &clean);
    wait_quiet(&bench, bench.link);
    assert_true(redis_dirty(&bench.server, 1) && !redis_held(&bench.server, 1));
    assert_true(redis_dirty(&bench.server, 2) && redis_held(&bench.server, 2));
    assert_false(redis_dirty(&bench.server, 3));
    assert_int_equal(bench.a.file.count, 1);

    begin_all(bench.link, &all);
    wait_begun(&bench, &all);
    xf_member_lost(&bench.a.member, bench.a.generations);
    xf_ops_cut_off(&bench.a.member);
    assert_int_equal(bench.a.file.alls, 1);
    replica_join(&bench.a, &bench.server, true);
    assert_true(redis_meta_is(&bench.server, "moment", "2"));
    end(&all, &clean);
    wait_quiet(&bench, bench.link);
    assert_true(redis_meta_is(&bench.server, "moment", "3"));
    bench_fini(&bench);
}

/* The join comes between a begin and its answer, or between an end and its answer. */
static void test_answers_of_an_older_generation(void **state)
{
    struct bench bench;
    struct write begins, ends;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &ends, 1);
    wait_begun(&bench, &ends);
    begin(bench.link, &begins, 2);
    end(&ends, &held);
    xf_member_lost(&bench.a.member, bench.a.generations);
    replica_join_again(&bench.a, &bench.server); /* on another connection, so it may come first or last */
    wait_begun(&bench, &begins);
    assert_true(xf_journal_is_cut_off(begins.op) && file_has(&bench.a, 2));
    end(&begins, &clean);
    wait_quiet(&bench, bench.link);
    assert_true(redis_dirty(&bench.server, 2));
    assert_true(redis_held(&bench.server, 1) || (file_has(&bench.a, 1) && atomic_load(&bench.a.member.is_spill_held)));
    assert_int_equal(redis_in_flight(&bench.server), 0);
    assert_true(atomic_load(&bench.a.member.generation) == bench.a.generations);
    bench_fini(&bench);
}

/* Redis answers, but does not know this replica, or the script. */
static void expect_cut_off(struct bench *bench, uint64_t number)
{
    struct write write;
    unsigned losses = atomic_load(&bench->a.losses);
    begin(bench->link, &write, number);
    wait_begun(bench, &write);
    assert_true(xf_journal_is_cut_off(write.op) && file_has(&bench->a, number));
    assert_int_equal(atomic_load(&bench->a.losses), losses + 1);
    replica_join_again(&bench->a, &bench->server);
    end(&write, &dirty);
    wait_quiet(bench, bench->link);
    assert_true(redis_dirty(&bench->server, number));
}

static void reload_scripts(struct bench *bench)
{
    assert_int_equal(xf_scripts_load(bench->link->redis), XF_OK);
    wait_up(bench->base, bench->link);
}

static void test_redis_does_not_know_this_replica(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench);
    redis_do(&bench.server, "DEL crossfade:{m}:j:sess"); /* lapsed */
    expect_cut_off(&bench, 1);
    redis_do(&bench.server, "FLUSHALL");
    expect_cut_off(&bench, 2);
    redis_do(&bench.server, "HSET crossfade:{m}:j:meta inc other");
    expect_cut_off(&bench, 3);
    redis_do(&bench.server, "SCRIPT FLUSH");
    struct write write;
    begin(bench.link, &write, 4);
    wait_begun(&bench, &write);
    assert_true(xf_journal_is_cut_off(write.op));
    reload_scripts(&bench); /* the keeper does, before it joins */
    replica_join_again(&bench.a, &bench.server);
    end(&write, &dirty);
    wait_quiet(&bench, bench.link);
    assert_true(redis_dirty(&bench.server, 4));
    bench_fini(&bench);
}

static void test_a_redis_that_was_rolled_back(void **state)
{
    struct bench bench;
    struct write first, write;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &first, 1);
    wait_begun(&bench, &first);
    redis_roll_back_session(&bench.server, bench.link->sessions[0].name);
    begin(bench.link, &write, 2);
    wait_begun(&bench, &write);
    assert_false(redis_meta_is(&bench.server, "moment", "1")); /* a new one, and none that there was in what got lost */
    assert_true(xf_journal_is_cut_off(write.op)); /* everybody joins again after that */
    assert_int_equal(atomic_load(&bench.a.losses), 1);
    end(&write, &clean);
    end(&first, &clean);
    wait_quiet(&bench, bench.link);
    assert_true(file_has(&bench.a, 1) && file_has(&bench.a, 2));
    bench_fini(&bench);
}

/* A waiting ALL that goes on without Redis must not leave its turn there, or everybody would wait for nobody. */
static void test_a_turn_is_given_back(void **state)
{
    struct bench bench;
    struct write mine, all, later;
    struct xf_journal other;
    struct xf_journal_link *link;
    (void)state;
    bench_init(&bench);
    replica_init(&other, "bbbb", &bench.server, 1);
    replica_join(&other, &bench.server, false);
    link = replica_link(&other, bench.base);
    wait_up(bench.base, link);
    begin(bench.link, &mine, 1);
    wait_begun(&bench, &mine);
    begin_all(link, &all);
    while (redis_meta_is(&bench.server, "turn", NULL))
        run_for_ms(bench.base, 1);
    give_up_lease(&other);
    wait_begun(&bench, &all);
    assert_true(xf_journal_is_cut_off(all.op));
    assert_int_equal(other.file.alls, 1);
    end(&all, &clean);
    wait_quiet(&bench, link);
    assert_true(redis_meta_is(&bench.server, "turn", NULL));
    assert_true(redis_meta_is(&bench.server, "moment", "2")); /* marked */
    begin(bench.link, &later, 2);
    wait_begun(&bench, &later);
    assert_int_equal(atomic_load(&bench.a.tally.conflicts), 0);
    end(&later, &clean);
    end(&mine, &clean);
    wait_quiet(&bench, bench.link);
    xf_journal_link_free(link);
    replica_fini(&other);
    bench_fini(&bench);
}

/* The thread's first writes may come before its connection is up: they wait for it, and need no file. */
static void test_the_first_write_waits_for_the_connection(void **state)
{
    struct bench bench;
    struct write write;
    struct xf_journal_link *link;
    (void)state;
    bench_init(&bench);
    link = replica_link(&bench.a, bench.base);
    begin(link, &write, 1);
    assert_false(write.is_begun);
    wait_begun(&bench, &write);
    assert_false(xf_journal_is_cut_off(write.op));
    end(&write, &clean);
    wait_quiet(&bench, link);
    xf_journal_link_free(link);
    redis_server_kill(&bench.server);
    bench.a.links = 1;
    assert_int_equal(xf_journal_link_new(&bench.a, bench.base, &link), XF_OK);
    begin(link, &write, 2);
    wait_begun(&bench, &write);
    assert_true(xf_journal_is_cut_off(write.op));
    end(&write, &clean);
    xf_journal_link_free(link);
    bench_fini(&bench);
}

static void test_a_link_goes_with_ends_unanswered(void **state)
{
    struct bench bench;
    struct write write;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &write, 1);
    wait_begun(&bench, &write);
    end(&write, &held);
    assert_true(xf_journal_link_is_busy(bench.link));
    xf_journal_link_free(bench.link);
    bench.link = NULL;
    assert_true(file_has(&bench.a, 1) && atomic_load(&bench.a.member.is_spill_held));
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_redis_a_write_goes_on_at_once),
        cmocka_unit_test(test_what_had_no_effect_is_not_remembered),
        cmocka_unit_test(test_a_full_file_refuses_the_write),
        cmocka_unit_test(test_lost_with_commands_unanswered),
        cmocka_unit_test(test_a_lease_that_ends_before_the_answer),
        cmocka_unit_test(test_neither_lease_nor_file),
        cmocka_unit_test(test_open_while_the_replica_joins_again),
        cmocka_unit_test(test_answers_of_an_older_generation),
        cmocka_unit_test(test_redis_does_not_know_this_replica),
        cmocka_unit_test(test_a_redis_that_was_rolled_back),
        cmocka_unit_test(test_a_turn_is_given_back),
        cmocka_unit_test(test_the_first_write_waits_for_the_connection),
        cmocka_unit_test(test_a_link_goes_with_ends_unanswered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
