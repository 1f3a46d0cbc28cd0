/* The reconcile. Writes go on meanwhile: each is in the journal, so a difference that a scan misses, because the write
 * came behind it, is dirty already; one that it sees too early is repaired for nothing. It begins when nothing of before
 * can land any more, with a barrier on both sides.
 *
 * A scan may miss points where Qdrant is older than 1.14.0. The range's ids are read twice for that (scan_range.c), and at the
 * end the exact counts must fit what was seen; if they do not, everything is scanned once more.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/reconcile.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "proxy/worker/merge.h"
#include "proxy/worker/scan.h"

#include <stdio.h>
#include <string.h>

enum { NAP_MS = 250, MARGIN_MS = 10000, JOURNAL_MS = 60000, COUNT_TRIES = 12, COUNT_MS = 300, PASSES = 2 };

static const struct xf_migration_conf *conf_of(const struct xf_reconcile *reconcile)
{
    return &reconcile->track->config->migrations[reconcile->track->migration];
}

static enum xf_err nap(struct xf_reconcile *reconcile, uint64_t ms)
{
    enum xf_err err = xf_wire_sleep(reconcile->wire, ms);
    if (!err && !reconcile->may_go_on(reconcile->ctx))
        err = XF_ERR_STATE;
    return err;
}

static enum xf_err refuse(char *why, enum xf_err err, const char *text)
{
    (void)snprintf(why, XF_WHY_MAX, "%s", text);
    return err;
}

/* --- Begin --- */

static enum xf_err ask_moment(struct xf_reconcile *reconcile, struct xf_journal_moment *moment, char *why)
{
    enum xf_err err = xf_journal_reconcile_begin(reconcile->track->journal, reconcile->track->migration, moment);
    if (err)
        (void)snprintf(why, XF_WHY_MAX, "the journal: %s",
                       err == XF_ERR_IO ? "Redis does not answer, or this replica has not joined" : xf_err_sentence(err));
    return err;
}

/* A hold ends by itself after the longest time-out; a replica that does not come back keeps it early. */
static enum xf_err wait_until_settled(struct xf_reconcile *reconcile, struct xf_journal_moment *moment, char *why)
{
    const struct xf_config *config = reconcile->track->config;
    uint64_t holds_ms = config->timeouts.answer_ms + config->timeouts.body_ms + MARGIN_MS;
    uint64_t early_until = xf_clock_now_ms() + holds_ms, away_until = xf_clock_now_ms() + JOURNAL_MS;
    for (;;) {
        enum xf_err err = ask_moment(reconcile, moment, why);
        if (!err && !moment->is_early)
            return XF_OK;
        uint64_t now = xf_clock_now_ms();
        if (err && (err != XF_ERR_IO || now > away_until))
            return err;
        if (!err && now > early_until)
            return refuse(why, XF_ERR_BUSY,
                          "a write of before may still land, or a replica has not come back: the comparison begins when that "
                          "is over; a replica that will not return has to be declared dead");
        reconcile->tell(reconcile->ctx, err ? "waiting for Redis" : "waiting until no write of before can land any more");
        err = nap(reconcile, NAP_MS);
        if (err)
            return err;
    }
}

static enum xf_err prepare(struct xf_reconcile *reconcile, struct xf_facts *facts, char *why)
{
    struct xf_answer answer;
    xf_answer_init(&answer);
    enum xf_err err = XF_OK;
    for (int side = 0; side < XF_SIDE_COUNT && !err; side++)
        err = xf_collection_read(reconcile->wire, &conf_of(reconcile)->side[side], &facts->side[side], why);
    for (int side = 0; side < XF_SIDE_COUNT && !err; side++)
        err = xf_collection_barrier(reconcile->wire, &conf_of(reconcile)->side[side], &facts->side[side], &answer, why);
    xf_buf_fini(&answer.body);
    return err;
}

static enum xf_err prepare_in_time(struct xf_reconcile *reconcile, struct xf_facts *facts, char *why)
{
    for (unsigned attempt = 0;; attempt++) {
        enum xf_err err = prepare(reconcile, facts, why);
        if (!err)
            return XF_OK;
        err = xf_merge_wait(reconcile->wire, err, attempt, 0);
        if (!err && !reconcile->may_go_on(reconcile->ctx))
            err = XF_ERR_STATE;
        if (err)
            return err;
    }
}

/* --- Counts --- */

struct census {
    uint64_t counts[XF_SIDE_COUNT];
    bool is_custom; /* an id may be in several shards, and is counted in each */
    bool is_moving; /* writes go on, so that the counts are not those of the scan */
};

static enum xf_err count_both(struct xf_reconcile *reconcile, struct census *census, char *why)
{
    struct xf_answer answer;
    struct xf_journal_state journal;
    xf_answer_init(&answer);
    enum xf_err err = XF_OK;
    for (int side = 0; side < XF_SIDE_COUNT && !err; side++) {
        uint64_t was = census->counts[side];
        err = xf_collection_count(reconcile->wire, &conf_of(reconcile)->side[side], &answer, &census->counts[side], why);
        census->is_moving |= was && was != census->counts[side];
    }
    xf_buf_fini(&answer.body);
    xf_journal_state(reconcile->track->journal, reconcile->track->migration, &journal);
    census->is_moving |= journal.in_flight > 0;
    return err;
}

/* In quiet no count may be larger than what was seen, with what the repair brings to the follower. Under writes the counts
 * may have grown since, but on both sides alike. */
static bool fits(const struct xf_reconcile *reconcile, const struct census *census)
{
    const struct xf_scan_progress *seen = &reconcile->progress;
    enum xf_side authority = reconcile->authority(reconcile->ctx), follower = (enum xf_side)!authority;
    const uint64_t *counts = census->counts;
    if (counts[authority] <= seen->seen[authority] &&
        counts[follower] <= seen->seen[follower] + seen->only[authority])
        return true;
    bool have_grown_alike = counts[XF_LEGACY] - seen->seen[XF_LEGACY] == counts[XF_NEW] - seen->seen[XF_NEW];
    return (census->is_moving || census->is_custom) && (counts[XF_LEGACY] == counts[XF_NEW] || have_grown_alike);
}

static enum xf_err check_counts(struct xf_reconcile *reconcile, const struct xf_facts *facts, bool *fit, char *why)
{
    struct census census = {.is_custom = facts->side[XF_LEGACY].is_custom || facts->side[XF_NEW].is_custom};
    unsigned attempt = 0;
    reconcile->tell(reconcile->ctx, "counting");
    for (unsigned tries = 0; tries < COUNT_TRIES; tries++) {
        enum xf_err err = count_both(reconcile, &census, why);
        if (!err) {
            *fit = fits(reconcile, &census);
            if (*fit)
                return XF_OK;
            err = nap(reconcile, COUNT_MS);
        } else {
            err = xf_merge_wait(reconcile->wire, err, attempt++, 0);
        }
        if (err)
            return err;
    }
    (void)snprintf(why, XF_WHY_MAX,
                   "the exact counts are %llu and %llu, but the scan has seen %llu and %llu points (legacy and new): which "
                   "ones differ stays unknown, another reconcile is needed",
                   (unsigned long long)census.counts[XF_LEGACY], (unsigned long long)census.counts[XF_NEW],
                   (unsigned long long)reconcile->progress.seen[XF_LEGACY],
                   (unsigned long long)reconcile->progress.seen[XF_NEW]);
    return XF_OK;
}

/* --- Scan --- */

static enum xf_err scan(struct xf_reconcile *reconcile, const struct xf_facts *facts, char *why)
{
    struct xf_scan scan = {.track = reconcile->track,
                           .facts = facts,
                           .is_stopping = reconcile->is_stopping,
                           .may_go_on = reconcile->may_go_on,
                           .save = reconcile->save,
                           .ctx = reconcile->ctx,
                           .compared = reconcile->compared,
                           .progress = reconcile->progress};
    atomic_store(reconcile->compared, scan.progress.compared);
    reconcile->tell(reconcile->ctx, "comparing");
    enum xf_err err = xf_scan_run(&scan, why);
    reconcile->progress = scan.progress;
    return err;
}

static bool goes_on(const struct xf_reconcile *reconcile, const struct xf_journal_moment *moment)
{
    return reconcile->has_progress && reconcile->progress.moment == moment->number &&
           strcmp(reconcile->progress.incarnation, moment->incarnation) == 0;
}

static void start_over(struct xf_reconcile *reconcile, const struct xf_journal_moment *moment, unsigned pass)
{
    uint64_t differing = pass ? reconcile->progress.differing : 0;
    reconcile->progress = (struct xf_scan_progress){.moment = moment->number, .pass = pass, .differing = differing};
    (void)snprintf(reconcile->progress.incarnation, sizeof reconcile->progress.incarnation, "%s", moment->incarnation);
    reconcile->save(reconcile->ctx, &reconcile->progress);
}

static enum xf_err scan_until_it_fits(struct xf_reconcile *reconcile, const struct xf_facts *facts,
                                      const struct xf_journal_moment *moment, char *why)
{
    for (;;) {
        bool fit = false;
        enum xf_err err = scan(reconcile, facts, why);
        if (!err)
            err = check_counts(reconcile, facts, &fit, why);
        if (err || fit)
            return err;
        xf_log(XF_LOG_WARN, "worker", "migration=%s reconcile: %s", conf_of(reconcile)->name, why);
        if (reconcile->progress.pass + 1 == PASSES)
            return XF_ERR_INVALID;
        start_over(reconcile, moment, reconcile->progress.pass + 1);
    }
}

static enum xf_err end(struct xf_reconcile *reconcile, struct xf_journal_moment moment, char *why)
{
    for (uint64_t until = xf_clock_now_ms() + JOURNAL_MS;;) {
        enum xf_err err = xf_journal_reconcile_end(reconcile->track->journal, reconcile->track->migration, moment,
                                                   &reconcile->is_known);
        if (err)
            (void)snprintf(why, XF_WHY_MAX, "the journal: %s", xf_err_sentence(err));
        if (err != XF_ERR_IO || xf_clock_now_ms() > until)
            return err;
        reconcile->tell(reconcile->ctx, "waiting for Redis");
        err = nap(reconcile, NAP_MS);
        if (err)
            return err;
    }
}

enum xf_err xf_reconcile_run(struct xf_reconcile *reconcile, char *why)
{
    struct xf_facts *facts = xf_facts_new();
    if (!facts)
        return XF_ERR_NOMEM;
    struct xf_journal_moment moment;
    reconcile->is_known = false;
    atomic_store(reconcile->compared, 0);
    enum xf_err err = wait_until_settled(reconcile, &moment, why);
    if (!err)
        err = prepare_in_time(reconcile, facts, why);
    if (!err && !goes_on(reconcile, &moment))
        start_over(reconcile, &moment, 0);
    if (!err)
        err = scan_until_it_fits(reconcile, facts, &moment, why);
    if (!err)
        err = end(reconcile, moment, why);
    xf_facts_unref(facts);
    return err;
}
