/* What single values mean: ids, filters, conditions, shard keys, payloads and vectors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/write_scan_int.h"

static const char id_form[] = "write each point id as an integer from 0 to 2^64-1 or as a UUID string";
static const char vector_form[] = "write a vector as a list of numbers, or as an object where it is sparse or named";

static bool is_container(enum xf_json_event event)
{
    return event == XF_JSON_OBJECT || event == XF_JSON_ARRAY;
}

static void jump(struct xf_write_scan *scan, enum xf_role role)
{
    scan->jumping = role;
    xf_json_scan_jump(&scan->json);
}

static enum xf_err take_id(struct xf_write_scan *scan, enum xf_json_event event)
{
    struct xf_point_id id;
    enum xf_err err = XF_ERR_INVALID;
    if (event == XF_JSON_NUMBER && scan->json.token_is_whole)
        err = xf_point_id_of_number(scan->json.token, &id);
    else if (event == XF_JSON_STRING && scan->json.token_is_whole)
        err = xf_point_id_of_string(scan->json.token, &id);
    if (err) {
        xf_write_note_odd(scan, id_form);
        return XF_OK;
    }
    if (scan->verdict.ids_unknown)
        return XF_OK;
    err = xf_id_set_add(&scan->ids, id);
    if (err == XF_ERR_FULL) {
        scan->verdict.ids_unknown = true;
        return XF_OK;
    }
    return err;
}

static void take_filter(struct xf_write_scan *scan, enum xf_json_event event)
{
    scan->verdict.has_filter = true;
    scan->verdict.is_exact = false;
    xf_buf_clear(&scan->filter);
    if (event == XF_JSON_OBJECT)
        scan->filter_depth = 1;
    else if (event == XF_JSON_ARRAY)
        xf_write_note_odd(scan, "write the filter as an object");
}

/* Conditions have these keys at any depth of a filter, and no payload's key stands there as a key: so a word too many is
 * found only where a match value is an object, which is no match (Qdrant 1.18.3: lib/segment/src/types.rs). */
static void take_filter_key(struct xf_write_scan *scan)
{
    struct xf_slice key = scan->json.token;
    if (!scan->json.token_is_whole)
        return;
    if (xf_slice_eq(key, XF_SLICE("key")))
        scan->verdict.has_field_test = true;
    else if (xf_slice_eq(key, XF_SLICE("text")) || xf_slice_eq(key, XF_SLICE("text_any")) ||
        xf_slice_eq(key, XF_SLICE("phrase")))
        scan->verdict.has_text_match = true;
    else if (xf_slice_eq(key, XF_SLICE("has_vector")))
        scan->verdict.has_vector_test = true;
}

void xf_write_in_filter(struct xf_write_scan *scan, enum xf_json_event event)
{
    if (event == XF_JSON_OBJECT || event == XF_JSON_ARRAY)
        scan->filter_depth++;
    else if (event == XF_JSON_OBJECT_END || event == XF_JSON_ARRAY_END)
        scan->filter_depth--;
    else if (event == XF_JSON_KEY)
        take_filter_key(scan);
}

static void take_condition(struct xf_write_scan *scan, enum xf_json_event event)
{
    scan->verdict.has_condition = true;
    scan->verdict.is_exact = false;
    if (event == XF_JSON_ARRAY)
        xf_write_note_odd(scan, "write update_filter as an object");
}

static void take_mode(struct xf_write_scan *scan, enum xf_json_event event)
{
    if (event == XF_JSON_STRING && scan->json.token_is_whole && xf_slice_eq(scan->json.token, XF_SLICE("upsert")))
        return;
    scan->verdict.has_condition = true;
    scan->verdict.is_exact = false;
}

/* A list of keys makes several copies of a point, of which reads show any one; a {target, fallback} is decided by the
 * server's state. A single key leaves one outcome. */
static enum xf_err take_shard_key(struct xf_write_scan *scan, enum xf_json_event event)
{
    enum xf_err err = XF_OK;
    scan->verdict.has_shard_key = true;
    if (is_container(event))
        scan->verdict.is_exact = false;
    xf_buf_clear(&scan->shard_key);
    if (scan->root.op == XF_WRITE_BATCH || !scan->json.token_is_whole)
        return XF_OK;
    if (event == XF_JSON_NUMBER)
        return xf_buf_append_slice(&scan->shard_key, scan->json.token);
    if (event != XF_JSON_STRING)
        return XF_OK;
    err = xf_buf_append(&scan->shard_key, "\"", 1);
    if (!err)
        err = xf_buf_append_json_escaped(&scan->shard_key, scan->json.token);
    return err ? err : xf_buf_append(&scan->shard_key, "\"", 1);
}

/* A point's vectors as one list: the unnamed vector. A map of names is looked into. */
static void take_vector_struct(struct xf_write_scan *scan, enum xf_json_event event)
{
    if (event == XF_JSON_OBJECT) {
        xf_write_push(scan, XF_ROLE_NAMED, xf_write_top(scan)->op);
    } else if (event == XF_JSON_ARRAY) {
        xf_write_state_vector(scan, XF_SLICE(""));
        jump(scan, XF_ROLE_VECTOR);
    } else {
        xf_write_note_unreadable(scan);
    }
}

static void take_vectors_struct(struct xf_write_scan *scan, enum xf_json_event event)
{
    if (event == XF_JSON_OBJECT) {
        xf_write_push(scan, XF_ROLE_NAMED_COLUMN, xf_write_top(scan)->op);
    } else if (event == XF_JSON_ARRAY) {
        xf_write_state_vector(scan, XF_SLICE(""));
        xf_write_push(scan, XF_ROLE_VECTOR_COLUMN, xf_write_top(scan)->op);
    } else {
        xf_write_note_unreadable(scan);
    }
}

/* Under a name nothing but a list or an object is a vector. A text there means that the "map of names" was an input for
 * inference, such as {"text": ..., "model": ...}. */
static void take_vector(struct xf_write_scan *scan, enum xf_json_event event)
{
    if (event == XF_JSON_OBJECT)
        xf_write_push(scan, XF_ROLE_SPARSE, xf_write_top(scan)->op);
    else if (event == XF_JSON_ARRAY)
        jump(scan, XF_ROLE_VECTOR);
    else
        xf_write_note_inference(scan);
}

/* True if the value has been dealt with; otherwise a container of it is to be jumped over. */
static bool take_structured(struct xf_write_scan *scan, enum xf_role role, enum xf_json_event event)
{
    if (role == XF_ROLE_VECTOR_STRUCT)
        take_vector_struct(scan, event);
    else if (role == XF_ROLE_VECTORS_STRUCT)
        take_vectors_struct(scan, event);
    else if (role == XF_ROLE_VECTOR)
        take_vector(scan, event);
    else
        return false;
    return true;
}

enum xf_err xf_write_leaf(struct xf_write_scan *scan, enum xf_role role, enum xf_json_event event)
{
    enum xf_err err = XF_OK;
    bool is_null = event == XF_JSON_NULL;
    if (take_structured(scan, role, event))
        return XF_OK;
    if (role == XF_ROLE_ID)
        err = take_id(scan, event);
    else if (role == XF_ROLE_FILTER && !is_null)
        take_filter(scan, event);
    else if (role == XF_ROLE_CONDITION && !is_null)
        take_condition(scan, event);
    else if (role == XF_ROLE_MODE && !is_null)
        take_mode(scan, event);
    else if (role == XF_ROLE_SHARD_KEY && !is_null)
        err = take_shard_key(scan, event);
    else if (role == XF_ROLE_PAYLOAD && event != XF_JSON_OBJECT)
        scan->verdict.is_exact = false;
    else if (role == XF_ROLE_SPARSE_PART && event != XF_JSON_ARRAY)
        xf_write_note_inference(scan);
    if (is_container(event) && scan->filter_depth == 0)
        jump(scan, role);
    return err;
}

void xf_write_leaf_jumped(struct xf_write_scan *scan, enum xf_role role)
{
    const struct xf_json_jump *seen = &scan->json.jump;
    bool is_sparse_part = role == XF_ROLE_SPARSE_PART;
    if (role != XF_ROLE_VECTOR && !is_sparse_part)
        return;
    if (seen->saw_string || seen->saw_object || (is_sparse_part && seen->saw_array)) {
        xf_write_note_inference(scan); /* ["text", "model"] is an inference input written as a list */
        xf_write_note_odd(scan, vector_form);
    }
}
