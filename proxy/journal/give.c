/* Giving Redis what it could not be told: ids in the local file, and that everything is unknown.
 *
 * The file is given piece by piece, one `mark` under way at a time, and cut when all of it has been taken; what comes in
 * meanwhile has it given once more. Until then beats say that this replica does not write both sides, which keeps those
 * from going on who rely on all replicas.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"
#include "proxy/journal/journal_int.h"
#include "proxy/journal/pack.h"

static struct xf_slice flag(bool is_set)
{
    return is_set ? XF_SLICE("1") : XF_SLICE("0");
}

bool xf_ward_says_dual(const struct xf_ward *ward)
{
    const struct xf_member *member = &ward->member;
    return atomic_load(&member->is_dual) && xf_spill_is_empty(member->spill) && !atomic_load(&member->cut_off_ops) &&
           !atomic_load(&member->is_losing);
}

bool xf_give_is_due(const struct xf_ward *ward)
{
    return (atomic_load(&ward->member.is_losing) && !ward->tell.is_out) ||
           (!xf_spill_is_empty(ward->member.spill) && !ward->give.is_out);
}

/* --- Everything --- */

/* Both words change under the lock, so that whoever looks at them under it sees at least one. */
static void set_telling(struct xf_ward *ward, bool is_telling)
{
    xf_lock(&ward->member.lock);
    atomic_store(&ward->is_telling, is_telling);
    if (is_telling)
        atomic_store(&ward->member.is_losing, false);
    xf_unlock(&ward->member.lock);
}

static void tell_later(struct xf_ward *ward)
{
    if (ward->tells_held)
        atomic_store(&ward->member.is_loss_held, true);
    atomic_store(&ward->member.is_losing, true);
    set_telling(ward, false);
}

static void on_told(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_errand *errand = ctx;
    struct xf_script_reply out;
    if (xf_errand_read(errand, err, reply, &out) && out.status == XF_SCRIPT_OK)
        set_telling(errand->ward, false);
    else
        tell_later(errand->ward);
}

static void tell_everything(struct xf_ward *ward)
{
    set_telling(ward, true);
    ward->tells_held = atomic_exchange(&ward->member.is_loss_held, false); /* set before is_losing, so looked at after it */
    struct xf_slice args[] = {flag(true), flag(ward->tells_held), XF_SLICE("")};
    xf_errand_send(&ward->tell, XF_SCRIPT_MARK, args, 3, on_told);
    if (!ward->tell.is_out)
        tell_later(ward);
}

/* --- The file --- */

static void give_next(struct xf_ward *ward);

static void keep_held(struct xf_ward *ward)
{
    if (ward->gives_held)
        atomic_store(&ward->member.is_spill_held, true);
}

/* What has come in meanwhile may be what had to be held. */
static void take_done(struct xf_ward *ward)
{
    xf_spill_take_done(ward->member.spill, &ward->take);
    if (!xf_spill_is_empty(ward->member.spill))
        keep_held(ward);
}

static void on_given(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_errand *errand = ctx;
    struct xf_script_reply out;
    if (!xf_errand_read(errand, err, reply, &out) || out.status != XF_SCRIPT_OK)
        keep_held(errand->ward);
    else if (errand->ward->gives_last)
        take_done(errand->ward);
    else
        give_next(errand->ward);
}

static void mark(struct xf_ward *ward, bool is_all, struct xf_slice ids)
{
    struct xf_slice args[] = {flag(is_all), flag(ward->gives_held), ids};
    xf_errand_send(&ward->give, XF_SCRIPT_MARK, args, 3, on_given);
    if (!ward->give.is_out)
        keep_held(ward);
}

/* "All" goes first, so that nothing is believed while the ids come. A file that cannot be read any more is "all", too. */
static void give_next(struct xf_ward *ward)
{
    struct xf_point_id ids[XF_GIVE_IDS];
    char packed[XF_GIVE_IDS * XF_PACKED_ID_MAX];
    size_t count = 0;
    if (ward->gives_all) {
        ward->gives_all = false;
        mark(ward, true, XF_SLICE(""));
        return;
    }
    ward->gives_last = xf_spill_take_next(ward->member.spill, &ward->take, ids, XF_GIVE_IDS, &count) != XF_OK;
    if (ward->gives_last)
        mark(ward, true, XF_SLICE(""));
    else if (count)
        mark(ward, false, xf_slice(packed, xf_pack_ids(ids, count, packed)));
    else
        take_done(ward);
}

void xf_give(struct xf_ward *ward)
{
    struct xf_member *member = &ward->member;
    if (!atomic_load(&member->generation))
        return;
    if (atomic_load(&member->is_losing) && !ward->tell.is_out)
        tell_everything(ward);
    if (xf_spill_is_empty(member->spill) || ward->give.is_out)
        return;
    xf_spill_take_begin(member->spill, &ward->take); /* the order matters: see xf_ops_cut_off */
    atomic_fetch_add(&member->given, 1);
    ward->gives_held = atomic_load(&member->cut_off_ops) > 0;
    ward->gives_held = atomic_exchange(&member->is_spill_held, false) || ward->gives_held;
    ward->gives_held = xf_spill_is_inherited(member->spill) || ward->gives_held;
    ward->gives_all = xf_spill_has_all(member->spill);
    give_next(ward);
}
