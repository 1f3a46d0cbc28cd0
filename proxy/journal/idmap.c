/* Nodes lie in one array and are linked by number; a table of numbers is probed linearly. Removing closes the gap by
 * moving later entries back, so that there are no tombstones to clean up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/idmap.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_MIN = 64, NODES_KEPT = 1 << 14, NODES_MAX = 1 << 30 };

void xf_idmap_init(struct xf_idmap *map)
{
    *map = (struct xf_idmap){.count = 0};
}

void xf_idmap_fini(struct xf_idmap *map)
{
    free(map->nodes);
    free(map->slots);
    xf_idmap_init(map);
}

/* Where the id's number stands, or the free slot where it belongs. */
static uint32_t slot_of(const struct xf_idmap *map, struct xf_point_id id)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t slot = (uint32_t)xf_point_id_hash(id) & mask;
    while (map->slots[slot] && !xf_point_id_eq(map->nodes[map->slots[slot]].id, id))
        slot = (slot + 1) & mask;
    return slot;
}

static void rehash(struct xf_idmap *map)
{
    for (uint32_t n = map->nodes[0].next; n; n = map->nodes[n].next)
        map->slots[slot_of(map, map->nodes[n].id)] = n;
}

static enum xf_err grow(struct xf_idmap *map, size_t need)
{
    uint32_t cap = map->node_cap ? map->node_cap : NODES_MIN;
    while (cap < need)
        cap *= 2;
    uint32_t *slots = calloc((size_t)cap * 2, sizeof *slots);
    if (!slots)
        return XF_ERR_NOMEM;
    struct xf_idmap_node *nodes = realloc(map->nodes, cap * sizeof *nodes);
    if (!nodes) {
        free(slots);
        return XF_ERR_NOMEM;
    }
    if (map->node_cap == 0) {
        memset(&nodes[0], 0, sizeof nodes[0]);
        map->node_end = 1;
    }
    free(map->slots);
    map->nodes = nodes;
    map->slots = slots;
    map->node_cap = cap;
    map->slot_count = cap * 2;
    rehash(map);
    return XF_OK;
}

enum xf_err xf_idmap_reserve(struct xf_idmap *map, size_t more)
{
    if (more > NODES_MAX - 1 - map->count)
        return XF_ERR_FULL;
    size_t need = map->count + more + 1;
    return need <= map->node_cap ? XF_OK : grow(map, need);
}

struct xf_idmap_node *xf_idmap_find(const struct xf_idmap *map, struct xf_point_id id)
{
    if (map->count == 0)
        return NULL;
    uint32_t number = map->slots[slot_of(map, id)];
    return number ? &map->nodes[number] : NULL;
}

static uint32_t take_node(struct xf_idmap *map)
{
    uint32_t number = map->free_node;
    if (number) {
        map->free_node = map->nodes[number].next;
        return number;
    }
    XF_ASSERT(map->node_end < map->node_cap);
    return map->node_end++;
}

struct xf_idmap_node *xf_idmap_add(struct xf_idmap *map, struct xf_point_id id)
{
    XF_ASSERT(map->slot_count);
    uint32_t slot = slot_of(map, id);
    if (map->slots[slot])
        return &map->nodes[map->slots[slot]];
    uint32_t number = take_node(map), last = map->nodes[0].previous;
    map->slots[slot] = number;
    map->nodes[number] = (struct xf_idmap_node){.id = id, .previous = last};
    map->nodes[last].next = number;
    map->nodes[0].previous = number;
    map->count++;
    return &map->nodes[number];
}

/* Entries behind the gap move into it unless they would then stand before their own place. */
static void close_gap(struct xf_idmap *map, uint32_t gap)
{
    uint32_t mask = map->slot_count - 1;
    for (uint32_t slot = (gap + 1) & mask; map->slots[slot]; slot = (slot + 1) & mask) {
        uint32_t home = (uint32_t)xf_point_id_hash(map->nodes[map->slots[slot]].id) & mask;
        if (((slot - home) & mask) < ((slot - gap) & mask))
            continue;
        map->slots[gap] = map->slots[slot];
        gap = slot;
    }
    map->slots[gap] = 0;
}

void xf_idmap_remove(struct xf_idmap *map, struct xf_idmap_node *node)
{
    uint32_t number = (uint32_t)(node - map->nodes);
    close_gap(map, slot_of(map, node->id));
    map->nodes[node->previous].next = node->next;
    map->nodes[node->next].previous = node->previous;
    node->next = map->free_node;
    map->free_node = number;
    map->count--;
    if (map->count == 0 && map->node_cap > NODES_KEPT)
        xf_idmap_fini(map);
}

struct xf_idmap_node *xf_idmap_first(const struct xf_idmap *map)
{
    return map->count ? &map->nodes[map->nodes[0].next] : NULL;
}

struct xf_idmap_node *xf_idmap_next(const struct xf_idmap *map, const struct xf_idmap_node *node)
{
    return node->next ? &map->nodes[node->next] : NULL;
}
