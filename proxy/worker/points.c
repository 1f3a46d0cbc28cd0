/* Splitting answers into points and writing the exact copy recipe. A point that has nothing but id, payload and vector
 * is sent on as the very bytes that were read; others are put together again from their slices.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/points.h"

#include "proxy/worker/cut.h"

#include <stdlib.h>

void xf_page_fini(struct xf_page *page)
{
    free(page->list);
    *page = (struct xf_page){0};
}

static enum xf_err split_point(struct xf_cut *cut, struct xf_point *point)
{
    *point = (struct xf_point){.is_plain = true};
    (void)xf_cut_peek(cut);
    const char *start = cut->at;
    for (xf_cut_enter(cut, '{'); xf_cut_more(cut, '}');) {
        struct xf_slice key = xf_cut_key(cut);
        struct xf_slice value = xf_cut_value(cut);
        if (xf_slice_eq(key, XF_SLICE("id")))
            point->id_text = value;
        else if (xf_slice_eq(key, XF_SLICE("payload")))
            point->payload = value;
        else if (xf_slice_eq(key, XF_SLICE("vector")))
            point->vector = value;
        else
            point->is_plain = false;
    }
    if (cut->err)
        return cut->err;
    point->raw = xf_slice(start, (size_t)(cut->at - start));
    if (xf_cut_is_null(point->payload))
        point->payload = XF_SLICE_NONE;
    if (xf_cut_is_null(point->vector))
        point->vector = XF_SLICE_NONE;
    if (!point->payload.len || !point->vector.len)
        point->is_plain = false;
    if (!point->id_text.len || xf_point_id_of_json(point->id_text, &point->id))
        return XF_ERR_JSON_SHAPE;
    return XF_OK;
}

static enum xf_err add_point(struct xf_page *page, struct xf_cut *cut)
{
    if (page->count == page->cap) {
        size_t cap = page->cap ? page->cap * 2 : 256;
        struct xf_point *list = realloc(page->list, cap * sizeof *list);
        if (!list)
            return XF_ERR_NOMEM;
        page->list = list;
        page->cap = cap;
    }
    enum xf_err err = split_point(cut, &page->list[page->count]);
    if (!err)
        page->count++;
    return err;
}

static enum xf_err split_list(struct xf_page *page, struct xf_cut *cut)
{
    for (xf_cut_enter(cut, '['); xf_cut_more(cut, ']');) {
        enum xf_err err = add_point(page, cut);
        if (err)
            return err;
    }
    return cut->err;
}

static enum xf_err split_next(struct xf_page *page, struct xf_slice value)
{
    if (xf_cut_is_null(value))
        return XF_OK;
    page->has_next = true;
    return xf_point_id_of_json(value, &page->next) ? XF_ERR_JSON_SHAPE : XF_OK;
}

/* One pass: the list of points is gone through where it stands, never skipped and visited again. */
static enum xf_err split_result(struct xf_page *page, struct xf_cut *cut)
{
    if (xf_cut_peek(cut) == '[')
        return split_list(page, cut);
    bool has_points = false;
    for (xf_cut_enter(cut, '{'); xf_cut_more(cut, '}');) {
        struct xf_slice key = xf_cut_key(cut);
        enum xf_err err = XF_OK;
        if (xf_slice_eq(key, XF_SLICE("points"))) {
            has_points = true;
            err = split_list(page, cut);
        } else if (xf_slice_eq(key, XF_SLICE("next_page_offset"))) {
            err = split_next(page, xf_cut_value(cut));
        } else {
            (void)xf_cut_value(cut);
        }
        if (err)
            return err;
    }
    return cut->err ? cut->err : has_points ? XF_OK : XF_ERR_JSON_SHAPE;
}

enum xf_err xf_page_split(struct xf_page *page, struct xf_slice answer)
{
    page->count = 0;
    page->has_next = false;
    bool has_result = false;
    struct xf_cut cut = xf_cut(answer);
    enum xf_err err = XF_OK;
    for (xf_cut_enter(&cut, '{'); !err && xf_cut_more(&cut, '}');) {
        if (xf_slice_eq(xf_cut_key(&cut), XF_SLICE("result"))) {
            has_result = true;
            err = split_result(page, &cut);
        } else {
            (void)xf_cut_value(&cut);
        }
    }
    if (!err)
        err = cut.err ? cut.err : has_result ? XF_OK : XF_ERR_JSON_SHAPE;
    if (err)
        page->count = 0;
    return err;
}

static enum xf_err put_point(const struct xf_point *point, struct xf_buf *body)
{
    if (point->is_plain)
        return xf_buf_append_slice(body, point->raw);
    const struct xf_slice parts[] = {
        XF_SLICE("{\"id\":"),
        point->id_text,
        XF_SLICE(",\"vector\":"),
        point->vector.len ? point->vector : XF_SLICE("{}"),
        XF_SLICE(",\"payload\":"),
        point->payload.len ? point->payload : XF_SLICE("{}"),
        XF_SLICE("}"),
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        enum xf_err err = xf_buf_append_slice(body, parts[i]);
        if (err)
            return err;
    }
    return XF_OK;
}

static enum xf_err put_shard_key(const struct xf_recipe *recipe, struct xf_buf *body)
{
    if (!recipe->shard_key.len)
        return XF_OK;
    enum xf_err err = xf_buf_append_slice(body, XF_SLICE(",\"shard_key\":"));
    return err ? err : xf_buf_append_slice(body, recipe->shard_key);
}

/* An array is the unnamed vector alone. */
static bool has_vector(const struct xf_point *point, struct xf_slice name)
{
    if (!point->vector.len)
        return false;
    if (point->vector.ptr[0] != '{')
        return name.len == 0;
    struct xf_cut cut = xf_cut(point->vector);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) {
        struct xf_slice key = xf_cut_key(&cut);
        struct xf_slice value = xf_cut_value(&cut);
        if (!cut.err && xf_cut_text_eq(key, name))
            return !xf_cut_is_null(value);
    }
    return false;
}

static enum xf_err put_lacking_ids(const struct xf_recipe *recipe, struct xf_slice name, const struct xf_point *points,
                                   size_t count, struct xf_buf *body)
{
    bool any = false;
    enum xf_err err = XF_OK;
    for (size_t i = 0; i < count && !err; i++) {
        if (has_vector(&points[i], name))
            continue;
        err = xf_buf_append_slice(body, any ? XF_SLICE(",") : XF_SLICE(",{\"delete_vectors\":{\"points\":["));
        if (!err)
            err = xf_buf_append_slice(body, points[i].id_text);
        any = true;
    }
    if (err || !any)
        return err;
    err = xf_buf_append_slice(body, XF_SLICE("],\"vector\":[\""));
    if (!err)
        err = xf_buf_append_slice(body, name);
    if (!err)
        err = xf_buf_append_slice(body, XF_SLICE("\"]"));
    if (!err)
        err = put_shard_key(recipe, body);
    return err ? err : xf_buf_append_slice(body, XF_SLICE("}}"));
}

/* What one point may add beside its own text: its id in a delete_vectors per name. */
static size_t point_cost(const struct xf_recipe *recipe, const struct xf_point *point)
{
    return point->raw.len + 32 + recipe->name_count * (point->id_text.len + 1);
}

static size_t fixed_cost(const struct xf_recipe *recipe)
{
    size_t bytes = 128 + recipe->shard_key.len;
    for (size_t i = 0; i < recipe->name_count; i++)
        bytes += 80 + recipe->vector_names[i].len + recipe->shard_key.len;
    return bytes;
}

static enum xf_err put_upsert(const struct xf_recipe *recipe, const struct xf_point *points, size_t count,
                              struct xf_buf *body)
{
    enum xf_err err = xf_buf_append_slice(body, XF_SLICE("{\"operations\":[{\"upsert\":{\"points\":["));
    for (size_t i = 0; i < count && !err; i++) {
        if (i)
            err = xf_buf_append_slice(body, XF_SLICE(","));
        if (!err)
            err = put_point(&points[i], body);
    }
    if (!err)
        err = xf_buf_append_slice(body, XF_SLICE("]"));
    if (!err)
        err = put_shard_key(recipe, body);
    return err ? err : xf_buf_append_slice(body, XF_SLICE("}}"));
}

enum xf_err xf_recipe_put(const struct xf_recipe *recipe, const struct xf_point *points, size_t count,
                          struct xf_buf *body, size_t *taken)
{
    size_t bytes = fixed_cost(recipe), n = 0;
    while (n < count && bytes + point_cost(recipe, &points[n]) <= recipe->bytes_max)
        bytes += point_cost(recipe, &points[n++]);
    if (n == 0)
        return XF_ERR_FULL;
    enum xf_err err = xf_buf_reserve(body, bytes);
    if (!err)
        err = put_upsert(recipe, points, n, body);
    for (size_t i = 0; i < recipe->name_count && !err; i++)
        err = put_lacking_ids(recipe, recipe->vector_names[i], points, n, body);
    if (!err)
        err = xf_buf_append_slice(body, XF_SLICE("]}"));
    if (!err)
        *taken = n;
    return err;
}

enum xf_err xf_ids_print(const struct xf_point_id *ids, size_t count, struct xf_buf *out)
{
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE("["));
    for (size_t i = 0; i < count && !err; i++) {
        char text[XF_POINT_ID_TEXT_MAX + 1];
        size_t n = 0;
        if (i)
            text[n++] = ',';
        n += xf_point_id_print_json(ids[i], text + n);
        err = xf_buf_append(out, text, n);
    }
    return err ? err : xf_buf_append_slice(out, XF_SLICE("]"));
}

enum xf_err xf_recipe_delete(const struct xf_recipe *recipe, const struct xf_point_id *ids, size_t count,
                             struct xf_buf *body)
{
    enum xf_err err = xf_buf_append_slice(body, XF_SLICE("{\"operations\":[{\"delete\":{\"points\":"));
    if (!err)
        err = xf_ids_print(ids, count, body);
    if (!err)
        err = put_shard_key(recipe, body);
    return err ? err : xf_buf_append_slice(body, XF_SLICE("}}]}"));
}
