/* What goes wrong, as often as a layer allows, and what time brings about: leases lapse, holds end, orphans are found.
 *
 * SPDX-License-Identifier: Apache-2.0 */
byte crashes = CRASHES, lapses = LAPSES, cuts = CUTS, empties = EMPTIES, burials = BURIALS;

#define MAY_DIE(replica) (!HAS(dead, replica) && HAS(FRAIL, replica))

inline crash(replica)
{
    crashes--;
    dead = dead | BIT(replica);
    is_late[0] = is_late[0] || owner[0] == replica;
    is_late[1] = is_late[1] || owner[1] == replica;
    is_late[2] = is_late[2] || owner[2] == replica;
    put_late[0] = put_late[0] || (running[0] && copier_of[0] == replica);
    put_late[1] = put_late[1] || (running[1] && copier_of[1] == replica)
}

/* A dead replica that an operator gives up: it no longer keeps the gates shut, but nobody knows what it did. */
inline bury(replica)
{
    registered = registered & ~BIT(replica);
    is_unknown = 1;
    is_lost_again = 1
}

inline empty_redis()
{
    empties--;
    dirty = 0;
    ids_of[0] = 0; ids_of[1] = 0; ids_of[2] = 0;
    held_by[0] = 0; held_by[1] = 0; held_by[2] = 0; held_by[3] = 0; held_by[4] = 0;
    forget_copy(0);
    forget_copy(1);
    leader = NOBODY;
#ifndef LOSS_UNNOTICED
    lapsed = registered;
    is_unknown = 1;
    is_lost_again = 1
#endif
}

#define IS_ORPHAN(copy) (HAS(orphans, copy) && put[copy] != SENT)

proctype world()
{
    do
    :: atomic { crashes > 0 && MAY_DIE(0) -> crash(0) }
    :: atomic { crashes > 0 && MAY_DIE(1) -> crash(1) }
    :: atomic { HAS(dead & ~lapsed, 0) -> take_over(0) }
    :: atomic { HAS(dead & ~lapsed, 1) -> take_over(1) }
    :: atomic { lapses > 0 && HAS(FRAIL & ~lapsed, 0) -> lapses--; take_over(0) }
    :: atomic { lapses > 0 && HAS(FRAIL & ~lapsed, 1) -> lapses--; take_over(1) }
    :: atomic { HAS(dead & lapsed & registered, 0) -> bury(0) }
    :: atomic { HAS(dead & lapsed & registered, 1) -> bury(1) }
    :: atomic { burials > 0 && HAS(lapsed & registered & ~dead, 1) -> burials--; bury(1) }
    :: atomic { cuts > 0 -> cuts--; cut = 2; lose_connection(1) }
    :: atomic { HAS(cut & ~lapsed, 1) -> take_over(1) }
    :: atomic { HAS(cut & lapsed, 1) -> cut = 0 }
    :: atomic { empties > 0 -> empty_redis() }
    :: atomic { IS_ORPHAN(0) -> make_dirty(copy_ids[0]); forget_copy(0) }
    :: atomic { IS_ORPHAN(1) -> make_dirty(copy_ids[1]); forget_copy(1) }
    :: atomic { held_by[0] && !IS_AWAITED(0) -> held_by[0] = 0 }
    :: atomic { held_by[1] && !IS_AWAITED(1) -> held_by[1] = 0 }
    :: atomic { held_by[2] && !IS_AWAITED(2) -> held_by[2] = 0 }
    :: atomic { held_by[3] && put[0] != SENT -> held_by[3] = 0 }
    :: atomic { held_by[4] && put[1] != SENT -> held_by[4] = 0 }
    :: atomic { put_late[0] && !running[0] && (put[0] == DONE || put[0] == LOST) -> put[0] = NONE; put_late[0] = 0 }
    :: atomic { put_late[1] && !running[1] && (put[1] == DONE || put[1] == LOST) -> put[1] = NONE; put_late[1] = 0 }
#if ROLLS
    :: atomic { rolls > 0 && !has_saved -> save() }
    :: atomic { has_saved -> roll_back() }
    :: atomic { is_rolled -> notice_roll_back() }
#endif
#if DROPS
    :: atomic { wire -> arrive_command() }
    :: atomic { drops > 0 && IS_ONLINE(0) -> drops--; lose_connection(0) }
    :: atomic { drops > 0 && IS_ONLINE(1) -> drops--; lose_connection(1) }
#endif
    od
}
