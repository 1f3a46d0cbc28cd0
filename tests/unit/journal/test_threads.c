/* Writers and copiers on several threads against two toy stores. Writes reach the two stores apart from each other, so that
 * they overtake one another; copies read one store and write the other. Whenever the journal calls the set empty and nothing
 * is under way, the stores are equal; with every copy repaired, that moment comes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { POINTS = 40, WRITERS = 3, WRITES = 4000 };

struct world {
    struct xf_journal *journal;
    _Atomic uint64_t legacy[POINTS], new_side[POINTS];
    _Atomic int writers_left;
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

static void *run_writer(void *arg)
{
    struct writer *writer = arg;
    for (int i = 0; i < WRITES; i++)
        write_once(writer);
    atomic_fetch_sub(&writer->world->writers_left, 1);
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

/* Two of these run: one copies ranges as a backfill does, both repair what is dirty. */
static void *run_copier(void *arg)
{
    struct world *world = arg;
    while (atomic_load(&world->writers_left) || dirty_of(world->journal)) {
        struct xf_point_id ids[POINTS];
        size_t count = xf_journal_take_dirty(world->journal, 0, ids, 8);
        copy_points(world, &(struct xf_copy_scope){.ids = ids, .id_count = count}, ids, count);
        for (uint64_t i = 0; i < 10; i++)
            ids[i] = id_of(20 + i);
        struct xf_point_id from = id_of(20), to = id_of(30);
        copy_points(world, &(struct xf_copy_scope){.from = &from, .to = &to, .is_range = true}, ids, 10);
    }
    return NULL;
}

static void the_sides_end_equal(void **state)
{
    (void)state;
    struct world world = {.journal = journal_new(), .writers_left = WRITERS};
    pthread_t threads[WRITERS + 2];
    struct writer writers[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&world, i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, run_writer, &writers[i]), 0);
    }
    for (size_t i = WRITERS; i < WRITERS + 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_copier, &world), 0);
    for (size_t i = 0; i < WRITERS + 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    struct xf_journal_state end = state_of(world.journal);
    assert_int_equal(end.dirty, 0);
    assert_int_equal(end.in_flight, 0);
    assert_int_equal(end.copies, 0);
    assert_false(end.is_unknown);
    for (size_t i = 0; i < POINTS; i++)
        assert_int_equal(atomic_load(&world.legacy[i]), atomic_load(&world.new_side[i]));
    xf_journal_free(world.journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_sides_end_equal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
