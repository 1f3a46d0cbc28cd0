/* What the answers to beats ask for.
 *
 * Replicas watch each other without a common clock: a beat is a number, and one that stays the same for XF_LAPSE_AFTER_MS on
 * the watcher's own clock is a lapse. It counts from the arrival of the first answer that showed the number to the
 * sending of the question whose answer still shows it, so that a watcher which slept does not take old news for silence.
 * The script looks at the number once more.
 *
 * Holds end by the leader's clock: it notes now and then which step Redis was at, and what was held at a step that is
 * hold_ms old is let go. A new leader starts counting anew, so a hold may last longer, never shorter.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "proxy/journal/journal_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_OF_STATE = 4, WORDS_OF_PEER = 4 };

static const char *name_of(const struct xf_ward *ward)
{
    return ward->member.journal->options.config->migrations[ward->member.migration].name;
}

/* --- Seeing --- */

static uint64_t number_of(const struct xf_redis_reply *item)
{
    uint64_t value = 0;
    int64_t integer = xf_redis_reply_integer(item);
    if (xf_redis_reply_type(item) != XF_REDIS_INTEGER)
        return xf_u64_parse(xf_redis_reply_text(item), &value) ? 0 : value;
    return integer > 0 ? (uint64_t)integer : 0;
}

static const struct xf_peer *find_peer(const struct xf_peer *peers, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(peers[i].id, id) == 0)
            return &peers[i];
    return NULL;
}

/* One replica out of its four words. False: they make no sense. While this replica was away itself, it has not seen
 * anybody being silent: when Redis comes back, all have to have their chance. */
static bool read_peer(const struct xf_ward *ward, const struct xf_redis_reply *reply, size_t at, uint64_t now_ms,
                      struct xf_peer *peer)
{
    struct xf_slice id = xf_redis_reply_text(xf_redis_reply_item(reply, at));
    if (!id.len || id.len > XF_PEER_MAX)
        return false;
    *peer = (struct xf_peer){
        .is_in = xf_slice_eq(xf_redis_reply_text(xf_redis_reply_item(reply, at + 1)), XF_SLICE("in")),
        .beat = number_of(xf_redis_reply_item(reply, at + 2)),
        .is_dual = number_of(xf_redis_reply_item(reply, at + 3)) != 0,
        .since_ms = now_ms};
    memcpy(peer->id, id.ptr, id.len);
    const struct xf_peer *before = find_peer(ward->peers, ward->peer_count, peer->id);
    bool was_away = now_ms >= ward->seen_ms + XF_LEASE_VALID_MS;
    if (before && before->beat == peer->beat && before->is_in && !was_away)
        peer->since_ms = before->since_ms;
    return true;
}

static enum xf_err read_peers(const struct xf_ward *ward, const struct xf_script_reply *reply, size_t at,
                              struct xf_peer **peers, size_t *count)
{
    uint64_t now_ms = xf_clock_boot_ms();
    size_t words = reply->extra + reply->extra_count - at;
    if (words % WORDS_OF_PEER)
        return XF_ERR_INVALID;
    struct xf_peer *made = calloc(words / WORDS_OF_PEER + 1, sizeof *made);
    if (!made)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < words / WORDS_OF_PEER; i++) {
        if (read_peer(ward, reply->reply, at + i * WORDS_OF_PEER, now_ms, &made[i]))
            continue;
        free(made);
        return XF_ERR_INVALID;
    }
    *peers = made;
    *count = words / WORDS_OF_PEER;
    return XF_OK;
}

/* For a join after Redis was emptied: the others count as lapsed until they are back. */
static void remember_peers(struct xf_ward *ward)
{
    struct xf_replica_record *record = ward->record;
    char *names = calloc(ward->peer_count + 1, XF_PEER_MAX + 1);
    if (!names)
        return; /* the names of last time will do */
    size_t len = 0;
    for (size_t i = 0; i < ward->peer_count; i++) {
        if (strcmp(ward->peers[i].id, ward->member.journal->file.id) == 0 || strchr(ward->peers[i].id, ' '))
            continue;
        if (len)
            names[len++] = ' ';
        size_t id_len = strlen(ward->peers[i].id);
        memcpy(names + len, ward->peers[i].id, id_len);
        len += id_len;
    }
    free(record->peers);
    record->peers = names;
}

static void take_state(struct xf_ward *ward, const struct xf_script_reply *reply, size_t at)
{
    struct xf_journal_state *seen = &ward->member.seen;
    struct xf_slice leader = xf_redis_reply_text(xf_redis_reply_item(reply->reply, at + 2));
    if (leader.len >= sizeof seen->leader)
        leader.len = 0;
    memcpy(seen->leader, leader.ptr, leader.len);
    seen->leader[leader.len] = '\0';
    seen->copies = number_of(xf_redis_reply_item(reply->reply, at));
    seen->oldest_dirty_age_ms = number_of(xf_redis_reply_item(reply->reply, at + 1));
    seen->replicas = ward->peer_count;
    seen->lapsed = 0;
    seen->are_all_dual = true;
    for (size_t i = 0; i < ward->peer_count; i++) {
        seen->lapsed += !ward->peers[i].is_in;
        seen->are_all_dual = seen->are_all_dual && ward->peers[i].is_dual;
    }
}

static void take_lead(struct xf_ward *ward, uint64_t token)
{
    struct xf_journal *journal = ward->member.journal;
    bool leads = strcmp(ward->member.seen.leader, journal->file.id) == 0 && token;
    uint64_t before = atomic_exchange(&ward->member.token, leads ? token : 0);
    if (leads && before != token)
        xf_log(XF_LOG_INFO, "journal", "migration=%s replica=%s token=%" PRIu64 ": leads", name_of(ward), journal->file.id,
               token);
}

enum xf_err xf_duty_see(struct xf_ward *ward, const struct xf_script_reply *reply, size_t at)
{
    struct xf_peer *peers;
    size_t count;
    if (at + WORDS_OF_STATE > reply->extra + reply->extra_count)
        return XF_ERR_INVALID;
    enum xf_err err = read_peers(ward, reply, at + WORDS_OF_STATE, &peers, &count);
    if (err)
        return err;
    uint64_t token = number_of(xf_redis_reply_item(reply->reply, at + 3));
    const struct xf_peer *self = find_peer(peers, count, ward->member.journal->file.id);
    xf_lock(&ward->member.lock);
    free(ward->peers);
    ward->peers = peers;
    ward->peer_count = count;
    if (self)
        ward->member.beat = self->beat;
    take_state(ward, reply, at);
    xf_unlock(&ward->member.lock);
    ward->seen_ms = xf_clock_boot_ms();
    ward->record->beat = ward->member.beat;
    remember_peers(ward);
    take_lead(ward, token);
    return XF_OK;
}

/* --- Lapses and the empty chair --- */

static void on_lapse(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_errand *errand = ctx;
    struct xf_script_reply out;
    if (!xf_errand_read(errand, err, reply, &out) || out.status != XF_SCRIPT_OK || out.extra_count < 1 ||
        !number_of(xf_redis_reply_item(out.reply, out.extra)))
        return;
    atomic_fetch_add(&errand->ward->member.journal->lapses_seen, 1);
    xf_log(XF_LOG_WARN, "journal", "migration=%s: a replica has fallen silent, what it had under way is dirty",
           name_of(errand->ward));
}

static void declare_lapsed(struct xf_ward *ward, const struct xf_peer *peer)
{
    char beat[XF_U64_TEXT_MAX];
    struct xf_slice args[] = {xf_slice_of(peer->id), xf_slice(beat, xf_u64_print(peer->beat, beat))};
    xf_errand_send(&ward->lapse, XF_SCRIPT_LAPSE, args, 2, on_lapse);
}

static void on_claim(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_errand *errand = ctx;
    struct xf_ward *ward = errand->ward;
    struct xf_script_reply out;
    if (!xf_errand_read(errand, err, reply, &out) || out.status != XF_SCRIPT_OK || out.extra_count < 2 ||
        !number_of(xf_redis_reply_item(out.reply, out.extra + 1)))
        return;
    xf_lock(&ward->member.lock);
    memcpy(ward->member.seen.leader, ward->member.journal->file.id, sizeof ward->member.journal->file.id);
    xf_unlock(&ward->member.lock);
    take_lead(ward, number_of(xf_redis_reply_item(out.reply, out.extra)));
}

void xf_duty_lapses(struct xf_ward *ward, uint64_t sent_ms)
{
    const char *self = ward->member.journal->file.id;
    for (size_t i = 0; i < ward->peer_count && !ward->lapse.is_out; i++) {
        const struct xf_peer *peer = &ward->peers[i];
        if (peer->is_in && sent_ms >= peer->since_ms + XF_LAPSE_AFTER_MS && strcmp(peer->id, self) != 0)
            declare_lapsed(ward, peer);
    }
    if (!ward->member.seen.leader[0])
        xf_errand_send(&ward->claim, XF_SCRIPT_CLAIM, NULL, 0, on_claim);
}

/* --- Leading --- */

static void on_release(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_errand *errand = ctx;
    struct xf_ward *ward = errand->ward;
    struct xf_script_reply out;
    if (!xf_errand_read(errand, err, reply, &out) || out.status != XF_SCRIPT_OK || out.extra_count < 1)
        return;
    if (number_of(xf_redis_reply_item(out.reply, out.extra)))
        xf_duty_lead(ward); /* there are more */
    else
        ward->released = ward->releasing;
}

static void note_time(struct xf_ward *ward, uint64_t seq, uint64_t now_ms)
{
    uint64_t every_ms = ward->member.journal->options.hold_ms / (XF_MARKS / 2);
    if (now_ms < ward->note_ms || ward->mark_count == XF_MARKS)
        return;
    ward->note_ms = now_ms + (every_ms > XF_BEAT_MS ? every_ms : XF_BEAT_MS);
    ward->marks[(ward->mark_first + ward->mark_count++) % XF_MARKS] = (struct xf_mark){seq, now_ms};
}

/* The newest step that is old enough; those before it are forgotten. NULL: none yet. */
static const struct xf_mark *old_mark(struct xf_ward *ward, uint64_t now_ms)
{
    const struct xf_mark *found = NULL;
    while (ward->mark_count) {
        const struct xf_mark *first = &ward->marks[ward->mark_first];
        if (first->ms + ward->member.journal->options.hold_ms > now_ms)
            break;
        found = first;
        if (ward->mark_count == 1)
            break;
        const struct xf_mark *second = &ward->marks[(ward->mark_first + 1) % XF_MARKS];
        if (second->ms + ward->member.journal->options.hold_ms > now_ms)
            break;
        ward->mark_first = (ward->mark_first + 1) % XF_MARKS;
        ward->mark_count--;
    }
    return found;
}

void xf_duty_lead(struct xf_ward *ward)
{
    struct xf_member *member = &ward->member;
    uint64_t token = atomic_load(&member->token), now_ms = xf_clock_now_ms();
    if (!token)
        return;
    xf_lock(&member->lock);
    struct xf_picture picture = member->picture;
    xf_unlock(&member->lock);
    if (token != ward->marks_token) {
        ward->marks_token = token;
        ward->mark_count = 0;
        ward->note_ms = ward->released = 0;
    }
    note_time(ward, picture.seq, now_ms);
    const struct xf_mark *mark = old_mark(ward, now_ms);
    bool has_work = picture.held || picture.is_held_whole || member->seen.copies;
    if (!mark || mark->seq <= ward->released || !has_work || ward->release.is_out)
        return;
    char texts[2][XF_U64_TEXT_MAX];
    struct xf_slice args[] = {xf_slice(texts[0], xf_u64_print(token, texts[0])),
                              xf_slice(texts[1], xf_u64_print(mark->seq, texts[1]))};
    ward->releasing = mark->seq;
    xf_errand_send(&ward->release, XF_SCRIPT_RELEASE, args, 2, on_release);
}
