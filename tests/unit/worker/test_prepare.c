/* What is read out of a collection's description, and the requests that make another one like it, shard keys and
 * read fan-out included: the exact text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/prepare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char info[] = "{\"result\":{\"status\":\"green\",\"config\":{\"params\":{\"vectors\":{\"size\":{\"size\":"
                           "4,\"distance\":\"Cosine\"},"
                           "\"d\\u00e9\":{\"size\":2,\"distance\":\"Dot\"}},\"shard_number\":2,\"sharding_method\":"
                           "\"custom\",\"replication_factor\":2,"
                           "\"read_fan_out_factor\":3,\"sparse_vectors\":{\"s\":{}}},\"hnsw_config\":{\"m\":16},"
                           "\"optimizer_config\":{\"deleted_threshold\":0.2,\"prevent_unoptimized\":null},\"wal_"
                           "config\":{\"wal_capacity_mb\":32},"
                           "\"quantization_config\":null,\"strict_mode_config\":{\"enabled\":false},\"metadata\":{"
                           "\"big\":18446744073709551615}},"
                           "\"payload_schema\":{\"n\":{\"data_type\":\"integer\",\"params\":{\"type\":\"integer\","
                           "\"range\":false},\"points\":1},"
                           "\"a\\\"b\":{\"data_type\":\"keyword\",\"points\":1}}},\"status\":\"ok\",\"time\":0.1}";
static const char cluster[] =
    "{\"result\":{\"local_shards\":[{\"shard_id\":1,\"shard_key\":\"k\"},{\"shard_id\":2,\"shard_key\":\"k\"}],"
    "\"remote_shards\":[{\"shard_id\":3,\"shard_key\":7},{\"shard_id\":4,\"shard_key\":\"7\"}]},\"status\":\"ok\"}";

static void parse(struct xf_collection *collection, const char *info_text, const char *cluster_text)
{
    xf_collection_init(collection);
    assert_int_equal(xf_buf_append_slice(&collection->info.body, xf_slice_of(info_text)), XF_OK);
    assert_int_equal(xf_buf_append_slice(&collection->cluster.body, xf_slice_of(cluster_text)), XF_OK);
    assert_int_equal(xf_collection_parse(collection), XF_OK);
}

static void a_description_is_read(void **state)
{
    (void)state;
    struct xf_collection collection;
    parse(&collection, info, cluster);
    assert_int_equal(collection.name_count, 3); /* a vector called "size" is a name, not an unnamed vector */
    assert_true(xf_slice_eq(collection.vector_names[0], XF_SLICE("size")) && collection.is_cosine[0]);
    assert_true(xf_slice_eq(collection.vector_names[1], XF_SLICE("d\\u00e9")) && !collection.is_cosine[1]);
    assert_true(xf_slice_eq(collection.vector_names[2], XF_SLICE("s")) && collection.is_sparse[2]);
    assert_int_equal(collection.key_count, 3); /* 7 and "7" are two keys */
    assert_true(collection.is_custom && collection.is_replicated && !collection.prevents_unoptimized);
    xf_collection_fini(&collection);
    parse(&collection,
          "{\"result\":{\"config\":{\"params\":{\"vectors\":{\"size\":4,\"distance\":\"Cosine\"},\"replication_"
          "factor\":1},"
          "\"optimizer_config\":{\"prevent_unoptimized\":true}}}}",
          "");
    assert_true(collection.name_count == 1 && collection.vector_names[0].len == 0 && collection.is_cosine[0]);
    assert_true(!collection.is_custom && !collection.is_replicated && collection.prevents_unoptimized);
    xf_collection_fini(&collection);
}

/* Copies of a collection that is sharded by keys look again, because a barrier and a read go by the keys. */
static void keys_are_compared(void **state)
{
    (void)state;
    static const struct {
        const char *cluster;
        bool are_same;
    } rows[] = {
        {cluster, true},
        {"{\"result\":{\"local_shards\":[{\"shard_key\":\"7\"},{\"shard_key\":7}],\"remote_shards\":[{\"shard_key\":\"k\"}]}}",
         true},
        {"{\"result\":{\"local_shards\":[{\"shard_key\":\"k\"},{\"shard_key\":7}]}}", false},
        {"{\"result\":{\"local_shards\":[{\"shard_key\":\"k\"},{\"shard_key\":7},{\"shard_key\":\"8\"}]}}", false},
        {"{\"result\":{\"local_shards\":[{\"shard_key\":\"k\"},{\"shard_key\":7},{\"shard_key\":\"7\"},{\"shard_key\":\"n\"}]}}",
         false},
        {"{\"result\":{}}", false},
    };
    struct xf_collection collection;
    parse(&collection, info, cluster);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool are_same = !rows[i].are_same;
        assert_int_equal(xf_collection_has_keys(&collection, xf_slice_of(rows[i].cluster), &are_same), XF_OK);
        assert_int_equal(are_same, rows[i].are_same);
    }
    bool are_same;
    int err = xf_collection_has_keys(&collection, XF_SLICE("{\"result\":{\"local_shards\":[{\"shard_key\":"), &are_same);
    assert_true(err || !are_same);
    xf_collection_fini(&collection);
}

static void the_requests_are_exact(void **state)
{
    (void)state;
    static const char wanted[] =
        "[{\"method\":\"PUT\",\"path\":\"/collections/"
        "a%20b\",\"body\":{\"vectors\":{\"size\":{\"size\":4,\"distance\":\"Cosine\"},"
        "\"d\\u00e9\":{\"size\":2,\"distance\":\"Dot\"}},\"shard_number\":2,\"sharding_method\":\"custom\","
        "\"replication_factor\":2,"
        "\"sparse_vectors\":{\"s\":{}},\"hnsw_config\":{\"m\":16},"
        "\"optimizers_config\":{\"deleted_threshold\":0.2,\"prevent_unoptimized\":null},\"wal_config\":{\"wal_capacity_"
        "mb\":32},"
        "\"quantization_config\":null,\"strict_mode_config\":{\"enabled\":false},\"metadata\":{\"big\":"
        "18446744073709551615}}},"
        "{\"method\":\"PUT\",\"path\":\"/collections/a%20b/shards\",\"body\":{\"shard_key\":\"k\"}},"
        "{\"method\":\"PUT\",\"path\":\"/collections/a%20b/shards\",\"body\":{\"shard_key\":7}},"
        "{\"method\":\"PUT\",\"path\":\"/collections/a%20b/shards\",\"body\":{\"shard_key\":\"7\"}},"
        "{\"method\":\"PATCH\",\"path\":\"/collections/a%20b\",\"body\":{\"params\":{\"read_fan_out_factor\":3}}},"
        "{\"method\":\"PUT\",\"path\":\"/collections/a%20b/index?wait=true\",\"body\":{\"field_name\":\"n\","
        "\"field_schema\":{\"type\":\"integer\",\"range\":false}}},"
        "{\"method\":\"PUT\",\"path\":\"/collections/a%20b/index?wait=true\",\"body\":{\"field_name\":\"a\\\"b\","
        "\"field_schema\":\"keyword\"}}]";
    char name[] = "a b";
    const struct xf_side_conf side = {.collection = name};
    struct xf_collection collection;
    struct xf_plan plan;
    struct xf_buf out;
    xf_buf_init(&out, 1 << 16);
    parse(&collection, info, cluster);
    assert_int_equal(xf_plan_make(&collection, &plan), XF_OK);
    assert_int_equal(xf_plan_print(&plan, &side, &out), XF_OK);
    assert_int_equal(xf_buf_append(&out, "", 1), XF_OK);
    assert_string_equal(xf_buf_view(&out).ptr, wanted);
    xf_buf_fini(&out);
    xf_plan_fini(&plan);
    xf_collection_fini(&collection);
}

static void only_completed_is_completed(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool completed;
    } rows[] = {
        {"{\"result\":{\"operation_id\":1,\"status\":\"completed\"}}", true},
        {"{\"result\":{\"operation_id\":1,\"status\":\"acknowledged\"}}", false},
        {"{\"result\":{\"operation_id\":1,\"status\":\"wait_timeout\"}}", false},
        {"{\"result\":[{\"status\":\"completed\"},{\"status\":\"completed\"}]}", true},
        {"{\"result\":[{\"status\":\"completed\"},{\"status\":\"wait_timeout\"}]}", false},
        {"{\"result\":[{\"status\":\"completed\"},{\"status\":\"comp", false},
        {"{\"result\":true}", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(xf_answer_is_completed(xf_slice_of(rows[i].body)), rows[i].completed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_is_read),
        cmocka_unit_test(keys_are_compared),
        cmocka_unit_test(the_requests_are_exact),
        cmocka_unit_test(only_completed_is_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
