/* The table of shapes (REST bodies of Qdrant 1.12.4 to 1.18.3). Keys that the scan has no use for, such as `key` or
 * `keys`, are not listed: it passes over them as it does over keys that Qdrant itself ignores.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/write_shape.h"

#define MEMBER(parent, name, role, seen)                                                                               \
    {                                                                                                                  \
        name, XF_ROLE_##parent, XF_ROLE_##role, XF_SEEN_##seen, XF_WRITE_BATCH                                         \
    }
#define OPERATION(name, op, role)                                                                                      \
    {                                                                                                                  \
        name, XF_ROLE_OPERATION, XF_ROLE_##role, XF_SEEN_OPERATIONS, XF_WRITE_##op                                     \
    }

static const struct xf_member members[] = {
    MEMBER(UPSERT, "points", POINTS, POINTS),
    MEMBER(UPSERT, "batch", COLUMNS, COLUMNS),
    MEMBER(UPSERT, "shard_key", SHARD_KEY, SHARD_KEY),
    MEMBER(UPSERT, "update_filter", CONDITION, CONDITION),
    MEMBER(UPSERT, "update_mode", MODE, MODE),
    MEMBER(POINT, "id", ID, ID),
    MEMBER(POINT, "vector", VECTOR_STRUCT, VECTOR),
    MEMBER(POINT, "vectors", VECTOR_STRUCT, VECTOR),
    MEMBER(POINT, "payload", PAYLOAD, PAYLOAD),
    MEMBER(COLUMNS, "ids", IDS, ID),
    MEMBER(COLUMNS, "vectors", VECTORS_STRUCT, VECTOR),
    MEMBER(COLUMNS, "payloads", PAYLOAD_COLUMN, PAYLOAD),
    MEMBER(VECTORS_UPDATE, "points", VECTORS_POINTS, POINTS),
    MEMBER(VECTORS_UPDATE, "shard_key", SHARD_KEY, SHARD_KEY),
    MEMBER(VECTORS_UPDATE, "update_filter", CONDITION, CONDITION),
    MEMBER(VECTORS_POINT, "id", ID, ID),
    MEMBER(VECTORS_POINT, "vector", VECTOR_STRUCT, VECTOR),
    MEMBER(VECTORS_POINT, "vectors", VECTOR_STRUCT, VECTOR),
    MEMBER(SELECTOR, "points", IDS, POINTS),
    MEMBER(SELECTOR, "filter", FILTER, FILTER),
    MEMBER(SELECTOR, "shard_key", SHARD_KEY, SHARD_KEY),
    MEMBER(SELECTOR, "payload", IGNORED, PAYLOAD),
    MEMBER(SELECTOR, "vector", IGNORED, VECTOR),
    MEMBER(SELECTOR, "vectors", IGNORED, VECTOR),
    MEMBER(SPARSE, "indices", SPARSE_PART, INDICES),
    MEMBER(SPARSE, "values", SPARSE_PART, VALUES),
    MEMBER(BATCH, "operations", OPERATIONS, OPERATIONS),
    OPERATION("upsert", UPSERT, UPSERT),
    OPERATION("delete", DELETE, SELECTOR),
    OPERATION("set_payload", SET_PAYLOAD, SELECTOR),
    OPERATION("overwrite_payload", OVERWRITE_PAYLOAD, SELECTOR),
    OPERATION("delete_payload", DELETE_PAYLOAD, SELECTOR),
    OPERATION("clear_payload", CLEAR_PAYLOAD, SELECTOR),
    OPERATION("update_vectors", UPDATE_VECTORS, VECTORS_UPDATE),
    OPERATION("delete_vectors", DELETE_VECTORS, SELECTOR),
};

static const struct {
    enum xf_role_kind kind;
    enum xf_role element;
} roles[] = {
    [XF_ROLE_IGNORED] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_UPSERT] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_POINT] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_COLUMNS] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_VECTORS_UPDATE] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_VECTORS_POINT] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_SELECTOR] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_BATCH] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_OPERATION] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_SPARSE] = {XF_KIND_OBJECT, XF_ROLE_IGNORED},
    [XF_ROLE_NAMED] = {XF_KIND_MAP, XF_ROLE_VECTOR},
    [XF_ROLE_NAMED_COLUMN] = {XF_KIND_MAP, XF_ROLE_VECTOR_COLUMN},
    [XF_ROLE_IDS] = {XF_KIND_LIST, XF_ROLE_ID},
    [XF_ROLE_POINTS] = {XF_KIND_LIST, XF_ROLE_POINT},
    [XF_ROLE_VECTORS_POINTS] = {XF_KIND_LIST, XF_ROLE_VECTORS_POINT},
    [XF_ROLE_OPERATIONS] = {XF_KIND_LIST, XF_ROLE_OPERATION},
    [XF_ROLE_VECTOR_COLUMN] = {XF_KIND_LIST, XF_ROLE_VECTOR},
    [XF_ROLE_PAYLOAD_COLUMN] = {XF_KIND_LIST, XF_ROLE_PAYLOAD},
    [XF_ROLE_ID] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_FILTER] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_CONDITION] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_MODE] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_SHARD_KEY] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_PAYLOAD] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_VECTOR] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_VECTOR_STRUCT] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_VECTORS_STRUCT] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
    [XF_ROLE_SPARSE_PART] = {XF_KIND_LEAF, XF_ROLE_IGNORED},
};

enum xf_role_kind xf_role_kind(enum xf_role role)
{
    return roles[role].kind;
}

enum xf_role xf_role_element(enum xf_role role)
{
    return roles[role].element;
}

const struct xf_member *xf_member_find(enum xf_role parent, struct xf_slice name)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (members[i].parent == parent && xf_slice_eq(xf_slice_of(members[i].name), name))
            return &members[i];
    return NULL;
}

enum xf_role xf_role_of_op(enum xf_write_op op)
{
    if (op == XF_WRITE_BATCH)
        return XF_ROLE_BATCH;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (members[i].parent == XF_ROLE_OPERATION && members[i].op == op)
            return members[i].role;
    return XF_ROLE_IGNORED;
}
