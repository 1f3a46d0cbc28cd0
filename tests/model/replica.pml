/* A replica: its writers, its answers to clients, its part in a flip, its local journal file.
 *
 * SPDX-License-Identifier: Apache-2.0 */

/* What a replica does with writes: to legacy alone; to both; to both with a flip pending. */
#define ALONE 0
#define BOTH 1
#define SWITCHING 2

byte mode[2], view[2]; /* as the replica knows them; view is its authority */
byte lease[2];         /* which lease it is, counted */
short homes;            /* by process: which replica it belongs to */
byte dead, cut;        /* crashed; cannot reach Redis */
byte file[2];          /* the local journal file, kept over a crash */
byte owner[3];
bool is_busy[3];       /* the replica still counts this write as in flight, under the older epoch */
bool is_begun[3];      /* begun and not ended, as the replica knows it */
bool is_fresh[3];      /* it began while switching */
bool is_offline[3];    /* it runs without a journal */
byte has_copy[2];      /* the copies that its worker has in hand */
bool is_enabling;      /* an epoch is open that turns dual writes on */
byte reported = 3;     /* the replicas that told what they have in flight since Redis was lost */
byte acked;            /* the writes that a client was told of: succeeded */
byte finished;         /* the writes that came to an answer, good or bad */

#define IS_ALIVE !HAS(dead, HAS(homes, _pid))
#define LAPSED(replica) HAS(lapsed, replica)
#define IS_ONLINE(replica) (!LAPSED(replica) && !HAS(cut, replica))
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

/* The answer, or none in time: then the request may still arrive, or never. */
inline await(op, side)
{
    if
    :: atomic { ANSWERED(op, side) -> is_bad = is_bad || !SUCCEEDED(op, side) }
    :: atomic { LEG(op, side) == LOST -> is_bad = 1; is_open = 1 }
    :: atomic { LEG(op, side) == SENT && timeouts > 0 -> timeouts--; is_late[op] = 1; is_bad = 1; is_open = 1 }
    fi
}

proctype writer(byte op; byte replica) provided (IS_ALIVE)
{
    bool is_bad, is_open, is_alone, is_weak;
    byte since, main; /* main is the authority when its bytes went out */

    atomic { CHOOSE(op) };
again:
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
        begin(op) }
    :: atomic { HAS(cut, replica) && LAPSED(replica) && mode[replica] != ALONE ->
        file[replica] = file[replica] | want[op]; is_busy[op] = 1; is_offline[op] = 1; goto offline }
    fi;
#ifdef HANDS_FULL
    /* The ids are held already while dirty ones are waited for. */
    mode[replica] != SWITCHING || (dirty & want[op]) == 0;
#endif
    /* The lease is checked, and the last bytes go out. */
    if
    :: atomic { lease[replica] == since -> main = view[replica];
        if
        :: is_alone -> LEG(op, main) = SENT
        :: !is_alone -> LEG(op, LEGACY) = SENT; LEG(op, NEW) = SENT
        fi }
    :: lease[replica] != since -> goto again
    fi;

    await(op, main);
    if
    :: is_weak && !is_alone && SUCCEEDED(op, main) && !is_open && LEASE_HOLDS(replica, since) ->
        acked = acked | BIT(op)
    :: else
    fi;
    if
    :: is_alone
    :: !is_alone -> await(op, 1 - main)
    fi;
    /* A lease that lapsed meanwhile: catch up, begin anew what is still held. */
    if
    :: atomic { lease[replica] == since && !HAS(cut, replica) ->
        is_begun[op] = 0;
        end(op, !is_bad && !is_alone && IS_EXACT(op), is_open) }
    :: atomic { lease[replica] != since && IS_CURRENT(replica) ->
        is_begun[op] = 0; ids_of[op] = 0; make_dirty(want[op]);
        held_by[op] = held_by[op] | (is_open -> HOLD(want[op]) : 0); is_alone = 1 }
    fi;
    /* What ran on one side, or not equally on both, is answered when its ids are clean. */
    if
    :: is_bad || HAS(acked, op)
    :: !is_bad && !HAS(acked, op) && !is_alone && IS_EXACT(op) -> acked = acked | BIT(op)
    :: !is_bad && !HAS(acked, op) && (is_alone || !IS_EXACT(op)) && (dirty & want[op]) == 0 -> acked = acked | BIT(op)
    fi;
    goto done;

only_legacy:
    await(op, LEGACY);
    acked = acked | (SUCCEEDED(op, LEGACY) && !is_open -> BIT(op) : 0);
    LEG(op, LEGACY) != SENT;
    goto done;

offline:
    atomic { main = view[replica]; LEG(op, LEGACY) = SENT; LEG(op, NEW) = SENT };
    await(op, main);
    /* With a flip pending it may have been made without this replica's knowledge: both sides must have the write. */
    acked = acked | (SUCCEEDED(op, main) && !is_open && mode[replica] != SWITCHING -> BIT(op) : 0);
    await(op, 1 - main);
    acked = acked | (!is_bad -> BIT(op) : 0);

done:
    atomic { held_by[op] == 0; is_busy[op] = 0; is_offline[op] = 0; is_fresh[op] = 0;
        is_bad = 0; is_open = 0; is_alone = 0; is_weak = 0; since = 0; main = 0 };
    /* Nothing of it is under way any more: what was only of use to it is forgotten, which keeps the search small. */
    atomic { HAS_LANDED(op, LEGACY) && HAS_LANDED(op, NEW) -> finished = finished | BIT(op);
        kind[op] = 0; waited[op] = 0; is_late[op] = 0; LEG(op, LEGACY) = NONE; LEG(op, NEW) = NONE }
}

#define IS_OFFLINE(replica) ((is_offline[0] && owner[0] == replica) || (is_offline[1] && owner[1] == replica) || \
                             (is_offline[2] && owner[2] == replica))
/* A write of an older epoch is still in flight on the replica. */
#define IS_OLD(op, replica) (owner[op] == replica && is_busy[op])
#define IS_DRAINED(replica) (!IS_OLD(0, replica) && !IS_OLD(1, replica) && !IS_OLD(2, replica))
#ifdef NO_DRAIN
#define MAY_ACKNOWLEDGE(replica) true
#else
#define MAY_ACKNOWLEDGE(replica) IS_DRAINED(replica)
#endif

inline report_op(op, replica)
{
    if
    :: owner[op] == replica && is_begun[op] -> ids_of[op] = want[op]; make_dirty(want[op])
    :: else
    fi
}

/* Heartbeats and epochs. A lease comes back when no copy of the older one is in hand, together with what is in force and with
 * what the file held. After a loss of Redis, too, a replica has reported only when its copies from before are over. */
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
    :: atomic { IS_ONLINE(replica) && !HAS(reported, replica) && !has_copy[replica] ->
        report_op(0, replica); report_op(1, replica); report_op(2, replica);
        reported = reported | BIT(replica) }
    :: atomic { LAPSED(replica) && !HAS(cut, replica) && !has_copy[replica] && !IS_OFFLINE(replica) ->
        lapsed = lapsed & ~BIT(replica);
        lease[replica] = lease[replica] + 1;
        registered = registered | BIT(replica);
        if
        :: mode[replica] == ALONE
        :: mode[replica] != ALONE -> view[replica] = authority; mode[replica] = (is_pending -> mode[replica] : BOTH)
        fi;
        make_dirty(file[replica]);
        file[replica] = 0 }
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
