/* Reading pages of points, in ascending order of ids.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/copy.h"

#include <stdio.h>

enum xf_err xf_append_shard_key(struct xf_slice shard_key, struct xf_buf *body)
{
    if (!shard_key.len)
        return XF_OK;
    enum xf_err err = xf_buf_append_slice(body, XF_SLICE(",\"shard_key\":"));
    return err ? err : xf_buf_append_slice(body, shard_key);
}

enum xf_err xf_page_take(const struct xf_side_conf *side, const struct xf_answer *answer, struct xf_page *page,
                                char *why)
{
    enum xf_err err = xf_page_split(page, xf_buf_view(&answer->body));
    if (err)
        (void)snprintf(why, XF_WHY_MAX, "the points that collection %s sent: %s", side->collection,
                       xf_err_sentence(err));
    return err;
}

/* All that follows rests on pages that ascend and on offsets that advance. */
static bool is_in_order(const struct xf_page *page, const struct xf_page_request *request)
{
    if (page->count > request->limit || (page->has_next && !page->count))
        return false;
    if (page->count && request->from && xf_point_id_cmp(page->list[0].id, *request->from) < 0)
        return false;
    for (size_t i = 1; i < page->count; i++)
        if (xf_point_id_cmp(page->list[i - 1].id, page->list[i].id) >= 0)
            return false;
    return !page->has_next || xf_point_id_cmp(page->list[page->count - 1].id, page->next) < 0;
}

enum xf_err xf_page_read(struct xf_wire *wire, const struct xf_side_conf *side, const struct xf_collection *collection,
                         const struct xf_page_request *request, struct xf_answer *answer, struct xf_page *page,
                         char *why)
{
    char offset[XF_POINT_ID_TEXT_MAX + 1] = "";
    if (request->from)
        offset[xf_point_id_print_json(*request->from, offset)] = '\0';
    const char *data = request->with_data ? "true" : "false";
    struct xf_buf body;
    xf_buf_init(&body, 4096);
    struct xf_target target =
        xf_target(side, collection->is_replicated ? "/points/scroll?consistency=majority" : "/points/scroll");
    enum xf_err err = xf_buf_printf(&body, "{\"limit\":%zu,\"with_payload\":%s,\"with_vector\":%s%s%s", request->limit,
                                    data, data, request->from ? ",\"offset\":" : "", offset);
    if (!err)
        err = xf_append_shard_key(request->shard_key, &body);
    if (!err)
        err = xf_buf_append_slice(&body, XF_SLICE("}"));
    if (!err)
        err = xf_wire_call(wire, "POST", &target, xf_buf_view(&body), answer, why);
    xf_buf_fini(&body);
    if (!err)
        err = xf_page_take(side, answer, page, why);
    if (!err && !is_in_order(page, request)) {
        (void)snprintf(why, XF_WHY_MAX, "the points that collection %s sent are not in ascending order",
                       side->collection);
        err = XF_ERR_JSON_SHAPE;
    }
    return err;
}
