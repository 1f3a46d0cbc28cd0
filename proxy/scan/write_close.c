/* What complete objects mean, and with that which operations are exact: equal points before give equal points after,
 * whatever the segments look like inside (behaviour of Qdrant 1.12.4 to 1.18.3).
 *
 *   delete by ids                     exact: the points are gone, whether they were there or not
 *   upsert                            exact if each point states its payload and every declared vector; without a
 * payload an appendable segment clears it and an indexed one keeps it (before 1.14.1 both keep it), and vectors left
 * out vanish on the one and stay on the other update_vectors by ids             exact: given vectors replace, others
 * stay, in every kind of segment delete_vectors by ids             exact: the named vectors are gone
 *   set/overwrite/delete/clear
 *   payload by ids                    exact: each is a function of the old payload alone
 *   any of them by filter             not: which points match is up to each side's index and full-text settings
 *   update_filter, update_mode        not: which points are applied depends on what is there, and servers that do not
 *                                     know the field ignore it
 *   vectors by inference              not: each server computes its own
 *   list or {target, fallback}
 *   as shard_key                      not: see write_value.c
 *   points/batch                      exact if each of its operations is
 *
 * The updates by ids stop half-way at a point that is missing, each side at its own: `is_by_id_update`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/write_scan_int.h"

static bool states_all_vectors(const struct xf_write_scan *scan)
{
    return scan->names.count > 0 && scan->stated_count == scan->names.count;
}

static void close_point(struct xf_write_scan *scan, const struct xf_write_frame *frame)
{
    if (!(frame->seen & XF_SEEN_ID))
        xf_write_note_unreadable(scan);
    if (frame->role == XF_ROLE_POINT && (!(frame->seen & XF_SEEN_PAYLOAD) || !states_all_vectors(scan)))
        scan->verdict.is_exact = false;
    xf_write_forget_vectors(scan);
}

static void close_columns(struct xf_write_scan *scan, const struct xf_write_frame *frame)
{
    if (!(frame->seen & XF_SEEN_ID))
        xf_write_note_unreadable(scan);
    if (!(frame->seen & XF_SEEN_PAYLOAD) || !states_all_vectors(scan) || scan->columns_differ)
        scan->verdict.is_exact = false;
    xf_write_forget_vectors(scan);
}

/* Qdrant refuses columns of different lengths; that they are equal is checked here all the same, since exactness rests
 * on it. */
static void close_column(struct xf_write_scan *scan, const struct xf_write_frame *frame)
{
    if (scan->column_rows == SIZE_MAX)
        scan->column_rows = frame->elements;
    else if (scan->column_rows != frame->elements)
        scan->columns_differ = true;
}

static void close_upsert(struct xf_write_scan *scan, const struct xf_write_frame *frame)
{
    uint32_t both = XF_SEEN_POINTS | XF_SEEN_COLUMNS;
    if ((frame->seen & both) == both)
        xf_write_note_odd(scan, "give the points by one of `points` and `batch`, not both");
    else if (!(frame->seen & both))
        xf_write_note_unreadable(scan);
}

static void close_selector(struct xf_write_scan *scan, const struct xf_write_frame *frame)
{
    uint32_t given = frame->seen & ~frame->nulls;
    if (frame->nulls & XF_SEEN_POINTS)
        xf_write_note_odd(scan, "leave `points` out instead of writing null");
    else if ((given & XF_SEEN_POINTS) && (given & XF_SEEN_FILTER))
        xf_write_note_odd(scan, "select the points by one of `points` and `filter`, not both");
    else if (!(given & (XF_SEEN_POINTS | XF_SEEN_FILTER)))
        xf_write_note_unreadable(scan);
    if ((given & XF_SEEN_POINTS) && frame->op != XF_WRITE_DELETE)
        scan->verdict.is_by_id_update = true;
}

static void close_vectors_update(struct xf_write_scan *scan, const struct xf_write_frame *frame)
{
    if (!(frame->seen & XF_SEEN_POINTS))
        xf_write_note_unreadable(scan);
    scan->verdict.is_by_id_update = true;
}

/* Anything beside the two parts of a sparse vector makes it {text, model} or another input for inference. */
static void close_sparse(struct xf_write_scan *scan, const struct xf_write_frame *frame)
{
    if (frame->seen != (XF_SEEN_INDICES | XF_SEEN_VALUES))
        xf_write_note_inference(scan);
}

void xf_write_close(struct xf_write_scan *scan, const struct xf_write_frame *frame)
{
    switch (frame->role) {
    case XF_ROLE_POINT:
    case XF_ROLE_VECTORS_POINT:
        close_point(scan, frame);
        break;
    case XF_ROLE_COLUMNS:
        close_columns(scan, frame);
        break;
    case XF_ROLE_IDS:
    case XF_ROLE_VECTOR_COLUMN:
    case XF_ROLE_PAYLOAD_COLUMN:
        close_column(scan, frame);
        break;
    case XF_ROLE_UPSERT:
        close_upsert(scan, frame);
        break;
    case XF_ROLE_SELECTOR:
        close_selector(scan, frame);
        break;
    case XF_ROLE_VECTORS_UPDATE:
        close_vectors_update(scan, frame);
        break;
    case XF_ROLE_SPARSE:
        close_sparse(scan, frame);
        break;
    case XF_ROLE_BATCH:
    case XF_ROLE_OPERATION:
        if (!(frame->seen & XF_SEEN_OPERATIONS))
            xf_write_note_unreadable(scan);
        break;
    default: /* the other lists and maps have been read element by element */
        break;
    }
}
