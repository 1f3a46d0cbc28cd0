/* A replica: its writers, its answers to clients, its part in a flip.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define IS_CURRENT(replica) (IS_ONLINE(replica) && view[replica] == authority && (is_pending || mode[replica] != SWITCHING))
#define NOBODY_ELSE(op) ((OTHERS(op) & want[op]) == 0)

/* While switching, a write waits for conflicts and for dirty ids, and one that is not exact does not start any more once
 * everybody has drained. */
#ifdef HANDS_FULL
#define MAY_TAKE(op) NOBODY_ELSE(op)
#else
#define MAY_TAKE(op) (NOBODY_ELSE(op) && (dirty & want[op]) == 0)
#endif
#define DOOR_IS_OPEN(op) (IS_EXACT(op) || !ALL_OF(acks))
#define MAY_BEGIN(op, replica) (IS_CURRENT(replica) && mode[replica] != ALONE && \
                                (mode[replica] == BOTH || (MAY_TAKE(op) && DOOR_IS_OPEN(op))))
/* Conflicts wait; patience may run out at any moment, but not while switching. */
#define MUST_WAIT(op, replica) (mode[replica] == SWITCHING && !NOBODY_ELSE(op))

#ifdef ONE_SIDE_WHILE_SWITCHING
#define RUNS_ALONE(op, replica) (!IS_EXACT(op) && (kind[op] == FOREIGN || mode[replica] == SWITCHING))
#else
#define RUNS_ALONE(op, replica) (kind[op] == FOREIGN && mode[replica] != SWITCHING)
#endif

#ifdef NO_LEASE_CHECK
#define LEASE_HOLDS(replica, since) true
#define READ_HOLDS(replica, since) true
#else
#define LEASE_HOLDS(replica, since) (lease[replica] == since)
#define READ_HOLDS(replica, since) (lease[replica] == since && !LAPSED(replica))
#endif

/* Without a journal a replica writes on, with a flip pending only when others know that it is away. */
#ifdef OFF_RECORD_WHILE_SWITCHING
#define MAY_BE_OFF_RECORD(replica) (!IS_ONLINE(replica) && mode[replica] != ALONE)
#else
#define MAY_BE_OFF_RECORD(replica) (!IS_ONLINE(replica) && (mode[replica] == BOTH || \
                                                            (mode[replica] == SWITCHING && LAPSED(replica))))
#endif
#define NEVER 255                            /* no lease: the write began without a journal */
#define IS_ON_RECORD(replica, since) (lease[replica] == since)

/* No answer in time: the request may still arrive, or never. */
#define NO_ANSWER(op, side) \
    :: atomic { LEG(op, side) == LOST -> is_bad = 1; is_open = 1 } \
    :: atomic { LEG(op, side) == SENT && timeouts > 0 -> timeouts--; is_late[op] = 1; is_bad = 1; is_open = 1 }

#define FORGET_ANSWER is_bad = 0; is_open = 0; is_alone = 0; is_weak = 0; since = 0; main = 0

/* A write. What is not on record, because the replica was cut off when it began or has lost its lease since, stands in the
 * file; its client is told of success only when both sides have it, for the authority may have moved meanwhile. */
proctype writer(byte op; byte replica) provided (IS_ALIVE)
{
    bool is_bad, is_open, is_alone, is_weak;
    byte since, main; /* main is the authority when its bytes went out */

    atomic { CHOOSE(op) };
    if
    :: atomic { mode[replica] == ALONE && !LAPSED(replica) ->
        is_busy[op] = 1; since = lease[replica]; LEG(op, LEGACY) = SENT; goto only_legacy }
    :: atomic { MAY_BEGIN(op, replica) && !MUST_WAIT(op, replica) ->
        is_fresh[op] = (mode[replica] == SWITCHING);
        is_busy[op] = !is_fresh[op];
        waited[op] = waited[op] || is_fresh[op];
        since = lease[replica];
        is_alone = RUNS_ALONE(op, replica);
        is_weak = !is_pending && ALL_OF(informed);
        is_begun[op] = 1;
        RAN(replica)
        if
        :: begin(op)
        OR_LOSE(true, since = NEVER; is_weak = 0; lose_answer(replica, BEGIN, op))
        fi }
    :: atomic { MAY_BE_OFF_RECORD(replica) ->
        is_busy[op] = 1; is_begun[op] = 1; since = NEVER }
    fi;
#ifdef HANDS_FULL
    /* The ids are held already while dirty ones are waited for. */
    mode[replica] != SWITCHING || (dirty & want[op]) == 0;
#endif
    /* It is made sure that the ids are on record, or else in the file, and the last bytes go out. */
    atomic {
        file[replica] = file[replica] | (IS_ON_RECORD(replica, since) -> 0 : want[op]);
        main = view[replica];
        if
        :: is_alone -> LEG(op, main) = SENT
        :: !is_alone -> LEG(op, LEGACY) = SENT; LEG(op, NEW) = SENT
        fi };

    if
    :: atomic { ANSWERED(op, main) ->
        is_bad = !SUCCEEDED(op, main);
        acked = acked | (is_weak && !is_alone && !is_bad && LEASE_HOLDS(replica, since) -> BIT(op) : 0) }
    NO_ANSWER(op, main)
    fi;
    if
    :: atomic { is_alone || ANSWERED(op, 1 - main) -> is_bad = is_bad || (!is_alone && !SUCCEEDED(op, 1 - main)) }
    NO_ANSWER(op, 1 - main)
    fi;

    if
    :: atomic { IS_ON_RECORD(replica, since) && IS_ONLINE(replica) ->
        is_begun[op] = 0;
        RAN(replica)
        if
        :: end(op, !is_bad && !is_alone && IS_EXACT(op), is_open)
        OR_LOSE(true, wire_is_clean = !is_bad && !is_alone && IS_EXACT(op); wire_is_held = is_open;
            file[replica] = file[replica] | want[op]; lose_answer(replica, END, op))
        fi }
    :: atomic { !IS_ON_RECORD(replica, since) && IS_ONLINE(replica) ->
        is_begun[op] = 0;
        RAN(replica)
        make_dirty(want[op]);
        held_by[op] = held_by[op] | (is_open -> HOLD(want[op]) : 0) }
    :: atomic { !IS_ONLINE(replica) ->
        is_begun[op] = 0; since = NEVER;
        file[replica] = file[replica] | want[op] }
    fi;
    /* What ran on one side, or not equally on both, is answered when its ids are clean. */
    if
    :: atomic { is_bad || HAS(acked, op) || (is_alone && !IS_ON_RECORD(replica, since)) -> FORGET_ANSWER }
    :: atomic { !is_bad && !HAS(acked, op) && !is_alone && (IS_EXACT(op) || !IS_ON_RECORD(replica, since)) ->
        acked = acked | BIT(op); FORGET_ANSWER }
    :: atomic { !is_bad && !HAS(acked, op) && (is_alone || !IS_EXACT(op)) && (dirty & want[op]) == 0 &&
        LEASE_HOLDS(replica, since) ->
        acked = acked | BIT(op); FORGET_ANSWER }
    fi;
    goto done;

only_legacy:
    if
    :: atomic { ANSWERED(op, LEGACY) -> acked = acked | (SUCCEEDED(op, LEGACY) -> BIT(op) : 0) }
    NO_ANSWER(op, LEGACY)
    fi;
    atomic { LEG(op, LEGACY) != SENT -> FORGET_ANSWER };

done:
    atomic { held_by[op] == 0 -> is_busy[op] = 0; is_fresh[op] = 0 };
    /* Nothing of it is under way any more: what was only of use to it is forgotten, which keeps the search small. */
    atomic { HAS_LANDED(op, LEGACY) && HAS_LANDED(op, NEW) -> finished = finished | BIT(op);
        kind[op] = 0; waited[op] = 0; is_late[op] = 0; LEG(op, LEGACY) = NONE; LEG(op, NEW) = NONE }
}

/* A write of an older epoch is still in flight on the replica. */
#define IS_OLD(op, replica) (owner[op] == replica && is_busy[op])
#define IS_DRAINED(replica) (!IS_OLD(0, replica) && !IS_OLD(1, replica) && !IS_OLD(2, replica))
#ifdef NO_DRAIN
#define MAY_ACKNOWLEDGE(replica) true
#else
#define MAY_ACKNOWLEDGE(replica) (IS_DRAINED(replica) && file[replica] == 0)
#endif

/* Heartbeats and epochs. */
proctype control(byte replica) provided (IS_ALIVE)
{
    do
    :: atomic { is_pending && mode[replica] == BOTH && view[replica] == authority && IS_ONLINE(replica) ->
        mode[replica] = SWITCHING }
    :: atomic { is_enabling && mode[replica] == ALONE && IS_ONLINE(replica) -> mode[replica] = BOTH }
    :: atomic { is_pending && mode[replica] == SWITCHING && !HAS(acks, replica) && IS_ONLINE(replica) && MAY_ACKNOWLEDGE(replica) ->
        acks = acks | BIT(replica) }
    :: atomic { is_enabling && mode[replica] == BOTH && !HAS(acks, replica) && IS_ONLINE(replica) && MAY_ACKNOWLEDGE(replica) ->
        acks = acks | BIT(replica) }
    :: atomic { !is_pending && IS_ONLINE(replica) && (mode[replica] == SWITCHING || view[replica] != authority) ->
        mode[replica] = BOTH; view[replica] = authority; informed = informed | BIT(replica) }
    :: atomic { !is_pending && IS_ONLINE(replica) && mode[replica] != SWITCHING && view[replica] == authority &&
        !HAS(informed, replica) ->
        informed = informed | BIT(replica) }
    :: atomic { MAY_JOIN(replica) -> join(replica) }
    :: atomic { MAY_GIVE(replica) -> give_file(replica) }
    od
}

/* Reads all points from the side that the replica believes in, whether or not it has slept, and answers if its lease holds: what
 * clients were told of before the read came must be in it. */
proctype reader(byte replica) provided (IS_ALIVE)
{
    byte since, told, found, side, id;
    atomic { since = lease[replica]; told = acked };
    atomic { side = view[replica]; found = applied[AT(side, 0)] | applied[AT(side, 1)] };
    if
    :: atomic { READ_HOLDS(replica, since) -> assert((told & ~(found | IN_LOG(side))) == 0) }
    :: !READ_HOLDS(replica, since)
    fi
}
