/* The write scan, one row per trap in Qdrant's reading of write bodies (1.12.4 to 1.18.3). Every row is scanned cut at
 * every byte and one byte at a time; the verdict must be the row's each time.
 *
 * A verdict is written as text: the ids, then letters: A ids unknown, F filter (that looks at: K a field, T words, V a
 * vector), C condition, U update by ids that stops at a missing point, I inference, S shard key, X exact, O odd.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/write_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define U1 "\"5c56c793-69f3-4fbf-87e6-c4bf54c28c26\""
#define F "{\"must\":[]}"

enum { IDS_MAX = 8 };

struct row {
    enum xf_write_op op;
    const char *body;
    const char *verdict;
};

static void print(const struct xf_write_verdict *verdict, char *out)
{
    for (size_t i = 0; i < verdict->id_count; i++) {
        out += xf_point_id_print_json(verdict->ids[i], out);
        *out++ = ' ';
    }
    const struct {
        bool flag;
        char letter;
    } flags[] = {{verdict->ids_unknown, 'A'},     {verdict->has_filter, 'F'},      {verdict->has_field_test, 'K'},  {verdict->has_text_match, 'T'},
                 {verdict->has_vector_test, 'V'}, {verdict->has_condition, 'C'},
                 {verdict->is_by_id_update, 'U'}, {verdict->needs_inference, 'I'}, {verdict->has_shard_key, 'S'},
                 {verdict->is_exact, 'X'},        {verdict->is_odd, 'O'}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].flag)
            *out++ = flags[i].letter;
    *out = 0;
}

static enum xf_err feed_piece(struct xf_write_scan *scan, const char *bytes, size_t n)
{
    char *piece = malloc(n ? n : 1);
    assert_non_null(piece);
    memcpy(piece, bytes, n);
    enum xf_err err = xf_write_scan_feed(scan, xf_slice(piece, n));
    free(piece);
    return err;
}

/* Cut at `cut`; past the end: one byte at a time. */
static void verdict_of(const struct row *row, const struct xf_vector_names *names, size_t cut, char *out)
{
    struct xf_write_scan *scan;
    struct xf_write_verdict verdict;
    size_t len = strlen(row->body);
    enum xf_err err = XF_OK;
    assert_int_equal(xf_write_scan_new(row->op, names, IDS_MAX, &scan), XF_OK);
    if (cut > len) {
        for (size_t i = 0; !err && i < len; i++)
            err = feed_piece(scan, row->body + i, 1);
    } else {
        err = feed_piece(scan, row->body, cut);
        if (!err)
            err = feed_piece(scan, row->body + cut, len - cut);
    }
    if (!err)
        err = xf_write_scan_finish(scan, &verdict);
    if (err) {
        strcpy(out, xf_err_name(err));
    } else {
        assert_int_equal(verdict.is_odd, verdict.odd_reason != NULL);
        print(&verdict, out);
    }
    xf_write_scan_free(scan);
}

static void check_rows(const struct row *rows, size_t count, const struct xf_vector_names *names)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t cut = 0; cut <= strlen(rows[i].body) + 1; cut++) {
            char got[1024];
            verdict_of(&rows[i], names, cut, got);
            if (strcmp(got, rows[i].verdict) != 0)
                fail_msg("%s\ncut at %zu: '%s', expected '%s'", rows[i].body, cut, got, rows[i].verdict);
        }
    }
}

#define CHECK(rows, names) check_rows(rows, sizeof(rows) / sizeof((rows)[0]), names)

static const struct xf_slice unnamed_slice[] = {{"", 0}};
static const struct xf_vector_names unnamed = {unnamed_slice, 1};
static const struct xf_slice two_slices[] = {{"a", 1}, {"b", 1}};
static const struct xf_vector_names two = {two_slices, 2};

static void test_upsert(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[0.1,2],\"payload\":{}}]}", "1 X"},
        {XF_WRITE_UPSERT, " {\"points\" : [ {\"payload\":{\"a\":1} ,\"vectors\":[[1],[2]], \"id\" :2} ] } ", "2 X"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{\"\":[1]},\"payload\":{}}]}", "1 X"},
        {XF_WRITE_UPSERT, "{\"po\\u0069nts\":[{\"\\u0069d\":1,\"vector\":[1],\"payload\":{}}]}", "1 X"},
        /* ids: every spelling of one is one, and they come sorted */
        {XF_WRITE_UPSERT,
         "{\"points\":[{\"id\":" U1 ",\"vector\":[1],\"payload\":{}},{\"id\":7,\"vector\":[1],\"payload\":{}},"
         "{\"id\":\"5C56C79369F34FBF87E6C4BF54C28C2\\u0036\",\"vector\":[1],\"payload\":{}},"
         "{\"id\":7,\"vector\":[2],\"payload\":{}}]}",
         "7 " U1 " X"},
        /* look-alikes inside payloads and strings */
        {XF_WRITE_UPSERT,
         "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{\"points\":[{\"id\":5}],\"filter\":{},\"x\":\"]}\\\"},\"}}"
         "]}",
         "1 X"},
        /* unknown keys are ignored, also those a scroll answer has */
        {XF_WRITE_UPSERT,
         "{\"x\":{\"points\":[9]},\"points\":[{\"id\":1,\"order_value\":1,\"shard_key\":\"k\",\"vector\":[1],"
         "\"payload\":{}}]}",
         "1 X"},
        /* what is left out or null is kept on some segments and dropped on others */
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[1]}]}", "1 "},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":null}]}", "1 "},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{},\"payload\":{}}]}", "1 "},
        {XF_WRITE_UPSERT,
         "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}},{\"id\":2,\"vector\":[1]},{\"id\":3,\"vector\":[1],"
         "\"payload\":{}}]}",
         "1 2 3 "},
        /* conditions */
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}],\"update_filter\":" F "}", "1 C"},
        {XF_WRITE_UPSERT, "{\"update_filter\":null,\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}", "1 X"},
        {XF_WRITE_UPSERT, "{\"update_mode\":\"insert_only\",\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}",
         "1 C"},
        {XF_WRITE_UPSERT, "{\"update_mode\":\"\\u0075psert\",\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}",
         "1 X"},
        {XF_WRITE_UPSERT, "{\"update_mode\":null,\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}", "1 X"},
        /* shard keys: one is plain, a list copies, a target with fallback is up to the server */
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}],\"shard_key\":\"k\"}", "1 SX"},
        {XF_WRITE_UPSERT, "{\"shard_key\":7,\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}", "1 SX"},
        {XF_WRITE_UPSERT, "{\"shard_key\":null,\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}", "1 X"},
        {XF_WRITE_UPSERT, "{\"shard_key\":[\"a\",\"b\"],\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}", "1 S"},
        {XF_WRITE_UPSERT,
         "{\"shard_key\":{\"target\":\"a\",\"fallback\":\"b\"},\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}",
         "1 S"},
        /* inference */
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{\"text\":\"x\",\"model\":\"m\"},\"payload\":{}}]}",
         "1 I"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{\"image\":{\"b64\":1},\"model\":\"m\"},\"payload\":{}}]}",
         "1 I"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[\"text\",\"model\"],\"payload\":{}}]}", "AIO"},
        /* nothing to act on is the server's to refuse; nothing is known of it */
        {XF_WRITE_UPSERT, "{}", "A"},
        {XF_WRITE_UPSERT, "{\"points\":{}}", "A"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"vector\":[1],\"payload\":{}}]}", "A"},
        {XF_WRITE_UPSERT, "{\"points\":[]}", "X"},
        {XF_WRITE_UPSERT, "17", "A"},
        {XF_WRITE_UPSERT, "\"points\"", "A"},
        /* odd: the last of two keys wins in an upsert, `batch` beats `points`, and points may be lists of their fields
         */
        {XF_WRITE_UPSERT, "{\"points\":[],\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"id\":2,\"vector\":[1],\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[1],\"vectors\":[1],\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{},\"paylo\\u0061d\":null}]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[],\"batch\":{\"ids\":[1],\"vectors\":[[1]],\"payloads\":[{}]}}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":null,\"batch\":{\"ids\":[1],\"vectors\":[[1]],\"payloads\":[{}]}}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[[1,[0.5],{}]]}", "AO"},
        {XF_WRITE_UPSERT, "{\"batch\":[[1],[[0.5]],[{}]]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}],\"update_filter\":[null]}", "ACO"},
        /* ids */
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":-1,\"vector\":[1],\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1.0,\"vector\":[1],\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":18446744073709551616,\"vector\":[1],\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":\"5\",\"vector\":[1],\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT,
         "{\"points\":[{\"id\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],\"vector\":[1],\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":18446744073709551615,\"vector\":[1],\"payload\":{}}]}",
         "18446744073709551615 X"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":9007199254740993,\"vector\":[1],\"payload\":{}}]}",
         "9007199254740993 X"},
    };
    CHECK(rows, &unnamed);
}

static void test_upsert_columns(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {XF_WRITE_UPSERT, "{\"batch\":{\"ids\":[3,1],\"vectors\":[[1],[2]],\"payloads\":[{},{}]}}", "1 3 X"},
        {XF_WRITE_UPSERT, "{\"batch\":{\"payloads\":[{},{}],\"vectors\":{\"\":[[1],[2]]},\"ids\":[3,1]}}", "1 3 X"},
        {XF_WRITE_UPSERT, "{\"batch\":{\"ids\":[3,1],\"vectors\":[[1],[2]],\"payloads\":[{},null]}}", "1 3 "},
        {XF_WRITE_UPSERT, "{\"batch\":{\"ids\":[3,1],\"vectors\":[[1],[2]],\"payloads\":null}}", "1 3 "},
        {XF_WRITE_UPSERT, "{\"batch\":{\"ids\":[3,1],\"vectors\":[[1],[2]]}}", "1 3 "},
        {XF_WRITE_UPSERT, "{\"batch\":{\"ids\":[3,1],\"vectors\":[[1],[2]],\"payloads\":[{}]}}", "1 3 "},
        {XF_WRITE_UPSERT, "{\"batch\":{\"ids\":[1],\"vectors\":[{\"text\":\"x\",\"model\":\"m\"}],\"payloads\":[{}]}}",
         "1 I"},
        {XF_WRITE_UPSERT, "{\"batch\":{\"vectors\":[[1]],\"payloads\":[{}]}}", "A"},
        {XF_WRITE_UPSERT, "{\"batch\":{\"ids\":[1],\"ids\":[2],\"vectors\":[[1]],\"payloads\":[{}]}}", "AO"},
    };
    CHECK(rows, &unnamed);
}

static void test_named_vectors(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{\"b\":[1],\"a\":[2]},\"payload\":{}}]}", "1 X"},
        {XF_WRITE_UPSERT,
         "{\"points\":[{\"id\":1,\"vector\":{\"b\":{\"indices\":[1],\"values\":[2]},\"a\":[[2],[3]]},\"payload\":{}}]}",
         "1 X"},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1]},\"payload\":{}}]}", "1 "},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1],\"c\":[1]},\"payload\":{}}]}", "1 "},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}", "1 "},
        {XF_WRITE_UPSERT,
         "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1],\"b\":[1]},\"payload\":{}},{\"id\":2,\"vector\":{\"a\":[1]},"
         "\"payload\":{}}]}",
         "1 2 "},
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1],\"a\":[1],\"b\":[2]},\"payload\":{}}]}", "AO"},
        {XF_WRITE_UPSERT,
         "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1],\"b\":{\"text\":\"x\",\"model\":\"m\"}},\"payload\":{}}]}",
         "1 I"},
        {XF_WRITE_UPSERT,
         "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1],\"b\":{\"indices\":[1],\"values\":[1],\"text\":\"x\"}},"
         "\"payload\":{}}]}",
         "1 I"},
        {XF_WRITE_UPSERT,
         "{\"batch\":{\"ids\":[1],\"vectors\":{\"a\":[[1]],\"b\":[{\"indices\":[],\"values\":[]}]},\"payloads\":[{}]}}",
         "1 X"},
        {XF_WRITE_UPSERT, "{\"batch\":{\"ids\":[1],\"vectors\":{\"a\":[[1]]},\"payloads\":[{}]}}", "1 "},
        {XF_WRITE_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1]}},{\"id\":1,\"vector\":{\"b\":[1]}}]}",
         "1 UX"},
    };
    CHECK(rows, &two);
    static const struct row unknown[] = {
        {XF_WRITE_UPSERT, "{\"points\":[{\"id\":1,\"vector\":{\"b\":[1],\"a\":[2]},\"payload\":{}}]}", "1 "},
        {XF_WRITE_DELETE, "{\"points\":[1]}", "1 X"},
    };
    CHECK(unknown, NULL);
}

static void test_selectors(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {XF_WRITE_DELETE, "{\"points\":[3,1,2,1]}", "1 2 3 X"},
        {XF_WRITE_DELETE, "{\"points\":[1],\"shard_key\":\"k\"}", "1 SX"},
        {XF_WRITE_DELETE, "{\"points\":[1],\"filter\":null}", "1 X"},
        {XF_WRITE_DELETE, "{\"points\":[1,2,3,4,5,6,7,8,9]}", "AX"}, /* one more than the limit of ids */
        {XF_WRITE_DELETE, "{\"filter\":{}}", "F"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[{\"has_id\":[1,2]}]}}", "F"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":{\"key\":\"points\",\"match\":{\"value\":1}}},\"shard_key\":[\"k\"]}",
         "FKS"},
        /* by ids, by filter, by filter, by filter */
        {XF_WRITE_DELETE, "{\"points\":[1],\"filter\":" F "}", "AFO"},
        {XF_WRITE_DELETE, "{\"points\":[1],\"points\":[3],\"filter\":" F "}", "AFO"},
        {XF_WRITE_DELETE, "{\"points\":[1,-1],\"filter\":" F "}", "AFO"},
        {XF_WRITE_DELETE, "{\"points\":null,\"filter\":" F "}", "AFO"},
        {XF_WRITE_DELETE, "{\"filter\":" F ",\"po\\u0069nts\":[]}", "AFO"},
        {XF_WRITE_DELETE, "[[6]]", "AO"},
        {XF_WRITE_DELETE, "[{\"must\":[]}]", "AO"},
        {XF_WRITE_DELETE, "{\"filter\":[null,null]}", "AFO"},
        {XF_WRITE_DELETE, "{\"points\":[[1]]}", "AO"},
        {XF_WRITE_DELETE, "{\"points\":[null]}", "AO"},
        {XF_WRITE_DELETE, "{}", "A"},
        {XF_WRITE_DELETE, "{\"filter\":null}", "A"},
        {XF_WRITE_CLEAR_PAYLOAD, "{\"points\":[1," U1 "]}", "1 " U1 " UX"},
        {XF_WRITE_CLEAR_PAYLOAD, "{\"filter\":{}}", "F"},
        {XF_WRITE_SET_PAYLOAD, "{\"payload\":{\"points\":[7],\"filter\":{}},\"points\":[9]}", "9 UX"},
        {XF_WRITE_SET_PAYLOAD, "{\"points\":[9],\"key\":\"a.b\",\"payload\":{\"c\":[\"\\\\\"]}}", "9 UX"},
        {XF_WRITE_SET_PAYLOAD, "{\"payload\":{},\"filter\":" F "}", "F"},
        {XF_WRITE_SET_PAYLOAD, "{\"payload\":{},\"points\":[1],\"filter\":" F "}", "AFUO"},
        {XF_WRITE_SET_PAYLOAD, "{\"payload\":{},\"points\":null,\"filter\":" F "}", "AFO"},
        {XF_WRITE_SET_PAYLOAD, "{\"payload\":{},\"payload\":{},\"points\":[1]}", "AUO"},
        {XF_WRITE_SET_PAYLOAD, "[{},[1],null,null,null]", "AO"},
        {XF_WRITE_SET_PAYLOAD, "{\"payload\":{}}", "A"},
        {XF_WRITE_OVERWRITE_PAYLOAD, "{\"payload\":{},\"points\":[1]}", "1 UX"},
        {XF_WRITE_DELETE_PAYLOAD, "{\"keys\":[\"points\"],\"points\":[1]}", "1 UX"},
        {XF_WRITE_DELETE_VECTORS, "{\"points\":[1],\"vector\":[\"a\"]}", "1 UX"},
        {XF_WRITE_DELETE_VECTORS, "{\"filter\":{},\"vectors\":[\"a\"]}", "F"},
        {XF_WRITE_DELETE_VECTORS, "{\"points\":[1],\"vector\":[\"a\"],\"filter\":" F "}", "AFUO"}, /* both run */
        {XF_WRITE_UPDATE_VECTORS, "{\"points\":[{\"id\":4,\"vector\":[1]}]}", "4 UX"},
        {XF_WRITE_UPDATE_VECTORS, "{\"points\":[{\"id\":4,\"vector\":[1]}],\"update_filter\":{}}", "4 CU"},
        {XF_WRITE_UPDATE_VECTORS, "{\"points\":[{\"id\":4,\"vector\":{\"text\":\"x\",\"model\":\"m\"}}]}", "4 UI"},
        {XF_WRITE_UPDATE_VECTORS, "{\"points\":[[4,[1]]]}", "AUO"},
        {XF_WRITE_UPDATE_VECTORS, "{}", "AU"},
    };
    CHECK(rows, &unnamed);
}

static void test_batch(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {XF_WRITE_BATCH, "{\"operations\":[]}", "X"},
        {XF_WRITE_BATCH, "{\"operations\":[{\"delete\":{\"points\":[1]}},{\"clear_payload\":{\"points\":[2]}}]}",
         "1 2 UX"},
        {XF_WRITE_BATCH,
         "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":3,\"vector\":[1],\"payload\":{}}]}},"
         "{\"delete_vectors\":{\"points\":[3],\"vector\":[\"a\"]}}]}",
         "3 UX"},
        {XF_WRITE_BATCH,
         "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":3,\"vector\":[1]}]}},{\"delete\":{\"points\":[4]}}]}",
         "3 4 "},
        {XF_WRITE_BATCH,
         "{\"operations\":[{\"upsert\":{\"batch\":{\"ids\":[3],\"vectors\":{\"\":[{\"indices\":[1],\"values\":[1]}]},"
         "\"payloads\":[{}]}}}]}",
         "3 X"},
        {XF_WRITE_BATCH,
         "{\"operations\":[{\"update_vectors\":{\"points\":[{\"id\":3,\"vector\":[1]}],\"update_filter\":{}}}]}",
         "3 CU"},
        {XF_WRITE_BATCH,
         "{\"operations\":[{\"set_payload\":{\"payload\":{},\"points\":[1]}},"
         "{\"overwrite_payload\":{\"payload\":{},\"points\":[2],\"shard_key\":\"k\"}},"
         "{\"delete_payload\":{\"keys\":[],\"filter\":{}}}]}",
         "1 2 FUS"},
        /* an undecodable upsert falls through to what stands beside it */
        {XF_WRITE_BATCH,
         "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":-1,\"vector\":[1]}]},\"delete\":{\"points\":[1]}}]}", "AO"},
        {XF_WRITE_BATCH, "{\"operations\":[{\"delete\":{\"points\":[1]},\"delete\":{\"points\":[2]}}]}", "AO"},
        {XF_WRITE_BATCH, "{\"operations\":[{\"delete\":{\"points\":[1]},\"upsert\":null}]}", "AO"},
        {XF_WRITE_BATCH, "{\"operations\":[{\"delete\":{\"points\":[1]},\"comment\":1}]}", "AO"},
        {XF_WRITE_BATCH, "{\"operations\":[{\"truncate\":{}}]}", "AO"},
        {XF_WRITE_BATCH, "{\"operations\":[{\"delete\":{\"points\":[1],\"filter\":{}}}]}", "AFO"},
        {XF_WRITE_BATCH, "{\"operations\":[{\"delete\":[[1]]}]}", "AO"},
        {XF_WRITE_BATCH, "{\"operations\":[[{\"points\":[]}]]}", "AO"},
        {XF_WRITE_BATCH, "[[{\"delete\":{\"points\":[1]}}]]", "AO"},
        {XF_WRITE_BATCH, "{\"operations\":[],\"operations\":[{\"delete\":{\"points\":[1]}}]}", "AO"},
        {XF_WRITE_BATCH, "{\"operations\":[{}]}", "A"},
        {XF_WRITE_BATCH, "{}", "A"},
        /* the names of operations mean nothing elsewhere */
        {XF_WRITE_BATCH,
         "{\"delete\":{\"points\":[9]},\"operations\":[{\"delete\":{\"points\":[1],\"upsert\":{\"points\":[5]}}}]}",
         "1 X"},
    };
    CHECK(rows, &unnamed);
}

static void test_not_json(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {XF_WRITE_DELETE, "", "JSON_SYNTAX"},
        {XF_WRITE_DELETE, "{\"points\":[1]", "JSON_SYNTAX"},
        {XF_WRITE_DELETE, "{\"points\":[1]} {}", "JSON_SYNTAX"},
        {XF_WRITE_DELETE, "{\"points\":[1],}", "JSON_SYNTAX"},
        {XF_WRITE_DELETE, "\xef\xbb\xbf{\"points\":[1]}", "JSON_SYNTAX"},
    };
    CHECK(rows, &unnamed);
    char body[400] = "{\"points\":[1],\"x\":";
    memset(body + strlen(body), '[', 127);
    const struct row deep = {XF_WRITE_DELETE, body, "JSON_DEPTH"};
    check_rows(&deep, 1, &unnamed);
}

/* What a filter looks at decides whether it may mean something else on another server. */
static void test_filters(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[{\"key\":\"a\",\"match\":{\"value\":1}}]}}", "FK"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":{\"key\":\"a\",\"range\":{\"gt\":1}}}}", "FK"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must_not\":[{\"is_empty\":{\"key\":\"a\"}}]}}", "FK"},
        {XF_WRITE_DELETE, "{\"filter\":{\"should\":[{\"must\":[{\"nested\":{\"key\":\"a\",\"filter\":{\"must\":[]}}}]}]}}", "FK"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[{\"key\":\"a\",\"match\":{\"text\":\"x\"}}]}}", "FKT"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[{\"match\":{\"text_any\":\"x\"},\"key\":\"a\"}]}}", "FKT"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[{\"key\":\"a\",\"match\":{\"phr\\u0061se\":\"x\"}}]}}", "FKT"},
        {XF_WRITE_DELETE, "{\"filter\":{\"min_should\":{\"conditions\":[{\"has_vector\":\"a\"}],\"min_count\":1}}}", "FV"},
        /* words that are values, and those outside of the filter */
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[{\"has_id\":[1]}]},\"text\":{\"key\":1,\"has_vector\":2}}", "F"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[{\"key\":\"text\",\"match\":{\"value\":\"has_vector\"}}]}}", "FK"},
        {XF_WRITE_SET_PAYLOAD, "{\"payload\":{\"key\":1,\"text\":{\"phrase\":2}},\"filter\":{}}", "F"},
        {XF_WRITE_BATCH, "{\"operations\":[{\"delete\":{\"filter\":{\"must\":[{\"key\":\"a\",\"match\":{\"text\":\"\"}}]}}},"
                         "{\"delete\":{\"points\":[5]}}]}", "5 FKT"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[{\"key\":\"a\"]}}", "JSON_SYNTAX"},
        {XF_WRITE_DELETE, "{\"filter\":{}}}", "JSON_SYNTAX"},
        {XF_WRITE_DELETE, "{\"filter\":{\"must\":[]", "JSON_SYNTAX"},
    };
    CHECK(rows, &unnamed);
}

static void check_kept(enum xf_write_op op, const char *body, const char *filter, const char *shard_key)
{
    size_t len = strlen(body);
    for (size_t first = 0; first <= len + 1; first++) {
        struct xf_write_scan *scan;
        struct xf_write_verdict verdict = {0};
        assert_int_equal(xf_write_scan_new(op, &unnamed, IDS_MAX, &scan), XF_OK);
        for (size_t at = 0, step; at < len; at += step) {
            step = first > len ? 1 : at == 0 && first > 0 ? first : len - at;
            assert_int_equal(feed_piece(scan, body + at, step), XF_OK);
        }
        assert_int_equal(xf_write_scan_finish(scan, &verdict), XF_OK);
        assert_int_equal(verdict.filter.len, strlen(filter));
        assert_memory_equal(verdict.filter.ptr, filter, verdict.filter.len);
        assert_int_equal(verdict.shard_key.len, strlen(shard_key));
        assert_memory_equal(verdict.shard_key.ptr, shard_key, verdict.shard_key.len);
        xf_write_scan_free(scan);
    }
}

/* The filter and the shard key as they were written, for asking a server with them. */
static void test_what_is_kept(void **state)
{
    (void)state;
    check_kept(XF_WRITE_DELETE, "{\"filter\":{}}", "{}", "");
    check_kept(XF_WRITE_DELETE, "{ \"filter\" : { \"must\" : [ {\"has_id\":[1,{}]} ] } , \"shard_key\" : \"a\\\"b\" }",
               "{ \"must\" : [ {\"has_id\":[1,{}]} ] }", "\"a\\\"b\"");
    check_kept(XF_WRITE_SET_PAYLOAD, "{\"shard_key\":17,\"payload\":{\"filter\":{\"a\":1}},\"filter\":{\"must\":{\"key\":\"}\"}}}",
               "{\"must\":{\"key\":\"}\"}}", "17");
    check_kept(XF_WRITE_DELETE, "{\"filter\":{\"must\":[]},\"shard_key\":[\"a\",\"b\"]}", "{\"must\":[]}", "");
    check_kept(XF_WRITE_DELETE, "{\"points\":[1],\"shard_key\":null}", "", "");
    check_kept(XF_WRITE_BATCH, "{\"operations\":[{\"delete\":{\"filter\":{\"must\":[]},\"shard_key\":\"a\"}}]}", "", "");
}

static void test_a_long_filter_is_not_kept(void **state)
{
    (void)state;
    struct xf_write_scan *scan;
    struct xf_write_verdict verdict = {0};
    assert_int_equal(xf_write_scan_new(XF_WRITE_DELETE, &unnamed, IDS_MAX, &scan), XF_OK);
    assert_int_equal(xf_write_scan_feed(scan, XF_SLICE("{\"filter\":{\"must\":[{\"has_id\":[0")), XF_OK);
    for (int i = 0; i < XF_SCAN_FILTER_BYTES_MAX / 8 + 1; i++)
        assert_int_equal(xf_write_scan_feed(scan, XF_SLICE(",1234567")), XF_OK);
    assert_int_equal(xf_write_scan_feed(scan, XF_SLICE("]}]}}")), XF_OK);
    assert_int_equal(xf_write_scan_finish(scan, &verdict), XF_OK);
    assert_true(verdict.has_filter && verdict.filter.len == 0);
    xf_write_scan_free(scan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upsert),    cmocka_unit_test(test_upsert_columns), cmocka_unit_test(test_named_vectors),
        cmocka_unit_test(test_selectors), cmocka_unit_test(test_batch),          cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_filters),   cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_a_long_filter_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
