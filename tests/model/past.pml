/* Redis rolled back: at some moment it saves what it holds of the journal, and later that is all that it holds. Each session
 * counts its commands; so whoever has sent one since then is told so by his next one, a heartbeat at the latest. That makes the
 * migration unknown, and everybody has to join again: what is on record may have ended since.
 *
 * One write in flight and one copy, without a flip, in layers with this fault.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#if ROLLS
byte rolls = ROLLS;
bool has_saved, is_rolled; /* rolled back, and nobody has heard of it */
byte ahead;                /* the replicas that have sent a command since the state was saved */
byte saved_dirty, saved_ids, saved_held, saved_put_held, saved_copy_ids, saved_touched, saved_held_at;
bool saved_running;

#define IS_ROLLED is_rolled
#define KNOWS_NO_BETTER(replica) (!is_rolled || !HAS(ahead, replica))
#define RAN(replica) ahead = (has_saved || is_rolled -> ahead | BIT(replica) : 0);

inline save()
{
    has_saved = 1;
    saved_dirty = dirty;
    saved_ids = ids_of[0];
    saved_held = held_by[0];
    saved_put_held = held_by[3];
    saved_running = running[0];
    saved_copy_ids = copy_ids[0];
    saved_touched = touched[0];
    saved_held_at = held_at[0]
}

inline roll_back()
{
    rolls--;
    has_saved = 0;
#ifndef ROLL_BACK_UNNOTICED
    is_rolled = (ahead != 0);
#endif
    dirty = saved_dirty;
    ids_of[0] = saved_ids;
    held_by[0] = saved_held;
    held_by[3] = saved_put_held;
    running[0] = saved_running;
    copy_ids[0] = saved_copy_ids;
    touched[0] = saved_touched;
    held_at[0] = saved_held_at;
    saved_dirty = 0; saved_ids = 0; saved_held = 0; saved_put_held = 0; saved_running = 0; saved_copy_ids = 0;
    saved_touched = 0; saved_held_at = 0
}

inline notice_roll_back()
{
    is_rolled = 0;
    ahead = 0;
    is_unknown = 1;
    is_lost_again = 1;
#ifndef OLD_RECORDS_STAND
    leader = NOBODY;
    lapsed = registered
#endif
}
#else
#define IS_ROLLED false
#define KNOWS_NO_BETTER(replica) true
#define RAN(replica)
#endif
