/* The reconcile. Writes go on meanwhile: each is in the journal, so a difference that a scan misses, because the write
 * came behind it, is dirty already; one that it sees too early is repaired for nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/reconcile.h"

#include "proxy/worker/merge.h"

enum { MARK_AT_ONCE = 256 };

struct marker {
    struct xf_track *track;
    struct xf_point_id ids[MARK_AT_ONCE]; /* ascending, as the scan goes */
    size_t count;
    uint64_t total;
};

static void mark(struct marker *marker)
{
    if (marker->count)
        xf_journal_mark_dirty(marker->track->journal, marker->track->migration,
                              &(struct xf_journal_scope){.ids = marker->ids, .id_count = marker->count});
    marker->count = 0;
}

static enum xf_err on_difference(void *ctx, struct xf_point_id id, const char *reason)
{
    struct marker *marker = ctx;
    (void)reason; /* the repair does not ask why */
    marker->ids[marker->count++] = id;
    marker->total++;
    if (marker->count == MARK_AT_ONCE)
        mark(marker);
    return XF_OK;
}

static enum xf_err prepare(struct xf_wire *wire, const struct xf_track *track, struct xf_facts *facts, char *why)
{
    const struct xf_migration_conf *migration = &track->config->migrations[track->migration];
    struct xf_answer answer;
    xf_answer_init(&answer);
    enum xf_err err = XF_OK;
    for (int side = 0; side < XF_SIDE_COUNT && !err; side++)
        err = xf_collection_read(wire, &migration->side[side], &facts->side[side], why);
    for (int side = 0; side < XF_SIDE_COUNT && !err; side++)
        err = xf_collection_barrier(wire, &migration->side[side], &facts->side[side], &answer, why);
    xf_buf_fini(&answer.body);
    return err;
}

enum xf_err xf_reconcile_run(struct xf_wire *wire, struct xf_track *track, _Atomic uint64_t *compared,
                             uint64_t *differing, bool *is_known, char *why)
{
    struct xf_facts *facts = xf_facts_new();
    if (!facts)
        return XF_ERR_NOMEM;
    struct marker marker = {.track = track};
    *is_known = false;
    atomic_store(compared, 0);
    struct xf_journal_moment began = xf_journal_reconcile_begin(track->journal, track->migration);
    enum xf_err err = prepare(wire, track, facts, why);
    if (!err) {
        struct xf_merge merge = {.wire = wire,
                                 .track = track,
                                 .facts = facts,
                                 .on_difference = on_difference,
                                 .ctx = &marker,
                                 .compared = compared};
        err = xf_merge_run(&merge, why);
    }
    mark(&marker);
    if (!err)
        *is_known = xf_journal_reconcile_end(track->journal, track->migration, began);
    xf_facts_unref(facts);
    *differing = marker.total;
    return err;
}
