/* Reads a write's body as it streams by: which points it touches, whether a filter decides, and whether the operation
 * is exact. It never builds a tree, never turns a number into a double, and may be cut at any byte. What it cannot read
 * with certainty it says so: the caller refuses the request or treats it as touching unknown points (G6).
 *
 * A body that Qdrant would accept is read here as Qdrant reads it; a body that Qdrant refuses may be read in any way,
 * since it has no effect. Shapes in which Qdrant's reading is surprising (arrays for structs, duplicate keys, two
 * selectors, unknown operation keys) are `is_odd`, with the plain form named in `odd_reason`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SCAN_WRITE_SCAN_H
#define XF_PROXY_SCAN_WRITE_SCAN_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/json/point_id.h"

#include <stdint.h>

enum xf_write_op {
    XF_WRITE_UPSERT,
    XF_WRITE_DELETE,
    XF_WRITE_UPDATE_VECTORS,
    XF_WRITE_DELETE_VECTORS,
    XF_WRITE_SET_PAYLOAD,
    XF_WRITE_OVERWRITE_PAYLOAD,
    XF_WRITE_DELETE_PAYLOAD,
    XF_WRITE_CLEAR_PAYLOAD,
    XF_WRITE_BATCH
};

/* The vectors a collection declares; decides whether an upsert states all of them. The names must outlive the scan. */
struct xf_vector_names {
    const struct xf_slice *names; /* dense, multi and sparse alike; "" is the unnamed vector */
    size_t count;                 /* 0: not known, no upsert is exact */
};

enum { XF_SCAN_FILTER_BYTES_MAX = 1024 * 1024 };

struct xf_write_verdict {
    const struct xf_point_id *ids; /* sorted, each once; owned by the scan */
    size_t id_count;
    bool ids_unknown;     /* more ids than the limit, or unreadable: treat as ALL */
    bool has_filter;      /* a filter selects points, in any operation of the body */
    bool has_field_test;  /* a filter looks at a payload's field: how it is indexed may decide */
    bool has_text_match;  /* a filter's key is text, text_any or phrase: full-text settings decide what it means */
    bool has_vector_test; /* a filter's key is has_vector: means less where the vector is not declared */
    bool has_condition;   /* update_filter or update_mode other than upsert */
    bool is_by_id_update; /* an update that fails half-way when a point is missing (payload, vectors) */
    bool needs_inference; /* a vector is given as text, image or object: each server computes its own */
    bool has_shard_key;
    bool is_exact;
    /* Owned by the scan, JSON text as sent. Both are empty in a batch, where there may be several. */
    struct xf_slice filter;    /* empty also if it is longer than XF_SCAN_FILTER_BYTES_MAX */
    struct xf_slice shard_key; /* empty also if it is no single key, or a very long one */
    bool is_odd;
    const char *odd_reason; /* static text that names the plain form to use */
};

struct xf_write_scan;
/* `ids_max` bounds the memory; past it ids_unknown is set and the scan goes on. */
XF_MUST_CHECK enum xf_err xf_write_scan_new(enum xf_write_op op, const struct xf_vector_names *vectors, size_t ids_max,
                                            struct xf_write_scan **scan);
/* JSON_SYNTAX, JSON_DEPTH (deeper than 127, as Qdrant) or NOMEM: no further feeding after an error. */
XF_MUST_CHECK enum xf_err xf_write_scan_feed(struct xf_write_scan *scan, struct xf_slice in);
/* After the last byte. The verdict's pointers hold until the scan is freed. */
XF_MUST_CHECK enum xf_err xf_write_scan_finish(struct xf_write_scan *scan, struct xf_write_verdict *verdict);
void xf_write_scan_free(struct xf_write_scan *scan); /* NULL is fine */

#endif
