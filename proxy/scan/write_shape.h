/* The documented shapes of write bodies as a table: what stands under which key of what. Internal to proxy/scan.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SCAN_WRITE_SHAPE_H
#define XF_PROXY_SCAN_WRITE_SHAPE_H

#include "common/base/slice.h"
#include "proxy/scan/write_scan.h"

#include <stdint.h>

/* What a value is, by where it stands. */
enum xf_role {
    XF_ROLE_IGNORED,
    /* objects with known keys */
    XF_ROLE_UPSERT,
    XF_ROLE_POINT,
    XF_ROLE_COLUMNS, /* `batch`: ids, vectors and payloads as parallel lists */
    XF_ROLE_VECTORS_UPDATE,
    XF_ROLE_VECTORS_POINT,
    XF_ROLE_SELECTOR, /* every operation that says which points by `points` or `filter` */
    XF_ROLE_BATCH,
    XF_ROLE_OPERATION,
    XF_ROLE_SPARSE,       /* a vector that is an object: sparse, or an input for inference */
    XF_ROLE_NAMED,        /* a point's vectors by name */
    XF_ROLE_NAMED_COLUMN, /* lists of vectors by name */
    /* lists */
    XF_ROLE_IDS,
    XF_ROLE_POINTS,
    XF_ROLE_VECTORS_POINTS,
    XF_ROLE_OPERATIONS,
    XF_ROLE_VECTOR_COLUMN,
    XF_ROLE_PAYLOAD_COLUMN,
    /* leaves */
    XF_ROLE_ID,
    XF_ROLE_FILTER,
    XF_ROLE_CONDITION,
    XF_ROLE_MODE,
    XF_ROLE_SHARD_KEY,
    XF_ROLE_PAYLOAD,
    XF_ROLE_VECTOR,         /* one vector under a name or in a column */
    XF_ROLE_VECTOR_STRUCT,  /* what a point has under `vector`: one vector, or a map of names */
    XF_ROLE_VECTORS_STRUCT, /* what `batch` has under `vectors`: a list, or a map of lists */
    XF_ROLE_SPARSE_PART
};

enum xf_role_kind { XF_KIND_OBJECT, XF_KIND_MAP, XF_KIND_LIST, XF_KIND_LEAF };

/* Bits of `seen` in a frame: which known keys an object has had. */
enum {
    XF_SEEN_POINTS = 1u << 0,
    XF_SEEN_FILTER = 1u << 1,
    XF_SEEN_COLUMNS = 1u << 2,
    XF_SEEN_ID = 1u << 3,
    XF_SEEN_VECTOR = 1u << 4,
    XF_SEEN_PAYLOAD = 1u << 5,
    XF_SEEN_SHARD_KEY = 1u << 6,
    XF_SEEN_CONDITION = 1u << 7,
    XF_SEEN_MODE = 1u << 8,
    XF_SEEN_INDICES = 1u << 9,
    XF_SEEN_VALUES = 1u << 10,
    XF_SEEN_OPERATIONS = 1u << 11,
    XF_SEEN_OTHER = 1u << 12 /* a key that is not in the table */
};

struct xf_member {
    const char *name;
    enum xf_role parent;
    enum xf_role role;
    uint32_t seen;
    enum xf_write_op op; /* of a member of OPERATION */
};

enum xf_role_kind xf_role_kind(enum xf_role role);
/* Of a list: what its elements are. Of a map: what its values are. */
enum xf_role xf_role_element(enum xf_role role);
/* NULL: the object knows no such key. */
const struct xf_member *xf_member_find(enum xf_role parent, struct xf_slice name);
enum xf_role xf_role_of_op(enum xf_write_op op);

#endif
