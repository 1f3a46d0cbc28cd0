/* The one copying primitive, the reconcile, and the flips: what the leader does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
byte eager = EAGER; /* how many copies may begin although they can clean nothing: keeps every run finite */
bool is_tracked;    /* the backfill has begun: from now on differences must be known */

#ifdef COPY_TWICE
#define IS_FREE(id) true
#else
#define IS_FREE(id) (!HAS(COPYING, id))
#endif
#define IS_READY(id) (HAS(dirty, id) && IS_FREE(id))
#define IS_CALM(id) (IS_READY(id) && !HAS(HELD | IN_FLIGHT, id))
#ifdef EXCLUSIVE
#define IS_PREMATURE ((IS_READY(0) && !IS_CALM(0)) || (IS_READY(1) && !IS_CALM(1)))
#define EAGERNESS 1
#else
#define EAGERNESS eager
#define IS_PREMATURE ((IS_READY(0) && !IS_CALM(0)) || (IS_READY(1) && !IS_CALM(1)))
#endif
#define MAY_COPY(replica) (is_tracked && leader == replica && IS_ONLINE(replica) && !is_unknown && ALL_OF(informed))

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

/* Lease and token are checked right before, as the replica knows them. An answer that does not come leaves the id held. */
inline put_point(copy, replica, id)
{
    if
    :: atomic { HAS(ids, id) && !is_bad && lease[replica] == since ->
        put[copy] = SENT; put_side[copy] = 1 - source; put_id[copy] = id;
        put_val[copy] = read_val[id]; put_applied[copy] = read_applied[id] };
        read_val[id] = 0; read_applied[id] = 0;
        if
        :: atomic { put[copy] == DONE -> put[copy] = NONE }
        :: atomic { put[copy] == LOST -> put[copy] = NONE; is_bad = 1 }
        :: atomic { put[copy] == SENT && put_timeouts > 0 -> put_timeouts--; put_late[copy] = 1; is_bad = 1 }
        fi
    :: atomic { !HAS(ids, id) || is_bad || lease[replica] != since ->
        is_bad = is_bad || HAS(ids, id); read_val[id] = 0; read_applied[id] = 0 }
    fi
}

/* An exclusive copy begins anew when those that write are through, or after a while: it has read nothing yet. Writers that come
 * now wait, and lose patience as often as a layer allows. */
#ifdef EXCLUSIVE
byte patience = PATIENCE;
bool has_cleaned;
#ifdef S0_OF_BEGIN
#define RENEW(copy) skip
#else
#define RENEW(copy) touched[copy] = 0; held_at[copy] = HELD
#endif
#define EXCLUDE_WRITERS \
        atomic { \
            if \
            :: (IN_FLIGHT & ids) == 0 -> RENEW(copy) \
            :: (IN_FLIGHT & ids) != 0 && patience > 0 -> patience--; RENEW(copy) \
            fi };
#else
#define EXCLUDE_WRITERS
#endif

#define OVER(copy, replica) has_copy[replica]--; ids = 0; since = 0; source = 0; is_bad = 0

proctype copier(byte copy; byte replica) provided (IS_ALIVE)
{
    byte ids, since, source, read_val[2], read_applied[2];
    bool is_bad;
again:
    do
    :: atomic { MAY_COPY(replica) && put[copy] == NONE && (IS_CALM(0) || IS_CALM(1) || (EAGERNESS > 0 && IS_PREMATURE)) ->
        if
        :: IS_CALM(0) || IS_CALM(1) -> ids = (IS_CALM(0) -> 1 : 0) | (IS_CALM(1) -> 2 : 0)
        :: IS_CALM(0) && IS_CALM(1) -> ids = 1
        :: IS_CALM(0) && IS_CALM(1) -> ids = 2
        :: EAGERNESS > 0 && IS_PREMATURE ->
#if !defined(COPY_IN_VAIN) && !defined(EXCLUSIVE)
            eager--;
#endif
            ids = (IS_READY(0) -> 1 : 0) | (IS_READY(1) -> 2 : 0)
        fi;
        source = authority; since = lease[replica]; copier_of[copy] = replica; has_copy[replica]++;
        RAN(replica)
        if
        :: copy_begin(copy, ids)
        OR_LOSE(true, wire_ids = ids; lose_answer(replica, COPY_BEGIN, copy); OVER(copy, replica); goto again)
        fi };
        EXCLUDE_WRITERS
        BARRIER(source);
        read_point(0);
        SECOND(read_point(1);)
        put_point(copy, replica, 0);
        SECOND(put_point(copy, replica, 1);)
        if
        :: atomic { !is_bad && IS_ONLINE(replica) ->
            RAN(replica)
            if
            :: copy_end(copy, ids, (running[copy] && leader == replica && lease[replica] == since))
            OR_LOSE(lease[replica] == since, file[replica] = file[replica] | ids; wire_ids = ids;
                lose_answer(replica, COPY_END, copy))
            fi;
#ifdef CLEAN_PROGRESS
            has_cleaned = ((dirty & ids) == 0);
#endif
            OVER(copy, replica) }
        :: atomic { is_bad && IS_ONLINE(replica) ->
            RAN(replica)
            make_dirty(ids);
            held_by[3 + copy] = (put[copy] == SENT -> HOLD(ids) : 0);
            forget_copy(copy);
            OVER(copy, replica) }
        :: atomic { !IS_ONLINE(replica) -> file[replica] = file[replica] | ids; OVER(copy, replica) }
        fi;
#ifdef CLEAN_PROGRESS
        if
        :: has_cleaned ->
progress:
            has_cleaned = 0
        :: !has_cleaned
        fi
#endif
    od
}

/* The reconcile: starts when all replicas are there and nothing unrecorded can land any more. What was recorded since makes its
 * ids dirty itself. */
#define UNRECORDED(op) (!ids_of[op] && !held_by[op] && IS_AWAITED(op))
#define PUT_UNRECORDED(copy) (!running[copy] && !held_by[3 + copy] && put[copy] == SENT)
#ifdef RECONCILE_AT_ONCE
#define ALL_LANDED true
#else
#define ALL_LANDED (!UNRECORDED(0) && !UNRECORDED(1) && !UNRECORDED(2) && !PUT_UNRECORDED(0) && !PUT_UNRECORDED(1))
#endif

inline compare(id)
{
    seen = val[AT(LEGACY, id)];
    atomic { different = different | (val[AT(NEW, id)] != seen -> BIT(id) : 0); seen = 0 }
}

proctype reconciler()
{
    byte seen, different;
    do
    :: atomic { is_unknown && !(lapsed & registered) && ALL_LANDED ->
        is_lost_again = 0 };
        BARRIER(LEGACY);
        BARRIER(NEW);
        compare(0);
        SECOND(compare(1);)
        atomic { dirty = dirty | different; different = 0; is_unknown = is_lost_again }
    od
}

/* The flip that moves the authority, there and (flips == 2) back. Waiting is bounded: it gives up and tries again. */
#if defined(COMMIT_DIRTY)
#define GATE_DIRTY true
#elif defined(COMMIT_HELD)
#define GATE_DIRTY ((dirty & ~HELD) == 0)
#else
#define GATE_DIRTY (dirty == 0 && HELD == 0)
#endif
#ifdef COMMIT_WITHOUT_LAPSED
#define GATE_ALL ALL_OF(acks | lapsed)
#else
#define GATE_ALL (ALL_OF(acks) && !(lapsed & registered))
#endif
#define MAY_COMMIT (GATE_ALL && GATE_DIRTY && !running[0] && !running[1] && !is_unknown)

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
