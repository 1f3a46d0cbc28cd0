/* The endpoint table beside endpoints.json, which lists Qdrant 1.18.3's routes: every row, in every column that the
 * proxy uses; and the way from a request to its row.
 *
 * SPDX-License-Identifier: Apache-2.0 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "proxy/route/route.h"
#include "tests/unit/route/path.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const class_names[] = {
    [XF_CLASS_READ] = "read",
    [XF_CLASS_WRITE_POINTS] = "write_points",
    [XF_CLASS_WRITE_INDEX] = "write_index",
    [XF_CLASS_WRITE_COLLECTION_CONFIG] = "write_collection_config",
    [XF_CLASS_CREATE_COLLECTION] = "create_collection",
    [XF_CLASS_DELETE_COLLECTION] = "delete_collection",
    [XF_CLASS_ALIASES] = "aliases",
    [XF_CLASS_SNAPSHOT_READ] = "snapshot_read",
    [XF_CLASS_SNAPSHOT_WRITE] = "snapshot_write",
    [XF_CLASS_CLUSTER_READ] = "cluster_read",
    [XF_CLASS_CLUSTER_WRITE] = "cluster_write",
    [XF_CLASS_SERVICE] = "service",
};
static const char *const method_names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

static cJSON *read_facts(void)
{
    FILE *file = fopen(ENDPOINTS_JSON, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    char *text = malloc((size_t)size);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    assert_int_equal(fclose(file), 0);
    cJSON *facts = cJSON_ParseWithLength(text, (size_t)size);
    free(text);
    assert_non_null(facts);
    return facts;
}

static const char *text_of(const cJSON *row, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, key));
}

static const struct xf_endpoint *row_of(const char *method, const char *path)
{
    for (size_t i = 0; i < xf_endpoint_count; i++)
        if (strcmp(method_names[xf_endpoints[i].method], method) == 0 && strcmp(xf_endpoints[i].path, path) == 0)
            return &xf_endpoints[i];
    return NULL;
}

static void table_holds_every_row(void **state)
{
    (void)state;
    cJSON *facts = read_facts();
    assert_int_equal(cJSON_GetArraySize(facts), xf_endpoint_count);
    const cJSON *fact;
    cJSON_ArrayForEach(fact, facts)
    {
        const struct xf_endpoint *row = row_of(text_of(fact, "method"), text_of(fact, "path"));
        if (!row)
            fail_msg("no row for %s %s", text_of(fact, "method"), text_of(fact, "path"));
        assert_string_equal(class_names[row->class_], text_of(fact, "class"));
        assert_int_equal(row->changes_data, cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(fact, "changes_data")) != 0);
        assert_int_equal(row->has_names_in_body,
                         cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(fact, "collections_in_body")) > 0);
        const char *feature = text_of(fact, "build_feature");
        assert_int_equal(row->is_staging, feature && strcmp(feature, "staging") == 0);
    }
    cJSON_Delete(facts);
}

/* A request for a row: each parameter becomes a word that is no fixed segment of any row. */
static void concrete(const char *pattern, char *out)
{
    while (*pattern) {
        if (*pattern == '{') {
            pattern = strchr(pattern, '}') + 1;
            *out++ = 'q';
            *out++ = '7';
        } else {
            *out++ = *pattern++;
        }
    }
    *out = '\0';
}

static void every_row_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < xf_endpoint_count; i++) {
        char text[256];
        concrete(xf_endpoints[i].path, text);
        struct xf_path path = path_of(text);
        if (xf_route_find(xf_endpoints[i].method, &path) != &xf_endpoints[i])
            fail_msg("%s %s does not lead to its row", method_names[xf_endpoints[i].method], text);
    }
}

/* A plain walk over the table says the same as the index, for every method, row and small change of its path. */
static const struct xf_endpoint *slow_find(enum xf_http_method method, const struct xf_path *path)
{
    for (size_t i = 0; i < xf_endpoint_count; i++) {
        struct xf_path pattern = path_of(xf_endpoints[i].path);
        bool is_tail = strstr(xf_endpoints[i].path, "{tail}") != NULL;
        if (xf_endpoints[i].method != method || path->segment_count < pattern.segment_count ||
            (!is_tail && (path->is_long || path->segment_count != pattern.segment_count)))
            continue;
        bool is_same = true;
        for (unsigned s = 0; s < pattern.segment_count; s++)
            is_same &= pattern.segments[s].ptr[0] == '{' || xf_slice_eq(pattern.segments[s], path->segments[s]);
        if (is_same)
            return &xf_endpoints[i];
    }
    return NULL;
}

static void compare_finds(const char *text)
{
    struct xf_path path = path_of(text);
    for (int method = 0; method < XF_HTTP_METHOD_COUNT; method++)
        if (xf_route_find((enum xf_http_method)method, &path) != slow_find((enum xf_http_method)method, &path))
            fail_msg("method %d on %s: the index and the table disagree", method, text);
}

static void index_and_table_agree(void **state)
{
    (void)state;
    static const char *const more[] = {"/",
                                       "/collections/aliases",
                                       "/collections/aliases/points",
                                       "/collectionz/a",
                                       "/collections/points/points/points",
                                       "/dashboard/a/b/c/d/e/f/g/h/i/j/k",
                                       "/collections/a/b/c/d/e/f/g/h/i",
                                       "/collections/c/shards/delete/points",
                                       "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s",
                                       "/dashboard/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        compare_finds(more[i]);
    for (size_t i = 0; i < xf_endpoint_count; i++) {
        char text[256], changed[300];
        concrete(xf_endpoints[i].path, text);
        compare_finds(text);
        (void)snprintf(changed, sizeof changed, "%s/more", text);
        compare_finds(changed);
        for (size_t at = 1; at < strlen(text); at++) {
            (void)snprintf(changed, sizeof changed, "%s", text);
            changed[at] = changed[at] == 'x' ? 'y' : 'x';
            compare_finds(changed);
            changed[at] = '\0';
            compare_finds(changed);
        }
    }
}

static void writes_know_their_kind(void **state)
{
    (void)state;
    static const struct {
        enum xf_http_method method;
        const char *path;
        enum xf_write_op op;
    } rows[] = {
        {XF_HTTP_PUT, "/collections/c/points", XF_WRITE_UPSERT},
        {XF_HTTP_POST, "/collections/c/points/delete", XF_WRITE_DELETE},
        {XF_HTTP_PUT, "/collections/c/points/vectors", XF_WRITE_UPDATE_VECTORS},
        {XF_HTTP_POST, "/collections/c/points/vectors/delete", XF_WRITE_DELETE_VECTORS},
        {XF_HTTP_POST, "/collections/c/points/payload", XF_WRITE_SET_PAYLOAD},
        {XF_HTTP_PUT, "/collections/c/points/payload", XF_WRITE_OVERWRITE_PAYLOAD},
        {XF_HTTP_POST, "/collections/c/points/payload/delete", XF_WRITE_DELETE_PAYLOAD},
        {XF_HTTP_POST, "/collections/c/points/payload/clear", XF_WRITE_CLEAR_PAYLOAD},
        {XF_HTTP_POST, "/collections/c/points/batch", XF_WRITE_BATCH},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct xf_path path = path_of(rows[i].path);
        const struct xf_endpoint *row = xf_route_find(rows[i].method, &path);
        assert_non_null(row);
        assert_int_equal(row->class_, XF_CLASS_WRITE_POINTS);
        assert_int_equal(row->write_op, rows[i].op);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_holds_every_row),
        cmocka_unit_test(every_row_is_found),
        cmocka_unit_test(index_and_table_agree),
        cmocka_unit_test(writes_know_their_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
