/* The point ids of one body: appended as they come, sorted and made unique once at the end. Internal to proxy/scan.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SCAN_ID_SET_H
#define XF_PROXY_SCAN_ID_SET_H

#include "common/base/error.h"
#include "common/json/point_id.h"

struct xf_id_set {
    struct xf_point_id *ids;
    size_t count;
    size_t room;
    size_t max;
    bool is_unordered; /* some id was not greater than the one before it */
};

void xf_id_set_fini(struct xf_id_set *set);
/* NOMEM, or FULL at the maximum; the set stays as it was. */
XF_MUST_CHECK enum xf_err xf_id_set_add(struct xf_id_set *set, struct xf_point_id id);
void xf_id_set_sort(struct xf_id_set *set);

#endif
