/* A hash table with linear probing. A forgotten id keeps its slot until the table is cleared, so that others are found
 * behind it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/hot.h"

#include <string.h>

enum { USED_MAX = XF_HOT_SLOTS / 4 * 3, FORGOTTEN = 1 };

static size_t slot_of(const struct xf_hot *hot, struct xf_point_id id)
{
    size_t at = xf_point_id_hash(id) % XF_HOT_SLOTS;
    while (hot->slots[at].tries && !xf_point_id_eq(hot->slots[at].id, id))
        at = (at + 1) % XF_HOT_SLOTS;
    return at;
}

bool xf_hot_is(const struct xf_hot *hot, struct xf_point_id id)
{
    return hot->slots[slot_of(hot, id)].tries > XF_HOT_TRIES;
}

void xf_hot_add(struct xf_hot *hot, struct xf_point_id id)
{
    size_t at = slot_of(hot, id);
    if (!hot->slots[at].tries) {
        if (hot->used == USED_MAX)
            return;
        hot->used++;
        hot->slots[at].id = id;
        hot->slots[at].tries = FORGOTTEN;
    }
    if (hot->slots[at].tries <= XF_HOT_TRIES)
        hot->slots[at].tries++;
}

void xf_hot_forget(struct xf_hot *hot, struct xf_point_id id)
{
    size_t at = slot_of(hot, id);
    if (hot->slots[at].tries)
        hot->slots[at].tries = FORGOTTEN;
}

void xf_hot_clear(struct xf_hot *hot)
{
    memset(hot, 0, sizeof *hot);
}
