/* Reading collections: description, count and barrier.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/collection.h"

#include "common/base/num.h"
#include "proxy/worker/cut.h"

#include <stdio.h>
#include <stdlib.h>

void xf_collection_init(struct xf_collection *collection)
{
    *collection = (struct xf_collection){0};
    xf_answer_init(&collection->info);
    xf_answer_init(&collection->cluster);
}

void xf_collection_fini(struct xf_collection *collection)
{
    xf_buf_fini(&collection->info.body);
    xf_buf_fini(&collection->cluster.body);
    free(collection->vector_names);
    free(collection->is_cosine);
    free(collection->is_sparse);
    free(collection->datatypes);
    free(collection->shard_keys);
    xf_collection_init(collection);
}

static enum xf_err count_members(struct xf_slice object, size_t *count)
{
    if (xf_cut_is_null(object))
        return XF_OK;
    struct xf_cut cut = xf_cut(object);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}'); (*count)++) {
        (void)xf_cut_key(&cut);
        (void)xf_cut_value(&cut);
    }
    return cut.err;
}

static enum xf_datatype datatype_of(struct xf_slice params)
{
    struct xf_slice name = xf_cut_member(params, "datatype");
    if (xf_slice_eq(name, XF_SLICE("\"float16\"")))
        return XF_DATATYPE_FLOAT16;
    return xf_slice_eq(name, XF_SLICE("\"uint8\"")) ? XF_DATATYPE_UINT8 : XF_DATATYPE_FLOAT32;
}

static void add_name(struct xf_collection *collection, struct xf_slice name, struct xf_slice params, bool is_sparse)
{
    size_t i = collection->name_count++;
    collection->vector_names[i] = name;
    collection->is_sparse[i] = is_sparse;
    collection->datatypes[i] = datatype_of(params);
    collection->is_cosine[i] = xf_slice_eq(xf_cut_member(params, "distance"), XF_SLICE("\"Cosine\""));
}

static void add_names(struct xf_collection *collection, struct xf_slice object, bool is_sparse)
{
    if (xf_cut_is_null(object))
        return;
    struct xf_cut cut = xf_cut(object);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) {
        struct xf_slice name = xf_cut_key(&cut);
        struct xf_slice params = xf_cut_value(&cut);
        add_name(collection, name, params, is_sparse);
    }
}

static enum xf_err parse_names(struct xf_collection *collection, struct xf_slice params)
{
    struct xf_slice vectors = xf_cut_member(params, "vectors"), sparse = xf_cut_member(params, "sparse_vectors");
    /* A vector may itself be called "size": only the unnamed form has a number there. */
    struct xf_slice size = xf_cut_member(vectors, "size");
    bool is_unnamed = size.len && size.ptr[0] >= '0' && size.ptr[0] <= '9';
    size_t count = 1;
    enum xf_err err = is_unnamed ? XF_OK : count_members(vectors, &count);
    if (!err)
        err = count_members(sparse, &count);
    if (err)
        return err;
    collection->vector_names = calloc(count, sizeof *collection->vector_names);
    collection->is_cosine = calloc(count, sizeof *collection->is_cosine);
    collection->is_sparse = calloc(count, sizeof *collection->is_sparse);
    collection->datatypes = calloc(count, sizeof *collection->datatypes);
    if (!collection->vector_names || !collection->is_cosine || !collection->is_sparse || !collection->datatypes)
        return XF_ERR_NOMEM;
    if (is_unnamed)
        add_name(collection, XF_SLICE(""), vectors, false);
    else
        add_names(collection, vectors, false);
    add_names(collection, sparse, true);
    return XF_OK;
}

static bool has_key(const struct xf_collection *collection, struct xf_slice key)
{
    for (size_t i = 0; i < collection->key_count; i++)
        if (xf_slice_eq(collection->shard_keys[i], key))
            return true;
    return false;
}

static enum xf_err add_key(struct xf_collection *collection, struct xf_slice key)
{
    if (xf_cut_is_null(key))
        return XF_OK;
    if (has_key(collection, key))
        return XF_OK;
    struct xf_slice *keys = realloc(collection->shard_keys, (collection->key_count + 1) * sizeof *keys);
    if (!keys)
        return XF_ERR_NOMEM;
    collection->shard_keys = keys;
    keys[collection->key_count++] = key;
    return XF_OK;
}

static enum xf_err add_keys_of(struct xf_collection *collection, struct xf_slice shards)
{
    if (xf_cut_is_null(shards))
        return XF_OK;
    struct xf_cut cut = xf_cut(shards);
    enum xf_err err = XF_OK;
    for (xf_cut_enter(&cut, '['); !err && xf_cut_more(&cut, ']');)
        err = add_key(collection, xf_cut_member(xf_cut_value(&cut), "shard_key"));
    return err ? err : cut.err;
}

static enum xf_err parse_keys(struct xf_collection *collection, struct xf_slice cluster)
{
    struct xf_slice result = xf_cut_member(cluster, "result");
    enum xf_err err = add_keys_of(collection, xf_cut_member(result, "local_shards"));
    return err ? err : add_keys_of(collection, xf_cut_member(result, "remote_shards"));
}

enum xf_err xf_collection_parse(struct xf_collection *collection)
{
    struct xf_slice result = xf_cut_member(xf_buf_view(&collection->info.body), "result");
    collection->config = xf_cut_member(result, "config");
    collection->payload_schema = xf_cut_member(result, "payload_schema");
    struct xf_slice params = xf_cut_member(collection->config, "params");
    if (!params.len || params.ptr[0] != '{')
        return XF_ERR_JSON_SHAPE;
    struct xf_slice optimizer = xf_cut_member(collection->config, "optimizer_config");
    collection->prevents_unoptimized = xf_slice_eq(xf_cut_member(optimizer, "prevent_unoptimized"), XF_SLICE("true"));
    collection->is_custom = xf_slice_eq(xf_cut_member(params, "sharding_method"), XF_SLICE("\"custom\""));
    struct xf_slice replicas = xf_cut_member(params, "replication_factor");
    collection->is_replicated = !xf_cut_is_null(replicas) && !xf_slice_eq(replicas, XF_SLICE("1"));
    enum xf_err err = parse_names(collection, params);
    return err || !collection->is_custom ? err : parse_keys(collection, xf_buf_view(&collection->cluster.body));
}

static bool says_custom(const struct xf_collection *collection)
{
    struct xf_slice config = xf_cut_member(xf_cut_member(xf_buf_view(&collection->info.body), "result"), "config");
    return xf_slice_eq(xf_cut_member(xf_cut_member(config, "params"), "sharding_method"), XF_SLICE("\"custom\""));
}

enum xf_err xf_collection_read(struct xf_wire *wire, const struct xf_side_conf *side, struct xf_collection *collection,
                               char *why)
{
    xf_collection_fini(collection);
    struct xf_target info = xf_target(side, ""), cluster = xf_target(side, "/cluster");
    enum xf_err err = xf_wire_call(wire, "GET", &info, XF_SLICE_NONE, &collection->info, why);
    if (!err && says_custom(collection))
        err = xf_wire_call(wire, "GET", &cluster, XF_SLICE_NONE, &collection->cluster, why);
    if (err)
        return err;
    err = xf_collection_parse(collection);
    if (err)
        (void)snprintf(why, XF_WHY_MAX, "the description of collection %s: %s", side->collection, xf_err_sentence(err));
    return err;
}

enum xf_err xf_collection_has_keys(const struct xf_collection *collection, struct xf_slice cluster, bool *are_same)
{
    struct xf_collection now;
    xf_collection_init(&now);
    enum xf_err err = parse_keys(&now, cluster);
    *are_same = now.key_count == collection->key_count;
    for (size_t i = 0; i < now.key_count; i++)
        *are_same &= has_key(collection, now.shard_keys[i]);
    xf_collection_fini(&now);
    return err;
}

enum xf_err xf_collection_compare_keys(struct xf_wire *wire, const struct xf_side_conf *side,
                                       const struct xf_collection *collection, struct xf_answer *answer, bool *are_same,
                                       char *why)
{
    struct xf_target cluster = xf_target(side, "/cluster");
    enum xf_err err = xf_wire_call(wire, "GET", &cluster, XF_SLICE_NONE, answer, why);
    if (err)
        return err;
    err = xf_collection_has_keys(collection, xf_buf_view(&answer->body), are_same);
    if (err)
        (void)snprintf(why, XF_WHY_MAX, "the shard keys of collection %s: %s", side->collection, xf_err_sentence(err));
    return err;
}

enum xf_err xf_collection_count(struct xf_wire *wire, const struct xf_side_conf *side, struct xf_answer *answer,
                                uint64_t *count, char *why)
{
    struct xf_target target = xf_target(side, "/points/count");
    enum xf_err err = xf_wire_call(wire, "POST", &target, XF_SLICE("{\"exact\":true}"), answer, why);
    if (err)
        return err;
    struct xf_slice result = xf_cut_member(xf_buf_view(&answer->body), "result");
    err = xf_u64_parse(xf_cut_member(result, "count"), count);
    if (err)
        (void)snprintf(why, XF_WHY_MAX, "the count of collection %s is not a number", side->collection);
    return err;
}

static enum xf_err print_barrier(const struct xf_collection *collection, struct xf_buf *body)
{
    enum xf_err err = xf_buf_append_slice(body, XF_SLICE("{\"keys\":[],\"filter\":{\"must\":[{\"has_id\":[]}]}"));
    if (!err && collection->is_custom)
        err = xf_buf_append_slice(body, XF_SLICE(",\"shard_key\":["));
    for (size_t i = 0; i < collection->key_count && !err; i++) {
        if (i)
            err = xf_buf_append_slice(body, XF_SLICE(","));
        if (!err)
            err = xf_buf_append_slice(body, collection->shard_keys[i]);
    }
    if (!err && collection->is_custom)
        err = xf_buf_append_slice(body, XF_SLICE("]"));
    return err ? err : xf_buf_append_slice(body, XF_SLICE("}"));
}

bool xf_answer_is_completed(struct xf_slice body)
{
    struct xf_slice result = xf_cut_member(body, "result");
    if (!result.len || result.ptr[0] != '[')
        return xf_slice_eq(xf_cut_member(result, "status"), XF_SLICE("\"completed\""));
    struct xf_cut cut = xf_cut(result);
    bool all = true;
    for (xf_cut_enter(&cut, '['); xf_cut_more(&cut, ']');)
        all &= xf_slice_eq(xf_cut_member(xf_cut_value(&cut), "status"), XF_SLICE("\"completed\""));
    return all && !cut.err;
}

enum xf_err xf_collection_barrier(struct xf_wire *wire, const struct xf_side_conf *side,
                                  const struct xf_collection *collection, struct xf_answer *answer, char *why)
{
    if (collection->is_custom && collection->key_count == 0)
        return XF_OK; /* no shard, so nothing can wait in one */
    struct xf_buf body;
    xf_buf_init(&body, 1 << 20);
    struct xf_target target = xf_target(side, "/points/payload/delete?wait=true");
    enum xf_err err = print_barrier(collection, &body);
    if (!err)
        err = xf_wire_call(wire, "POST", &target, xf_buf_view(&body), answer, why);
    xf_buf_fini(&body);
    if (!err && !xf_answer_is_completed(xf_buf_view(&answer->body))) {
        (void)snprintf(why, XF_WHY_MAX, "the barrier on %s was not answered completed", side->collection);
        err = XF_ERR_BUSY;
    }
    return err;
}
