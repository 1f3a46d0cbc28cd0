/* The threads of dry runs. One that is over is joined by the next start that needs its place, or at the stop.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/dry_run.h"

#include "proxy/worker/prepare.h"

#include <stdlib.h>

enum { OUT_BYTES_MAX = 8 << 20 };

struct xf_dry_run {
    struct xf_office *office;
    struct xf_wire *wire;
    size_t migration;
    enum xf_command command;
    xf_dry_run_done_fn *done;
    void *ctx;
    pthread_t thread;
    atomic_bool is_over;
};

/* How much there is to copy: counts, and the size of a page. */
static enum xf_err show_backfill(const struct xf_config *config, size_t migration, struct xf_wire *wire,
                                 struct xf_buf *out, char *why)
{
    const struct xf_migration_conf *conf = &config->migrations[migration];
    struct xf_answer answer;
    struct xf_page page = {0};
    uint64_t counts[XF_SIDE_COUNT] = {0};
    xf_answer_init(&answer);
    enum xf_err err = xf_collection_count(wire, &conf->side[XF_LEGACY], &answer, &counts[XF_LEGACY], why);
    if (!err)
        err = xf_collection_count(wire, &conf->side[XF_NEW], &answer, &counts[XF_NEW], why);
    if (!err)
        err = xf_page_read(wire, &conf->side[XF_LEGACY], &(struct xf_collection){0},
                           &(struct xf_page_request){.limit = 100, .with_data = true}, &answer, &page, why);
    unsigned long long per_point = page.count ? xf_buf_len(&answer.body) / page.count : 0;
    unsigned long long bytes = per_point * counts[XF_LEGACY];
    if (!err)
        err = xf_buf_printf(out,
                            "{\"legacy\":%llu,\"new\":%llu,\"bytes_per_point\":%llu,\"bytes_estimated\":%llu,"
                            "\"batch_points\":%llu,\"batch_bytes\":%llu,\"parallel\":%llu}",
                            (unsigned long long)counts[XF_LEGACY], (unsigned long long)counts[XF_NEW], per_point, bytes,
                            (unsigned long long)config->worker.batch_points,
                            (unsigned long long)config->worker.batch_bytes,
                            (unsigned long long)config->worker.parallel);
    xf_page_fini(&page);
    xf_buf_fini(&answer.body);
    return err;
}

static enum xf_err show(struct xf_dry_run *run, struct xf_buf *out)
{
    const struct xf_config *config = run->office->config;
    char why[XF_WHY_MAX] = "";
    struct xf_prepare prepare = {.wire = run->wire, .migration = &config->migrations[run->migration]};
    enum xf_err err = run->command == XF_COMMAND_PREPARE ? xf_prepare_show(&prepare, out, why)
                                                         : show_backfill(config, run->migration, run->wire, out, why);
    if (!err)
        return XF_OK;
    xf_buf_clear(out);
    enum xf_err said = xf_buf_append_slice(out, xf_slice_of(why[0] ? why : xf_err_sentence(err)));
    return said ? said : err == XF_ERR_NOT_FOUND ? err : XF_ERR_STATE;
}

static void *run_dry(void *ctx)
{
    struct xf_dry_run *run = ctx;
    struct xf_buf out;
    xf_buf_init(&out, OUT_BYTES_MAX);
    enum xf_err err = show(run, &out);
    run->done(run->ctx, err, xf_buf_view(&out));
    xf_buf_fini(&out);
    atomic_store(&run->is_over, true);
    return NULL;
}

static void join(struct xf_dry_run *run)
{
    pthread_join(run->thread, NULL);
    xf_wire_free(run->wire);
    free(run);
}

/* The lock is held. A place that is free, or whose run is over. */
static struct xf_dry_run **find_place(struct xf_dry_runs *runs)
{
    for (size_t i = 0; i < XF_DRY_RUNS_MAX; i++) {
        struct xf_dry_run *run = runs->runs[i];
        if (run && !atomic_load(&run->is_over))
            continue;
        if (run)
            join(run);
        runs->runs[i] = NULL;
        return &runs->runs[i];
    }
    return NULL;
}

static struct xf_dry_run *new_run(struct xf_office *office)
{
    struct xf_dry_run *run = calloc(1, sizeof *run);
    if (!run)
        return NULL;
    if (!xf_wire_new(office->config, &office->is_stopping, &run->wire))
        return run;
    free(run);
    return NULL;
}

enum xf_err xf_dry_run_start(struct xf_dry_runs *runs, struct xf_office *office, size_t migration,
                             enum xf_command command, xf_dry_run_done_fn *done, void *ctx)
{
    struct xf_dry_run *run = new_run(office);
    if (!run)
        return XF_ERR_NOMEM;
    run->office = office;
    run->migration = migration;
    run->command = command;
    run->done = done;
    run->ctx = ctx;
    pthread_mutex_lock(&runs->lock);
    struct xf_dry_run **place = find_place(runs);
    enum xf_err err = !place ? XF_ERR_BUSY : pthread_create(&run->thread, NULL, run_dry, run) ? XF_ERR_NOMEM : XF_OK;
    if (!err)
        *place = run;
    pthread_mutex_unlock(&runs->lock);
    if (err) {
        xf_wire_free(run->wire);
        free(run);
    }
    return err;
}

void xf_dry_runs_stop(struct xf_dry_runs *runs)
{
    for (size_t i = 0; i < XF_DRY_RUNS_MAX; i++) {
        if (!runs->runs[i])
            continue;
        xf_wire_wake(runs->runs[i]->wire);
        join(runs->runs[i]);
    }
    pthread_mutex_destroy(&runs->lock);
}
