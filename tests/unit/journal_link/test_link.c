/* Writes against a real Redis: what is on record while they run and after, and what waits for what.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_link/writes.h"

#include "common/base/clock.h"
#include "proxy/journal/link_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_begin_and_end(void **state)
{
    struct bench bench;
    struct write write;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &write, 1);
    assert_false(write.is_begun);
    wait_begun(&bench, &write);
    assert_int_equal(redis_in_flight(&bench.server), 1);
    assert_true(redis_is_in_flight(&bench.server, 1));
    assert_int_equal(xf_journal_confirm(write.op), XF_OK);
    assert_false(xf_journal_is_cut_off(write.op));
    end(&write, &clean);
    wait_quiet(&bench, bench.link);
    assert_int_equal(redis_in_flight(&bench.server), 0);
    assert_false(redis_dirty(&bench.server, 1));

    begin(bench.link, &write, 2);
    wait_begun(&bench, &write);
    end(&write, &dirty);
    begin(bench.link, &write, 3);
    wait_begun(&bench, &write);
    end(&write, &held);
    begin(bench.link, &write, 4);
    wait_begun(&bench, &write);
    end(&write, &nothing);
    wait_quiet(&bench, bench.link);
    assert_true(redis_dirty(&bench.server, 2) && !redis_held(&bench.server, 2));
    assert_true(redis_dirty(&bench.server, 3) && redis_held(&bench.server, 3));
    assert_false(redis_dirty(&bench.server, 4));
    assert_int_equal(bench.a.member.picture.dirty, 2);
    assert_int_equal(bench.a.member.picture.held, 1);
    assert_int_equal(bench.a.file.count + bench.a.file.alls, 0);
    assert_int_equal(atomic_load(&bench.a.tally.begins), 4);
    assert_int_equal(atomic_load(&bench.a.tally.ends), 4);
    bench_fini(&bench);
}

static void test_lists_of_all_kinds_of_ids(void **state)
{
    enum { MANY = 20000 };
    static struct xf_point_id ids[MANY];
    struct bench bench;
    struct write many, none;
    (void)state;
    for (size_t i = 0; i < MANY; i++)
        ids[i] = (struct xf_point_id){.hi = i < MANY / 2 ? 0 : i, .lo = i * 7, .is_uuid = i >= MANY / 2};
    bench_init(&bench);
    begin_ids(bench.link, &many, ids, MANY);
    begin_ids(bench.link, &none, ids, 0);
    wait_begun(&bench, &many);
    wait_begun(&bench, &none);
    assert_true(redis_is_in_flight(&bench.server, 7));
    end(&many, &dirty);
    end(&none, &dirty);
    wait_quiet(&bench, bench.link);
    assert_int_equal(bench.a.member.picture.dirty, MANY);
    bench_fini(&bench);
}

static void test_writes_of_one_thread_go_in_order(void **state)
{
    struct bench bench;
    struct write first, second, third, other;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &first, 1);
    begin(bench.link, &second, 1);
    begin(bench.link, &third, 1);
    begin(bench.link, &other, 2);
    wait_begun(&bench, &first);
    wait_begun(&bench, &other);
    assert_false(second.is_begun);
    assert_int_equal(redis_in_flight(&bench.server), 2);
    end(&first, &clean);
    wait_begun(&bench, &second);
    assert_false(third.is_begun);
    end(&second, &clean);
    wait_begun(&bench, &third);
    end(&third, &clean);
    end(&other, &clean);
    wait_quiet(&bench, bench.link);
    assert_false(redis_dirty(&bench.server, 1));
    assert_int_equal(atomic_load(&bench.a.tally.queued), 2);
    assert_int_equal(atomic_load(&bench.a.tally.conflicts), 0);
    bench_fini(&bench);
}

static void test_patience_in_the_queue_ends(void **state)
{
    struct bench bench;
    struct write first, second;
    (void)state;
    bench_init(&bench);
    begin(bench.link, &first, 1);
    wait_begun(&bench, &first);
    uint64_t start_ms = xf_clock_now_ms();
    bench.link->patience_ms = XF_PATIENCE_MS;
    begin(bench.link, &second, 1);
    wait_begun(&bench, &second);
    assert_true(xf_clock_now_ms() - start_ms >= XF_PATIENCE_MS);
    assert_int_equal(redis_in_flight(&bench.server), 2);
    assert_true(redis_dirty(&bench.server, 1));
    assert_int_equal(atomic_load(&bench.a.tally.forced), 1);
    end(&second, &clean);
    end(&first, &clean);
    wait_quiet(&bench, bench.link);
    assert_true(redis_dirty(&bench.server, 1));
    assert_int_equal(redis_in_flight(&bench.server), 0);
    bench_fini(&bench);
}

/* ---- two replicas ---- */

struct second {
    struct xf_journal b;
    struct xf_journal_link *link;
};

static void second_init(struct second *second, struct bench *bench)
{
    replica_init(&second->b, "bbbb", &bench->server, 1);
    replica_join(&second->b, &bench->server, false);
    second->link = replica_link(&second->b, bench->base);
    wait_up(bench->base, second->link);
}

static void second_fini(struct second *second)
{
    xf_journal_link_free(second->link);
    replica_fini(&second->b);
}

static bool has_met(void *ctx)
{
    struct xf_journal *replica = ctx;
    return atomic_load(&replica->tally.conflicts) > 0;
}

static void test_a_conflict_with_another_replica_waits(void **state)
{
    struct bench bench;
    struct second second;
    struct write mine, theirs;
    (void)state;
    bench_init(&bench);
    second_init(&second, &bench);
    begin(bench.link, &mine, 1);
    wait_begun(&bench, &mine);
    begin(second.link, &theirs, 1);
    run_until(bench.base, has_met, &second.b);
    run_for_ms(bench.base, 100);
    assert_false(theirs.is_begun);
    assert_int_equal(redis_in_flight(&bench.server), 1); /* it waits with empty hands */
    end(&mine, &clean);
    wait_begun(&bench, &theirs);
    end(&theirs, &clean);
    wait_quiet(&bench, second.link);
    assert_false(redis_dirty(&bench.server, 1));
    assert_int_equal(atomic_load(&second.b.tally.conflicts), 1);
    assert_int_equal(atomic_load(&second.b.tally.forced), 0);
    second_fini(&second);
    bench_fini(&bench);
}

static void test_past_its_patience_it_goes_on_and_both_are_dirty(void **state)
{
    struct bench bench;
    struct second second;
    struct write mine, theirs;
    struct xf_point_id two[] = {{.lo = 1}, {.lo = 2}};
    (void)state;
    bench_init(&bench);
    second_init(&second, &bench);
    begin_ids(bench.link, &mine, two, 2);
    wait_begun(&bench, &mine);
    uint64_t start_ms = xf_clock_now_ms();
    second.link->patience_ms = XF_PATIENCE_MS;
    begin(second.link, &theirs, 1);
    wait_begun(&bench, &theirs);
    assert_true(xf_clock_now_ms() - start_ms >= XF_PATIENCE_MS);
    assert_int_equal(atomic_load(&second.b.tally.forced), 1);
    end(&theirs, &clean);
    end(&mine, &clean);
    wait_quiet(&bench, bench.link);
    wait_quiet(&bench, second.link);
    assert_true(redis_dirty(&bench.server, 1));
    assert_false(redis_dirty(&bench.server, 2));
    second_fini(&second);
    bench_fini(&bench);
}

static void test_all_waits_for_everybody_and_gets_its_turn(void **state)
{
    struct bench bench;
    struct second second;
    struct write mine, all, late, here;
    (void)state;
    bench_init(&bench);
    second_init(&second, &bench);
    begin(bench.link, &mine, 1);
    wait_begun(&bench, &mine);
    begin_all(second.link, &all);
    run_until(bench.base, has_met, &second.b);
    begin(bench.link, &late, 2); /* nobody has that id, but it came later */
    begin(second.link, &here, 3);
    run_until(bench.base, has_met, &bench.a);
    assert_false(all.is_begun || late.is_begun || here.is_begun);
    end(&mine, &clean);
    wait_begun(&bench, &all);
    assert_false(late.is_begun || here.is_begun);
    assert_int_equal(redis_in_flight(&bench.server), 1);
    end(&all, &clean);
    wait_begun(&bench, &late);
    wait_begun(&bench, &here);
    end(&late, &clean);
    end(&here, &clean);
    wait_quiet(&bench, bench.link);
    wait_quiet(&bench, second.link);
    assert_int_equal(bench.a.member.picture.dirty + second.b.member.picture.dirty, 0);
    second_fini(&second);
    bench_fini(&bench);
}

static void test_a_filter_that_was_resolved(void **state)
{
    struct bench bench;
    struct write all;
    struct xf_point_id found[] = {{.lo = 5}, {.lo = 6}};
    (void)state;
    bench_init(&bench);
    assert_true(redis_meta_is(&bench.server, "moment", "1"));
    begin_all(bench.link, &all);
    wait_begun(&bench, &all);
    xf_journal_end_resolved(all.op, found, 1, false);
    wait_quiet(&bench, bench.link);
    begin_all(bench.link, &all);
    wait_begun(&bench, &all);
    xf_journal_end_resolved(all.op, found + 1, 1, true);
    wait_quiet(&bench, bench.link);
    begin_all(bench.link, &all);
    wait_begun(&bench, &all);
    xf_journal_end_resolved(all.op, NULL, 0, true);
    wait_quiet(&bench, bench.link);
    assert_true(redis_dirty(&bench.server, 5) && !redis_held(&bench.server, 5));
    assert_true(redis_dirty(&bench.server, 6) && redis_held(&bench.server, 6));
    assert_true(redis_meta_is(&bench.server, "moment", "1")); /* nothing made it unknown */
    begin_all(bench.link, &all);
    wait_begun(&bench, &all);
    end(&all, &dirty);
    wait_quiet(&bench, bench.link);
    assert_true(redis_meta_is(&bench.server, "moment", "2"));
    bench_fini(&bench);
}

static void test_a_link_that_is_off(void **state)
{
    struct redis_server none = {.port = 1};
    struct xf_journal replica;
    struct xf_journal_link *link;
    struct write write;
    struct xf_point_id id = {.lo = 1};
    (void)state;
    struct event_base *base = event_base_new();
    assert_non_null(base);
    replica_init(&replica, "aaaa", &none, 1);
    replica.options.is_off = true;
    assert_int_equal(xf_journal_link_new(&replica, base, &link), XF_OK);
    begin(link, &write, 1);
    assert_true(write.is_begun && write.err == XF_OK);
    assert_int_equal(xf_journal_confirm(write.op), XF_OK);
    assert_false(xf_journal_is_cut_off(write.op));
    end(&write, &held);
    begin_all(link, &write);
    xf_journal_end_resolved(write.op, &id, 1, true);
    xf_journal_link_free(link);
    assert_int_equal(replica.file.count, 0);
    replica_fini(&replica);
    event_base_free(base);
}

static void test_as_many_links_as_were_promised(void **state)
{
    struct bench bench;
    struct xf_journal_link *second, *third;
    (void)state;
    bench_init(&bench);
    assert_int_equal(xf_journal_link_new(&bench.a, bench.base, &second), XF_OK);
    assert_int_equal(xf_journal_link_new(&bench.a, bench.base, &third), XF_ERR_STATE);
    xf_journal_link_free(second);
    xf_journal_link_free(NULL);
    bench_fini(&bench);
}

/* Owners that have gone while their writes waited: nobody is told, and the others go on. */
static void test_a_link_goes_with_writes_that_wait(void **state)
{
    struct bench bench;
    struct second second;
    struct write mine, queued, paused, asking, asking_too;
    (void)state;
    bench_init(&bench);
    second_init(&second, &bench);
    begin(second.link, &mine, 1);
    wait_begun(&bench, &mine);
    begin(bench.link, &paused, 1);
    run_until(bench.base, has_met, &bench.a);
    begin(bench.link, &queued, 1);
    begin(bench.link, &asking, 2);
    begin_all(bench.link, &asking_too);
    xf_journal_link_free(bench.link);
    bench.link = NULL;
    assert_false(queued.is_begun || paused.is_begun || asking.is_begun || asking_too.is_begun);
    assert_int_equal(atomic_load(&bench.a.member.generation), 0); /* a begin may have come through */
    end(&mine, &clean);
    wait_quiet(&bench, second.link);
    second_fini(&second);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begin_and_end),
        cmocka_unit_test(test_lists_of_all_kinds_of_ids),
        cmocka_unit_test(test_writes_of_one_thread_go_in_order),
        cmocka_unit_test(test_patience_in_the_queue_ends),
        cmocka_unit_test(test_a_conflict_with_another_replica_waits),
        cmocka_unit_test(test_past_its_patience_it_goes_on_and_both_are_dirty),
        cmocka_unit_test(test_all_waits_for_everybody_and_gets_its_turn),
        cmocka_unit_test(test_a_filter_that_was_resolved),
        cmocka_unit_test(test_a_link_that_is_off),
        cmocka_unit_test(test_as_many_links_as_were_promised),
        cmocka_unit_test(test_a_link_goes_with_writes_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
