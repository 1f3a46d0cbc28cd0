/* A replica's membership: how it loses Redis and comes back, what it may do meanwhile, what goes to its local file, and the
 * command whose answer it never saw.
 *
 * No command is sent twice. Whoever loses a connection with commands unanswered puts what they were about, and every write
 * that is still open, into its file; the whole replica joins again under new sessions; the join makes what its old sessions
 * had on record dirty; and then the file is given away as dirty, held where a request may still land. A command of an old
 * session that arrives after the join does nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */

/* What a replica does with writes: to legacy alone; to both; to both with a flip pending. */
#define ALONE 0
#define BOTH 1
#define SWITCHING 2

byte mode[2], view[2]; /* as the replica knows them; view is its authority */
byte lease[2];         /* which lease it is, counted: anew with each loss of it and each join */
short homes;            /* by process: which replica it belongs to */
byte dead, cut, lost;  /* crashed; cannot reach Redis; has lost a connection and not joined again */
byte file[2];          /* the local journal file, kept over a crash */
byte owner[3];
bool is_busy[3];       /* the replica still counts this write as in flight, under the older epoch */
bool is_begun[3];      /* begun and not ended, as the replica knows it */
bool is_fresh[3];      /* it began while switching */
byte has_copy[2];      /* the copies that its worker has in hand */
bool is_enabling;      /* an epoch is open that turns dual writes on */
byte acked;            /* the writes that a client was told of: succeeded */
byte finished;         /* the writes that came to an answer, good or bad */

#define IS_ALIVE !HAS(dead, HAS(homes, _pid))
#define LAPSED(replica) HAS(lapsed, replica)
#define IS_ONLINE(replica) (!LAPSED(replica) && !HAS(cut | lost, replica) && KNOWS_NO_BETTER(replica))

#define IS_OPEN(op, replica) (owner[op] == replica && is_begun[op])
#define OPEN_OF(replica) ((IS_OPEN(0, replica) -> want[0] : 0) | (IS_OPEN(1, replica) -> want[1] : 0) | \
                          (IS_OPEN(2, replica) -> want[2] : 0))

inline lose_connection(replica)
{
    lost = lost | BIT(replica);
    lease[replica] = lease[replica] + 1;
#ifndef REJOIN_FORGETS
    file[replica] = file[replica] | OPEN_OF(replica)
#endif
}

#if DROPS
/* A command that was sent on a connection that then broke: it is executed before the replica joins again, or never. */
#define NO_COMMAND 0
#define BEGIN 1
#define END 2
#define COPY_BEGIN 3
#define COPY_END 4
byte drops = DROPS, wire, wire_of, wire_ids;
bool wire_is_clean, wire_is_held;

#define FORGET_WIRE wire = NO_COMMAND; wire_of = 0; wire_ids = 0; wire_is_clean = 0; wire_is_held = 0;

inline lose_answer(replica, command, number)
{
    drops--;
    wire = command;
    wire_of = number;
    lose_connection(replica)
}

inline arrive_command()
{
    if
    :: wire == BEGIN -> begin(wire_of)
    :: wire == END -> end(wire_of, wire_is_clean, wire_is_held)
    :: wire == COPY_BEGIN && leader == copier_of[wire_of] && !(COPYING & wire_ids) -> copy_begin(wire_of, wire_ids)
    :: wire == COPY_BEGIN && (leader != copier_of[wire_of] || (COPYING & wire_ids))
    :: wire == COPY_END -> copy_end(wire_of, wire_ids, (running[wire_of] && !HAS(orphans, wire_of)))
    fi;
    FORGET_WIRE
}
#define OR_LOSE(condition, step) :: drops > 0 && (condition) -> step
#else
#define FORGET_WIRE
#define OR_LOSE(condition, step)
#endif

/* What the old sessions of a replica had on record when it joins again. Such a write counts as one of an older epoch. */
inline end_session_op(op, replica)
{
    if
    :: owner[op] == replica ->
        make_dirty(ids_of[op]);
        ids_of[op] = 0;
#ifndef OFF_RECORD_IS_NEW
        is_busy[op] = is_busy[op] || is_begun[op];
#endif
        is_begun[op] = 0
    :: owner[op] != replica
    fi
}

/* Not while a copy of before is in hand: it might undo what a comparison has been through already. */
#ifdef JOIN_WITH_COPY
#define MAY_JOIN(replica) (HAS(lapsed | lost, replica) && !HAS(cut, replica))
#else
#define MAY_JOIN(replica) (HAS(lapsed | lost, replica) && !HAS(cut, replica) && !has_copy[replica])
#endif

/* Learns in the same step what is in force. What it had acknowledged does not count any more: its file may hold something. */
inline join(replica)
{
#ifndef REJOIN_FORGETS
    file[replica] = file[replica] | OPEN_OF(replica);
#endif
    end_session_op(0, replica);
    end_session_op(1, replica);
    end_session_op(2, replica);
    lost = lost & ~BIT(replica);
    lapsed = lapsed & ~BIT(replica);
    registered = registered | BIT(replica);
    lease[replica] = lease[replica] + 1;
#ifndef JOIN_KEEPS_ACK
    acks = acks & ~BIT(replica);
#endif
#ifndef OLD_SESSIONS_COUNT
    FORGET_WIRE
#endif
    RAN(replica)
    if
    :: mode[replica] == ALONE
    :: mode[replica] != ALONE -> view[replica] = authority; mode[replica] = (is_pending -> mode[replica] : BOTH)
    fi;
    if
    :: (leader == replica || leader == NOBODY) && HAS(LEADERS, replica) -> lead(replica)
    :: (leader == replica || leader == NOBODY) && HAS(LEADERS & registered & ~lapsed, 1 - replica) -> lead(1 - replica)
    :: (leader == replica || leader == NOBODY) && !(LEADERS & registered & ~lapsed) -> leader = NOBODY
    :: leader == 1 - replica
    fi
}

#ifdef MARK_WITHOUT_HOLD
#define HOLD_GIVEN(ids) 0
#else
#define HOLD_GIVEN(ids) HOLD(ids)
#endif

/* What the file holds goes to Redis. What a write of this replica may still change is held. */
inline hold_own(op, replica)
{
    held_by[op] = held_by[op] | ((owner[op] == replica && IS_AWAITED(op)) -> HOLD_GIVEN(want[op]) : 0)
}

#ifdef FILE_BEFORE_JOIN
#define MAY_GIVE(replica) (!IS_ONLINE(replica) && !HAS(cut, replica) && file[replica])
#else
#define MAY_GIVE(replica) (IS_ONLINE(replica) && file[replica])
#endif

inline give_file(replica)
{
    RAN(replica)
    make_dirty(file[replica]);
    hold_own(0, replica);
    hold_own(1, replica);
    hold_own(2, replica);
    file[replica] = 0
}
