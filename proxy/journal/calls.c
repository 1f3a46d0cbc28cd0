/* The worker's calls, which wait. A call stands on the stack of the thread that waits; the keeper sends it and reads the answer
 * into it. It needs no time-out of its own: the keeper's connection has a watchdog, and a command whose connection is
 * lost is answered, too. Whether it has had its effect is then not known, so every caller takes IO as "perhaps".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/num.h"
#include "proxy/journal/journal_int.h"
#include "proxy/journal/pack.h"

#include <stdlib.h>
#include <string.h>

static void finish(struct xf_call *call, enum xf_err err)
{
    xf_lock(&call->lock);
    call->err = err;
    call->is_done = true;
    pthread_cond_signal(&call->done);
    xf_unlock(&call->lock);
}

static void on_answer(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    static const enum xf_err errs[] = {[XF_SCRIPT_OK] = XF_OK,
                                       [XF_SCRIPT_BUSY] = XF_ERR_BUSY,
                                       [XF_SCRIPT_FENCED] = XF_ERR_STATE,
                                       [XF_SCRIPT_OUT] = XF_ERR_IO};
    struct xf_call *call = ctx;
    struct xf_script_reply out;
    xf_session_read(&call->ward->member, call->generation, err, reply, &out);
    err = errs[out.status];
    if (!err && call->read)
        err = call->read(call, &out);
    finish(call, err);
}

static void on_call(void *ctx, void *args)
{
    struct xf_call *call = ctx;
    struct xf_ward *ward = call->ward;
    (void)args;
    if (!xf_member_holds(&ward->member) || !ward->member.journal->is_ready ||
        xf_session_send(&ward->session, ward->member.journal->redis, call->script, call->args, call->arg_count, on_answer,
                        call))
        finish(call, XF_ERR_IO);
    else
        call->generation = ward->session.generation;
}

enum xf_err xf_call_run(struct xf_call *call)
{
    struct xf_bridge *bridge = call->ward->member.journal->bridge;
    if (!bridge)
        return XF_ERR_IO;
    if (pthread_mutex_init(&call->lock, NULL))
        return XF_ERR_NOMEM;
    enum xf_err err = pthread_cond_init(&call->done, NULL) ? XF_ERR_NOMEM : XF_OK;
    if (!err) {
        call->is_done = false;
        err = xf_bridge_post(bridge, on_call, call, NULL, 0);
        xf_lock(&call->lock);
        while (!err && !call->is_done)
            pthread_cond_wait(&call->done, &call->lock);
        xf_unlock(&call->lock);
        pthread_cond_destroy(&call->done);
    }
    pthread_mutex_destroy(&call->lock);
    return err ? err : call->err;
}

uint64_t xf_reply_number(const struct xf_script_reply *reply, size_t i)
{
    const struct xf_redis_reply *item = i < reply->extra_count ? xf_redis_reply_item(reply->reply, reply->extra + i) : NULL;
    int64_t number = item ? xf_redis_reply_integer(item) : 0;
    return number > 0 ? (uint64_t)number : 0;
}

static struct xf_ward *ward_of(struct xf_journal *journal, size_t migration)
{
    return xf_ward_of(xf_journal_member(journal, migration));
}

/* IO, STATE. */
static enum xf_err check_lead(const struct xf_ward *ward)
{
    if (!xf_member_holds(&ward->member))
        return XF_ERR_IO;
    return atomic_load(&ward->member.token) ? XF_OK : XF_ERR_STATE;
}

/* --- The dirty set --- */

struct taken {
    struct xf_point_id *ids;
    size_t max, count;
};

static enum xf_err read_taken(struct xf_call *call, const struct xf_script_reply *reply)
{
    struct taken *taken = call->result;
    if (reply->extra_count < 1)
        return XF_ERR_IO;
    struct xf_slice packed = xf_redis_reply_text(xf_redis_reply_item(reply->reply, reply->extra));
    enum xf_err err = xf_unpack_ids(&packed, taken->ids, taken->max, &taken->count);
    return err ? XF_ERR_IO : XF_OK;
}

enum xf_err xf_journal_take_dirty(struct xf_journal *journal, size_t migration, struct xf_point_id *ids, size_t max,
                                  size_t *count)
{
    char number[XF_U64_TEXT_MAX];
    struct xf_ward *ward = ward_of(journal, migration);
    struct xf_slice args[] = {xf_slice(number, xf_u64_print(max, number))};
    struct taken taken = {.ids = ids, .max = max};
    struct xf_call call = {
        .ward = ward, .script = XF_SCRIPT_TAKE, .args = args, .arg_count = 1, .read = read_taken, .result = &taken};
    enum xf_err err = check_lead(ward);
    if (!err)
        err = xf_call_run(&call);
    if (!err)
        *count = taken.count;
    return err;
}

static enum xf_err mark(struct xf_ward *ward, bool is_all, const struct xf_point_id *ids, size_t count)
{
    char packed[XF_GIVE_IDS * XF_PACKED_ID_MAX];
    struct xf_slice args[] = {is_all ? XF_SLICE("1") : XF_SLICE("0"), XF_SLICE("0"),
                              xf_slice(packed, xf_pack_ids(ids, count, packed))};
    struct xf_call call = {.ward = ward, .script = XF_SCRIPT_MARK, .args = args, .arg_count = 3};
    return xf_call_run(&call);
}

enum xf_err xf_journal_mark_dirty(struct xf_journal *journal, size_t migration, const struct xf_journal_scope *scope)
{
    struct xf_ward *ward = ward_of(journal, migration);
    if (scope->is_all)
        return mark(ward, true, NULL, 0);
    enum xf_err err = XF_OK;
    for (size_t at = 0; at < scope->id_count && !err; at += XF_GIVE_IDS) {
        size_t left = scope->id_count - at;
        err = mark(ward, false, scope->ids + at, left < XF_GIVE_IDS ? left : XF_GIVE_IDS);
    }
    return err;
}

/* --- Reconciles, and the dead --- */

static enum xf_err read_moment(struct xf_call *call, const struct xf_script_reply *reply)
{
    struct xf_journal_moment *moment = call->result;
    if (reply->extra_count < 3)
        return XF_ERR_IO;
    struct xf_slice incarnation = xf_redis_reply_text(xf_redis_reply_item(reply->reply, reply->extra + 2));
    if (!incarnation.len || incarnation.len >= sizeof moment->incarnation)
        return XF_ERR_IO;
    *moment = (struct xf_journal_moment){.number = xf_reply_number(reply, 0), .is_early = xf_reply_number(reply, 1) != 0};
    memcpy(moment->incarnation, incarnation.ptr, incarnation.len);
    return XF_OK;
}

enum xf_err xf_journal_reconcile_begin(struct xf_journal *journal, size_t migration, struct xf_journal_moment *moment)
{
    struct xf_ward *ward = ward_of(journal, migration);
    struct xf_journal_moment now;
    struct xf_call call = {.ward = ward, .script = XF_SCRIPT_MOMENT, .read = read_moment, .result = &now};
    enum xf_err err = check_lead(ward);
    if (!err)
        err = xf_call_run(&call);
    if (!err)
        *moment = now;
    return err;
}

static enum xf_err read_flag(struct xf_call *call, const struct xf_script_reply *reply)
{
    *(bool *)call->result = xf_reply_number(reply, 0) != 0;
    return XF_OK;
}

/* What this replica itself has not told yet, Redis cannot count in. */
static bool has_untold(struct xf_ward *ward)
{
    xf_lock(&ward->member.lock);
    bool has = atomic_load(&ward->member.is_losing) || atomic_load(&ward->is_telling) || xf_spill_has_all(ward->member.spill);
    xf_unlock(&ward->member.lock);
    return has;
}

enum xf_err xf_journal_reconcile_end(struct xf_journal *journal, size_t migration, struct xf_journal_moment moment,
                                     bool *is_known)
{
    struct xf_ward *ward = ward_of(journal, migration);
    char number[XF_U64_TEXT_MAX];
    bool is_early = moment.is_early || has_untold(ward), answer = false;
    struct xf_slice args[] = {xf_slice(number, xf_u64_print(moment.number, number)),
                              is_early ? XF_SLICE("1") : XF_SLICE("0"), xf_slice_of(moment.incarnation)};
    struct xf_call call = {
        .ward = ward, .script = XF_SCRIPT_KNOWN, .args = args, .arg_count = 3, .read = read_flag, .result = &answer};
    enum xf_err err = check_lead(ward);
    if (!err)
        err = xf_call_run(&call);
    if (!err)
        *is_known = answer;
    return err;
}

static bool is_in(struct xf_ward *ward, const char *replica)
{
    bool is_there = false;
    xf_lock(&ward->member.lock);
    for (size_t i = 0; i < ward->peer_count; i++)
        is_there = is_there || (ward->peers[i].is_in && strcmp(ward->peers[i].id, replica) == 0);
    xf_unlock(&ward->member.lock);
    return is_there;
}

enum xf_err xf_journal_forget(struct xf_journal *journal, size_t migration, const char *replica)
{
    struct xf_ward *ward = ward_of(journal, migration);
    bool was_there = false;
    struct xf_slice args[] = {xf_slice_of(replica)};
    struct xf_call call = {
        .ward = ward, .script = XF_SCRIPT_FORGET, .args = args, .arg_count = 1, .read = read_flag, .result = &was_there};
    enum xf_err err = xf_call_run(&call);
    if (err || was_there)
        return err;
    return is_in(ward, replica) ? XF_ERR_STATE : XF_ERR_NOT_FOUND;
}
