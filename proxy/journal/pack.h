/* Ids as the journal's scripts know them: a number is 'n' and eight bytes, a UUID 'u' and sixteen, big-endian, so that the
 * order of the bytes is the order of the ids. A list is one after another. Pure. Internal to this folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_PACK_H
#define XF_PROXY_JOURNAL_PACK_H

#include "common/base/slice.h"
#include "common/json/point_id.h"

enum { XF_PACKED_ID_MAX = 17 };

size_t xf_pack_size(const struct xf_point_id *ids, size_t count); /* bytes that xf_pack_ids writes */
/* Returns how many bytes it wrote. */
size_t xf_pack_ids(const struct xf_point_id *ids, size_t count, char *out);
/* Reads up to `max` ids from the front of `packed` and takes them off. INVALID: not such a list; `count` is then what could be
 * read. */
XF_MUST_CHECK enum xf_err xf_unpack_ids(struct xf_slice *packed, struct xf_point_id *ids, size_t max, size_t *count);

#endif
