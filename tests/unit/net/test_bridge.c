/* The bridge: tasks of many threads run on the one that owns the event base, each once, in the order of each thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/bridge/bridge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 4, POSTS = 500 };

struct world {
    struct event_base *base;
    struct xf_bridge *bridge;
    pthread_t owner;
    unsigned ran, next[THREADS]; /* the owner's thread alone writes them */
};

struct note {
    struct world *world;
    unsigned thread, number;
};

static void take_note(void *ctx, void *args)
{
    struct world *world = ctx;
    const struct note *note = args;
    assert_true(pthread_equal(pthread_self(), world->owner));
    assert_int_equal(note->number, world->next[note->thread]); /* in the order of each thread */
    world->next[note->thread]++;
    world->ran++;
}

static void *post_notes(void *arg)
{
    struct note *note = arg;
    for (; note->number < POSTS; note->number++)
        assert_int_equal(xf_bridge_post(note->world->bridge, take_note, note->world, note, sizeof *note), XF_OK);
    return NULL;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->base = event_base_new();
    world->owner = pthread_self();
    *state = world;
    return xf_bridge_new(world->base, &world->bridge) == XF_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    xf_bridge_free(world->bridge);
    event_base_free(world->base);
    free(world);
    return 0;
}

static void runs_every_task_once_and_in_order(void **state)
{
    struct world *world = *state;
    pthread_t threads[THREADS];
    struct note notes[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        notes[i] = (struct note){.world = world, .thread = i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_notes, &notes[i]), 0);
    }
    while (world->ran < THREADS * POSTS)
        event_base_loop(world->base, EVLOOP_ONCE);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    event_base_loop(world->base, EVLOOP_NONBLOCK);
    assert_int_equal(world->ran, THREADS * POSTS);
}

static void runs_without_the_loop_at_the_end(void **state)
{
    struct world *world = *state;
    struct note note = {.world = world};
    post_notes(&note);
    assert_int_equal(world->ran, 0);
    xf_bridge_run(world->bridge);
    assert_int_equal(world->ran, POSTS);
}

static void drops_what_nobody_runs(void **state)
{
    struct world *world = *state;
    struct note note = {.world = world};
    post_notes(&note); /* the leak checker sees to the rest */
    assert_int_equal(world->ran, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_every_task_once_and_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(runs_without_the_loop_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(drops_what_nobody_runs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
