/* The rewriter: the JSON reader walks the body, and of the strings that stand where a collection's name stands, the
 * caller says which to replace. Bytes leave as views of the input; only a name that the end of the input has cut is
 * copied and kept until the rest has come.
 *
 * A name may also be the first element of a list: Qdrant 1.18.3 takes {"collection": "a"} in the form ["a"] too.
 * Whatever the reader cannot read ends the rewriting, and the rest of the body passes as it is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/rewrite.h"

#include "common/base/buf.h"
#include "common/json/json_scan.h"

#include <stdlib.h>

/* A name that is longer, fully escaped, than this is longer than any collection's. */
enum { HELD_MAX = XF_JSON_TEXT_MAX * 6 + 2, REPLACEMENT_MAX = 1 << 20 };

enum role {
    ROLE_OTHER,
    ROLE_TOP,      /* the body */
    ROLE_QUERY,    /* one of `searches`, or a prefetch: all that may stand in the body but `searches` */
    ROLE_SEARCHES, /* a list of queries */
    ROLE_PREFETCH, /* a query or a list of them */
    ROLE_PREFETCH_LIST,
    ROLE_LOOKUP_FROM, /* {collection} */
    ROLE_WITH_LOOKUP, /* a name or {collection} */
    ROLE_LOOKUP,      /* inside either object */
    ROLE_LOOKUP_LIST, /* either as a list of its fields */
    ROLE_NAME
};

struct xf_rewrite {
    struct xf_json_scan json;
    xf_rename_fn *rename;
    xf_rewrite_out_fn *out;
    void *ctx;
    enum xf_err err;
    bool is_passing; /* not JSON: nothing is looked at any more */
    bool has_changed;
    bool is_given_up; /* the string being read is too long for a name; its bytes are gone already */
    uint8_t next;     /* the role of the value that comes next */
    uint32_t depth;
    uint8_t open[XF_JSON_DEPTH_MAX]; /* the role of each open container */
    struct xf_buf held;              /* the first part of a string that may be a name */
    struct xf_buf made;              /* its replacement as JSON */
};

enum xf_err xf_rewrite_new(xf_rename_fn *rename, xf_rewrite_out_fn *out, void *ctx, struct xf_rewrite **rewrite)
{
    struct xf_rewrite *made = calloc(1, sizeof *made);
    if (!made)
        return XF_ERR_NOMEM;
    made->rename = rename;
    made->out = out;
    made->ctx = ctx;
    made->next = ROLE_TOP;
    xf_json_scan_init(&made->json);
    xf_buf_init(&made->held, HELD_MAX);
    xf_buf_init(&made->made, REPLACEMENT_MAX);
    *rewrite = made;
    return XF_OK;
}

void xf_rewrite_free(struct xf_rewrite *rewrite)
{
    if (!rewrite)
        return;
    xf_buf_fini(&rewrite->held);
    xf_buf_fini(&rewrite->made);
    free(rewrite);
}

bool xf_rewrite_has_changed(const struct xf_rewrite *rewrite)
{
    return rewrite->has_changed;
}

static enum xf_err emit(struct xf_rewrite *rewrite, const char *from, const char *to)
{
    return from == to ? XF_OK : rewrite->out(rewrite->ctx, xf_slice(from, (size_t)(to - from)));
}

static enum xf_err emit_held(struct xf_rewrite *rewrite)
{
    struct xf_slice held = xf_buf_view(&rewrite->held);
    enum xf_err err = emit(rewrite, held.ptr, held.ptr + held.len);
    xf_buf_clear(&rewrite->held);
    return err;
}

static uint8_t role_of_key(uint8_t parent, struct xf_slice key)
{
    if (parent == ROLE_LOOKUP)
        return xf_slice_eq(key, XF_SLICE("collection")) ? ROLE_NAME : ROLE_OTHER;
    if (parent != ROLE_TOP && parent != ROLE_QUERY)
        return ROLE_OTHER;
    if (xf_slice_eq(key, XF_SLICE("lookup_from")))
        return ROLE_LOOKUP_FROM;
    if (xf_slice_eq(key, XF_SLICE("with_lookup")))
        return ROLE_WITH_LOOKUP;
    if (xf_slice_eq(key, XF_SLICE("prefetch")))
        return ROLE_PREFETCH;
    return parent == ROLE_TOP && xf_slice_eq(key, XF_SLICE("searches")) ? ROLE_SEARCHES : ROLE_OTHER;
}

/* The role of a container that begins where a value of this role is due; OTHER is jumped over. */
static uint8_t role_of_container(uint8_t role, bool is_object)
{
    switch ((enum role)role) {
    case ROLE_TOP:
    case ROLE_QUERY:
        return is_object ? role : ROLE_OTHER;
    case ROLE_PREFETCH:
        return is_object ? ROLE_QUERY : ROLE_PREFETCH_LIST;
    case ROLE_SEARCHES:
        return is_object ? ROLE_OTHER : ROLE_SEARCHES;
    case ROLE_LOOKUP_FROM:
    case ROLE_WITH_LOOKUP:
        return is_object ? ROLE_LOOKUP : ROLE_LOOKUP_LIST;
    default:
        return ROLE_OTHER;
    }
}

static uint8_t first_element(uint8_t list)
{
    if (list == ROLE_SEARCHES || list == ROLE_PREFETCH_LIST)
        return ROLE_QUERY;
    return list == ROLE_LOOKUP_LIST ? ROLE_NAME : ROLE_OTHER;
}

/* A value has ended: what comes next is the list's next element, or a key. */
static void end_value(struct xf_rewrite *rewrite)
{
    uint8_t parent = rewrite->depth > 0 ? rewrite->open[rewrite->depth - 1] : ROLE_OTHER;
    rewrite->next = parent == ROLE_LOOKUP_LIST ? ROLE_OTHER : first_element(parent);
}

static void take_structure(struct xf_rewrite *rewrite, enum xf_json_event event)
{
    if (event == XF_JSON_KEY) {
        struct xf_json_scan *json = &rewrite->json;
        uint8_t parent = rewrite->open[rewrite->depth - 1];
        rewrite->next = json->token_is_whole ? role_of_key(parent, json->token) : ROLE_OTHER;
    } else if (event == XF_JSON_OBJECT || event == XF_JSON_ARRAY) {
        uint8_t role = role_of_container(rewrite->next, event == XF_JSON_OBJECT);
        if (role == ROLE_OTHER) {
            rewrite->next = ROLE_OTHER;
            xf_json_scan_jump(&rewrite->json);
        } else {
            rewrite->open[rewrite->depth++] = role;
            rewrite->next = first_element(role);
        }
    } else {
        if (event == XF_JSON_OBJECT_END || event == XF_JSON_ARRAY_END)
            rewrite->depth--;
        end_value(rewrite);
    }
}

static bool may_be_name(const struct xf_rewrite *rewrite)
{
    return rewrite->next == ROLE_NAME || rewrite->next == ROLE_WITH_LOOKUP;
}

static enum xf_err emit_replacement(struct xf_rewrite *rewrite, struct xf_slice name)
{
    xf_buf_clear(&rewrite->made);
    enum xf_err err = xf_buf_append(&rewrite->made, "\"", 1);
    if (!err)
        err = xf_buf_append_json_escaped(&rewrite->made, name);
    if (!err)
        err = xf_buf_append(&rewrite->made, "\"", 1);
    if (err)
        return err;
    struct xf_slice made = xf_buf_view(&rewrite->made);
    return rewrite->out(rewrite->ctx, made);
}

/* A string where a name may stand is complete: [*from, start) has passed unlooked at, [start, end) is the string or,
 * where it was cut, the rest of it. */
static enum xf_err take_name(struct xf_rewrite *rewrite, const char **from, const char *start, const char *end)
{
    struct xf_slice replacement;
    bool is_name = rewrite->json.token_is_whole && !rewrite->is_given_up;
    rewrite->is_given_up = false;
    if (!is_name || !rewrite->rename(rewrite->ctx, rewrite->json.token, &replacement))
        return emit_held(rewrite);
    enum xf_err err = emit(rewrite, *from, start);
    xf_buf_clear(&rewrite->held);
    if (!err)
        err = emit_replacement(rewrite, replacement);
    rewrite->has_changed = true;
    *from = end;
    return err;
}

/* Where the string itself begins: what lies before it is blanks and a colon or comma. */
static const char *string_start(const struct xf_rewrite *rewrite, struct xf_slice in)
{
    const char *at = in.ptr, *end = in.ptr + in.len;
    if (xf_buf_len(&rewrite->held) > 0 || rewrite->is_given_up)
        return at;
    while (at < end && *at != '"')
        at++;
    return at;
}

/* The input ends inside a string that may be a name: keep it, or let it go once it is too long for one. */
static enum xf_err hold(struct xf_rewrite *rewrite, const char *from, const char *start, const char *end)
{
    if (start == end || rewrite->is_given_up)
        return emit(rewrite, from, end);
    enum xf_err err = emit(rewrite, from, start);
    if (err)
        return err;
    err = xf_buf_append(&rewrite->held, start, (size_t)(end - start));
    if (err != XF_ERR_FULL)
        return err;
    rewrite->is_given_up = true;
    err = emit_held(rewrite);
    return err ? err : emit(rewrite, start, end);
}

static enum xf_err pass(struct xf_rewrite *rewrite, const char *from, const char *end)
{
    rewrite->is_passing = true;
    enum xf_err err = emit_held(rewrite);
    return err ? err : emit(rewrite, from, end);
}

static enum xf_err feed(struct xf_rewrite *rewrite, struct xf_slice in)
{
    const char *from = in.ptr, *end = in.ptr + in.len;
    while (!rewrite->is_passing) {
        enum xf_json_event event;
        bool is_name_due = may_be_name(rewrite);
        const char *start = is_name_due ? string_start(rewrite, in) : end;
        enum xf_err err = xf_json_scan_next(&rewrite->json, &in, &event);
        if (err)
            break; /* not JSON: the server will say so */
        if (event == XF_JSON_MORE)
            return hold(rewrite, from, start, end);
        if (event == XF_JSON_STRING && is_name_due)
            err = take_name(rewrite, &from, start, in.ptr);
        if (err)
            return err;
        take_structure(rewrite, event);
    }
    return pass(rewrite, from, end);
}

enum xf_err xf_rewrite_feed(struct xf_rewrite *rewrite, struct xf_slice in)
{
    if (!rewrite->err && in.len > 0)
        rewrite->err = feed(rewrite, in);
    return rewrite->err;
}

enum xf_err xf_rewrite_finish(struct xf_rewrite *rewrite)
{
    if (!rewrite->err)
        rewrite->err = emit_held(rewrite);
    return rewrite->err;
}
