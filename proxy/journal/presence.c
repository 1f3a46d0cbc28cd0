/* Being there: each member joins, beats, and says goodbye.
 *
 *   not joined --join--> joined --beat every XF_BEAT_MS--> joined ...
 *        ^                  |
 *        +--- xf_member_lost (any thread: a connection lost with commands unanswered; LAPSED, EMPTY, OTHER)
 *
 * A lease counts from before its beat was sent. A member joins again only when no copy of before is in hand, since such
 * a copy might write what a comparison has been through already.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/journal_int.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/num.h"

#include <inttypes.h>
#include <string.h>

enum { JOIN_RETRY_MS = 200, NUMBER_BYTES = 24, INC_BYTES = 16 };

static const char *name_of(const struct xf_ward *ward)
{
    return ward->member.journal->options.config->migrations[ward->member.migration].name;
}

static bool is_joined(const struct xf_ward *ward)
{
    return atomic_load(&ward->member.generation) != 0;
}

/* --- Errands --- */

void xf_errand_send(struct xf_errand *errand, enum xf_script script, const struct xf_slice *args, size_t count,
                    xf_redis_reply_fn *reply)
{
    struct xf_ward *ward = errand->ward;
    struct xf_journal *journal = ward->member.journal;
    if (errand->is_out || !journal->is_ready)
        return;
    errand->sent_ms = xf_clock_boot_ms();
    errand->is_out = !xf_session_send(&ward->session, journal->redis, script, args, count, reply, errand);
    errand->generation = ward->session.generation;
}

bool xf_errand_read(struct xf_errand *errand, enum xf_err err, const struct xf_redis_reply *reply,
                    struct xf_script_reply *out)
{
    struct xf_ward *ward = errand->ward;
    errand->is_out = false;
    xf_session_read(&ward->member, errand->generation, err, reply, out);
    return out->status != XF_SCRIPT_OUT && errand->generation == atomic_load(&ward->member.generation);
}

/* --- Joining --- */

/* The words that a join has to itself: incarnation, boot number, beat. */
static bool take_names(struct xf_ward *ward, const struct xf_script_reply *reply)
{
    struct xf_member *member = &ward->member;
    if (reply->extra_count < 3)
        return false;
    struct xf_slice inc = xf_redis_reply_text(xf_redis_reply_item(reply->reply, reply->extra));
    if (!inc.len || inc.len > XF_INC_MAX || memchr(inc.ptr, ' ', inc.len))
        return false;
    xf_lock(&member->lock);
    memcpy(member->inc, inc.ptr, inc.len);
    member->inc[inc.len] = '\0';
    member->boot = (uint64_t)xf_redis_reply_integer(xf_redis_reply_item(reply->reply, reply->extra + 1));
    member->beat = (uint64_t)xf_redis_reply_integer(xf_redis_reply_item(reply->reply, reply->extra + 2));
    member->answers = 0;
    member->picture = reply->picture; /* whatever was known before may be of another incarnation */
    xf_unlock(&member->lock);
    return true;
}

static void note_joined(struct xf_ward *ward)
{
    struct xf_journal *journal = ward->member.journal;
    struct xf_replica_record *record = ward->record;
    bool is_emptied = record->inc[0] && strcmp(record->inc, ward->member.inc) != 0;
    if (is_emptied)
        atomic_fetch_add(&journal->emptied, 1);
    if (ward->has_joined)
        atomic_fetch_add(&journal->rejoins, 1);
    xf_log(is_emptied ? XF_LOG_WARN : XF_LOG_INFO, "journal", "migration=%s replica=%s boot=%" PRIu64 ": %s%s", name_of(ward),
           journal->file.id, ward->member.boot, ward->has_joined ? "joined again" : "joined",
           is_emptied ? ", redis had been emptied: a reconcile is needed" : "");
    ward->has_joined = true;
    memcpy(record->inc, ward->member.inc, sizeof record->inc);
    memcpy(record->run_id, journal->run_id, sizeof record->run_id);
    record->is_in_doubt = false;
    record->is_clean = false;
    journal->save_ms = 0; /* soon, for a process that dies young was here, too; once for all that are answered now */
    xf_keeper_poke(journal);
}

/* It is tried again and again, and said once. */
static void report_refusal(struct xf_ward *ward, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_slice said = err ? xf_slice_of(xf_err_sentence(err)) : xf_redis_reply_text(reply);
    if (!ward->has_complained)
        xf_log(XF_LOG_WARN, "journal", "migration=%s: cannot join: %.*s", name_of(ward), XF_SLICE_ARG(said));
    ward->has_complained = true;
}

static void on_join(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_errand *errand = ctx;
    struct xf_ward *ward = errand->ward;
    struct xf_member *member = &ward->member;
    struct xf_journal *journal = member->journal;
    struct xf_script_reply out;
    errand->is_out = false;
    xf_session_read(member, 0, err, reply, &out);
    if (out.status != XF_SCRIPT_OK || !take_names(ward, &out) || xf_duty_see(ward, &out, out.extra + 3)) {
        report_refusal(ward, err, reply);
        journal->wants_scripts = true;
        return;
    }
    ward->has_complained = false;
    note_joined(ward);
    atomic_store(&member->token, 0);
    atomic_store(&member->lease_until_ms, errand->sent_ms + XF_LEASE_VALID_MS);
    atomic_store(&member->was_ever_known, true);
    xf_lock(&member->lock);
    atomic_store(&member->generation, ++ward->generations);
    xf_unlock(&member->lock);
    xf_keeper_joined(journal);
    xf_give(ward);
    xf_duty_lapses(ward, errand->sent_ms);
}

static struct xf_slice number(uint64_t value, char text[NUMBER_BYTES])
{
    return xf_slice(text, xf_u64_print(value, text));
}

static struct xf_slice flag(bool is_set)
{
    return is_set ? XF_SLICE("1") : XF_SLICE("0");
}

/* What this process has been answered under its last join, whatever connection it came on: the newest step, and how often. */
static void read_known(struct xf_ward *ward, uint64_t *seq, uint64_t *answers)
{
    xf_lock(&ward->member.lock);
    *seq = ward->member.picture.seq;
    *answers = ward->member.answers;
    xf_unlock(&ward->member.lock);
}

static void send_join(struct xf_ward *ward)
{
    struct xf_journal *journal = ward->member.journal;
    const struct xf_replica_record *record = ward->record;
    char fresh[2 * INC_BYTES + 1], links[NUMBER_BYTES], beat[NUMBER_BYTES], seq[NUMBER_BYTES], count[NUMBER_BYTES];
    uint64_t known_seq, known_count;
    if (!xf_random_hex(fresh, INC_BYTES))
        return;
    xf_ops_cut_off(&ward->member); /* the join forgets them */
    read_known(ward, &known_seq, &known_count);
    bool was_dual = ward->was_dual || atomic_load(&ward->member.is_dual);
    struct xf_slice args[] = {XF_SLICE("EVALSHA"),
                              xf_slice_of(xf_script_sha(XF_SCRIPT_JOIN)),
                              XF_SLICE("1"),
                              xf_slice_of(ward->member.base),
                              xf_slice_of(journal->file.id),
                              number(journal->options.link_count, links),
                              xf_slice_of(fresh),
                              xf_slice_of(record->inc),
                              number(record->beat, beat),
                              flag(was_dual),
                              flag(ward->has_joined ? record->is_in_doubt : xf_replica_is_in_doubt(record, journal->run_id)),
                              flag(ward->has_joined),
                              xf_slice_of(record->peers ? record->peers : ""),
                              flag(xf_ward_says_dual(ward)),
                              number(known_seq, seq),
                              number(known_count, count)};
    if (journal->wants_scripts && !xf_scripts_load(journal->redis))
        journal->wants_scripts = false;
    ward->join.sent_ms = xf_clock_boot_ms();
    ward->join.is_out =
        !xf_redis_command(journal->redis, args, sizeof args / sizeof *args, on_join, &ward->join);
}

/* --- Beating, and goodbye --- */

static void on_leave(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_errand *errand = ctx;
    struct xf_script_reply out;
    if (xf_errand_read(errand, err, reply, &out))
        errand->ward->is_goodbye_said = true;
}

/* The last beat counts everything that came before it: if Redis loses one of these later, it loses this beat too, and
 * that is noticed. Who still has something to say stays registered, so that the others wait for it. */
static void say_goodbye(struct xf_ward *ward)
{
    struct xf_member *member = &ward->member;
    if (!xf_spill_is_empty(member->spill) || atomic_load(&member->is_losing)) {
        ward->is_goodbye_said = true;
        return;
    }
    ward->record->is_clean = true;
    xf_errand_send(&ward->beat, XF_SCRIPT_LEAVE, NULL, 0, on_leave);
}

static void on_beat(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_errand *errand = ctx;
    struct xf_ward *ward = errand->ward;
    struct xf_script_reply out;
    if (!xf_errand_read(errand, err, reply, &out))
        return;
    if (out.status != XF_SCRIPT_OK || xf_duty_see(ward, &out, out.extra)) {
        xf_member_lost(&ward->member, errand->generation);
        return;
    }
    atomic_store(&ward->member.lease_until_ms, errand->sent_ms + XF_LEASE_VALID_MS);
    if (ward->is_last_beat) {
        say_goodbye(ward);
        return;
    }
    xf_give(ward);
    xf_duty_lapses(ward, errand->sent_ms);
    xf_duty_lead(ward);
}

static void send_beat(struct xf_ward *ward)
{
    char count[NUMBER_BYTES];
    uint64_t seq, answers;
    read_known(ward, &seq, &answers);
    struct xf_slice args[] = {flag(xf_ward_says_dual(ward)), number(answers, count)};
    xf_errand_send(&ward->beat, XF_SCRIPT_BEAT, args, 2, on_beat);
}

/* --- What is due --- */

static void join_when_due(struct xf_ward *ward, uint64_t now_ms)
{
    if (ward->join.is_out || now_ms < ward->join_ms || atomic_load(&ward->copies_in_hand) ||
        ward->member.journal->is_stopping)
        return;
    ward->join_ms = now_ms + JOIN_RETRY_MS;
    send_join(ward);
}

static void beat_when_due(struct xf_ward *ward, uint64_t now_ms)
{
    if (now_ms < ward->beat_ms && !(atomic_load(&ward->wants_beat) && !ward->beat.is_out))
        return;
    atomic_store(&ward->wants_beat, false);
    if (now_ms >= ward->beat_ms) /* in step with what it was: many migrations stay spread */
        ward->beat_ms += ((now_ms - ward->beat_ms) / XF_BEAT_MS + 1) * XF_BEAT_MS;
    send_beat(ward);
}

static void leave_when_told(struct xf_ward *ward)
{
    if (ward->beat.is_out || ward->is_last_beat || ward->tell.is_out || ward->give.is_out)
        return;
    if (xf_give_is_due(ward)) {
        xf_give(ward);
        return;
    }
    ward->is_last_beat = true;
    send_beat(ward);
}

uint64_t xf_presence_look_after(struct xf_ward *ward, uint64_t now_ms)
{
    struct xf_journal *journal = ward->member.journal;
    if (!is_joined(ward)) {
        if (journal->is_ready)
            join_when_due(ward, now_ms);
        return ward->join_ms > now_ms ? ward->join_ms : now_ms + JOIN_RETRY_MS;
    }
    if (journal->is_stopping)
        leave_when_told(ward);
    else
        beat_when_due(ward, now_ms);
    if (!journal->is_stopping && atomic_load(&ward->member.is_losing))
        xf_give(ward); /* ids in the file have time until the next beat */
    return ward->beat_ms;
}

bool xf_presence_is_over(const struct xf_ward *ward)
{
    return ward->is_goodbye_said || !is_joined(ward);
}
