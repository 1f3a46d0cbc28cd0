/* What the files of the write scan share: the stack of open objects and lists, and the verdict in the making.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SCAN_WRITE_SCAN_INT_H
#define XF_PROXY_SCAN_WRITE_SCAN_INT_H

#include "common/base/buf.h"
#include "common/json/json_scan.h"
#include "proxy/scan/id_set.h"
#include "proxy/scan/write_scan.h"
#include "proxy/scan/write_shape.h"

/* Open at once at most: batch, operations, operation, upsert, points, point, names, sparse vector. */
enum { XF_WRITE_FRAMES_MAX = 8 };

struct xf_write_frame {
    enum xf_role role;
    enum xf_role next;   /* what the value behind the last key is */
    uint32_t next_seen;  /* its bit, for noting a null */
    uint32_t seen;       /* bits of the keys it has had */
    uint32_t nulls;      /* those of them that were null */
    size_t elements;     /* of a list */
    enum xf_write_op op; /* whose body it is or lies in */
};

struct xf_write_scan {
    struct xf_json_scan json;
    struct xf_write_verdict verdict;
    struct xf_id_set ids;
    enum xf_err err;
    enum xf_role jumping; /* the role of the container being jumped over */
    size_t frame_count;
    struct xf_write_frame frames[XF_WRITE_FRAMES_MAX];
    struct xf_write_frame root; /* stands for what is around the body */
    size_t filter_depth;        /* open containers in the filter being read; 0: none is */
    bool filter_is_long;
    struct xf_buf filter, shard_key;
    size_t column_rows;         /* rows of `batch` by its ids; SIZE_MAX while not known */
    bool columns_differ;
    struct xf_vector_names names;
    size_t stated_count; /* of the declared names, in the point or batch being read */
    bool stated[];       /* by declared name */
};

struct xf_write_frame *xf_write_top(struct xf_write_scan *scan);
void xf_write_push(struct xf_write_scan *scan, enum xf_role role, enum xf_write_op op);

/* Marks in the verdict. */
void xf_write_note_odd(struct xf_write_scan *scan, const char *reason);
/* A shape that Qdrant is known to refuse, so that no plain form can be named: no ids are known from it. */
void xf_write_note_unreadable(struct xf_write_scan *scan);
void xf_write_note_inference(struct xf_write_scan *scan);

/* A vector of this name is given in the point or batch being read. */
void xf_write_state_vector(struct xf_write_scan *scan, struct xf_slice name);
void xf_write_forget_vectors(struct xf_write_scan *scan);

/* write_value.c: a value of a leaf role begins (for scalars, also ends). NOMEM or OK. */
XF_MUST_CHECK enum xf_err xf_write_leaf(struct xf_write_scan *scan, enum xf_role role, enum xf_json_event event);
/* The next token of a filter that is being read. */
void xf_write_in_filter(struct xf_write_scan *scan, enum xf_json_event event);
/* A container has been jumped over. */
void xf_write_leaf_jumped(struct xf_write_scan *scan, enum xf_role role);

/* write_close.c: an object or list that was looked into is complete. */
void xf_write_close(struct xf_write_scan *scan, const struct xf_write_frame *frame);

#endif
