/* The ids in an answer of scroll that was asked for neither payload nor vectors. Pure: bytes in, ids out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SCAN_SCROLL_PAGE_H
#define XF_PROXY_SCAN_SCROLL_PAGE_H

#include "common/base/slice.h"
#include "proxy/scan/id_set.h"

struct xf_scroll_page {
    bool has_next;
    struct xf_point_id next; /* the first id of the next page */
};

/* Adds the ids of `result.points` to the set, and says what `result.next_page_offset` says. JSON_SYNTAX, JSON_DEPTH or
 * JSON_SHAPE for what is no such answer, FULL or NOMEM of the set; it may have been added to then. */
XF_MUST_CHECK enum xf_err xf_scroll_page_read(struct xf_scroll_page *page, struct xf_slice answer, struct xf_id_set *ids);

#endif
