/* Threads with an event loop and a link each, of one replica or of several by turns.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_JOURNAL_LINK_CREW_H
#define XF_TESTS_UNIT_JOURNAL_LINK_CREW_H

#include "tests/unit/journal_link/replica.h"

struct xf_bridge;

enum { THREADS = 4, REPLICAS = 2 };

struct thread {
    pthread_t id;
    struct event_base *base;
    struct xf_bridge *bridge;
    struct xf_journal_link *link;
    _Atomic bool stops, is_busy;
    _Atomic unsigned looks; /* at is_busy */
    struct event *tick;
};

struct crew {
    struct redis_server server;
    size_t replica_count;
    struct xf_journal replicas[REPLICAS];
    struct thread threads[THREADS];
};

/* Joined, but the threads do not run yet. */
void crew_init(struct crew *crew, size_t replica_count);
void crew_start(struct crew *crew);
void crew_stop(struct crew *crew);
void crew_fini(struct crew *crew); /* the threads have stopped: what a link leaves behind may wake another one */

/* Fails the test after a minute. */
void wait_for(bool (*condition)(void *), void *ctx);
void crew_wait_quiet(struct crew *crew); /* all ends are answered */

#endif
