/* The two collections, as far as the protocol can tell: what a point holds, requests that may arrive late or never, and
 * the queue of what was acknowledged and not yet applied.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define LEGACY 0
#define NEW 1
#define BIT(n) (1 << (n))
#define HAS(set, n) (((set) >> (n)) & 1)
#define AT(side, id) (2 * (side) + (id))
#define LEG(op, side) leg[2 * (op) + (side)]

/* Kinds of writes. A loose one is an upsert that merges or replaces as the segment pleases; an update changes what is
 * there and fails where nothing is; a filter deletes the points whose content is odd; a foreign filter means something
 * else on the other side. */
#define UPSERT 0
#define LOOSE 1
#define DELETE 2
#define UPDATE 3
#define FILTER 4
#define FOREIGN 5
#define IS_EXACT(op) (kind[op] != LOOSE && kind[op] != FOREIGN)

/* What a layer may leave open: any kind of write, waited for or not. */
#define ANY_KIND(op) if :: kind[op] = UPSERT :: kind[op] = LOOSE :: kind[op] = DELETE :: kind[op] = UPDATE :: kind[op] = FILTER \
                     :: kind[op] = FOREIGN fi
#define ANY_WAIT(op) if :: waited[op] = 1 :: waited[op] = 0 fi

/* A request to one side: not sent; on its way; in the server's queue; applied; refused; never arrives. */
#define NONE 0
#define SENT 1
#define LOGGED 2
#define DONE 3
#define REFUSED 4
#define LOST 5
#define ANSWERED(op, side) (LEG(op, side) >= LOGGED && LEG(op, side) <= REFUSED)
#define IS_AWAITED(op) (LEG(op, LEGACY) == SENT || LEG(op, NEW) == SENT)
#define HAS_LANDED(op, side) (LEG(op, side) != SENT && LEG(op, side) != LOGGED)
#define SUCCEEDED(op, side) (LEG(op, side) == LOGGED || LEG(op, side) == DONE)

#define FIRST 5 /* what legacy's points hold before any write */

byte val[4];      /* what the point holds: 0 is absent */
byte applied[4];  /* the writes that the point's content rests on; a copy carries them over */
byte leg[6];
byte kind[3], want[3];
bool waited[3];
bool is_late[3];  /* its sender has given up or died: it may never arrive */
chan log[2] = [3] of { byte };

/* A copy's own write. */
byte put[2], put_side[2], put_id[2], put_val[2], put_applied[2];
bool put_late[2];

/* A foreign filter matches the other points on new. */
#define MATCHES(op, side, id) ((val[AT(side, id)] & 1) != (kind[op] == FOREIGN && side == NEW))

inline change(op, side, id)
{
    if
    :: !HAS(want[op], id) -> skip
    :: HAS(want[op], id) && kind[op] == UPSERT -> val[AT(side, id)] = op + 1
    :: HAS(want[op], id) && kind[op] == LOOSE -> val[AT(side, id)] = op + 1
    :: HAS(want[op], id) && kind[op] == LOOSE && val[AT(side, id)] -> val[AT(side, id)] = op + 9
    :: HAS(want[op], id) && kind[op] == DELETE -> val[AT(side, id)] = 0
    :: HAS(want[op], id) && kind[op] == UPDATE && val[AT(side, id)] -> val[AT(side, id)] = (val[AT(side, id)] * 16 + op + 1) & 255
    :: HAS(want[op], id) && kind[op] == UPDATE && !val[AT(side, id)] -> is_missing = 1
    :: HAS(want[op], id) && kind[op] >= FILTER && MATCHES(op, side, id) -> val[AT(side, id)] = 0
    :: HAS(want[op], id) && kind[op] >= FILTER && !MATCHES(op, side, id) -> skip
    fi;
    applied[AT(side, id)] = applied[AT(side, id)] | (HAS(want[op], id) -> BIT(op) : 0)
}

inline apply(op, side)
{
    SECOND(change(op, side, 1);)
    change(op, side, 0)
}

/* Writes that are in the queue, or among what the points rest on. */
#define QUEUED(op, side) (LEG(op, side) == LOGGED -> BIT(op) : 0)
#define IN_LOG(side) (QUEUED(0, side) | QUEUED(1, side) | QUEUED(2, side))
#define CAN_ARRIVE(op, side) (LEG(op, side) == SENT && (!waited[op] || len(log[side]) == 0))

inline arrive(op, side)
{
    if
    :: waited[op] -> apply(op, side); LEG(op, side) = (is_missing -> REFUSED : DONE)
    :: !waited[op] -> log[side]!op; LEG(op, side) = LOGGED
    :: refusals > 0 -> refusals--; LEG(op, side) = REFUSED
    :: is_late[op] -> LEG(op, side) = LOST
    fi;
    is_missing = 0
}

#define CAN_PUT(copy, side) (put[copy] == SENT && put_side[copy] == side && len(log[side]) == 0)

inline arrive_put(copy, side)
{
    if
    :: val[AT(side, put_id[copy])] = put_val[copy]; applied[AT(side, put_id[copy])] = put_applied[copy]; put[copy] = DONE
    :: put_late[copy] -> put[copy] = LOST
    fi;
    put_val[copy] = 0; put_applied[copy] = 0; put_id[copy] = 0; put_side[copy] = 0
}

proctype server(byte side)
{
    byte op;
    bool is_missing;
    do
    :: atomic { len(log[side]) > 0 -> log[side]?op; apply(op, side); LEG(op, side) = DONE; is_missing = 0; op = 0 }
    :: atomic { CAN_ARRIVE(0, side) -> arrive(0, side) }
    :: atomic { CAN_ARRIVE(1, side) -> arrive(1, side) }
    :: atomic { CAN_ARRIVE(2, side) -> arrive(2, side) }
    :: atomic { CAN_PUT(0, side) -> arrive_put(0, side) }
    :: atomic { CAN_PUT(1, side) -> arrive_put(1, side) }
    od
}
