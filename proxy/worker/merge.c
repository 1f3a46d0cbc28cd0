/* The merge-scan over two streams of pages.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/merge.h"

#include "common/base/clock.h"
#include "proxy/worker/compare.h"
#include "proxy/worker/progress.h"

#include <stdlib.h>

enum { FIRST_PAGE_POINTS = 100, PAGE_TRIES = 20 };

struct stream {
    enum xf_side side;
    struct xf_answer answer;
    struct xf_page page;
    size_t at, limit;
    bool is_over;
    bool has_next;
    struct xf_point_id next;
};

static void stream_init(struct stream *stream, enum xf_side side)
{
    *stream = (struct stream){.side = side, .limit = FIRST_PAGE_POINTS};
    xf_answer_init(&stream->answer);
}

static void stream_fini(struct stream *stream)
{
    xf_buf_fini(&stream->answer.body);
    xf_page_fini(&stream->page);
}

static const struct xf_side_conf *side_conf(const struct xf_merge *merge, enum xf_side side)
{
    return &merge->track->config->migrations[merge->track->migration].side[side];
}

/* The next page is as long as makes about one batch of bytes. */
static void adapt_limit(const struct xf_merge *merge, struct stream *stream)
{
    if (!stream->page.count)
        return;
    uint64_t per_point = xf_buf_len(&stream->answer.body) / stream->page.count + 1;
    uint64_t fit = merge->track->config->worker.batch_bytes / per_point,
             most = merge->track->config->worker.batch_points;
    stream->limit = (size_t)(fit < 1 ? 1 : fit < most ? fit : most);
}

static enum xf_err read_page(const struct xf_merge *merge, struct stream *stream, char *why)
{
    struct xf_page_request request = {
        .from = stream->has_next ? &stream->next : NULL, .limit = stream->limit, .with_data = true};
    uint64_t random = xf_clock_now_ns() | 1;
    for (unsigned attempt = 0;; attempt++) {
        enum xf_err err = xf_page_read(merge->wire, side_conf(merge, stream->side), &merge->facts->side[stream->side],
                                       &request, &stream->answer, &stream->page, why);
        if (!err || !xf_copy_is_retryable(err) || attempt == PAGE_TRIES)
            return err;
        err = xf_wire_sleep(merge->wire, xf_backoff_ms(attempt, stream->answer.retry_after_ms, random));
        if (err)
            return err;
    }
}

/* Makes `at` point to a point, or the stream be over. */
static enum xf_err fill(const struct xf_merge *merge, struct stream *stream, char *why)
{
    while (!stream->is_over && stream->at == stream->page.count) {
        if (stream->page.count && !stream->page.has_next) {
            stream->is_over = true;
            break;
        }
        enum xf_err err = xf_wire_sleep(merge->wire, xf_track_pace_ms(merge->track, stream->limit));
        if (!err)
            err = read_page(merge, stream, why);
        if (err)
            return err;
        stream->at = 0;
        stream->has_next = stream->page.has_next;
        stream->next = stream->page.next;
        stream->is_over = stream->page.count == 0;
        adapt_limit(merge, stream);
    }
    return XF_OK;
}

static enum xf_err compare_heads(const struct xf_merge *merge, struct stream *legacy, struct stream *new)
{
    const struct xf_point *a = legacy->is_over ? NULL : &legacy->page.list[legacy->at];
    const struct xf_point *b = new->is_over ? NULL : &new->page.list[new->at];
    atomic_fetch_add(merge->compared, 1);
    if (a && (!b || xf_point_id_cmp(a->id, b->id) < 0)) {
        legacy->at++;
        return merge->on_difference(merge->ctx, a->id, "only in the legacy collection");
    }
    XF_ASSERT(b);
    new->at++;
    if (!a || xf_point_id_cmp(a->id, b->id) > 0)
        return merge->on_difference(merge->ctx, b->id, "only in the new collection");
    legacy->at++;
    const char *reason = xf_point_difference(a, b, &merge->facts->side[XF_NEW]);
    return reason ? merge->on_difference(merge->ctx, a->id, reason) : XF_OK;
}

enum xf_err xf_merge_run(const struct xf_merge *merge, char *why)
{
    struct stream legacy, new;
    stream_init(&legacy, XF_LEGACY);
    stream_init(&new, XF_NEW);
    enum xf_err err = XF_OK;
    while (!err) {
        err = fill(merge, &legacy, why);
        if (!err)
            err = fill(merge, &new, why);
        if (err || (legacy.is_over && new.is_over))
            break;
        err = compare_heads(merge, &legacy, &new);
    }
    stream_fini(&legacy);
    stream_fini(&new);
    return err;
}

static int compare_points(const void *a, const void *b)
{
    return xf_point_id_cmp(((const struct xf_point *)a)->id, ((const struct xf_point *)b)->id);
}

static enum xf_err read_ids(const struct xf_merge *merge, struct stream *stream, struct xf_slice body, char *why)
{
    struct xf_target target = xf_target(side_conf(merge, stream->side), "/points");
    enum xf_err err = xf_wire_call(merge->wire, "POST", &target, body, &stream->answer, why);
    if (!err)
        err = xf_page_split(&stream->page, xf_buf_view(&stream->answer.body));
    if (!err && stream->page.count > 1)
        qsort(stream->page.list, stream->page.count, sizeof *stream->page.list, compare_points);
    stream->is_over = stream->page.count == 0;
    return err;
}

static enum xf_err merge_pages(const struct xf_merge *merge, struct stream *legacy, struct stream *new)
{
    enum xf_err err = XF_OK;
    while (!err && !(legacy->is_over && new->is_over)) {
        err = compare_heads(merge, legacy, new);
        legacy->is_over = legacy->at == legacy->page.count;
        new->is_over = new->at == new->page.count;
    }
    return err;
}

enum xf_err xf_merge_ids(const struct xf_merge *merge, const struct xf_point_id *ids, size_t count, char *why)
{
    struct stream legacy, new;
    struct xf_buf body;
    stream_init(&legacy, XF_LEGACY);
    stream_init(&new, XF_NEW);
    xf_buf_init(&body, 64 << 20);
    enum xf_err err = xf_buf_append_slice(&body, XF_SLICE("{\"with_payload\":true,\"with_vector\":true,\"ids\":"));
    if (!err)
        err = xf_ids_print(ids, count, &body);
    if (!err)
        err = xf_buf_append_slice(&body, XF_SLICE("}"));
    if (!err)
        err = read_ids(merge, &legacy, xf_buf_view(&body), why);
    if (!err)
        err = read_ids(merge, &new, xf_buf_view(&body), why);
    if (!err)
        err = merge_pages(merge, &legacy, &new);
    stream_fini(&legacy);
    stream_fini(&new);
    xf_buf_fini(&body);
    return err;
}
