/* The backfill's durable state as JSON text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/progress.h"

#include "common/base/num.h"
#include "proxy/worker/cut.h"

static const char *const state_names[XF_BACKFILL_STATE_COUNT] = {
    [XF_BACKFILL_NONE] = "none",     [XF_BACKFILL_STARTING] = "starting", [XF_BACKFILL_RUNNING] = "running",
    [XF_BACKFILL_PAUSED] = "paused", [XF_BACKFILL_FAILED] = "failed",     [XF_BACKFILL_CANCELLED] = "cancelled",
    [XF_BACKFILL_DONE] = "done",
};

const char *xf_backfill_state_name(const struct xf_progress *progress)
{
    if (progress->state == XF_BACKFILL_RUNNING && progress->is_through)
        return "repairing";
    return state_names[progress->state];
}

static const char *bool_name(bool value)
{
    return value ? "true" : "false";
}

enum xf_err xf_progress_print(const struct xf_progress *progress, struct xf_buf *out)
{
    char cursor[XF_POINT_ID_TEXT_MAX + 1] = "null";
    if (progress->has_cursor)
        cursor[xf_point_id_print_json(progress->cursor, cursor)] = '\0';
    return xf_buf_printf(out,
                         "{\"state\":\"%s\",\"cursor\":%s,\"is_through\":%s,\"deletes_extras\":%s,\"adopt\":%s,"
                         "\"copied\":%llu,\"total\":%llu,\"started_at_ms\":%llu}",
                         state_names[progress->state], cursor, bool_name(progress->is_through),
                         bool_name(progress->deletes_extras), bool_name(progress->adopt),
                         (unsigned long long)progress->copied, (unsigned long long)progress->total,
                         (unsigned long long)progress->started_at_ms);
}

static enum xf_err parse_state(struct xf_slice text, enum xf_backfill_state *state)
{
    for (int i = 0; i < XF_BACKFILL_STATE_COUNT; i++) {
        if (xf_slice_eq(text, xf_slice_of(state_names[i]))) {
            *state = (enum xf_backfill_state)i;
            return XF_OK;
        }
    }
    return XF_ERR_JSON_SHAPE;
}

static bool is_true(struct xf_slice json, const char *key)
{
    return xf_slice_eq(xf_cut_member(json, key), XF_SLICE("true"));
}

enum xf_err xf_progress_parse(struct xf_slice json, struct xf_progress *progress)
{
    struct xf_progress read = {.is_through = is_true(json, "is_through"),
                               .deletes_extras = is_true(json, "deletes_extras"),
                               .adopt = is_true(json, "adopt")};
    struct xf_cut whole = xf_cut(json);
    if (!xf_cut_value(&whole).len || xf_cut_peek(&whole))
        return XF_ERR_JSON_SHAPE;
    struct xf_slice cursor = xf_cut_member(json, "cursor");
    read.has_cursor = !xf_cut_is_null(cursor);
    if (parse_state(xf_cut_unquoted(xf_cut_member(json, "state")), &read.state) ||
        (read.has_cursor && xf_point_id_of_json(cursor, &read.cursor)) || !cursor.len ||
        xf_u64_parse(xf_cut_member(json, "copied"), &read.copied) ||
        xf_u64_parse(xf_cut_member(json, "total"), &read.total) ||
        xf_u64_parse(xf_cut_member(json, "started_at_ms"), &read.started_at_ms))
        return XF_ERR_JSON_SHAPE;
    *progress = read;
    return XF_OK;
}

enum xf_err xf_scan_progress_print(const struct xf_scan_progress *progress, struct xf_buf *out)
{
    char cursor[XF_POINT_ID_TEXT_MAX + 1] = "null";
    if (progress->has_cursor)
        cursor[xf_point_id_print_json(progress->cursor, cursor)] = '\0';
    enum xf_err err = xf_buf_printf(
        out,
        "{\"moment\":%llu,\"incarnation\":\"%s\",\"pass\":%u,\"cursor\":%s,\"is_through\":%s,\"compared\":%llu,"
        "\"differing\":%llu",
        (unsigned long long)progress->moment, progress->incarnation, progress->pass, cursor,
        bool_name(progress->is_through),
        (unsigned long long)progress->compared, (unsigned long long)progress->differing);
    return err ? err
               : xf_buf_printf(out, ",\"seen_legacy\":%llu,\"seen_new\":%llu,\"only_legacy\":%llu,\"only_new\":%llu}",
                               (unsigned long long)progress->seen[XF_LEGACY],
                               (unsigned long long)progress->seen[XF_NEW],
                               (unsigned long long)progress->only[XF_LEGACY],
                               (unsigned long long)progress->only[XF_NEW]);
}

static enum xf_err parse_numbers(struct xf_slice json, struct xf_scan_progress *read)
{
    uint64_t pass = 0;
    const struct {
        const char *key;
        uint64_t *number;
    } rows[] = {
        {"moment", &read->moment},
        {"pass", &pass},
        {"compared", &read->compared},
        {"differing", &read->differing},
        {"seen_legacy", &read->seen[XF_LEGACY]},
        {"seen_new", &read->seen[XF_NEW]},
        {"only_legacy", &read->only[XF_LEGACY]},
        {"only_new", &read->only[XF_NEW]},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (xf_u64_parse(xf_cut_member(json, rows[i].key), rows[i].number))
            return XF_ERR_JSON_SHAPE;
    read->pass = pass != 0;
    return XF_OK;
}

enum xf_err xf_scan_progress_parse(struct xf_slice json, struct xf_scan_progress *progress)
{
    struct xf_scan_progress read = {.is_through = is_true(json, "is_through")};
    struct xf_cut whole = xf_cut(json);
    if (!xf_cut_value(&whole).len || xf_cut_peek(&whole))
        return XF_ERR_JSON_SHAPE;
    struct xf_slice cursor = xf_cut_member(json, "cursor");
    read.has_cursor = !xf_cut_is_null(cursor);
    if (!cursor.len || (read.has_cursor && xf_point_id_of_json(cursor, &read.cursor)))
        return XF_ERR_JSON_SHAPE;
    struct xf_slice incarnation = xf_cut_unquoted(xf_cut_member(json, "incarnation"));
    if (!incarnation.len || incarnation.len >= sizeof read.incarnation)
        return XF_ERR_JSON_SHAPE;
    memcpy(read.incarnation, incarnation.ptr, incarnation.len);
    enum xf_err err = parse_numbers(json, &read);
    if (!err)
        *progress = read;
    return err;
}

uint64_t xf_backoff_ms(unsigned attempt, uint64_t retry_after_ms, uint64_t random)
{
    uint64_t wait = attempt < 7 ? (uint64_t)100 << attempt : 10000;
    if (wait < retry_after_ms)
        wait = retry_after_ms;
    return wait + random % (wait / 2 + 1);
}
