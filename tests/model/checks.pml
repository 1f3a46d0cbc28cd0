/* The guarantees, seen from outside: G2 and G4 in every state, G3 and the end of every write at rest.
 *
 * SPDX-License-Identifier: Apache-2.0 */

/* An acknowledged write is on the authority, or in its queue, for every id. */
#define STANDS(op, id) (!HAS(acked, op) || !HAS(want[op], id) || HAS(applied[AT(authority, id)], op) || \
                        LEG(op, authority) == LOGGED)
#define G2 (STANDS(0, 0) && STANDS(0, 1) && STANDS(1, 0) && STANDS(1, 1) && STANDS(2, 0) && STANDS(2, 1))

/* What differs is named, or nobody claims to know; or Redis was rolled back, and the next command of somebody who knows better
 * will say so. What waits in a queue is not a difference yet. */
#define NAMED (dirty | IN_FLIGHT | HELD | file[0] | file[1])
#define IS_EQUAL(id) (val[AT(LEGACY, id)] == val[AT(NEW, id)])
#define G4 (!is_tracked || is_unknown || IS_ROLLED || len(log[LEGACY]) > 0 || len(log[NEW]) > 0 || \
            ((IS_EQUAL(0) || HAS(NAMED, 0)) && (IS_EQUAL(1) || HAS(NAMED, 1))))

/* Besides, what is held is dirty: so a gate that is shut while anything is dirty is shut while anything is held. */
#define HAS_ENDED(op) (!want[op] || HAS(finished, op) || HAS(dead, owner[op]))

proctype watcher()
{
    if
    :: atomic { !G2 -> printf("G2: an acknowledged write is not on the authority\n"); assert(false) }
    :: atomic { !G4 -> printf("G4: a difference that is not named\n"); assert(false) }
    :: atomic { !is_unknown && !IS_ROLLED && (HELD & ~dirty) -> printf("a held id is not dirty\n"); assert(false) }
    :: atomic { timeout ->
        printf("at rest: %d %d / %d %d, dirty %d, held %d, in flight %d, unknown %d\n", val[0], val[1], val[2], val[3], dirty, HELD,
            IN_FLIGHT, is_unknown);
#ifdef REACH
        assert(!(GOAL));
#else
        assert(HAS_ENDED(0) && HAS_ENDED(1) && HAS_ENDED(2));
        assert(!is_unknown && dirty == 0 && HELD == 0 && IN_FLIGHT == 0 && file[0] == 0 && file[1] == 0);
        assert(!running[0] && !running[1] && !is_pending);
        assert(is_tracked && IS_EQUAL(0) && IS_EQUAL(1));
        assert(RESTS)
#endif
        }
    fi
}
