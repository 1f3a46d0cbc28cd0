/* Memory that runs out at any point: a write is refused as long as nothing is on record, and later no id is lost.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_link/writes.h"

#include "common/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int left = -1; /* so many allocations succeed; negative: all */

static bool may_allocate(void)
{
    if (left == 0)
        return false;
    if (left > 0)
        left--;
    return true;
}

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
    return may_allocate() ? __real_malloc(bytes) : NULL;
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    return may_allocate() ? __real_calloc(count, bytes) : NULL;
}

enum { POINTS = 8 /* more than a write takes */ };

static bool is_spoken(void *ctx)
{
    const struct write *write = ctx;
    return write->is_begun;
}

/* The begin itself: refused without a trace, or under way as ever. */
static void test_begin(void **state)
{
    struct bench bench;
    unsigned refused = 0, begun = 0;
    (void)state;
    bench_init(&bench);
    for (int point = 0; point < POINTS; point++) {
        struct write write = {NULL, XF_OK, false, false};
        struct xf_point_id id = {.lo = (uint64_t)point};
        struct xf_journal_scope scope = {.ids = &id, .id_count = 1};
        left = point;
        enum xf_err err = xf_journal_begin(bench.link, 0, &scope, record_begun, &write, &write.op);
        left = -1;
        if (err == XF_ERR_NOMEM) {
            refused++;
            continue;
        }
        begun++;
        assert_int_equal(err, XF_ERR_BUSY);
        wait_begun(&bench, &write);
        end(&write, &clean);
    }
    wait_quiet(&bench, bench.link);
    assert_true(refused > 0 && begun > 0);
    assert_int_equal(redis_in_flight(&bench.server), 0);
    assert_int_equal(bench.a.file.count + bench.a.file.alls, 0);
    assert_int_equal(bench.a.member.picture.dirty, 0);
    bench_fini(&bench);
}

/* Everybody in the loop has to do without for a while: begins that wait, admissions, pauses, answers. */
static void test_while_it_waits(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench);
    for (int point = 0; point < POINTS; point++) {
        struct write first, second;
        begin(bench.link, &first, 1);
        wait_begun(&bench, &first);
        begin(bench.link, &second, 1);
        left = point;
        end(&first, &clean);
        for (int turn = 0; turn < 200 && !second.is_begun; turn++)
            event_base_loop(bench.base, EVLOOP_NONBLOCK);
        left = -1;
        run_until(bench.base, is_spoken, &second);
        if (!second.err)
            end(&second, &clean);
        wait_quiet(&bench, bench.link);
        if (!atomic_load(&bench.a.member.generation))
            replica_join_again(&bench.a, &bench.server);
        assert_int_equal(redis_in_flight(&bench.server), 0);
    }
    bench_fini(&bench);
}

/* The end: Redis hears it, or the file does. */
static void end_without(struct bench *bench, int point, uint64_t number, bool is_resolved)
{
    struct write write;
    struct xf_point_id id = {.lo = number};
    if (is_resolved)
        begin_all(bench->link, &write);
    else
        begin(bench->link, &write, number);
    wait_begun(bench, &write);
    left = point;
    if (is_resolved)
        xf_journal_end_resolved(write.op, &id, 1, true);
    else
        xf_journal_end(write.op, &held);
    left = -1;
    wait_quiet(bench, bench->link);
}

static bool is_kept(struct bench *bench, uint64_t number)
{
    bool in_file = file_has(&bench->a, number) && atomic_load(&bench->a.member.is_spill_held);
    return in_file || (redis_dirty(&bench->server, number) && redis_held(&bench->server, number));
}

static void test_end(void **state)
{
    struct bench bench;
    bool has_joined_again = false;
    (void)state;
    bench_init(&bench);
    for (int point = 0; point < 2 * POINTS; point++) {
        uint64_t number = (uint64_t)point;
        bool is_resolved = point >= POINTS;
        size_t alls = bench.a.file.alls;
        bool is_news = redis_meta_is(&bench.server, "moment", "1");
        end_without(&bench, point % POINTS, number, is_resolved);
        is_news = is_news && !redis_meta_is(&bench.server, "moment", "1");
        /* One that was resolved may end as the ALL it was begun as. */
        assert_true(is_kept(&bench, number) || (is_resolved && (is_news || bench.a.file.alls > alls)));
        if (atomic_load(&bench.a.member.generation))
            continue;
        replica_join_again(&bench.a, &bench.server);
        assert_int_equal(redis_in_flight(&bench.server), 0);
        has_joined_again = true;
    }
    assert_true(has_joined_again);
    bench_fini(&bench);
}

static void test_a_link(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench);
    enum xf_err err = XF_ERR_NOMEM;
    for (int point = 0; err; point++) {
        struct xf_journal_link *link;
        bench.a.links = 1;
        left = point;
        err = xf_journal_link_new(&bench.a, bench.base, &link);
        left = -1;
        if (err)
            assert_int_equal(err, XF_ERR_NOMEM);
        else
            xf_journal_link_free(link);
    }
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_while_it_waits),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_a_link),
    };
    xf_log_set_level(XF_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
