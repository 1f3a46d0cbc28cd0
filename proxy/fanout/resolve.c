/* barrier -> page -> page ... -> done. What goes wrong on the way makes the ids unknown and nothing worse; only a credential
 * that is refused ends the write.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/resolve.h"

#include "proxy/fanout/ask.h"
#include "proxy/scan/scroll_page.h"

#include <stdlib.h>

enum { PAGE_IDS = 1000, BODY_BYTES_MAX = XF_SCAN_FILTER_BYTES_MAX + 64 * 1024 };

struct xf_resolve {
    struct xf_resolve_input input;
    struct xf_ask ask;
    struct xf_late death;
    struct xf_id_set ids;
    struct xf_buf body;
    struct xf_scroll_page page; /* the last one */
    xf_resolved_fn *done;
    void *ctx;
};

/* ---- the steps ---- */

static enum xf_err add_shard_key(struct xf_resolve *resolve)
{
    if (resolve->input.shard_key.len == 0)
        return XF_OK;
    return xf_buf_printf(&resolve->body, ",\"shard_key\":%.*s", XF_SLICE_ARG(resolve->input.shard_key));
}

static enum xf_err send_body(struct xf_resolve *resolve, const char *suffix)
{
    const struct xf_resolve_input *input = &resolve->input;
    enum xf_err err = add_shard_key(resolve);
    if (!err)
        err = xf_buf_append(&resolve->body, "}", 1);
    return err ? err
               : xf_ask_send(&resolve->ask, input->request, input->side, input->is_trusted, input->kept, suffix,
                             xf_buf_view(&resolve->body));
}

static enum xf_err send_barrier(struct xf_resolve *resolve)
{
    enum xf_err err = xf_buf_append_slice(&resolve->body, XF_SLICE(XF_ASK_NOTHING));
    return err ? err : send_body(resolve, "/points/payload/delete?wait=true");
}

static enum xf_err send_page(struct xf_resolve *resolve)
{
    char next[XF_POINT_ID_TEXT_MAX + 1];
    struct xf_buf *body = &resolve->body;
    xf_buf_clear(body);
    enum xf_err err =
        xf_buf_printf(body, "{\"limit\":%d,\"with_payload\":false,\"with_vector\":false,\"filter\":", PAGE_IDS);
    if (!err)
        err = xf_buf_append_slice(body, resolve->input.filter);
    if (!err && resolve->page.has_next) {
        next[xf_point_id_print_json(resolve->page.next, next)] = 0;
        err = xf_buf_printf(body, ",\"offset\":%s", next);
    }
    return err ? err : send_body(resolve, "/points/scroll");
}

static void end(struct xf_resolve *resolve, enum xf_resolved how)
{
    xf_id_set_sort(&resolve->ids);
    resolve->done(resolve->ctx, how);
}

static enum xf_err take_page(struct xf_resolve *resolve)
{
    const struct xf_answer *answer = &resolve->ask.answer;
    struct xf_scroll_page before = resolve->page;
    if (!xf_answer_is_success(answer))
        return XF_ERR_STATE;
    enum xf_err err = xf_scroll_page_read(&resolve->page, xf_buf_view(&answer->body), &resolve->ids);
    if (err || !resolve->page.has_next)
        return err;
    /* Pages go forward, or this would never end. */
    bool is_ahead = !before.has_next || xf_point_id_cmp(before.next, resolve->page.next) < 0;
    return is_ahead ? send_page(resolve) : XF_ERR_JSON_SHAPE;
}

static void on_page(void *ctx)
{
    struct xf_resolve *resolve = ctx;
    if (take_page(resolve) != XF_OK)
        end(resolve, XF_RESOLVED_UNKNOWN);
    else if (!resolve->page.has_next)
        end(resolve, XF_RESOLVED_IDS);
}

static void on_barrier(void *ctx)
{
    struct xf_resolve *resolve = ctx;
    const struct xf_answer *answer = &resolve->ask.answer;
    if (answer->is_whole && (answer->head.status == 401 || answer->head.status == 403)) {
        end(resolve, XF_RESOLVED_REFUSED);
        return;
    }
    resolve->ask.done = on_page;
    /* wait_timeout proves nothing: what was acknowledged before may match the filter when the write runs. */
    if (xf_answer_outcome(answer) != XF_OUTCOME_COMPLETED || send_page(resolve) != XF_OK)
        end(resolve, XF_RESOLVED_UNKNOWN);
}

/* ---- life ---- */

enum xf_err xf_resolve_start(const struct xf_resolve_input *input, xf_resolved_fn *done, void *ctx,
                             struct xf_resolve **out)
{
    struct xf_resolve *resolve = calloc(1, sizeof *resolve);
    if (!resolve)
        return XF_ERR_NOMEM;
    resolve->input = *input;
    resolve->ids.max = input->ids_max;
    resolve->done = done;
    resolve->ctx = ctx;
    xf_buf_init(&resolve->body, BODY_BYTES_MAX);
    xf_ask_init(&resolve->ask, on_barrier, resolve);
    enum xf_err err = send_barrier(resolve);
    if (err)
        xf_resolve_free(resolve);
    else
        *out = resolve;
    return err;
}

static void on_death(struct xf_late *late)
{
    free((char *)late - offsetof(struct xf_resolve, death));
}

void xf_resolve_free(struct xf_resolve *resolve)
{
    if (!resolve)
        return;
    xf_ask_fini(&resolve->ask);
    xf_id_set_fini(&resolve->ids);
    xf_buf_fini(&resolve->body);
    xf_loop_late(&resolve->input.request->fanout->thread->loop, &resolve->death, on_death);
}

const struct xf_point_id *xf_resolve_ids(const struct xf_resolve *resolve, size_t *count)
{
    *count = resolve->ids.count;
    return resolve->ids.ids;
}

const struct xf_answer *xf_resolve_refusal(const struct xf_resolve *resolve)
{
    return &resolve->ask.answer;
}
