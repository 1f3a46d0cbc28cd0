/* Exclusive copies, for which writers wait: small, one at a time in a migration, and with gaps in which a waiting write
 * of any scope gets its turn. Wanted for a while after a copy met a write of unknown scope, which leaves whatever is
 * copied meanwhile dirty: filter writes ten times a second would otherwise let no copy come to an end.
 *
 * Any thread, under a lock of its own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_TURN_H
#define XF_PROXY_WORKER_TURN_H

#include "proxy/worker/wire.h"

#include <pthread.h>

struct xf_turns {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t next, serving; /* tickets, so that nobody is passed over */
    uint64_t free_ms;       /* no copy begins before */
    uint64_t wanted_until_ms, window_ms;
    size_t points; /* of one copy, so that it takes some tens of milliseconds */
};
XF_MUST_CHECK enum xf_err xf_turns_init(struct xf_turns *turns);
void xf_turns_fini(struct xf_turns *turns);

/* A copy met a write of unknown scope. */
void xf_turns_want(struct xf_turns *turns);
bool xf_turns_are_wanted(struct xf_turns *turns);
size_t xf_turns_points(struct xf_turns *turns);

/* Waits for the turn, which is to be given back in any case; STATE if the worker is stopping. */
XF_MUST_CHECK enum xf_err xf_turn_take(struct xf_turns *turns, struct xf_wire *wire);
/* How long the copy took once the journal had let it begin, and of how many points it was; 0: nothing was copied. */
void xf_turn_give(struct xf_turns *turns, uint64_t took_ms, size_t points);

#endif
