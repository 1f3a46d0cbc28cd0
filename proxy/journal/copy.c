/* Copies, on the worker's threads. A copy belongs to the claim (token) and the join (generation) it was begun under; when
 * either is over it must not write any more, and its end makes its ids dirty. What Redis cannot be told at the end goes
 * to the local file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "proxy/journal/journal_int.h"
#include "proxy/journal/pack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READY_EVERY_MS = 10, READY_MAX_MS = 1000, ID_BYTES = 96 };

struct xf_journal_copy {
    struct xf_ward *ward;
    uint64_t generation;
    uint64_t token;
    char id[ID_BYTES];
    char token_text[XF_U64_TEXT_MAX + 1];
    size_t writers; /* in flight in its scope when last asked */
    bool is_range;
    size_t id_count;
    struct xf_point_id ids[]; /* of a list */
};

static struct xf_slice flag(bool is_set)
{
    return is_set ? XF_SLICE("1") : XF_SLICE("0");
}

/* NULL: out of memory. */
static char *pack(const struct xf_point_id *ids, size_t count, struct xf_slice *packed)
{
    char *bytes = malloc(xf_pack_size(ids, count) + 1);
    if (bytes)
        *packed = xf_slice(bytes, xf_pack_ids(ids, count, bytes));
    return bytes;
}

/* --- Begin --- */

static struct xf_journal_copy *copy_new(struct xf_ward *ward, const struct xf_copy_scope *scope)
{
    size_t count = scope->is_range ? 0 : scope->id_count, bytes;
    if (__builtin_mul_overflow(count, sizeof *scope->ids, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct xf_journal_copy), &bytes))
        return NULL;
    struct xf_journal_copy *copy = calloc(1, bytes);
    if (!copy)
        return NULL;
    struct xf_journal *journal = ward->member.journal;
    copy->ward = ward;
    copy->token = atomic_load(&ward->member.token);
    copy->token_text[xf_u64_print(copy->token, copy->token_text)] = '\0';
    copy->is_range = scope->is_range;
    copy->id_count = count;
    if (count)
        memcpy(copy->ids, scope->ids, count * sizeof *copy->ids);
    (void)snprintf(copy->id, sizeof copy->id, "%s/%s/%" PRIu64, journal->file.id, journal->nonce,
                   atomic_fetch_add(&journal->copies_begun, 1) + 1);
    return copy;
}

/* The keeper's thread, which joins again only when no copy is in hand: so the copy is of the join that is in force, or it is
 * none. */
static enum xf_err read_begun(struct xf_call *call, const struct xf_script_reply *reply)
{
    struct xf_journal_copy *copy = call->result;
    if (call->generation != atomic_load(&call->ward->member.generation))
        return XF_ERR_IO;
    copy->writers = xf_reply_number(reply, 0);
    copy->generation = call->generation;
    atomic_fetch_add(&call->ward->copies_in_hand, 1);
    return XF_OK;
}

static enum xf_err begin(struct xf_journal_copy *copy, const struct xf_copy_scope *scope)
{
    char from[XF_PACKED_ID_MAX], to[XF_PACKED_ID_MAX];
    struct xf_slice ids;
    char *packed = pack(copy->ids, copy->id_count, &ids);
    if (!packed)
        return XF_ERR_NOMEM;
    size_t from_len = scope->is_range && scope->from ? xf_pack_ids(scope->from, 1, from) : 0;
    size_t to_len = scope->is_range && scope->to ? xf_pack_ids(scope->to, 1, to) : 0;
    struct xf_slice args[] = {xf_slice_of(copy->id),  xf_slice_of(copy->token_text), flag(scope->is_range),
                              flag(scope->is_exclusive), xf_slice(from, from_len),   xf_slice(to, to_len),
                              ids};
    struct xf_call call = {.ward = copy->ward,
                           .script = XF_SCRIPT_COPY_BEGIN,
                           .args = args,
                           .arg_count = sizeof args / sizeof *args,
                           .read = read_begun,
                           .result = copy};
    enum xf_err err = xf_call_run(&call);
    free(packed);
    return err;
}

static enum xf_err read_ready(struct xf_call *call, const struct xf_script_reply *reply)
{
    ((struct xf_journal_copy *)call->result)->writers = xf_reply_number(reply, 0);
    return XF_OK;
}

static enum xf_err ask_whether_ready(struct xf_journal_copy *copy, bool wants_to_go)
{
    struct xf_slice args[] = {xf_slice_of(copy->id), xf_slice_of(copy->token_text), flag(wants_to_go)};
    struct xf_call call = {.ward = copy->ward,
                           .script = XF_SCRIPT_COPY_READY,
                           .args = args,
                           .arg_count = 3,
                           .read = read_ready,
                           .result = copy};
    return xf_call_run(&call);
}

/* New writers wait for the copy, so those in flight become fewer; past the bound it begins among those that are left. */
static enum xf_err wait_for_writers(struct xf_journal_copy *copy)
{
    uint64_t start_ms = xf_clock_now_ms();
    enum xf_err err = XF_OK;
    while (copy->writers && !err) {
        bool is_over = xf_clock_now_ms() - start_ms >= READY_MAX_MS;
        if (!is_over)
            usleep(READY_EVERY_MS * 1000);
        err = ask_whether_ready(copy, is_over);
        if (is_over)
            break;
    }
    return err;
}

enum xf_err xf_journal_copy_begin(struct xf_journal *journal, size_t migration, const struct xf_copy_scope *scope,
                                  struct xf_journal_copy **copy)
{
    struct xf_ward *ward = xf_ward_of(xf_journal_member(journal, migration));
    if (!xf_member_holds(&ward->member))
        return XF_ERR_IO;
    struct xf_journal_copy *made = copy_new(ward, scope);
    if (!made)
        return XF_ERR_NOMEM;
    if (!made->token) {
        free(made);
        return XF_ERR_STATE;
    }
    enum xf_err err = begin(made, scope);
    if (err) {
        free(made);
        return err;
    }
    if (scope->is_exclusive)
        err = wait_for_writers(made);
    if (err) {
        struct xf_copy_result_ids nothing;
        xf_journal_copy_end(made, NULL, 0, XF_COPY_FAILED, &nothing);
        return err;
    }
    *copy = made;
    return XF_OK;
}

bool xf_journal_copy_may_write(const struct xf_journal_copy *copy)
{
    const struct xf_member *member = &copy->ward->member;
    return xf_member_holds(member) && atomic_load(&member->token) == copy->token &&
           atomic_load(&member->generation) == copy->generation;
}

/* --- End --- */

static enum xf_err read_ended(struct xf_call *call, const struct xf_script_reply *reply)
{
    *(struct xf_copy_result_ids *)call->result =
        (struct xf_copy_result_ids){.kept = xf_reply_number(reply, 0), .met_all = xf_reply_number(reply, 1) != 0};
    return XF_OK;
}

static enum xf_err tell_end(const struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count,
                            enum xf_copy_end how, struct xf_copy_result_ids *result)
{
    static const char *const hows[] = {[XF_COPY_DONE] = "done", [XF_COPY_FAILED] = "failed", [XF_COPY_UNKNOWN] = "unknown"};
    struct xf_slice written;
    char *packed = pack(ids, id_count, &written);
    if (!packed)
        return XF_ERR_NOMEM;
    struct xf_slice args[] = {xf_slice_of(copy->id), xf_slice_of(copy->token_text), xf_slice_of(hows[how]), written};
    struct xf_call call = {.ward = copy->ward,
                           .script = XF_SCRIPT_COPY_END,
                           .args = args,
                           .arg_count = 4,
                           .read = read_ended,
                           .result = result};
    enum xf_err err = xf_call_run(&call);
    free(packed);
    return err;
}

/* Into the file, held: whoever takes it while this goes on may have missed one or the other, so that it is done again. */
static enum xf_err spill(struct xf_member *member, const struct xf_point_id *ids, size_t id_count, bool is_held)
{
    enum xf_err err;
    uint64_t given;
    do {
        given = atomic_load(&member->given);
        if (is_held)
            atomic_store(&member->is_spill_held, true);
        err = id_count ? xf_spill_add(member->spill, ids, id_count) : XF_OK;
    } while (!err && is_held && given != atomic_load(&member->given));
    return err;
}

/* The answer may have got lost after all was well; then these ids are copied once more. */
static void keep(const struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count, enum xf_copy_end how,
                 struct xf_copy_result_ids *result)
{
    struct xf_member *member = &copy->ward->member;
    enum xf_err err = spill(member, copy->ids, copy->id_count, how == XF_COPY_UNKNOWN);
    if (!err)
        err = spill(member, ids, id_count, how == XF_COPY_UNKNOWN);
    if (err) {
        xf_log(XF_LOG_ERROR, "journal", "err=%s: ids of a copy can be kept nowhere, a reconcile is needed", xf_err_name(err));
        xf_journal_lose(member->journal, member->migration);
    }
    *result = (struct xf_copy_result_ids){.kept = copy->id_count + id_count};
}

void xf_journal_copy_end(struct xf_journal_copy *copy, const struct xf_point_id *ids, size_t id_count, enum xf_copy_end how,
                         struct xf_copy_result_ids *result)
{
    struct xf_ward *ward = copy->ward;
    *result = (struct xf_copy_result_ids){0};
    if (tell_end(copy, ids, id_count, how, result))
        keep(copy, ids, id_count, how, result);
    atomic_fetch_sub(&ward->copies_in_hand, 1);
    xf_keeper_poke(ward->member.journal);
    free(copy);
}
