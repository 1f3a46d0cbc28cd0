/* The three comparisons and their report.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/validate.h"

#include "common/base/clock.h"
#include "proxy/worker/compare.h"
#include "proxy/worker/cut.h"
#include "proxy/worker/merge.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LISTED_MAX = 100,    /* differences named in the report */
    SUSPECTS_MAX = 1000, /* differences looked at again together */
    TRIES = 6,
    MOMENT_MS = 300,
    HITS = 10,
    SAMPLES_AT_ONCE = 100,
};

struct difference {
    struct xf_point_id id;
    const char *reason;
};

struct list {
    struct difference items[SUSPECTS_MAX];
    size_t count; /* how many there were; the first SUSPECTS_MAX are kept */
};

struct search {
    const struct xf_point *point;
    struct xf_slice name;
};

struct run {
    const struct xf_validate *validate;
    const struct xf_migration_conf *migration;
    struct xf_facts *facts;
    struct xf_answer answer[XF_SIDE_COUNT];
    uint64_t counts[XF_SIDE_COUNT];
    uint64_t searches, searches_differing;
    struct xf_buf search_list; /* JSON items */
    struct list suspects, confirmed;
    char *why;
};

static enum xf_err count_both(struct run *run)
{
    for (int side = 0; side < XF_SIDE_COUNT; side++) {
        enum xf_err err = xf_collection_count(run->validate->wire, &run->migration->side[side], &run->answer[side],
                                              &run->counts[side], run->why);
        if (err)
            return err;
    }
    return XF_OK;
}

/* While writes are in flight the counts may be one apart for a moment. */
static enum xf_err compare_counts(struct run *run)
{
    for (unsigned tries = 0;; tries++) {
        enum xf_err err = count_both(run);
        if (err || run->counts[XF_LEGACY] == run->counts[XF_NEW] || tries == TRIES)
            return err;
        err = xf_wire_sleep(run->validate->wire, MOMENT_MS);
        if (err)
            return err;
    }
}

static enum xf_err list_difference(void *ctx, struct xf_point_id id, const char *reason)
{
    struct list *list = ctx;
    if (list->count < SUSPECTS_MAX)
        list->items[list->count] = (struct difference){id, reason};
    list->count++;
    return XF_OK;
}

static struct xf_merge merge_into(struct run *run, xf_difference_fn *on_difference, void *ctx)
{
    return (struct xf_merge){.wire = run->validate->wire,
                             .track = run->validate->track,
                             .facts = run->facts,
                             .on_difference = on_difference,
                             .ctx = ctx,
                             .compared = run->validate->compared};
}

/* Looks at the suspects again until they are equal or have stayed different for long enough. */
static enum xf_err confirm_suspects(struct run *run)
{
    struct list *suspects = &run->suspects;
    _Atomic uint64_t uncounted = 0;
    for (unsigned tries = 0; tries < TRIES && suspects->count; tries++) {
        struct xf_point_id ids[SUSPECTS_MAX];
        size_t count = suspects->count;
        for (size_t i = 0; i < count; i++)
            ids[i] = suspects->items[i].id;
        suspects->count = 0;
        enum xf_err err = xf_wire_sleep(run->validate->wire, MOMENT_MS);
        struct xf_merge merge = merge_into(run, list_difference, suspects);
        merge.compared = &uncounted;
        if (!err)
            err = xf_merge_ids(&merge, ids, count, run->why);
        if (err)
            return err;
    }
    for (size_t i = 0; i < suspects->count; i++) {
        enum xf_err err = list_difference(&run->confirmed, suspects->items[i].id, suspects->items[i].reason);
        if (err)
            return err;
    }
    suspects->count = 0;
    return XF_OK;
}

/* Past LISTED_MAX confirmed ones the verdict stands and more names help nobody: the rest is counted as it comes. */
static enum xf_err on_suspect(void *ctx, struct xf_point_id id, const char *reason)
{
    struct run *run = ctx;
    if (run->confirmed.count >= LISTED_MAX)
        return list_difference(&run->confirmed, id, reason);
    enum xf_err err = list_difference(&run->suspects, id, reason);
    if (!err && run->suspects.count == SUSPECTS_MAX)
        err = confirm_suspects(run);
    return err;
}

static enum xf_err compare_everything(struct run *run)
{
    struct xf_merge merge = merge_into(run, on_suspect, run);
    enum xf_err err = xf_merge_run(&merge, run->why);
    return err ? err : confirm_suspects(run);
}

/* --- Samples --- */

static struct xf_slice vector_of(const struct xf_point *point, struct xf_slice name)
{
    if (!point->vector.len || point->vector.ptr[0] != '{')
        return name.len ? XF_SLICE_NONE : point->vector;
    struct xf_cut cut = xf_cut(point->vector);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) {
        struct xf_slice key = xf_cut_key(&cut);
        struct xf_slice value = xf_cut_value(&cut);
        if (!cut.err && xf_cut_text_eq(key, name))
            return value;
    }
    return XF_SLICE_NONE;
}

static enum xf_err print_search(struct xf_slice vector, struct xf_slice name, struct xf_buf *body)
{
    enum xf_err err = xf_buf_append_slice(body, XF_SLICE("{\"query\":"));
    if (!err)
        err = xf_buf_append_slice(body, vector);
    if (!err && name.len)
        err = xf_buf_printf(body, ",\"using\":\"%.*s\"", XF_SLICE_ARG(name));
    return err ? err : xf_buf_printf(body, ",\"limit\":%d,\"params\":{\"exact\":true}}", HITS);
}

static enum xf_err search_both(struct run *run, struct xf_slice body, bool *equal)
{
    for (int side = 0; side < XF_SIDE_COUNT; side++) {
        struct xf_target target = xf_target(&run->migration->side[side], "/points/query");
        enum xf_err err = xf_wire_call(run->validate->wire, "POST", &target, body, &run->answer[side], run->why);
        if (err)
            return err;
    }
    *equal = xf_hits_equal(xf_buf_view(&run->answer[XF_LEGACY].body), xf_buf_view(&run->answer[XF_NEW].body));
    return XF_OK;
}

static enum xf_err note_search(struct run *run, const struct xf_point *point, struct xf_slice name)
{
    if (run->searches_differing++ >= LISTED_MAX)
        return XF_OK;
    return xf_buf_printf(&run->search_list, "%s{\"id\":%.*s,\"vector\":\"%.*s\"}",
                         xf_buf_len(&run->search_list) ? "," : "", XF_SLICE_ARG(point->id_text), XF_SLICE_ARG(name));
}

static enum xf_err compare_search(struct run *run, const struct search *search, bool *equal)
{
    struct xf_buf body;
    xf_buf_init(&body, 32 << 20);
    enum xf_err err = print_search(vector_of(search->point, search->name), search->name, &body);
    if (!err)
        err = search_both(run, xf_buf_view(&body), equal);
    xf_buf_fini(&body);
    return err;
}

/* Runs the searches and keeps those at the front of the list whose answers differ. */
static enum xf_err keep_differing(struct run *run, struct search *searches, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        bool equal = false;
        enum xf_err err = compare_search(run, &searches[i], &equal);
        if (err)
            return err;
        if (!equal)
            searches[kept++] = searches[i];
    }
    *count = kept;
    return XF_OK;
}

static size_t list_searches(const struct run *run, const struct xf_page *page, uint64_t wanted, struct search *searches)
{
    const struct xf_collection *legacy = &run->facts->side[XF_LEGACY];
    size_t count = 0;
    for (size_t i = 0; i < page->count && run->searches + count < wanted; i++)
        for (size_t name = 0; name < legacy->name_count; name++)
            if (!legacy->is_sparse[name] && vector_of(&page->list[i], legacy->vector_names[name]).len)
                searches[count++] = (struct search){&page->list[i], legacy->vector_names[name]};
    return count;
}

/* All that differ are run again together, so that many of them do not take many moments. */
static enum xf_err compare_searches(struct run *run, const struct xf_page *page, uint64_t wanted)
{
    struct search *searches = calloc(page->count * run->facts->side[XF_LEGACY].name_count + 1, sizeof *searches);
    if (!searches)
        return XF_ERR_NOMEM;
    size_t count = list_searches(run, page, wanted, searches);
    run->searches += count;
    enum xf_err err = keep_differing(run, searches, &count);
    for (unsigned tries = 1; tries < TRIES && count && !err; tries++) {
        err = xf_wire_sleep(run->validate->wire, MOMENT_MS);
        if (!err)
            err = keep_differing(run, searches, &count);
    }
    for (size_t i = 0; i < count && !err; i++)
        err = note_search(run, searches[i].point, searches[i].name);
    free(searches);
    return err;
}

static int compare_ids(const void *a, const void *b)
{
    return xf_point_id_cmp(*(const struct xf_point_id *)a, *(const struct xf_point_id *)b);
}

static enum xf_err compare_samples(struct run *run, const struct xf_page *page)
{
    struct xf_point_id ids[SAMPLES_AT_ONCE];
    size_t count = 0;
    for (size_t i = 0; i < page->count && i < SAMPLES_AT_ONCE; i++)
        ids[count++] = page->list[i].id;
    if (!count)
        return XF_OK;
    qsort(ids, count, sizeof *ids, compare_ids);
    struct xf_merge merge = merge_into(run, on_suspect, run);
    return xf_merge_ids(&merge, ids, count, run->why);
}

/* Random points, drawn by the server itself from the side that is asked. */
static enum xf_err draw_samples(struct run *run, enum xf_side side, uint64_t count, struct xf_answer *answer,
                                struct xf_page *page)
{
    struct xf_target target = xf_target(&run->migration->side[side], "/points/query");
    char body[160];
    (void)snprintf(body, sizeof body,
                   "{\"query\":{\"sample\":\"random\"},\"limit\":%llu,\"with_payload\":false,\"with_vector\":true}",
                   (unsigned long long)count);
    enum xf_err err = xf_wire_call(run->validate->wire, "POST", &target, xf_slice_of(body), answer, run->why);
    return err ? err : xf_page_split(page, xf_buf_view(&answer->body));
}

/* Half of the samples come from each side, so that points which only the new one has can be met as well. */
static enum xf_err compare_some(struct run *run)
{
    uint64_t wanted = run->validate->track->config->worker.validate_samples;
    struct xf_answer answer;
    struct xf_page page = {0};
    xf_answer_init(&answer);
    enum xf_err err = XF_OK;
    for (uint64_t drawn = 0; drawn < wanted && !err; drawn += SAMPLES_AT_ONCE) {
        uint64_t count = wanted - drawn < SAMPLES_AT_ONCE ? wanted - drawn : SAMPLES_AT_ONCE;
        enum xf_side side = drawn / SAMPLES_AT_ONCE % 2 ? XF_NEW : XF_LEGACY;
        err = draw_samples(run, side, count, &answer, &page);
        if (!err && !run->validate->is_full)
            err = compare_samples(run, &page);
        if (!err)
            err = compare_searches(run, &page, wanted);
    }
    xf_page_fini(&page);
    xf_buf_fini(&answer.body);
    return err ? err : confirm_suspects(run);
}

/* --- Report --- */

static enum xf_err print_points(const struct run *run, struct xf_buf *report)
{
    enum xf_err err = xf_buf_printf(report, "\"points\":{\"compared\":%llu,\"differing_count\":%zu,\"differing\":[",
                                    (unsigned long long)atomic_load(run->validate->compared), run->confirmed.count);
    for (size_t i = 0; i < run->confirmed.count && i < LISTED_MAX && !err; i++) {
        char id[XF_POINT_ID_TEXT_MAX + 1];
        id[xf_point_id_print_json(run->confirmed.items[i].id, id)] = '\0';
        err =
            xf_buf_printf(report, "%s{\"id\":%s,\"reason\":\"%s\"}", i ? "," : "", id, run->confirmed.items[i].reason);
    }
    return err ? err : xf_buf_append_slice(report, XF_SLICE("]}"));
}

static enum xf_err print_report(const struct run *run, uint64_t duration_ms, struct xf_buf *report)
{
    bool passed = run->counts[XF_LEGACY] == run->counts[XF_NEW] && !run->searches_differing && !run->confirmed.count;
    enum xf_err err =
        xf_buf_printf(report,
                      "{\"state\":\"done\",\"passed\":%s,\"at\":%llu,\"counts\":{\"legacy\":%llu,\"new\":%llu},"
                      "\"searches\":{\"run\":%llu,\"differing_count\":%llu,\"differing\":[",
                      passed ? "true" : "false", (unsigned long long)xf_clock_wall_ms(),
                      (unsigned long long)run->counts[XF_LEGACY], (unsigned long long)run->counts[XF_NEW],
                      (unsigned long long)run->searches, (unsigned long long)run->searches_differing);
    if (!err)
        err = xf_buf_append_slice(report, xf_buf_view(&run->search_list));
    if (!err)
        err = xf_buf_append_slice(report, XF_SLICE("]},"));
    if (!err)
        err = print_points(run, report);
    return err ? err
               : xf_buf_printf(report, ",\"full\":%s,\"duration_ms\":%llu}", run->validate->is_full ? "true" : "false",
                               (unsigned long long)duration_ms);
}

static enum xf_err read_facts(struct run *run)
{
    run->facts = xf_facts_new();
    enum xf_err err = run->facts ? XF_OK : XF_ERR_NOMEM;
    for (int side = 0; side < XF_SIDE_COUNT && !err; side++)
        err = xf_collection_read(run->validate->wire, &run->migration->side[side], &run->facts->side[side], run->why);
    return err;
}

enum xf_err xf_validate_run(const struct xf_validate *validate, struct xf_buf *report, char *why)
{
    uint64_t start = xf_clock_now_ms();
    struct run *run = calloc(1, sizeof *run); /* its lists are too large for a thread's stack */
    if (!run)
        return XF_ERR_NOMEM;
    run->validate = validate;
    run->migration = &validate->track->config->migrations[validate->track->migration];
    run->why = why;
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        xf_answer_init(&run->answer[side]);
    xf_buf_init(&run->search_list, 1 << 20);
    atomic_store(validate->compared, 0);
    enum xf_err err = read_facts(run);
    if (!err && validate->is_full)
        err = compare_everything(run);
    if (!err)
        err = compare_some(run);
    if (!err)
        err = compare_counts(run);
    if (!err)
        err = print_report(run, xf_clock_now_ms() - start, report);
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        xf_buf_fini(&run->answer[side].body);
    xf_buf_fini(&run->search_list);
    xf_facts_unref(run->facts);
    free(run);
    return err;
}
