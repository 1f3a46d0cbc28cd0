/* The one copying primitive, the reconcile, and the flips: what the leader does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
byte eager = EAGER; /* how many copies may begin although they can clean nothing: keeps every run finite */
byte copier_of[2];
bool is_tracked;    /* the backfill has begun: from now on differences must be known */

#ifdef COPY_TWICE
#define IS_FREE(id) true
#else
#define IS_FREE(id) (!HAS(COPYING, id))
#endif
#define IS_READY(id) (HAS(dirty, id) && IS_FREE(id))
#define IS_CALM(id) (IS_READY(id) && !HAS(HELD | IN_FLIGHT, id))
#define IS_PREMATURE ((IS_READY(0) && !IS_CALM(0)) || (IS_READY(1) && !IS_CALM(1)))
#define MAY_COPY(replica) (is_tracked && leader == replica && !LAPSED(replica) && !is_unknown && ALL_OF(informed))

#ifdef NO_BARRIER
#define BARRIER(side) true
#else
#define BARRIER(side) len(log[side]) == 0
#endif

inline read_point(id)
{
    if
    :: atomic { HAS(ids, id) -> read_val[id] = val[AT(source, id)]; read_applied[id] = applied[AT(source, id)] }
    :: !HAS(ids, id)
    fi
}

/* Lease and token are checked right before. An answer that does not come leaves the id held. */
inline put_point(copy, replica, id)
{
    if
    :: atomic { HAS(ids, id) && !is_bad && leader == replica && lease[replica] == since ->
        put[copy] = SENT; put_side[copy] = 1 - source; put_id[copy] = id;
        put_val[copy] = read_val[id]; put_applied[copy] = read_applied[id] };
        read_val[id] = 0; read_applied[id] = 0;
        if
        :: atomic { put[copy] == DONE -> put[copy] = NONE }
        :: atomic { put[copy] == LOST -> put[copy] = NONE; is_bad = 1 }
        :: atomic { put[copy] == SENT && put_timeouts > 0 -> put_timeouts--; put_late[copy] = 1; is_bad = 1 }
        fi
    :: atomic { !HAS(ids, id) || is_bad || leader != replica || lease[replica] != since ->
        is_bad = is_bad || HAS(ids, id); read_val[id] = 0; read_applied[id] = 0 }
    fi
}

proctype copier(byte copy; byte replica) provided (IS_ALIVE)
{
    byte ids, since, source, read_val[2], read_applied[2];
    bool is_bad;
    do
    :: atomic { MAY_COPY(replica) && put[copy] == NONE && (IS_CALM(0) || IS_CALM(1) || (eager > 0 && IS_PREMATURE)) ->
        if
        :: IS_CALM(0) || IS_CALM(1) -> ids = (IS_CALM(0) -> 1 : 0) | (IS_CALM(1) -> 2 : 0)
        :: IS_CALM(0) && IS_CALM(1) -> ids = 1
        :: IS_CALM(0) && IS_CALM(1) -> ids = 2
        :: eager > 0 && IS_PREMATURE ->
#ifndef COPY_IN_VAIN
            eager--;
#endif
            ids = (IS_READY(0) -> 1 : 0) | (IS_READY(1) -> 2 : 0)
        fi;
        source = authority; since = lease[replica]; copier_of[copy] = replica; has_copy[replica]++;
        copy_begin(copy, ids) };
        BARRIER(source);
        read_point(0);
        SECOND(read_point(1);)
        put_point(copy, replica, 0);
        SECOND(put_point(copy, replica, 1);)
        if
        :: atomic { !is_bad -> copy_end(copy, ids); ids = 0; since = 0; source = 0; has_copy[replica]-- }
        :: atomic { is_bad ->
            make_dirty(ids);
            held_by[3 + copy] = (put[copy] == SENT -> HOLD(ids) : 0);
            forget_copy(copy); ids = 0; since = 0; source = 0; is_bad = 0; has_copy[replica]-- }
        fi
    od
}

/* The reconcile: starts when everybody has reported and nothing unrecorded can land any more. */
#define UNRECORDED(op) (!ids_of[op] && (LEG(op, LEGACY) == SENT || LEG(op, NEW) == SENT))
#define ALL_LANDED (!UNRECORDED(0) && !UNRECORDED(1) && !UNRECORDED(2) && \
                    (running[0] || put[0] != SENT) && (running[1] || put[1] != SENT))

inline compare(id)
{
    seen = val[AT(LEGACY, id)];
    atomic { different = different | (val[AT(NEW, id)] != seen -> BIT(id) : 0); seen = 0 }
}

proctype reconciler()
{
    byte seen, different;
    do
    :: atomic { is_unknown && ALL_OF(reported) && HELD == 0 && ALL_LANDED ->
        is_reconciling = 1; touched[2] = 0; is_lost_again = 0 };
        BARRIER(LEGACY);
        BARRIER(NEW);
        compare(0);
        SECOND(compare(1);)
        atomic { dirty = dirty | different | touched[2]; different = 0; is_unknown = is_lost_again;
            is_reconciling = 0; touched[2] = 0 }
    od
}

/* The flip that moves the authority, there and (flips == 2) back. Waiting is bounded: it gives up and tries again. */
#ifdef COMMIT_DIRTY
#define GATE_DIRTY true
#else
#define GATE_DIRTY (dirty == 0)
#endif
#ifdef COMMIT_HELD
#define GATE_HELD true
#else
#define GATE_HELD (HELD == 0)
#endif
#ifdef COMMIT_WITHOUT_LAPSED
#define GATE_ALL ALL_OF(acks | lapsed)
#else
#define GATE_ALL (ALL_OF(acks) && !(lapsed & registered))
#endif
#define MAY_COMMIT (GATE_ALL && GATE_DIRTY && GATE_HELD && !running[0] && !running[1] && !is_unknown)

proctype switcher(byte flips; byte retries)
{
    do
    :: atomic { flips > 0 && ALL_OF(informed) -> is_pending = 1; acks = 0 };
        if
        :: GATE_ALL -> BARRIER(1 - authority);
            if
            :: atomic { MAY_COMMIT ->
                authority = 1 - authority; is_pending = 0; informed = 0; acks = 0; flips-- }
            :: atomic { retries > 0 -> retries--; is_pending = 0; acks = 0 }
            fi
        :: atomic { retries > 0 -> retries--; is_pending = 0; acks = 0 }
        fi
    od
}

/* Dual writes are turned on; then the backfill begins: everything is dirty. */
proctype enabler()
{
    atomic { is_enabling = 1; acks = 0 };
    ALL_OF(acks) && HELD == 0;
    BARRIER(LEGACY);
    atomic { make_dirty(SPACE); is_tracked = 1; is_enabling = 0; acks = 0; informed = registered }
}
