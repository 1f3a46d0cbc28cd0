/* One range of a scan. Ids are read first, of both sides, and the points after that; what one of these scrolls did not
 * show, and what differs, is suspect. Suspects are read once more by their ids after a moment: a write may have been on its
 * way to one side. What differs then is made dirty, in batches.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "proxy/worker/scan_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOMENT_MS = 300, RECHECK_AT_ONCE = 128, MARK_AT_ONCE = 1000, JOURNAL_MS = 60000, JOURNAL_NAP_MS = 500 };

static const struct xf_track *track_of(const struct scanner *scanner)
{
    return scanner->run->scan->track;
}

/* --- Planning --- */

static enum xf_err read_id_page(struct scanner *scanner, enum xf_side side)
{
    const struct xf_track *track = track_of(scanner);
    struct xf_page_request request = {.from = scanner->has_from ? &scanner->from : NULL,
                                      .limit = scanner->run->range_points};
    for (unsigned attempt = 0;; attempt++) {
        enum xf_err err = xf_page_read(scanner->wire, &track->config->migrations[track->migration].side[side],
                                       &scanner->run->scan->facts->side[side], &request, &scanner->answer,
                                       &scanner->page, scanner->why);
        if (!err)
            return XF_OK;
        err = xf_merge_wait(scanner->wire, err, attempt, scanner->answer.retry_after_ms);
        if (err || atomic_load(&scanner->run->is_ending))
            return err ? err : XF_ERR_STATE;
    }
}

static void keep_ids(struct scanner *scanner, enum xf_side side)
{
    const struct xf_page *page = &scanner->page;
    scanner->id_count[side] = page->count;
    for (size_t i = 0; i < page->count; i++)
        scanner->ids[side][i] = page->list[i].id;
    if (page->has_next && (!scanner->has_to || xf_point_id_cmp(page->next, scanner->to) < 0)) {
        scanner->has_to = true;
        scanner->to = page->next;
    }
}

enum xf_err xf_scan_plan_range(struct scanner *scanner)
{
    scanner->has_to = false;
    for (int side = 0; side < XF_SIDE_COUNT; side++) {
        enum xf_err err = read_id_page(scanner, side);
        if (err)
            return err;
        keep_ids(scanner, side);
    }
    for (int side = 0; scanner->has_to && side < XF_SIDE_COUNT; side++)
        while (scanner->id_count[side] &&
               xf_point_id_cmp(scanner->ids[side][scanner->id_count[side] - 1], scanner->to) >= 0)
            scanner->id_count[side]--;
    return XF_OK;
}

/* --- Marking --- */

static enum xf_err mark_some(struct scanner *scanner, const struct xf_point_id *ids, size_t count)
{
    const struct xf_track *track = track_of(scanner);
    struct xf_journal_scope scope = {.ids = ids, .id_count = count};
    for (uint64_t until = xf_clock_now_ms() + JOURNAL_MS;;) {
        enum xf_err err = xf_journal_mark_dirty(track->journal, track->migration, &scope);
        if (!err)
            return XF_OK;
        (void)snprintf(scanner->why, XF_WHY_MAX, "the journal: %s", xf_err_sentence(err));
        if (err != XF_ERR_IO || xf_clock_now_ms() > until || atomic_load(&scanner->run->is_ending))
            return err;
        err = xf_wire_sleep(scanner->wire, JOURNAL_NAP_MS);
        if (err)
            return err;
    }
}

static enum xf_err mark(struct scanner *scanner)
{
    enum xf_err err = XF_OK;
    for (size_t at = 0; at < scanner->differing_count && !err; at += MARK_AT_ONCE) {
        size_t left = scanner->differing_count - at;
        err = mark_some(scanner, scanner->differing + at, left < MARK_AT_ONCE ? left : MARK_AT_ONCE);
    }
    scanner->counts.differing += err ? 0 : scanner->differing_count;
    scanner->differing_count = 0;
    return err;
}

/* --- Suspects --- */

static struct suspect *find_suspect(struct scanner *scanner, struct xf_point_id id)
{
    size_t low = 0, high = scanner->suspect_count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (xf_point_id_cmp(scanner->suspects[middle].id, id) <= 0)
            low = middle;
        else
            high = middle;
    }
    return &scanner->suspects[low];
}

static enum xf_err on_still_different(void *ctx, struct xf_point_id id, const char *reason)
{
    struct scanner *scanner = ctx;
    scanner->differing[scanner->differing_count++] = id;
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        scanner->counts.only[side] += reason == xf_merge_only_in[side];
    return XF_OK;
}

static enum xf_err on_equal_now(void *ctx, struct xf_point_id id, const char *reason)
{
    struct scanner *scanner = ctx;
    const struct suspect *suspect = find_suspect(scanner, id);
    (void)reason;
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        scanner->counts.seen[side] += !suspect->was_in[side];
    return XF_OK;
}

static int compare_suspects(const void *a, const void *b)
{
    return xf_point_id_cmp(((const struct suspect *)a)->id, ((const struct suspect *)b)->id);
}

/* Ascending, each once. */
static void sort_suspects(struct scanner *scanner)
{
    struct suspect *list = scanner->suspects;
    size_t kept = 0;
    qsort(list, scanner->suspect_count, sizeof *list, compare_suspects);
    for (size_t i = 0; i < scanner->suspect_count; i++) {
        if (!kept || !xf_point_id_eq(list[kept - 1].id, list[i].id))
            list[kept++] = list[i];
        for (int side = 0; side < XF_SIDE_COUNT; side++)
            list[kept - 1].was_in[side] |= list[i].was_in[side];
    }
    scanner->suspect_count = kept;
}

static enum xf_err compare_again(struct scanner *scanner, const struct xf_point_id *ids, size_t count)
{
    _Atomic uint64_t uncounted = 0;
    const struct xf_merge merge = {.wire = scanner->wire,
                                   .track = scanner->run->scan->track,
                                   .facts = scanner->run->scan->facts,
                                   .on_difference = on_still_different,
                                   .on_equal = on_equal_now,
                                   .ctx = scanner,
                                   .compared = &uncounted};
    for (unsigned attempt = 0;; attempt++) {
        enum xf_err err = xf_merge_ids(&merge, ids, count, scanner->why);
        if (!err)
            return XF_OK;
        err = xf_merge_wait(scanner->wire, err, attempt, 0);
        if (err || atomic_load(&scanner->run->is_ending))
            return err ? err : XF_ERR_STATE;
    }
}

static enum xf_err recheck(struct scanner *scanner)
{
    if (!scanner->suspect_count)
        return XF_OK;
    enum xf_err err = xf_wire_sleep(scanner->wire, MOMENT_MS);
    sort_suspects(scanner);
    for (size_t at = 0; at < scanner->suspect_count && !err;) {
        struct xf_point_id ids[RECHECK_AT_ONCE];
        size_t count = 0;
        while (count < RECHECK_AT_ONCE && at < scanner->suspect_count)
            ids[count++] = scanner->suspects[at++].id;
        err = compare_again(scanner, ids, count);
    }
    if (!err)
        err = mark(scanner);
    scanner->suspect_count = 0;
    return err;
}

/* Of one that is missed on one side it is said as well that only the other has it, if that is so. */
static enum xf_err on_suspect(void *ctx, struct xf_point_id id, const char *reason)
{
    struct scanner *scanner = ctx;
    bool is_one_sided = false;
    struct suspect *suspect = &scanner->suspects[scanner->suspect_count++];
    *suspect = (struct suspect){.id = id};
    for (int side = 0; side < XF_SIDE_COUNT; side++) {
        suspect->was_in[side] = reason == xf_merge_only_in[side] || reason == xf_merge_missed[side];
        is_one_sided |= suspect->was_in[side];
    }
    if (!is_one_sided)
        suspect->was_in[XF_LEGACY] = suspect->was_in[XF_NEW] = true;
    return scanner->suspect_count == SUSPECTS_MAX ? recheck(scanner) : XF_OK;
}

enum xf_err xf_scan_compare_range(struct scanner *scanner)
{
    struct xf_merge_range range = {.from = scanner->has_from ? &scanner->from : NULL,
                                   .to = scanner->has_to ? &scanner->to : NULL};
    _Atomic uint64_t compared = 0;
    for (int side = 0; side < XF_SIDE_COUNT; side++) {
        range.ids[side] = scanner->ids[side];
        range.id_count[side] = scanner->id_count[side];
    }
    const struct xf_merge merge = {.wire = scanner->wire,
                                   .track = scanner->run->scan->track,
                                   .facts = scanner->run->scan->facts,
                                   .range = &range,
                                   .is_ending = &scanner->run->is_ending,
                                   .on_difference = on_suspect,
                                   .ctx = scanner,
                                   .compared = &compared};
    scanner->counts = (struct scan_counts){0};
    scanner->suspect_count = scanner->differing_count = 0;
    enum xf_err err = xf_merge_run(&merge, scanner->why);
    if (!err)
        err = recheck(scanner);
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        scanner->counts.seen[side] += range.seen[side];
    scanner->counts.compared = atomic_load(&compared);
    return err;
}
