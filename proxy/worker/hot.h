/* Ids whose copies were in vain of late, because writes came by each time. Those that were so three times in a row are
 * copied while their writers wait. Pure; bounded: of more ids than fit, the first count. One thread's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_HOT_H
#define XF_PROXY_WORKER_HOT_H

#include "common/json/point_id.h"

enum { XF_HOT_SLOTS = 4096, XF_HOT_TRIES = 3 };

struct xf_hot {
    struct {
        struct xf_point_id id;
        unsigned tries; /* one more than there were; 0: free */
    } slots[XF_HOT_SLOTS];
    size_t used;
};

bool xf_hot_is(const struct xf_hot *hot, struct xf_point_id id);
void xf_hot_add(struct xf_hot *hot, struct xf_point_id id); /* one more copy in vain */
void xf_hot_forget(struct xf_hot *hot, struct xf_point_id id);
void xf_hot_clear(struct xf_hot *hot);

#endif
