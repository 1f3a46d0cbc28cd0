/* Rewrites collection names inside the bodies of reads as they stream by: `lookup_from.collection` and `with_lookup` (a
 * name or an object with `collection`), at the top, in `searches[*]` and in `prefetch` trees of any depth, and nowhere
 * else (a payload or filter that looks alike is left alone). Everything else passes byte for byte.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SCAN_REWRITE_H
#define XF_PROXY_SCAN_REWRITE_H

#include "common/base/error.h"
#include "common/base/slice.h"

/* Asked for each collection name (decoded). True and *replacement (not yet JSON; must hold until the call after) to
 * change it. */
typedef bool xf_rename_fn(void *ctx, struct xf_slice name, struct xf_slice *replacement);
/* Gets the body in order, as views that hold during the call. */
typedef enum xf_err xf_rewrite_out_fn(void *ctx, struct xf_slice bytes);

struct xf_rewrite;
XF_MUST_CHECK enum xf_err xf_rewrite_new(xf_rename_fn *rename, xf_rewrite_out_fn *out, void *ctx,
                                         struct xf_rewrite **rewrite);
/* Bytes that may still belong to a name are kept back (at most a few hundred) until more come. What is not JSON goes
 * through unchanged: the server says what is wrong with it. */
XF_MUST_CHECK enum xf_err xf_rewrite_feed(struct xf_rewrite *rewrite, struct xf_slice in);
XF_MUST_CHECK enum xf_err xf_rewrite_finish(struct xf_rewrite *rewrite);
bool xf_rewrite_has_changed(const struct xf_rewrite *rewrite); /* some name was replaced so far */
void xf_rewrite_free(struct xf_rewrite *rewrite);              /* NULL is fine */

#endif
