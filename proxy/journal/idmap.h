/* Point ids with a few words about each, found by hash and kept in the order in which they came. Nodes do not move
 * while nothing is reserved; all ids of a set are in one block of memory, which is given back when a large set runs
 * empty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_IDMAP_H
#define XF_PROXY_JOURNAL_IDMAP_H

#include "common/base/error.h"
#include "common/json/point_id.h"

#include <stddef.h>
#include <stdint.h>

struct xf_idmap_node {
    struct xf_point_id id;
    /* In flight: how many writes, and whether two of them met. */
    uint32_t writes;
    bool is_contended;
    /* Dirty: since when, until when a request may still land, and when trying again makes sense. */
    uint64_t since_ms, hold_until_ms, retry_ms;
    uint32_t previous, next; /* nobody else's business */
};

struct xf_idmap {
    struct xf_idmap_node *nodes; /* node 0 is the list's head and never an id */
    uint32_t *slots;             /* node numbers, 0: free; twice as many as nodes at least */
    uint32_t node_cap, node_end, free_node, slot_count;
    size_t count;
};

void xf_idmap_init(struct xf_idmap *map);
void xf_idmap_fini(struct xf_idmap *map);
/* Room for `more` ids, so that adding them cannot fail. On failure nothing has changed. Moves nodes. */
XF_MUST_CHECK enum xf_err xf_idmap_reserve(struct xf_idmap *map, size_t more);
struct xf_idmap_node *xf_idmap_find(const struct xf_idmap *map, struct xf_point_id id);
/* The id's node, a new one (all words 0, last in order) if there is none; room has been reserved. */
struct xf_idmap_node *xf_idmap_add(struct xf_idmap *map, struct xf_point_id id);
void xf_idmap_remove(struct xf_idmap *map, struct xf_idmap_node *node);
/* In order of arrival; NULL at the end. */
struct xf_idmap_node *xf_idmap_first(const struct xf_idmap *map);
struct xf_idmap_node *xf_idmap_next(const struct xf_idmap *map, const struct xf_idmap_node *node);

#endif
