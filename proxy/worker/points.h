/* The points of a scroll or retrieve answer as raw slices of its text, and the text of the requests that write them
 * into another collection. Pure: bytes in, bytes out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_POINTS_H
#define XF_PROXY_WORKER_POINTS_H

#include "common/base/buf.h"
#include "common/json/point_id.h"

struct xf_point {
    struct xf_point_id id;
    struct xf_slice raw;     /* the whole object */
    struct xf_slice id_text; /* as the server spelt it */
    struct xf_slice payload; /* an object; empty if null or absent */
    struct xf_slice vector;  /* array or map; empty if null or absent */
    bool is_plain;           /* id, payload and vector and nothing else: `raw` may be sent as it is */
};

struct xf_page {
    struct xf_point *list;
    size_t count, cap;
    struct xf_point_id next; /* first id of the next page, if has_next */
    bool has_next;
};

void xf_page_fini(struct xf_page *page);
/* Fills the page from an answer of scroll (`result.points`) or retrieve (`result` itself), which must outlive it. The
 * page's memory is used again. JSON_SYNTAX and JSON_SHAPE leave the page without points. */
XF_MUST_CHECK enum xf_err xf_page_split(struct xf_page *page, struct xf_slice answer);

/* What the follower is told about where a point belongs. */
struct xf_recipe {
    const struct xf_slice
        *vector_names; /* all that the follower declares, JSON text without quotes; "" is the unnamed */
    size_t name_count;
    struct xf_slice shard_key; /* JSON value, empty if there is none */
    size_t bytes_max;          /* of one request body */
};
/* Appends to the empty `body` one points/batch request that makes the follower's points equal to the first `*taken` of
 * `points` (at least one, as many as fit): an upsert in which each payload is stated, because an omitted one is kept on
 * indexed segments, then for each declared vector name a delete_vectors for the points that lack it, because an upsert
 * merges there (Qdrant 1.18.3). FULL if a single point is larger than a request may be. */
XF_MUST_CHECK enum xf_err xf_recipe_put(const struct xf_recipe *recipe, const struct xf_point *points, size_t count,
                                        struct xf_buf *body, size_t *taken);
/* Appends to the empty `body` a points/batch request that deletes the ids. */
XF_MUST_CHECK enum xf_err xf_recipe_delete(const struct xf_recipe *recipe, const struct xf_point_id *ids, size_t count,
                                           struct xf_buf *body);
/* Appends `[id,id,...]`. */
XF_MUST_CHECK enum xf_err xf_ids_print(const struct xf_point_id *ids, size_t count, struct xf_buf *out);

#endif
