/* The ids of one body. Most clients send them ascending, so the sort is skipped where it is not needed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/id_set.h"

#include <stdlib.h>

enum { ROOM_MIN = 64 };

void xf_id_set_fini(struct xf_id_set *set)
{
    free(set->ids);
    set->ids = NULL;
    set->count = set->room = 0;
}

static enum xf_err grow(struct xf_id_set *set)
{
    size_t room = set->room ? set->room * 2 : ROOM_MIN;
    struct xf_point_id *ids = realloc(set->ids, room * sizeof *ids);
    if (!ids)
        return XF_ERR_NOMEM;
    set->ids = ids;
    set->room = room;
    return XF_OK;
}

enum xf_err xf_id_set_add(struct xf_id_set *set, struct xf_point_id id)
{
    if (set->count == set->max)
        return XF_ERR_FULL;
    if (set->count == set->room) {
        enum xf_err err = grow(set);
        if (err)
            return err;
    }
    if (set->count > 0 && xf_point_id_cmp(set->ids[set->count - 1], id) >= 0)
        set->is_unordered = true;
    set->ids[set->count++] = id;
    return XF_OK;
}

static int compare(const void *a, const void *b)
{
    return xf_point_id_cmp(*(const struct xf_point_id *)a, *(const struct xf_point_id *)b);
}

void xf_id_set_sort(struct xf_id_set *set)
{
    if (!set->is_unordered)
        return;
    qsort(set->ids, set->count, sizeof *set->ids, compare);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++)
        if (!xf_point_id_eq(set->ids[kept - 1], set->ids[i]))
            set->ids[kept++] = set->ids[i];
    set->count = kept;
    set->is_unordered = false;
}
