/* Writers and copiers on several threads against two toy stores. Writes reach the two stores apart from each other, so
 * that they overtake one another; copies read one store and write the other. All run in rounds: between two rounds
 * nothing is under way, and every point that the journal does not call dirty is the same on both sides.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { POINTS = 12, WRITERS = 3, COPIERS = 2, ROUNDS = 1500, WRITES = 8, COPIES = 4 };

struct world {
    struct xf_journal *journal;
    _Atomic uint64_t legacy[POINTS], new_side[POINTS];
    pthread_barrier_t round; /* passed by all threads at the begin and at the end of each */
};

struct writer {
    struct world *world;
    uint64_t random;
};

static uint64_t draw(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

static void write_once(struct writer *writer)
{
    struct world *world = writer->world;
    uint64_t from = draw(&writer->random) % POINTS, to = from + draw(&writer->random) % 4;
    if (to >= POINTS)
        to = POINTS - 1;
    struct xf_journal_op *op = begin(world->journal, from, to);
    uint64_t value = draw(&writer->random);
    bool fails = value % 50 == 0;
    for (uint64_t i = from; i <= to; i++)
        atomic_store(&world->legacy[i], value);
    if (value % 3 == 0)
        sched_yield();
    for (uint64_t i = from; i <= to && !fails; i++)
        atomic_store(&world->new_side[i], value);
    xf_journal_end(op, fails ? follower_refused : both_completed, true, true);
}

static void meet(struct world *world)
{
    int result = pthread_barrier_wait(&world->round);
    assert_true(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void *run_writer(void *arg)
{
    struct writer *writer = arg;
    for (int round = 0; round < ROUNDS; round++) {
        meet(writer->world);
        for (int i = 0; i < WRITES; i++)
            write_once(writer);
        meet(writer->world);
    }
    return NULL;
}

static void copy_points(struct world *world, const struct xf_copy_scope *scope, const struct xf_point_id *ids,
                        size_t count)
{
    struct xf_journal_copy *copy;
    enum xf_err err = xf_journal_copy_begin(world->journal, 0, scope, &copy);
    if (err == XF_ERR_BUSY)
        return;
    assert_int_equal(err, XF_OK);
    uint64_t values[POINTS];
    for (size_t i = 0; i < count; i++)
        values[i] = atomic_load(&world->legacy[ids[i].lo]);
    sched_yield();
    for (size_t i = 0; i < count; i++)
        atomic_store(&world->new_side[ids[i].lo], values[i]);
    xf_journal_copy_end(copy, ids, count, true);
}

/* What is dirty, as a repair does, and a range, as a backfill does. */
static void copy_once(struct world *world)
{
    struct xf_point_id ids[POINTS];
    size_t count = xf_journal_take_dirty(world->journal, 0, ids, 4);
    copy_points(world, &(struct xf_copy_scope){.ids = ids, .id_count = count}, ids, count);
    for (uint64_t i = 0; i < 4; i++)
        ids[i] = id_of(4 + i);
    struct xf_point_id from = id_of(4), to = id_of(8);
    copy_points(world, &(struct xf_copy_scope){.from = &from, .to = &to, .is_range = true}, ids, 4);
}

static void *run_copier(void *arg)
{
    struct world *world = arg;
    for (int round = 0; round < ROUNDS; round++) {
        meet(world);
        for (int i = 0; i < COPIES; i++)
            copy_once(world);
        meet(world);
    }
    return NULL;
}

static void check_clean_points(struct world *world)
{
    struct xf_point_id ids[POINTS];
    bool is_dirty[POINTS] = {false};
    size_t count = xf_journal_take_dirty(world->journal, 0, ids, POINTS);
    assert_int_equal(count, dirty_of(world->journal));
    for (size_t i = 0; i < count; i++)
        is_dirty[ids[i].lo] = true;
    for (size_t i = 0; i < POINTS; i++)
        if (!is_dirty[i])
            assert_int_equal(atomic_load(&world->legacy[i]), atomic_load(&world->new_side[i]));
}

static void what_is_not_dirty_is_equal(void **state)
{
    (void)state;
    struct world world = {.journal = journal_new()};
    pthread_t threads[WRITERS + COPIERS];
    struct writer writers[WRITERS];
    assert_int_equal(pthread_barrier_init(&world.round, NULL, WRITERS + COPIERS + 1), 0);
    for (size_t i = 0; i < WRITERS + COPIERS; i++) {
        if (i < WRITERS)
            writers[i] = (struct writer){&world, i + 1};
        int failed = i < WRITERS ? pthread_create(&threads[i], NULL, run_writer, &writers[i])
                                 : pthread_create(&threads[i], NULL, run_copier, &world);
        assert_int_equal(failed, 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        meet(&world);
        meet(&world);
        check_clean_points(&world);
    }
    for (size_t i = 0; i < WRITERS + COPIERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    while (dirty_of(world.journal)) /* nobody writes any more: each round of repair makes what it takes clean */
        copy_once(&world);
    check_clean_points(&world);
    struct xf_journal_state end = state_of(world.journal);
    assert_int_equal(end.in_flight, 0);
    assert_int_equal(end.copies, 0);
    assert_false(end.is_unknown);
    assert_int_equal(pthread_barrier_destroy(&world.round), 0);
    xf_journal_free(world.journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_not_dirty_is_equal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
