/* The protocol as a whole. A layer says before it includes this what it wants other than the following.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SPACE
#define SPACE 1 /* the set of ids: 1 is one id, 3 are two */
#endif
#if SPACE == 3
#define SECOND(step) step /* what only matters with two ids */
#else
#define SECOND(step)
#endif
#ifndef EAGER
#define EAGER 0
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef PUT_TIMEOUTS
#define PUT_TIMEOUTS 0
#endif
#ifndef REFUSALS
#define REFUSALS 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef LAPSES
#define LAPSES 0
#endif
#ifndef BURIALS
#define BURIALS 0
#endif
#ifndef CUTS
#define CUTS 0
#endif
#ifndef DROPS
#define DROPS 0
#endif
#ifndef EMPTIES
#define EMPTIES 0
#endif
#ifndef ROLLS
#define ROLLS 0
#endif
#ifndef FRAIL
#define FRAIL 3 /* the replicas that may crash or pause */
#endif
#ifndef LEADERS
#define LEADERS 3 /* the replicas that may lead: those that have a copier */
#endif
#ifndef RESTS
#define RESTS true
#endif

byte timeouts = TIMEOUTS, put_timeouts = PUT_TIMEOUTS, refusals = REFUSALS;
bool is_lost_again; /* knowledge was lost while the reconcile ran */

#include "sides.pml"
#include "journal.pml"
#include "past.pml"
#include "member.pml"
#include "replica.pml"
#include "copier.pml"
#include "faults.pml"
#include "checks.pml"

/* A process of a replica; it stops where it is when the replica dies. */
#define ON(replica, process) born = run process; homes = homes | (replica << born)

/* Two replicas, dual writes in force, legacy filled and new empty: the backfill has just begun. */
inline start()
{
    registered = 3;
    informed = 3;
    is_tracked = 1;
    mode[0] = BOTH;
    mode[1] = BOTH;
    val[AT(LEGACY, 0)] = FIRST;
    val[AT(LEGACY, 1)] = (HAS(SPACE, 1) -> FIRST : 0);
    dirty = SPACE;
    run server(LEGACY);
    run server(NEW);
    run world();
    run watcher()
}

/* Before dual writes: legacy alone is written and nothing is known of new. */
inline begin_alone()
{
    mode[0] = ALONE;
    mode[1] = ALONE;
    is_tracked = 0;
    dirty = 0
}

/* The backfill is over. */
inline begin_filled()
{
    val[AT(NEW, 0)] = val[AT(LEGACY, 0)];
    val[AT(NEW, 1)] = val[AT(LEGACY, 1)];
    dirty = 0
}
