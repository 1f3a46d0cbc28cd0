/* copy(range or ids). The order of its steps is what keeps writes from getting lost:
 *
 *   copy_begin -> barrier on the authority -> read there -> put and delete on the follower -> copy_end
 *
 * Any write that touches an id between copy_begin and copy_end leaves it dirty; any write acknowledged before
 * copy_begin is applied once the barrier is answered, so the read sees it. Several copies that have begun may share one
 * barrier, as long as it starts after each of them began. A put whose answer is lost may land later: the journal then
 * keeps its ids dirty until a copy that began when it no longer could.
 *
 * With custom sharding the same id may stand in several shards, so each shard key is copied as a collection of its own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/copy.h"

#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    BODY_BYTES_MAX = (32 << 20) - 4096, /* Qdrant's own limit, with a margin */
    DELETE_IDS = 10000,
    EXTRA_IDS = 4096,
};

struct step {
    struct xf_track *track;
    struct xf_hand *hand;
    const struct xf_copy_task *task;
    struct xf_copy_result *result;
    struct xf_journal_copy *copy;
    uint64_t begun_ms;
    const struct xf_side_conf *authority, *follower;
    struct xf_slice shard_key;
};

static enum xf_err share_barrier(const struct step *step)
{
    struct xf_track *track = step->track;
    enum xf_side side = step->task->authority;
    enum xf_err err = XF_OK;
    pthread_mutex_lock(&track->lock);
    uint64_t needed = track->barrier[side].started + 1;
    while (!err && track->barrier[side].proven < needed) {
        if (track->barrier[side].is_running) {
            pthread_cond_wait(&track->barrier_over, &track->lock);
            continue;
        }
        uint64_t mine = ++track->barrier[side].started;
        track->barrier[side].is_running = true;
        pthread_mutex_unlock(&track->lock);
        err = xf_collection_barrier(step->hand->wire, step->authority, &step->task->facts->side[side], &step->hand->ack,
                                    step->hand->why);
        pthread_mutex_lock(&track->lock);
        track->barrier[side].is_running = false;
        if (!err)
            track->barrier[side].proven = mine;
        pthread_cond_broadcast(&track->barrier_over);
    }
    pthread_mutex_unlock(&track->lock);
    return err;
}

static enum xf_err note_id(struct xf_hand *hand, struct xf_point_id id)
{
    if (hand->id_count == hand->id_cap) {
        size_t cap = hand->id_cap ? hand->id_cap * 2 : 1024;
        struct xf_point_id *ids = realloc(hand->ids, cap * sizeof *ids);
        if (!ids)
            return XF_ERR_NOMEM;
        hand->ids = ids;
        hand->id_cap = cap;
    }
    hand->ids[hand->id_count++] = id;
    return XF_OK;
}

static bool may_write(void *ctx)
{
    const struct step *step = ctx;
    return xf_journal_copy_may_write(step->copy) && step->track->may_write(step->track->ctx, step->task->authority);
}

/* Sends what stands in hand->body to the follower. The only place from where the worker writes points. Lease, token and
 * phase are looked at before it and again before its last bytes, since a body may take long to send. */
static enum xf_err write_follower(const struct step *step)
{
    struct xf_hand *hand = step->hand;
    struct xf_gate gate = {.may_end = may_write, .ctx = (void *)step};
    struct xf_target target = xf_target(step->follower, "/points/batch?wait=true");
    target.once = true;
    target.gate = &gate;
    enum xf_err err = may_write(gate.ctx) ? xf_wire_call(hand->wire, "POST", &target, xf_buf_view(&hand->body),
                                                         &hand->ack, hand->why)
                                          : XF_ERR_STATE;
    if (err == XF_ERR_STATE && !gate.has_ended)
        (void)snprintf(hand->why, XF_WHY_MAX, "copies have ended here: the phase or the leader has changed");
    step->result->bytes += xf_buf_len(&hand->body);
    hand->may_land |= xf_wire_may_land(err, &gate);
    if (err || xf_answer_is_completed(xf_buf_view(&hand->ack.body)))
        return err;
    hand->may_land = true;
    (void)snprintf(hand->why, XF_WHY_MAX, "collection %s did not answer a copy as completed",
                   step->follower->collection);
    return XF_ERR_BUSY;
}

static struct xf_recipe recipe_of(const struct step *step)
{
    const struct xf_collection *follower = &step->task->facts->side[!step->task->authority];
    return (struct xf_recipe){.vector_names = follower->vector_names,
                              .name_count = follower->name_count,
                              .shard_key = step->shard_key,
                              .bytes_max = step->track->config->worker.batch_bytes};
}

static enum xf_err put_some(const struct step *step, struct xf_recipe *recipe, const struct xf_point *points,
                            size_t count, size_t *taken)
{
    struct xf_buf *body = &step->hand->body;
    xf_buf_clear(body);
    enum xf_err err = xf_recipe_put(recipe, points, count, body, taken);
    if (err == XF_ERR_FULL && recipe->bytes_max < BODY_BYTES_MAX) {
        struct xf_recipe larger = *recipe; /* one point above the batch's size: as much as the server takes */
        larger.bytes_max = BODY_BYTES_MAX;
        err = xf_recipe_put(&larger, points, 1, body, taken);
    }
    if (err == XF_ERR_FULL)
        (void)snprintf(step->hand->why, XF_WHY_MAX, "point %.*s is larger than a request body may be",
                       XF_SLICE_ARG(points->id_text));
    return err;
}

static enum xf_err put_points(const struct step *step, const struct xf_point *points, size_t count)
{
    struct xf_recipe recipe = recipe_of(step);
    enum xf_err err = XF_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = note_id(step->hand, points[i].id);
    while (count && !err) {
        size_t taken = 0;
        err = put_some(step, &recipe, points, count, &taken);
        if (!err)
            err = write_follower(step);
        if (!err) {
            step->result->copied += taken;
            points += taken;
            count -= taken;
        }
    }
    return err;
}

static enum xf_err delete_points(const struct step *step, const struct xf_point_id *ids, size_t count)
{
    struct xf_recipe recipe = recipe_of(step);
    enum xf_err err = XF_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = note_id(step->hand, ids[i]);
    while (count && !err) {
        size_t taken = count < DELETE_IDS ? count : DELETE_IDS;
        xf_buf_clear(&step->hand->body);
        err = xf_recipe_delete(&recipe, ids, taken, &step->hand->body);
        if (!err)
            err = write_follower(step);
        step->result->deleted += err ? 0 : taken;
        ids += taken;
        count -= taken;
    }
    return err;
}

/* Points below `until`; the page is in ascending order. */
static size_t count_below(const struct xf_page *page, const struct xf_point_id *until)
{
    size_t count = page->count;
    while (until && count > 0 && xf_point_id_cmp(page->list[count - 1].id, *until) >= 0)
        count--;
    return count;
}

/* Of the follower's page, the ids that the authority's points lack; both ascending. */
static enum xf_err list_extras(const struct xf_page *theirs, size_t their_count, const struct xf_point *ours,
                               size_t our_count, struct xf_point_id **extras, size_t *extra_count)
{
    *extra_count = 0;
    *extras = malloc((their_count ? their_count : 1) * sizeof **extras);
    if (!*extras)
        return XF_ERR_NOMEM;
    size_t at = 0;
    for (size_t i = 0; i < their_count; i++) {
        while (at < our_count && xf_point_id_cmp(ours[at].id, theirs->list[i].id) < 0)
            at++;
        if (at == our_count || !xf_point_id_eq(ours[at].id, theirs->list[i].id))
            (*extras)[(*extra_count)++] = theirs->list[i].id;
    }
    return XF_OK;
}

/* Deletes on the follower what it has in [from, until) and the authority's page lacks. */
static enum xf_err delete_extras(const struct step *step, const struct xf_point_id *from,
                                 const struct xf_point_id *until, size_t our_count)
{
    struct xf_hand *hand = step->hand;
    struct xf_page *theirs = &hand->extra_page;
    struct xf_point_id next;
    for (bool more = true; more;) {
        struct xf_page_request request = {.from = from, .limit = EXTRA_IDS, .shard_key = step->shard_key};
        if (our_count + 256 < EXTRA_IDS)
            request.limit = our_count + 256;
        enum xf_err err = xf_page_read(hand->wire, step->follower, &step->task->facts->side[!step->task->authority],
                                       &request, &hand->extra, theirs, hand->why);
        struct xf_point_id *extras = NULL;
        size_t extra_count = 0;
        if (!err)
            err = list_extras(theirs, count_below(theirs, until), hand->page.list, our_count, &extras, &extra_count);
        if (!err)
            err = delete_points(step, extras, extra_count);
        free(extras);
        if (err)
            return err;
        more = theirs->has_next && (!until || xf_point_id_cmp(theirs->next, *until) < 0);
        next = theirs->next;
        from = &next;
    }
    return XF_OK;
}

static enum xf_err copy_range(const struct step *step)
{
    struct xf_hand *hand = step->hand;
    const struct xf_copy_scope *scope = &step->task->scope;
    const struct xf_point_id *from = scope->from;
    struct xf_point_id next;
    for (bool more = true; more;) {
        struct xf_page_request request = {
            .from = from, .limit = step->task->page_points, .shard_key = step->shard_key, .with_data = true};
        enum xf_err err = xf_page_read(hand->wire, step->authority, &step->task->facts->side[step->task->authority],
                                       &request, &hand->read, &hand->page, hand->why);
        if (err)
            return err;
        more = hand->page.has_next && (!scope->to || xf_point_id_cmp(hand->page.next, *scope->to) < 0);
        struct xf_point_id page_next = hand->page.next;
        size_t count = count_below(&hand->page, scope->to);
        if (step->task->deletes_extras)
            err = delete_extras(step, from, more ? &page_next : scope->to, count);
        if (!err)
            err = put_points(step, hand->page.list, count);
        if (err)
            return err;
        next = page_next;
        from = &next;
    }
    return XF_OK;
}

static int compare_ids(const void *a, const void *b)
{
    return xf_point_id_cmp(*(const struct xf_point_id *)a, *(const struct xf_point_id *)b);
}

static enum xf_err read_ids(const struct step *step, const struct xf_point_id *ids, size_t count)
{
    struct xf_hand *hand = step->hand;
    bool is_replicated = step->task->facts->side[step->task->authority].is_replicated;
    struct xf_target target = xf_target(step->authority, is_replicated ? "/points?consistency=majority" : "/points");
    xf_buf_clear(&hand->body);
    enum xf_err err =
        xf_buf_append_slice(&hand->body, XF_SLICE("{\"with_payload\":true,\"with_vector\":true,\"ids\":"));
    if (!err)
        err = xf_ids_print(ids, count, &hand->body);
    if (!err)
        err = xf_append_shard_key(step->shard_key, &hand->body);
    if (!err)
        err = xf_buf_append_slice(&hand->body, XF_SLICE("}"));
    if (!err)
        err = xf_wire_call(hand->wire, "POST", &target, xf_buf_view(&hand->body), &hand->read, hand->why);
    return err ? err : xf_page_take(step->authority, &hand->read, &hand->page, hand->why);
}

/* The ids of the list that the authority did not send; they come after the found ones in the copy of the list. */
static enum xf_err delete_missing(const struct step *step, const struct xf_point_id *ids, size_t count)
{
    const struct xf_page *page = &step->hand->page;
    if (page->count == count)
        return XF_OK;
    struct xf_point_id *found = malloc((count + page->count) * sizeof *found);
    if (!found)
        return XF_ERR_NOMEM;
    struct xf_point_id *missing = found + page->count;
    size_t missing_count = 0;
    for (size_t i = 0; i < page->count; i++)
        found[i] = page->list[i].id;
    qsort(found, page->count, sizeof *found, compare_ids);
    for (size_t i = 0; i < count; i++)
        if (!page->count || !bsearch(&ids[i], found, page->count, sizeof *found, compare_ids))
            missing[missing_count++] = ids[i];
    enum xf_err err = delete_points(step, missing, missing_count);
    free(found);
    return err;
}

static enum xf_err copy_ids(const struct step *step)
{
    const struct xf_copy_scope *scope = &step->task->scope;
    enum xf_err err = XF_OK;
    for (size_t at = 0; at < scope->id_count && !err;) {
        size_t left = scope->id_count - at;
        size_t count = left < step->task->page_points ? left : step->task->page_points;
        err = read_ids(step, scope->ids + at, count);
        if (!err)
            err = put_points(step, step->hand->page.list, step->hand->page.count);
        if (!err)
            err = delete_missing(step, scope->ids + at, count);
        at += count;
    }
    return err;
}

static enum xf_err copy_part(const struct step *step)
{
    return step->task->scope.is_range ? copy_range(step) : copy_ids(step);
}

/* A shard key made after the facts were read would neither be waited for by the barrier nor copied. */
static enum xf_err check_keys(const struct step *step)
{
    bool are_same = false;
    enum xf_err err = xf_collection_compare_keys(step->hand->wire, step->authority,
                                                 &step->task->facts->side[step->task->authority], &step->hand->extra,
                                                 &are_same, step->hand->why);
    if (err || are_same)
        return err;
    (void)snprintf(step->hand->why, XF_WHY_MAX, "the shard keys of collection %s have changed",
                   step->authority->collection);
    step->result->are_facts_old = true;
    return XF_ERR_BUSY;
}

static enum xf_err copy_all_parts(struct step *step)
{
    const struct xf_collection *source = &step->task->facts->side[step->task->authority];
    const struct xf_collection *target = &step->task->facts->side[!step->task->authority];
    if (source->is_custom != target->is_custom) {
        (void)snprintf(step->hand->why, XF_WHY_MAX, "only one of %s and %s is sharded by keys",
                       step->authority->collection, step->follower->collection);
        return XF_ERR_INVALID;
    }
    enum xf_err err = share_barrier(step);
    if (!source->is_custom)
        return err ? err : copy_part(step);
    if (!err)
        err = check_keys(step);
    for (size_t i = 0; i < source->key_count && !err; i++) {
        step->shard_key = source->shard_keys[i];
        err = copy_part(step);
    }
    return err;
}

/* A failed copy leaves what it wrote dirty; held as well only if a write may still land, because held ids take their
 * time. */
static void end_copy(const struct step *step, enum xf_err err)
{
    const struct xf_hand *hand = step->hand;
    enum xf_copy_end how = !err ? XF_COPY_DONE : hand->may_land ? XF_COPY_UNKNOWN : XF_COPY_FAILED;
    struct xf_copy_result_ids ids;
    xf_journal_copy_end(step->copy, hand->ids, hand->id_count, how, &ids);
    step->result->kept = ids.kept;
    step->result->met_all = ids.met_all;
    if (ids.met_all)
        xf_turns_want(&step->track->turns);
}

static void note_retry_after(const struct step *step)
{
    const struct xf_hand *hand = step->hand;
    const struct xf_answer *answers[] = {&hand->read, &hand->extra, &hand->ack};
    for (size_t i = 0; i < 3; i++)
        if (answers[i]->retry_after_ms > step->result->retry_after_ms)
            step->result->retry_after_ms = answers[i]->retry_after_ms;
}

static enum xf_err copy_under_journal(struct step *step)
{
    struct xf_hand *hand = step->hand;
    hand->id_count = 0;
    hand->may_land = false;
    hand->read.retry_after_ms = hand->extra.retry_after_ms = hand->ack.retry_after_ms = 0;
    enum xf_err err =
        xf_journal_copy_begin(step->track->journal, step->track->migration, &step->task->scope, &step->copy);
    if (err) {
        (void)snprintf(hand->why, XF_WHY_MAX, "the journal: %s",
                       err == XF_ERR_IO ? "Redis does not answer, or this replica has not joined" : xf_err_sentence(err));
        return err;
    }
    step->begun_ms = xf_clock_now_ms();
    err = copy_all_parts(step);
    end_copy(step, err);
    note_retry_after(step);
    return err;
}

static enum xf_err copy_in_turn(struct step *step)
{
    struct xf_turns *turns = &step->track->turns;
    enum xf_err err = xf_turn_take(turns, step->hand->wire);
    if (!err)
        err = share_barrier(step); /* so that the one that counts, for which writers wait, finds short queues */
    if (!err)
        err = copy_under_journal(step);
    bool has_begun = step->begun_ms != 0;
    xf_turn_give(turns, has_begun ? xf_clock_now_ms() - step->begun_ms : 0, has_begun ? step->hand->id_count : 0);
    return err;
}

enum xf_err xf_copy(struct xf_track *track, struct xf_hand *hand, const struct xf_copy_task *task,
                    struct xf_copy_result *result)
{
    const struct xf_migration_conf *migration = &track->config->migrations[track->migration];
    struct step step = {.track = track,
                        .hand = hand,
                        .task = task,
                        .result = result,
                        .authority = &migration->side[task->authority],
                        .follower = &migration->side[!task->authority]};
    *result = (struct xf_copy_result){0};
    return task->scope.is_exclusive ? copy_in_turn(&step) : copy_under_journal(&step);
}

bool xf_copy_is_retryable(enum xf_err err)
{
    return err == XF_ERR_BUSY || err == XF_ERR_UPSTREAM_CONNECT || err == XF_ERR_UPSTREAM_CLOSED ||
           err == XF_ERR_UPSTREAM_TIMEOUT || err == XF_ERR_NOMEM || err == XF_ERR_IO;
}
