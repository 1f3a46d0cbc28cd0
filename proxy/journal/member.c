/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/member.h"

#include "common/base/clock.h"
#include "proxy/journal/journal_int.h"

bool xf_member_holds(const struct xf_member *member)
{
    return atomic_load(&member->generation) != 0 && xf_clock_boot_ms() < atomic_load(&member->lease_until_ms);
}

void xf_member_lost(struct xf_member *member, uint64_t generation)
{
    if (!generation || !atomic_compare_exchange_strong(&member->generation, &generation, 0))
        return;
    atomic_store(&member->token, 0); /* should that be late and meet a new token, the next beat brings it back */
    xf_keeper_poke(member->journal);
}

void xf_member_saw(struct xf_member *member, uint64_t generation, const struct xf_picture *picture)
{
    xf_lock(&member->lock);
    if (generation && generation == atomic_load(&member->generation)) {
        member->answers++;
        if (picture->seq >= member->picture.seq)
            member->picture = *picture;
    }
    xf_unlock(&member->lock);
}

struct xf_member *xf_journal_member(struct xf_journal *journal, size_t migration)
{
    XF_ASSERT(migration < journal->ward_count);
    return &journal->wards[migration].member;
}

const struct xf_journal_options *xf_journal_options(const struct xf_journal *journal)
{
    return &journal->options;
}

unsigned xf_journal_next_link(struct xf_journal *journal)
{
    unsigned number = atomic_fetch_add(&journal->links, 1) + 1;
    return number <= journal->options.link_count ? number : 0;
}

struct xf_journal_tally *xf_journal_tally(struct xf_journal *journal)
{
    return &journal->tally;
}
