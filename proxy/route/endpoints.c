/* The endpoint table and the way to a row. Every request takes this way, so it does not walk the table: rows of one
 * method, segment count and set of parameter positions (a *shape*) differ in their fixed segments alone, and a hash of
 * these leads to the row. There are at most a few shapes for a method and count, tried in the order of the rows.
 *
 * The fingerprint of a segment looks at its length and three of its bytes: enough to tell Qdrant's words apart, cheap
 * to compute, and checked in full by the comparison that follows. The index is built before main and never changes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/route.h"

const struct xf_endpoint xf_endpoints[] = {
#define XF_ENDPOINT(method, path, class_, changes_data, names, staging, write_op)                                      \
    {XF_HTTP_##method, XF_CLASS_##class_, path, XF_WRITE_##write_op, changes_data, names, staging},
#include "proxy/route/endpoints.def"
#undef XF_ENDPOINT
};

enum { ROWS = sizeof xf_endpoints / sizeof xf_endpoints[0], SEGMENTS_MAX = 8, SHAPES_MAX = 4, SLOTS = 512 };
_Static_assert(ROWS < 255 && ROWS * 2 < SLOTS, "row numbers fit a byte and the hash table stays sparse");

const size_t xf_endpoint_count = ROWS;

struct row_key {
    struct xf_slice segments[SEGMENTS_MAX];
    uint8_t count;
    uint8_t parameters; /* bit i: segment i is a parameter */
};

struct shapes {
    uint8_t parameters[SHAPES_MAX];
    uint8_t count;
};

static struct row_key keys[ROWS];
static struct shapes shapes[XF_HTTP_METHOD_COUNT][SEGMENTS_MAX + 1];
static uint8_t slots[SLOTS];               /* row number + 1; 0: free */
static const struct xf_endpoint *tail_row; /* the one whose last parameter takes any number of segments */

static uint64_t fingerprint(struct xf_slice segment, unsigned index)
{
    if (segment.len == 0)
        return index;
    uint64_t word = segment.len << 24 | (uint64_t)(unsigned char)segment.ptr[0] << 16 |
                    (uint64_t)(unsigned char)segment.ptr[segment.len / 2] << 8 |
                    (unsigned char)segment.ptr[segment.len - 1];
    return (word + ((uint64_t)(index + 1) << 40)) * 0x9e3779b97f4a7c15u;
}

static size_t slot_of(enum xf_http_method method, unsigned count, unsigned parameters, const uint64_t *fingerprints)
{
    uint64_t hash = (uint64_t)method << 16 | count << 8 | parameters;
    for (unsigned i = 0; i < count; i++)
        if (!(parameters >> i & 1))
            hash += fingerprints[i];
    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u;
    return (size_t)(hash >> 32) % SLOTS;
}

static void split_path(const char *path, struct row_key *key)
{
    while (*path == '/' && path[1]) {
        size_t len = strcspn(++path, "/");
        XF_ASSERT(key->count < SEGMENTS_MAX);
        if (*path == '{')
            key->parameters |= (uint8_t)(1u << key->count);
        key->segments[key->count++] = xf_slice(path, len);
        path += len;
    }
}

static void add_shape(struct shapes *of, uint8_t parameters)
{
    for (unsigned i = 0; i < of->count; i++)
        if (of->parameters[i] == parameters)
            return;
    XF_ASSERT(of->count < SHAPES_MAX);
    of->parameters[of->count++] = parameters;
}

static void index_row(size_t row)
{
    struct row_key *key = &keys[row];
    split_path(xf_endpoints[row].path, key);
    if (key->count && xf_slice_eq(key->segments[key->count - 1], XF_SLICE("{tail}"))) {
        tail_row = &xf_endpoints[row];
        return;
    }
    uint64_t fingerprints[SEGMENTS_MAX] = {0};
    for (unsigned i = 0; i < key->count; i++)
        fingerprints[i] = fingerprint(key->segments[i], i);
    add_shape(&shapes[xf_endpoints[row].method][key->count], key->parameters);
    size_t slot = slot_of(xf_endpoints[row].method, key->count, key->parameters, fingerprints);
    while (slots[slot])
        slot = (slot + 1) % SLOTS;
    slots[slot] = (uint8_t)(row + 1);
}

__attribute__((constructor)) static void build_index(void)
{
    for (size_t row = 0; row < ROWS; row++)
        index_row(row);
}

static bool row_matches(size_t row, enum xf_http_method method, uint8_t parameters, const struct xf_path *path)
{
    const struct row_key *key = &keys[row];
    if (xf_endpoints[row].method != method || key->count != path->segment_count || key->parameters != parameters)
        return false;
    for (unsigned i = key->count; i-- > 0;) /* the last segments tell the most apart */
        if (!(parameters >> i & 1) && !xf_slice_eq(key->segments[i], path->segments[i]))
            return false;
    return true;
}

static const struct xf_endpoint *find_shape(enum xf_http_method method, uint8_t parameters, const struct xf_path *path,
                                            const uint64_t *fingerprints)
{
    size_t slot = slot_of(method, path->segment_count, parameters, fingerprints);
    for (; slots[slot]; slot = (slot + 1) % SLOTS) {
        size_t row = slots[slot] - 1u;
        if (row_matches(row, method, parameters, path))
            return &xf_endpoints[row];
    }
    return NULL;
}

/* /dashboard/{tail}: files of any depth below it. */
static const struct xf_endpoint *find_tail(enum xf_http_method method, const struct xf_path *path)
{
    const struct row_key *key = &keys[tail_row - xf_endpoints];
    if (method != tail_row->method || path->segment_count < key->count)
        return NULL;
    return xf_slice_eq(key->segments[0], path->segments[0]) ? tail_row : NULL;
}

const struct xf_endpoint *xf_route_find(enum xf_http_method method, const struct xf_path *path)
{
    if (path->is_long || path->segment_count > SEGMENTS_MAX)
        return find_tail(method, path);
    const struct shapes *candidates = &shapes[method][path->segment_count];
    uint64_t fingerprints[SEGMENTS_MAX] = {0};
    for (unsigned i = 0; candidates->count && i < path->segment_count; i++)
        fingerprints[i] = fingerprint(path->segments[i], i);
    for (unsigned i = 0; i < candidates->count; i++) {
        const struct xf_endpoint *found = find_shape(method, candidates->parameters[i], path, fingerprints);
        if (found)
            return found;
    }
    return find_tail(method, path);
}
