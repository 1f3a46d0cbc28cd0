/* Request targets, read as Qdrant's server reads them (actix-web's NormalizePath::trim and actix-router, Qdrant 1.18.3):
 * absolute form is taken and its authority ignored; runs of slashes merge and trailing ones fall; the whole path is
 * percent-decoded once except %25, %2F and %2B; then each segment is decoded again with nothing protected. A path goes
 * upstream in its one canonical spelling, so that proxy and server cannot read it differently.
 * docs/architecture.md has the rules with examples.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_HTTP_PATH_H
#define XF_COMMON_HTTP_PATH_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/slice.h"

#include <stdint.h>

enum { XF_PATH_SEGMENTS_MAX = 16 };

struct xf_path {
    struct xf_slice segments[XF_PATH_SEGMENTS_MAX]; /* fully decoded; may hold any byte, '/' too */
    uint16_t segment_count;                         /* 0 for "/" */
    bool is_long;                                   /* more segments than fit: no endpoint has so many */
    struct xf_slice canonical;                      /* starts with '/', without the query */
    struct xf_slice query;                          /* behind the '?', as sent; ptr NULL if there is no '?' */
};

/* Views into `target` where nothing had to be decoded, else into `pool`. HTTP_TARGET for what has no canonical spelling or
 * no meaning: not starting with '/' (and not http(s)://), a raw '#', a control, blank or 8-bit byte, '<', '>', '`',
 * a NUL once decoded, bytes that are not UTF-8 once decoded. NOMEM when the pool is full. */
XF_MUST_CHECK enum xf_err xf_path_parse(struct xf_path *path, struct xf_slice target, struct xf_pool *pool);

/* The canonical spelling of one segment: the text percent-encoded so that both rounds of decoding give it back. */
XF_MUST_CHECK enum xf_err xf_path_encode_segment(struct xf_pool *pool, struct xf_slice segment, struct xf_slice *out);
/* The canonical path with segment `index` replaced (not yet encoded) and the query put back. */
XF_MUST_CHECK enum xf_err xf_path_with_segment(const struct xf_path *path, struct xf_pool *pool, uint16_t index,
                                               struct xf_slice replacement, struct xf_slice *target);

/* The value of a query parameter by Qdrant's form decoding ('+' is a blank, keys may be encoded). NOT_FOUND if absent,
 * INVALID if it stands there more than once. The value is a view into the query or the pool. */
XF_MUST_CHECK enum xf_err xf_query_get(const struct xf_path *path, struct xf_pool *pool, struct xf_slice key,
                                       struct xf_slice *value);

#endif
