/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_link/crew.h"

#include "common/base/clock.h"
#include "common/bridge/bridge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BOUND_MS = 60000 };

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct thread *thread = ctx;
    (void)fd;
    (void)what;
    atomic_store(&thread->is_busy, xf_journal_link_is_busy(thread->link));
    atomic_fetch_add(&thread->looks, 1);
}

static void *run_thread(void *arg)
{
    struct thread *thread = arg;
    while (!atomic_load(&thread->stops))
        event_base_loop(thread->base, EVLOOP_ONCE);
    return NULL;
}

static void thread_init(struct thread *thread, struct xf_journal *replica)
{
    struct timeval period = {0, 1000};
    thread->base = event_base_new();
    assert_non_null(thread->base);
    assert_int_equal(xf_bridge_new(thread->base, &thread->bridge), XF_OK);
    thread->link = replica_link(replica, thread->base);
    thread->tick = event_new(thread->base, -1, EV_PERSIST, on_tick, thread);
    assert_true(thread->tick && event_add(thread->tick, &period) == 0);
}

void crew_start(struct crew *crew)
{
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&crew->threads[i].id, NULL, run_thread, &crew->threads[i]), 0);
}

void crew_init(struct crew *crew, size_t replica_count)
{
    static const char *const names[REPLICAS] = {"aaaa", "bbbb"};
    memset(crew, 0, sizeof *crew);
    redis_server_start(&crew->server);
    crew->replica_count = replica_count;
    for (size_t i = 0; i < replica_count; i++) {
        replica_init(&crew->replicas[i], names[i], &crew->server, THREADS);
        replica_join(&crew->replicas[i], &crew->server, false);
    }
    for (size_t i = 0; i < THREADS; i++)
        thread_init(&crew->threads[i], &crew->replicas[i % replica_count]);
}

void crew_stop(struct crew *crew)
{
    for (size_t i = 0; i < THREADS; i++)
        atomic_store(&crew->threads[i].stops, true);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(crew->threads[i].id, NULL), 0);
}

void crew_fini(struct crew *crew)
{
    for (size_t i = 0; i < THREADS; i++) {
        event_free(crew->threads[i].tick);
        xf_journal_link_free(crew->threads[i].link);
        xf_bridge_free(crew->threads[i].bridge);
        event_base_free(crew->threads[i].base);
    }
    for (size_t i = 0; i < crew->replica_count; i++)
        replica_fini(&crew->replicas[i]);
    redis_server_fini(&crew->server);
}

void wait_for(bool (*condition)(void *), void *ctx)
{
    uint64_t start_ms = xf_clock_now_ms();
    while (!condition(ctx)) {
        assert_true(xf_clock_now_ms() - start_ms < BOUND_MS);
        usleep(500);
    }
}

/* Threads look at their own links; `looks` counts, so that an old look is not taken for a new one. */
static bool is_quiet(void *ctx)
{
    struct crew *crew = ctx;
    bool is = true;
    for (size_t i = 0; i < THREADS; i++) {
        struct thread *thread = &crew->threads[i];
        unsigned looks = atomic_load(&thread->looks);
        while (atomic_load(&thread->looks) < looks + 2)
            usleep(200);
        is = is && !atomic_load(&thread->is_busy);
    }
    return is;
}

void crew_wait_quiet(struct crew *crew)
{
    wait_for(is_quiet, crew);
}
