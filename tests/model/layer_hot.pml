/* An id that is written again and again, each time in a way that leaves it dirty, and an exclusive copy: writers to the id wait
 * while it lasts, within their patience.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EXCLUSIVE
#define PATIENCE 1
#define REFUSALS 1
#define GOAL (left == 0 && patience == 0 && refusals == 0)
#define CHOOSE(op) skip
byte left = 3; /* writes to come, unless there is no end to them */
#include "protocol.pml"

#ifdef NOT_EXCLUSIVE
#define EXCLUDED 0
#else
#define EXCLUDED COPYING
#endif

/* One write after another, each an upsert that is not exact or a delete. */
proctype hot_writer()
{
    do
    :: atomic { left > 0 && ((EXCLUDED & SPACE) == 0 || patience > 0) ->
        patience = patience - (EXCLUDED & SPACE);
        want[0] = SPACE;
        waited[0] = 1;
        if
        :: kind[0] = LOOSE
#ifndef CLEAN_PROGRESS
        :: kind[0] = DELETE
#endif
        fi;
        begin(0);
#ifndef ENDLESS
        left--
#endif
        };
        atomic { LEG(0, LEGACY) = SENT; LEG(0, NEW) = SENT };
        atomic { ANSWERED(0, LEGACY) && ANSWERED(0, NEW) ->
            end(0, kind[0] == DELETE && SUCCEEDED(0, LEGACY) && SUCCEEDED(0, NEW), false);
            LEG(0, LEGACY) = NONE; LEG(0, NEW) = NONE;
            finished = 1 }
#ifdef WRITER_PROGRESS
progress:
        skip
#endif
    od
}

init
{
    byte born;
    atomic {
        start();
        run hot_writer();
        ON(0, copier(0, 0))
    }
}
