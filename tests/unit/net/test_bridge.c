/* The bridge: tasks of many threads run on the one that owns the event base, in order, each once; nobody is left waiting.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/bridge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS = 4, CALLS = 500 };

struct world {
    struct event_base *base;
    struct xf_bridge *bridge;
    pthread_t owner;
    unsigned ran; /* only the owner's thread writes it */
    _Atomic unsigned ready;
};

static enum xf_err count_up(void *ctx, void *args)
{
    struct world *world = ctx;
    assert_true(pthread_equal(pthread_self(), world->owner));
    world->ran++;
    *(unsigned *)args += 1;
    return XF_OK;
}

static enum xf_err refuse(void *ctx, void *args)
{
    (void)ctx;
    (void)args;
    return XF_ERR_NOT_FOUND;
}

static void *call_and_post(void *arg)
{
    struct world *world = arg;
    for (unsigned i = 0; i < CALLS; i++) {
        unsigned value = i;
        assert_int_equal(xf_bridge_post(world->bridge, count_up, world, &value, sizeof value), XF_OK);
        assert_int_equal(xf_bridge_call(world->bridge, count_up, world, &value), XF_OK);
        assert_int_equal(value, i + 1);
    }
    assert_int_equal(xf_bridge_call(world->bridge, refuse, NULL, NULL), XF_ERR_NOT_FOUND);
    world->ready++;
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

static void runs_every_task_on_the_owner(void **state)
{
    struct world *world = *state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_and_post, world), 0);
    while (world->ready < THREADS)
        event_base_loop(world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    event_base_loop(world->base, EVLOOP_NONBLOCK);
    assert_int_equal(world->ran, THREADS * CALLS * 2);
}

static void *call_late(void *arg)
{
    struct world *world = arg;
    unsigned value = 0;
    enum xf_err err;
    do
        err = xf_bridge_call(world->bridge, count_up, world, &value);
    while (err == XF_OK);
    assert_int_equal(err, XF_ERR_STATE);
    return NULL;
}

static void closing_leaves_nobody_waiting(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    unsigned value = 0;
    assert_int_equal(xf_bridge_post(world->bridge, count_up, world, &value, sizeof value), XF_OK);
    assert_int_equal(pthread_create(&thread, NULL, call_late, world), 0);
    while (world->ran < 3)
        event_base_loop(world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    xf_bridge_close(world->bridge);
    pthread_join(thread, NULL);
    assert_int_equal(xf_bridge_post(world->bridge, count_up, world, &value, sizeof value), XF_ERR_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_every_task_on_the_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_leaves_nobody_waiting, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
