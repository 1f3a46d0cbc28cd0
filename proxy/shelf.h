/* The worker's small values (cursor, reports), where any thread can read them without waiting for the control thread, which
 * owns the durable copies. Thread-safe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SHELF_H
#define XF_PROXY_SHELF_H

#include "common/base/buf.h"

struct xf_shelf;

struct xf_shelf *xf_shelf_new(void); /* NULL without memory */
void xf_shelf_free(struct xf_shelf *shelf);
/* Replaces what stands under the name. */
XF_MUST_CHECK enum xf_err xf_shelf_put(struct xf_shelf *shelf, size_t migration, const char *name, struct xf_slice value);
/* Appends the value; NOT_FOUND if there is none. */
XF_MUST_CHECK enum xf_err xf_shelf_get(struct xf_shelf *shelf, size_t migration, const char *name, struct xf_buf *out);

#endif
