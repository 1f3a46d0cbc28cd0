/* The merge-scan over two streams of pages.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/merge.h"

#include "common/base/clock.h"
#include "proxy/worker/compare.h"
#include "proxy/worker/progress.h"

#include <stdlib.h>

enum { FIRST_PAGE_POINTS = 100, NEWCOMERS = 16 };

const char *const xf_merge_only_in[XF_SIDE_COUNT] = {"only in the legacy collection", "only in the new collection"};
const char *const xf_merge_missed[XF_SIDE_COUNT] = {"missed in the legacy collection", "missed in the new collection"};

struct stream {
    enum xf_side side;
    struct xf_answer answer;
    struct xf_page page;
    size_t at, count, limit; /* count: points of the page that are in the range */
    size_t known_at;         /* in the range's list of ids */
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

/* Not much further than the range reaches: what lies behind is another scan's. */
static size_t limit_of(const struct xf_merge *merge, const struct stream *stream)
{
    if (!merge->range)
        return stream->limit;
    size_t left = merge->range->id_count[stream->side] - stream->known_at;
    return !left ? NEWCOMERS : left < stream->limit ? left : stream->limit;
}

enum xf_err xf_merge_wait(struct xf_wire *wire, enum xf_err err, unsigned attempt, uint64_t retry_after_ms)
{
    if (!xf_copy_is_retryable(err) || attempt == XF_READ_TRIES)
        return err;
    uint64_t random = xf_clock_now_ns() | 1;
    return xf_wire_sleep(wire, xf_backoff_ms(attempt, retry_after_ms, random));
}

static enum xf_err read_page(const struct xf_merge *merge, struct stream *stream, char *why)
{
    const struct xf_point_id *from = merge->range ? merge->range->from : NULL;
    struct xf_page_request request = {
        .from = stream->has_next ? &stream->next : from, .limit = limit_of(merge, stream), .with_data = true};
    for (unsigned attempt = 0;; attempt++) {
        if (merge->is_ending && atomic_load(merge->is_ending))
            return XF_ERR_STATE;
        enum xf_err err = xf_page_read(merge->wire, side_conf(merge, stream->side), &merge->facts->side[stream->side],
                                       &request, &stream->answer, &stream->page, why);
        if (!err)
            return XF_OK;
        err = xf_merge_wait(merge->wire, err, attempt, stream->answer.retry_after_ms);
        if (err)
            return err;
    }
}

static void take_page(const struct xf_merge *merge, struct stream *stream)
{
    const struct xf_page *page = &stream->page;
    const struct xf_point_id *to = merge->range ? merge->range->to : NULL;
    stream->at = 0;
    stream->count = page->count;
    while (to && stream->count && xf_point_id_cmp(page->list[stream->count - 1].id, *to) >= 0)
        stream->count--;
    stream->has_next = page->has_next && (!to || xf_point_id_cmp(page->next, *to) < 0);
    stream->next = page->next;
    stream->is_over = !stream->has_next && !stream->count;
    adapt_limit(merge, stream);
}

/* Makes `at` point to a point, or the stream be over. */
static enum xf_err fill(const struct xf_merge *merge, struct stream *stream, char *why)
{
    while (!stream->is_over && stream->at == stream->count) {
        if (stream->count && !stream->has_next) {
            stream->is_over = true;
            break;
        }
        enum xf_err err = xf_wire_sleep(merge->wire, xf_track_pace_ms(merge->track, limit_of(merge, stream)));
        if (!err)
            err = read_page(merge, stream, why);
        if (err)
            return err;
        take_page(merge, stream);
    }
    return XF_OK;
}

/* Reports the ids of the list that come before `until` (NULL: all that are left). */
static enum xf_err report_missed(const struct xf_merge *merge, struct stream *stream, const struct xf_point_id *until)
{
    struct xf_merge_range *range = merge->range;
    size_t count = range ? range->id_count[stream->side] : 0;
    while (stream->known_at < count) {
        struct xf_point_id id = range->ids[stream->side][stream->known_at];
        if (until && xf_point_id_cmp(id, *until) >= 0)
            break;
        stream->known_at++;
        range->seen[stream->side]++;
        enum xf_err err = merge->on_difference(merge->ctx, id, xf_merge_missed[stream->side]);
        if (err)
            return err;
    }
    return XF_OK;
}

/* Goes past the point at the head of the stream. */
static enum xf_err pass(const struct xf_merge *merge, struct stream *stream)
{
    struct xf_merge_range *range = merge->range;
    struct xf_point_id id = stream->page.list[stream->at++].id;
    enum xf_err err = report_missed(merge, stream, &id);
    if (err || !range)
        return err;
    range->seen[stream->side]++;
    if (stream->known_at < range->id_count[stream->side] &&
        xf_point_id_eq(range->ids[stream->side][stream->known_at], id))
        stream->known_at++;
    return XF_OK;
}

static enum xf_err report_only(const struct xf_merge *merge, struct stream *stream, struct xf_point_id id)
{
    enum xf_err err = pass(merge, stream);
    return err ? err : merge->on_difference(merge->ctx, id, xf_merge_only_in[stream->side]);
}

static enum xf_err compare_heads(const struct xf_merge *merge, struct stream *legacy, struct stream *new)
{
    const struct xf_point *a = legacy->is_over ? NULL : &legacy->page.list[legacy->at];
    const struct xf_point *b = new->is_over ? NULL : &new->page.list[new->at];
    atomic_fetch_add(merge->compared, 1);
    if (a && (!b || xf_point_id_cmp(a->id, b->id) < 0))
        return report_only(merge, legacy, a->id);
    XF_ASSERT(b);
    if (!a || xf_point_id_cmp(a->id, b->id) > 0)
        return report_only(merge, new, b->id);
    enum xf_err err = pass(merge, legacy);
    if (!err)
        err = pass(merge, new);
    if (err)
        return err;
    const char *reason = xf_point_difference(a, b, merge->facts->side);
    if (reason)
        return merge->on_difference(merge->ctx, a->id, reason);
    return merge->on_equal ? merge->on_equal(merge->ctx, a->id, NULL) : XF_OK;
}

enum xf_err xf_merge_run(const struct xf_merge *merge, char *why)
{
    struct stream legacy, new;
    stream_init(&legacy, XF_LEGACY);
    stream_init(&new, XF_NEW);
    if (merge->range)
        merge->range->seen[XF_LEGACY] = merge->range->seen[XF_NEW] = 0;
    enum xf_err err = XF_OK;
    while (!err) {
        err = fill(merge, &legacy, why);
        if (!err)
            err = fill(merge, &new, why);
        if (err || (legacy.is_over && new.is_over))
            break;
        err = compare_heads(merge, &legacy, &new);
    }
    if (!err)
        err = report_missed(merge, &legacy, NULL);
    if (!err)
        err = report_missed(merge, &new, NULL);
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
    bool is_replicated = merge->facts->side[stream->side].is_replicated;
    struct xf_target target = xf_target(side_conf(merge, stream->side),
                                        is_replicated ? "/points?consistency=majority" : "/points");
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
