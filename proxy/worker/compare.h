/* Are two points the same? Payloads as JSON values: order of keys aside, integers by their digits, doubles within one
 * unit in the last place, because Qdrant's reader moves them by so much (Qdrant 1.18.3). Vectors as f32, after what the
 * other side does to a vector that it is given: rounding to its datatype, and with cosine normalising. Exactly, but where
 * one normalises, which may round differently from one machine to another. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_COMPARE_H
#define XF_PROXY_WORKER_COMPARE_H

#include "proxy/worker/collection.h"
#include "proxy/worker/points.h"

/* NULL if they are equal, else a static text: what differs. */
const char *xf_point_difference(const struct xf_point *legacy, const struct xf_point *new,
                                const struct xf_collection side[XF_SIDE_COUNT]);
bool xf_json_equal(struct xf_slice a, struct xf_slice b);

/* Two answers to one search: the same ids, but for ties at the end of the list, and the same scores. */
bool xf_hits_equal(struct xf_slice answer_a, struct xf_slice answer_b);

#endif
