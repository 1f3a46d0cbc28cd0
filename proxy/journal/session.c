/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/session.h"

#include "common/base/log.h"
#include "common/base/num.h"

#include <stdio.h>
#include <string.h>

/* Takes the names of the generation in force; false when there is none. */
static bool renew(struct xf_session *session)
{
    struct xf_member *member = session->member;
    pthread_mutex_lock(&member->lock);
    session->generation = atomic_load(&member->generation);
    memcpy(session->inc, member->inc, sizeof session->inc);
    uint64_t boot = member->boot;
    pthread_mutex_unlock(&member->lock);
    session->counter = 0;
    int len = snprintf(session->name, sizeof session->name, "%s/%llu/%u", xf_journal_replica_id(member->journal),
                       (unsigned long long)boot, session->number);
    XF_ASSERT(len > 0 && (size_t)len < sizeof session->name);
    session->name_len = (size_t)len;
    return session->generation != 0;
}

enum xf_err xf_session_send(struct xf_session *session, struct xf_redis *redis, enum xf_script script,
                            const struct xf_slice *args, size_t count, xf_redis_reply_fn *reply, void *ctx)
{
    uint64_t generation = atomic_load(&session->member->generation);
    if (generation == 0 || !xf_redis_is_up(redis))
        return XF_ERR_STATE;
    if (generation != session->generation && !renew(session))
        return XF_ERR_STATE;
    char counter[XF_U64_TEXT_MAX];
    struct xf_slice all[7 + XF_SCRIPT_ARGS_MAX] = {
        XF_SLICE("EVALSHA"),
        xf_slice_of(xf_script_sha(script)),
        XF_SLICE("1"),
        xf_slice_of(session->member->base),
        xf_slice_of(session->inc),
        xf_slice(session->name, session->name_len),
        xf_slice(counter, xf_u64_print(session->counter + 1, counter)),
    };
    XF_ASSERT(count <= XF_SCRIPT_ARGS_MAX);
    if (count)
        memcpy(&all[7], args, count * sizeof *args);
    enum xf_err err = xf_redis_command(redis, all, 7 + count, reply, ctx);
    session->counter += err == XF_OK;
    return err;
}

static size_t number_at(const struct xf_redis_reply *reply, size_t i)
{
    int64_t number = xf_redis_reply_integer(xf_redis_reply_item(reply, i));
    return number > 0 ? (size_t)number : 0;
}

static bool read_status(struct xf_slice word, enum xf_script_status *status)
{
    if (xf_slice_eq(word, XF_SLICE("OK")))
        *status = XF_SCRIPT_OK;
    else if (xf_slice_eq(word, XF_SLICE("BUSY")))
        *status = XF_SCRIPT_BUSY;
    else if (xf_slice_eq(word, XF_SLICE("FENCED")))
        *status = XF_SCRIPT_FENCED;
    else
        return false;
    return true;
}

/* False for LAPSED, EMPTY, OTHER, an error reply, and what makes no sense. */
static bool read_head(const struct xf_redis_reply *reply, struct xf_script_reply *out)
{
    size_t count = xf_redis_reply_count(reply);
    if (count < XF_REPLY_HEAD || !read_status(xf_redis_reply_text(xf_redis_reply_item(reply, 0)), &out->status))
        return false;
    out->picture = (struct xf_picture){.seq = number_at(reply, 1),
                                       .is_unknown = number_at(reply, 2) != 0,
                                       .dirty = number_at(reply, 3),
                                       .in_flight = number_at(reply, 4),
                                       .held = number_at(reply, 5),
                                       .is_held_whole = number_at(reply, 6) != 0};
    out->was_rolled_back = number_at(reply, 7) != 0;
    out->reply = reply;
    out->extra = XF_REPLY_HEAD;
    out->extra_count = count - XF_REPLY_HEAD;
    return true;
}

static const char *name_of(const struct xf_member *member)
{
    return xf_journal_options(member->journal)->config->migrations[member->migration].name;
}

static void report_out(const struct xf_member *member, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_slice said = XF_SLICE("what makes no sense");
    if (err) {
        xf_log(XF_LOG_WARN, "journal", "migration=%s err=%s: the connection went with commands unanswered, joining again",
               name_of(member), xf_err_name(err));
        return;
    }
    if (xf_redis_reply_type(reply) == XF_REDIS_ERROR)
        said = xf_redis_reply_text(reply);
    else if (xf_redis_reply_count(reply) > 0)
        said = xf_redis_reply_text(xf_redis_reply_item(reply, 0));
    xf_log(XF_LOG_WARN, "journal", "migration=%s answer=%.*s: redis does not take what this replica says, joining again",
           name_of(member), XF_SLICE_ARG(said));
}

void xf_session_read(struct xf_member *member, uint64_t generation, enum xf_err err, const struct xf_redis_reply *reply,
                     struct xf_script_reply *out)
{
    *out = (struct xf_script_reply){.status = XF_SCRIPT_OUT};
    if (err || !read_head(reply, out)) {
        bool is_news = generation && err != XF_ERR_STATE; /* not a join, nor the connection being freed */
        if (is_news && atomic_load(&member->generation) == generation) /* once, not for each of what was under way */
            report_out(member, err, reply);
        xf_member_lost(member, generation);
        return;
    }
    xf_member_saw(member, generation, &out->picture);
    if (out->was_rolled_back) { /* what else is gone nobody knows: ops of other sessions, copies, the lead */
        atomic_fetch_add(&xf_journal_tally(member->journal)->rolled_back, 1);
        xf_log(XF_LOG_WARN, "journal", "migration=%s: redis has lost steps of this replica; everything counts as unknown",
               name_of(member));
        xf_member_lost(member, generation);
    }
}
