/* The journal's life, and what can be said of it without waiting.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/journal_int.h"

#include "common/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { START_WAIT_S = 2, PATH_BYTES = 4096, SPILL_BYTES_MAX = 64 * 1024 * 1024 };

/* --- Life --- */

static enum xf_err open_spill(struct xf_ward *ward)
{
    char path[PATH_BYTES];
    const struct xf_config *config = ward->member.journal->options.config;
    const char *name = config->migrations[ward->member.migration].name;
    int len = snprintf(path, sizeof path, "%s/journal.%s", config->state_dir, name);
    return len > 0 && len < PATH_BYTES ? xf_spill_open(path, SPILL_BYTES_MAX, &ward->member.spill) : XF_ERR_IO;
}

static void init_errands(struct xf_ward *ward)
{
    struct xf_errand *errands[] = {&ward->join,    &ward->beat, &ward->lapse, &ward->claim,
                                   &ward->release, &ward->give, &ward->tell};
    for (size_t i = 0; i < sizeof errands / sizeof *errands; i++)
        errands[i]->ward = ward;
}

static enum xf_err ward_init(struct xf_ward *ward, struct xf_journal *journal, size_t migration)
{
    const struct xf_journal_options *options = &journal->options;
    struct xf_member *member = &ward->member;
    if (pthread_mutex_init(&member->lock, NULL))
        return XF_ERR_NOMEM;
    member->journal = journal;
    member->migration = migration;
    xf_queue_init(&member->queue);
    init_errands(ward);
    ward->session = (struct xf_session){.member = member};
    member->picture.is_unknown = member->seen.is_unknown = true; /* until Redis says otherwise */
    const char *name = options->config->migrations[migration].name;
    if (asprintf(&member->base, "%s:{%s}:j:", options->config->redis.prefix, name) < 0) {
        member->base = NULL;
        return XF_ERR_NOMEM;
    }
    if (options->is_off)
        return XF_OK;
    ward->record = &journal->file.records[migration];
    bool was_dual = options->was_dual_writing && options->was_dual_writing(options->ctx, migration);
    ward->was_dual = ward->record->was_dual || was_dual;
    atomic_init(&member->was_ever_known, ward->record->inc[0] != '\0');
    return open_spill(ward);
}

static void ward_fini(struct xf_ward *ward)
{
    xf_spill_close(ward->member.spill);
    xf_queue_fini(&ward->member.queue);
    free(ward->peers);
    free(ward->member.base);
    (void)pthread_mutex_destroy(&ward->member.lock); /* fails only while somebody holds it, against the contract */
}

static enum xf_err init_lock(struct xf_journal *journal)
{
    pthread_condattr_t attr;
    if (pthread_mutex_init(&journal->lock, NULL) || pthread_condattr_init(&attr))
        return XF_ERR_NOMEM;
    int failed = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) || pthread_cond_init(&journal->changed, &attr);
    pthread_condattr_destroy(&attr);
    return failed ? XF_ERR_NOMEM : XF_OK;
}

/* A proxy that serves before it has joined would have to refuse writes, or put them into the file. */
static void wait_until_settled(struct xf_journal *journal)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += START_WAIT_S;
    xf_lock(&journal->lock);
    while (!journal->is_settled)
        if (pthread_cond_timedwait(&journal->changed, &journal->lock, &until))
            break;
    xf_unlock(&journal->lock);
}

static enum xf_err start(struct xf_journal *journal)
{
    const struct xf_config *config = journal->options.config;
    enum xf_err err = init_lock(journal);
    journal->wards = calloc(config->migration_count + 1, sizeof *journal->wards);
    if (!err && !journal->wards)
        err = XF_ERR_NOMEM;
    if (!err && !journal->options.is_off)
        err = xf_replica_file_open(config, &journal->file);
    for (size_t i = 0; i < config->migration_count && !err; i++) {
        err = ward_init(&journal->wards[i], journal, i);
        journal->ward_count++;
    }
    if (err || journal->options.is_off)
        return err;
    err = xf_keeper_start(journal);
    if (!err)
        wait_until_settled(journal);
    return err;
}

enum xf_err xf_journal_new(const struct xf_journal_options *options, struct xf_journal **journal)
{
    struct xf_journal *made = calloc(1, sizeof *made);
    if (!made)
        return XF_ERR_NOMEM;
    made->options = *options;
    made->file.lock_fd = -1;
    enum xf_err err = start(made);
    if (err)
        xf_journal_free(made);
    else
        *journal = made;
    return err;
}

void xf_journal_free(struct xf_journal *journal)
{
    if (!journal)
        return;
    xf_keeper_stop(journal);
    for (size_t i = 0; i < journal->ward_count; i++)
        ward_fini(&journal->wards[i]);
    xf_replica_file_close(&journal->file);
    (void)pthread_cond_destroy(&journal->changed);
    (void)pthread_mutex_destroy(&journal->lock);
    free(journal->wards);
    free(journal);
}

bool xf_journal_is_usable(const struct xf_journal *journal, size_t migration)
{
    return journal->options.is_off || atomic_load(&journal->wards[migration].member.was_ever_known);
}

/* --- From any thread --- */

/* The file keeps it past the end of this process, if Redis cannot be told before. */
void xf_journal_lose(struct xf_journal *journal, size_t migration)
{
    struct xf_member *member = xf_journal_member(journal, migration);
    atomic_store(&member->is_losing, true);
    if (journal->options.is_off)
        return;
    if (xf_spill_add_all(member->spill))
        xf_log(XF_LOG_ERROR, "journal",
               "migration=%s: the file cannot be written, only this process knows that a reconcile is needed",
               journal->options.config->migrations[migration].name);
    xf_keeper_poke(journal);
}

void xf_journal_set_dual(struct xf_journal *journal, size_t migration, bool is_dual)
{
    struct xf_ward *ward = xf_ward_of(xf_journal_member(journal, migration));
    if (atomic_exchange(&ward->member.is_dual, is_dual) == is_dual)
        return;
    atomic_store(&ward->wants_beat, true);
    xf_keeper_poke(journal);
}

void xf_journal_state(struct xf_journal *journal, size_t migration, struct xf_journal_state *state)
{
    struct xf_ward *ward = xf_ward_of(xf_journal_member(journal, migration));
    struct xf_member *member = &ward->member;
    bool holds = xf_member_holds(member);
    size_t unacknowledged = atomic_load(&member->unacknowledged); /* first: what is acknowledged later is in the picture */
    size_t in_file = journal->options.is_off ? 0 : xf_spill_ids(member->spill);
    bool has_all = !journal->options.is_off && xf_spill_has_all(member->spill);
    xf_lock(&member->lock);
    *state = member->seen;
    bool is_losing = atomic_load(&member->is_losing) || atomic_load(&ward->is_telling);
    state->is_unknown = member->picture.is_unknown || has_all || is_losing;
    state->dirty = member->picture.dirty + in_file;
    state->held = member->picture.held;
    state->in_flight = member->picture.in_flight + unacknowledged;
    state->is_held_whole = member->picture.is_held_whole;
    xf_unlock(&member->lock);
    state->is_cut_off = !holds;
    state->token = holds ? atomic_load(&member->token) : 0;
    state->is_leader = state->token != 0;
    state->are_all_dual = holds && state->are_all_dual && !journal->options.is_off && xf_ward_says_dual(ward);
}

const char *xf_journal_replica_id(const struct xf_journal *journal)
{
    return journal->file.id;
}

static enum xf_err print_peer(const struct xf_ward *ward, const struct xf_peer *peer, bool is_first, struct xf_buf *out)
{
    bool is_self = strcmp(peer->id, ward->member.journal->file.id) == 0;
    bool is_leader = strcmp(peer->id, ward->member.seen.leader) == 0;
    enum xf_err err = xf_buf_printf(out, "%s{\"id\":\"", is_first ? "" : ",");
    if (!err)
        err = xf_buf_append_json_escaped(out, xf_slice_of(peer->id));
    return err ? err
               : xf_buf_printf(out, "\",\"state\":\"%s\",\"dual\":%s,\"is_leader\":%s,\"is_self\":%s}",
                               peer->is_in ? "joined" : "lapsed", peer->is_dual ? "true" : "false",
                               is_leader ? "true" : "false", is_self ? "true" : "false");
}

enum xf_err xf_journal_print_replicas(struct xf_journal *journal, size_t migration, struct xf_buf *out)
{
    struct xf_ward *ward = xf_ward_of(xf_journal_member(journal, migration));
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE("["));
    xf_lock(&ward->member.lock);
    for (size_t i = 0; i < ward->peer_count && !err; i++)
        err = print_peer(ward, &ward->peers[i], i == 0, out);
    xf_unlock(&ward->member.lock);
    return err ? err : xf_buf_append_slice(out, XF_SLICE("]"));
}

void xf_journal_counts(struct xf_journal *journal, struct xf_journal_counts *counts)
{
    struct xf_journal_tally *tally = &journal->tally;
    *counts = (struct xf_journal_counts){.begins = atomic_load(&tally->begins),
                                         .ends = atomic_load(&tally->ends),
                                         .conflicts = atomic_load(&tally->conflicts),
                                         .forced = atomic_load(&tally->forced),
                                         .queued = atomic_load(&tally->queued),
                                         .cut_off_writes = atomic_load(&tally->cut_off_writes),
                                         .rolled_back = atomic_load(&tally->rolled_back),
                                         .rejoins = atomic_load(&journal->rejoins),
                                         .lapses_seen = atomic_load(&journal->lapses_seen),
                                         .emptied = atomic_load(&journal->emptied)};
    for (size_t i = 0; i < journal->ward_count && !journal->options.is_off; i++) {
        const struct xf_spill *spill = journal->wards[i].member.spill;
        counts->file_bytes += xf_spill_is_empty(spill) ? 0 : xf_spill_bytes(spill);
        counts->file_full += xf_spill_has_all(spill);
    }
}
