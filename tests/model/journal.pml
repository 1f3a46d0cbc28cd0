/* The journal: what Redis holds of a migration, and its scripts. Each script is one atomic step.
 *
 * SPDX-License-Identifier: Apache-2.0 */
byte dirty;
byte ids_of[3];   /* the ids of each write in flight */
byte held_by[5];  /* by a write, or (3 and 4) by a copy's own write: ids whose request may still land */
bool running[2];  /* copies; their ids, what was touched since they began, what was held when they began */
byte copy_ids[2], touched[2], held_at[2];
byte copier_of[2];
byte orphans;     /* running copies whose leader was replaced */
bool is_unknown;  /* which points differ is not known: a reconcile is needed */

byte authority = LEGACY;
bool is_pending;  /* an epoch is open that would move the authority */
byte acks;        /* the replicas that acknowledged it */
byte informed;    /* the replicas that have seen the epoch in force */
byte registered, lapsed;
byte leader;      /* 0, 1, or NOBODY */
#define NOBODY 2

#define IN_FLIGHT (ids_of[0] | ids_of[1] | ids_of[2])
#define OTHERS(op) ((op == 0 -> 0 : ids_of[0]) | (op == 1 -> 0 : ids_of[1]) | (op == 2 -> 0 : ids_of[2]))
#define HELD (held_by[0] | held_by[1] | held_by[2] | held_by[3] | held_by[4])
#define COPYING ((running[0] -> copy_ids[0] : 0) | (running[1] -> copy_ids[1] : 0))
#define ALL_OF(set) (((set) & registered) == registered)

#ifdef NO_HOLD
#define HOLD(ids) 0
#else
#define HOLD(ids) (ids)
#endif
#ifdef NO_HOLD_FOR_THE_DEAD
#define HOLD_DEAD(ids) 0
#else
#define HOLD_DEAD(ids) HOLD(ids)
#endif

inline touch(ids)
{
    touched[0] = (running[0] -> touched[0] | (ids) : 0);
    touched[1] = (running[1] -> touched[1] | (ids) : 0)
}

inline make_dirty(ids)
{
    dirty = dirty | (ids);
    touch(ids)
}

inline begin(op)
{
#ifndef NO_OVERLAP_CHECK
    make_dirty(OTHERS(op) & want[op]);
#endif
    ids_of[op] = want[op];
    touch(want[op])
}

/* The end of a write whose begin was lost with Redis is never clean. */
inline end(op, is_clean, is_held)
{
#ifndef TOUCH_AT_BEGIN_ONLY
    touch(want[op]);
#endif
#ifdef END_CLEANS
    dirty = (is_clean -> dirty & ~want[op] : dirty);
#endif
    dirty = dirty | (is_clean && ids_of[op] -> 0 : want[op]);
    held_by[op] = held_by[op] | (is_held -> HOLD(want[op]) : 0);
    ids_of[op] = 0
}

inline copy_begin(copy, ids)
{
    running[copy] = 1;
    copy_ids[copy] = ids;
    touched[copy] = 0;
    held_at[copy] = HELD
}

/* Leaves dirty what was touched, is in flight or was held; all of it if the copy is not the leader's own under its present
 * lease. */
inline copy_end(copy, ids, is_known)
{
    if
    :: is_known -> dirty = (dirty & ~(ids)) | ((ids) & (touched[copy] | IN_FLIGHT | held_at[copy]))
#ifdef UNKNOWN_COPY_CLEANS
    :: !is_known -> dirty = dirty & ~(ids)
#else
    :: !is_known -> make_dirty(ids)
#endif
    fi;
    forget_copy(copy)
}

inline forget_copy(copy)
{
    running[copy] = 0;
    orphans = orphans & ~BIT(copy);
    copy_ids[copy] = 0;
    touched[copy] = 0;
    held_at[copy] = 0
}

/* A new leader, or the same one under a new token. What copies from before have sent may still land. A list is dirty and held;
 * a range stays on record until nothing of it can land any more, and is copied again. */
inline orphan_copy(copy)
{
    if
#ifdef RANGES
    :: running[copy] -> orphans = orphans | BIT(copy)
#else
    :: running[copy] ->
        make_dirty(copy_ids[copy]);
        held_by[3 + copy] = HOLD(copy_ids[copy]);
        forget_copy(copy)
#endif
    :: !running[copy]
    fi
}

inline lead(who)
{
    leader = who;
    orphan_copy(0);
    orphan_copy(1)
}

/* A replica's lease has lapsed: what it had open may still land. */
inline take_over_op(op, replica)
{
    if
    :: owner[op] == replica && ids_of[op] ->
        make_dirty(ids_of[op]);
        held_by[op] = held_by[op] | HOLD_DEAD(ids_of[op]);
        ids_of[op] = 0
    :: else
    fi
}

inline take_over(replica)
{
    lapsed = lapsed | BIT(replica);
    lease[replica] = lease[replica] + 1;
    take_over_op(0, replica);
    take_over_op(1, replica);
    take_over_op(2, replica);
    if
    :: leader == replica && HAS(LEADERS & registered & ~lapsed, 1 - replica) -> lead(1 - replica)
    :: leader == replica && !HAS(LEADERS & registered & ~lapsed, 1 - replica) -> leader = NOBODY
    :: leader != replica
    fi
}
