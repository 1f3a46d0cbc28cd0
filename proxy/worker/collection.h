/* What the worker has to know of a collection to copy into and out of it, read from the server's own description: the
 * vector names, the shard keys, and the raw configuration that prepare builds the new one from.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_COLLECTION_H
#define XF_PROXY_WORKER_COLLECTION_H

#include "proxy/worker/wire.h"

/* How a vector's numbers are kept: rounded when written. */
enum xf_datatype { XF_DATATYPE_FLOAT32, XF_DATATYPE_FLOAT16, XF_DATATYPE_UINT8 };

struct xf_collection {
    struct xf_answer info, cluster; /* the texts that the slices below point into */
    struct xf_slice config;         /* result.config */
    struct xf_slice payload_schema; /* result.payload_schema */
    struct xf_slice *vector_names;  /* between their quotes; "" is the unnamed vector */
    bool *is_cosine, *is_sparse;    /* for each name */
    enum xf_datatype *datatypes;    /* for each name; of sparse ones float32, the index's own does not show */
    size_t name_count;
    struct xf_slice *shard_keys; /* JSON values, each once; only with custom sharding */
    size_t key_count;
    bool is_custom;            /* sharded by keys */
    bool is_replicated;        /* reads of one replica may lag behind another */
    bool prevents_unoptimized; /* hides applied writes from reads (Qdrant 1.17.0) */
};

void xf_collection_init(struct xf_collection *collection);
void xf_collection_fini(struct xf_collection *collection);
/* Fills an initialised one from collection->info.body and, with custom sharding, collection->cluster.body. Pure. */
XF_MUST_CHECK enum xf_err xf_collection_parse(struct xf_collection *collection);
/* Asks the server and parses. Errors as of xf_wire_call, or JSON_SYNTAX and JSON_SHAPE. */
XF_MUST_CHECK enum xf_err xf_collection_read(struct xf_wire *wire, const struct xf_side_conf *side,
                                             struct xf_collection *collection, char *why);
/* Whether a collection with custom sharding still has the shard keys that were read. */
XF_MUST_CHECK enum xf_err xf_collection_compare_keys(struct xf_wire *wire, const struct xf_side_conf *side,
                                                     const struct xf_collection *collection, struct xf_answer *answer,
                                                     bool *are_same, char *why);
/* Pure: `cluster` is the answer that says which keys there are now. */
XF_MUST_CHECK enum xf_err xf_collection_has_keys(const struct xf_collection *collection, struct xf_slice cluster,
                                                 bool *are_same);
/* The exact number of points. */
XF_MUST_CHECK enum xf_err xf_collection_count(struct xf_wire *wire, const struct xf_side_conf *side,
                                              struct xf_answer *answer, uint64_t *count, char *why);
/* Returns when every write that the server had acknowledged before is applied: a waiting update by a filter that
 * matches nothing goes through the queue of every shard (Qdrant 1.18.3). BUSY if the server could not prove it in time.
 */
XF_MUST_CHECK enum xf_err xf_collection_barrier(struct xf_wire *wire, const struct xf_side_conf *side,
                                                const struct xf_collection *collection, struct xf_answer *answer,
                                                char *why);
/* Whether every operation in the answer of a write (one or a batch) is `completed`. */
bool xf_answer_is_completed(struct xf_slice body);

#endif
