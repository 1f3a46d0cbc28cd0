/* The write scan: tokens from the JSON reader walk down the table of shapes (write_shape.h). Only objects and lists
 * that lead to ids, payloads and vector names are looked into; payloads and the vectors themselves are jumped over at
 * memory speed, so that nothing inside of them can be taken for something it is not. A filter is walked through for the
 * conditions that may mean something else on another server, and kept as it was written.
 *
 * Invariant (G6): `ids_unknown` is set wherever the ids that Qdrant would touch could be others than those collected,
 * and `is_exact` is only ever taken back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/write_scan_int.h"

#include <stdlib.h>

enum { SHARD_KEY_BYTES_MAX = 8 * XF_JSON_TEXT_MAX }; /* every byte escaped */

static const char duplicate_key[] = "write each key once";
static const char array_for_struct[] = "write the request and its parts as objects, not as lists of their fields";
static const char one_operation[] =
    "give each operation of the batch as an object with exactly one known operation key";

enum xf_err xf_write_scan_new(enum xf_write_op op, const struct xf_vector_names *vectors, size_t ids_max,
                              struct xf_write_scan **scan)
{
    size_t name_count = vectors ? vectors->count : 0;
    struct xf_write_scan *made = calloc(1, sizeof *made + name_count * sizeof made->stated[0]);
    if (!made)
        return XF_ERR_NOMEM;
    xf_json_scan_init(&made->json);
    xf_buf_init(&made->filter, XF_SCAN_FILTER_BYTES_MAX);
    xf_buf_init(&made->shard_key, SHARD_KEY_BYTES_MAX);
    made->ids.max = ids_max;
    made->verdict.is_exact = true;
    made->column_rows = SIZE_MAX;
    made->root = (struct xf_write_frame){.role = XF_ROLE_IGNORED, .next = xf_role_of_op(op), .op = op};
    if (name_count > 0)
        made->names = *vectors;
    *scan = made;
    return XF_OK;
}

void xf_write_scan_free(struct xf_write_scan *scan)
{
    if (!scan)
        return;
    xf_id_set_fini(&scan->ids);
    xf_buf_fini(&scan->filter);
    xf_buf_fini(&scan->shard_key);
    free(scan);
}

struct xf_write_frame *xf_write_top(struct xf_write_scan *scan)
{
    return scan->frame_count == 0 ? &scan->root : &scan->frames[scan->frame_count - 1];
}

void xf_write_push(struct xf_write_scan *scan, enum xf_role role, enum xf_write_op op)
{
    XF_ASSERT(scan->frame_count < XF_WRITE_FRAMES_MAX);
    if (role == XF_ROLE_COLUMNS) {
        scan->column_rows = SIZE_MAX;
        scan->columns_differ = false;
    }
    scan->frames[scan->frame_count++] = (struct xf_write_frame){
        .role = role,
        .next = xf_role_element(role),
        .op = op,
    };
}

void xf_write_note_odd(struct xf_write_scan *scan, const char *reason)
{
    if (!scan->verdict.is_odd)
        scan->verdict.odd_reason = reason;
    scan->verdict.is_odd = true;
    xf_write_note_unreadable(scan);
}

void xf_write_note_unreadable(struct xf_write_scan *scan)
{
    scan->verdict.ids_unknown = true;
    scan->verdict.is_exact = false;
}

void xf_write_note_inference(struct xf_write_scan *scan)
{
    scan->verdict.needs_inference = true;
    scan->verdict.is_exact = false;
}

void xf_write_state_vector(struct xf_write_scan *scan, struct xf_slice name)
{
    for (size_t i = 0; i < scan->names.count; i++) {
        if (!xf_slice_eq(scan->names.names[i], name))
            continue;
        if (scan->stated[i])
            xf_write_note_odd(scan, duplicate_key);
        else
            scan->stated_count++;
        scan->stated[i] = true;
        return;
    }
}

void xf_write_forget_vectors(struct xf_write_scan *scan)
{
    if (scan->names.count > 0)
        memset(scan->stated, 0, scan->names.count * sizeof scan->stated[0]);
    scan->stated_count = 0;
}

static void take_member(struct xf_write_scan *scan, struct xf_write_frame *frame)
{
    const struct xf_member *member = scan->json.token_is_whole ? xf_member_find(frame->role, scan->json.token) : NULL;
    frame->next = member ? member->role : XF_ROLE_IGNORED;
    frame->next_seen = member ? member->seen : XF_SEEN_OTHER;
    if (frame->role == XF_ROLE_OPERATION && (!member || frame->seen))
        xf_write_note_odd(scan, one_operation);
    else if (member && (frame->seen & member->seen))
        xf_write_note_odd(scan, duplicate_key);
    if (frame->role == XF_ROLE_OPERATION && member)
        frame->op = member->op;
    frame->seen |= frame->next_seen;
}

static void take_key(struct xf_write_scan *scan)
{
    struct xf_write_frame *frame = xf_write_top(scan);
    if (xf_role_kind(frame->role) == XF_KIND_OBJECT)
        take_member(scan, frame);
    else if (scan->json.token_is_whole)
        xf_write_state_vector(scan, scan->json.token);
}

/* A value that should be an object or a list to look into. */
static void enter(struct xf_write_scan *scan, enum xf_role role, enum xf_json_event event)
{
    bool is_list = xf_role_kind(role) == XF_KIND_LIST;
    if (event == (is_list ? XF_JSON_ARRAY : XF_JSON_OBJECT)) {
        xf_write_push(scan, role, xf_write_top(scan)->op);
        return;
    }
    if (event == XF_JSON_ARRAY)
        xf_write_note_odd(scan, array_for_struct);
    else if (event == XF_JSON_NULL && role == XF_ROLE_PAYLOAD_COLUMN)
        scan->verdict.is_exact = false;
    else
        xf_write_note_unreadable(scan);
    if (event == XF_JSON_ARRAY || event == XF_JSON_OBJECT) {
        scan->jumping = XF_ROLE_IGNORED;
        xf_json_scan_jump(&scan->json);
    }
}

static enum xf_err take_value(struct xf_write_scan *scan, enum xf_json_event event)
{
    struct xf_write_frame *frame = xf_write_top(scan);
    enum xf_role role = frame->next;
    frame->elements++;
    if (event == XF_JSON_NULL)
        frame->nulls |= frame->next_seen;
    if (xf_role_kind(role) == XF_KIND_LEAF)
        return xf_write_leaf(scan, role, event);
    enter(scan, role, event);
    return XF_OK;
}

static enum xf_err take_event(struct xf_write_scan *scan, enum xf_json_event event)
{
    if (scan->filter_depth > 0) {
        xf_write_in_filter(scan, event);
        return XF_OK;
    }
    switch (event) {
    case XF_JSON_KEY:
        take_key(scan);
        return XF_OK;
    case XF_JSON_OBJECT_END:
    case XF_JSON_ARRAY_END:
        xf_write_close(scan, xf_write_top(scan));
        scan->frame_count--;
        return XF_OK;
    case XF_JSON_JUMPED:
        xf_write_leaf_jumped(scan, scan->jumping);
        return XF_OK;
    default:
        return take_value(scan, event);
    }
}

/* Keeps the filter's bytes, from behind its opening brace to its closing one. A batch may have several of them. */
static enum xf_err keep_filter(struct xf_write_scan *scan, const char *from, const char *to)
{
    if (scan->root.op == XF_WRITE_BATCH || scan->filter_is_long)
        return XF_OK;
    enum xf_err err = xf_buf_len(&scan->filter) ? XF_OK : xf_buf_append(&scan->filter, "{", 1);
    if (!err)
        err = xf_buf_append(&scan->filter, from, (size_t)(to - from));
    if (err != XF_ERR_FULL)
        return err;
    scan->filter_is_long = true;
    xf_buf_release(&scan->filter);
    return XF_OK;
}

enum xf_err xf_write_scan_feed(struct xf_write_scan *scan, struct xf_slice in)
{
    enum xf_json_event event = XF_JSON_NULL;
    const char *filter_from = in.ptr;
    while (!scan->err) {
        bool was_in_filter = scan->filter_depth > 0;
        scan->err = xf_json_scan_next(&scan->json, &in, &event);
        bool is_over = scan->err || event == XF_JSON_MORE;
        if (!is_over)
            scan->err = take_event(scan, event);
        if (!was_in_filter)
            filter_from = in.ptr;
        else if (!scan->err && (is_over || scan->filter_depth == 0))
            scan->err = keep_filter(scan, filter_from, in.ptr);
        if (is_over)
            break;
    }
    return scan->err;
}

enum xf_err xf_write_scan_finish(struct xf_write_scan *scan, struct xf_write_verdict *verdict)
{
    if (!scan->err)
        scan->err = xf_json_scan_finish(&scan->json);
    if (scan->err)
        return scan->err;
    if (scan->root.elements == 0)
        xf_write_note_unreadable(scan); /* a bare number, which gives no event before the end */
    xf_id_set_sort(&scan->ids);
    *verdict = scan->verdict;
    verdict->filter = xf_buf_view(&scan->filter);
    verdict->shard_key = xf_buf_view(&scan->shard_key);
    if (!verdict->ids_unknown) {
        verdict->ids = scan->ids.ids;
        verdict->id_count = scan->ids.count;
    }
    return XF_OK;
}
