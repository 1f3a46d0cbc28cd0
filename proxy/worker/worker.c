/* The worker as others see it: a mover and a desk for each migration, and the host's functions behind one lock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/worker.h"

#include "proxy/worker/desk.h"
#include "proxy/worker/dry_run.h"

#include <stdlib.h>

struct unit {
    struct xf_mover mover;
    struct xf_desk desk;
};

struct xf_worker {
    struct xf_office office;
    struct unit *units;
    size_t unit_count;
    struct xf_dry_runs dry_runs;
};

/* --- The office --- */

void xf_office_save(struct xf_office *office, size_t migration, const char *name, struct xf_slice value)
{
    pthread_mutex_lock(&office->lock);
    office->host.save(office->host.ctx, migration, name, value);
    pthread_mutex_unlock(&office->lock);
}

enum xf_err xf_office_load(struct xf_office *office, size_t migration, const char *name, struct xf_buf *out)
{
    pthread_mutex_lock(&office->lock);
    enum xf_err err = office->host.load(office->host.ctx, migration, name, out);
    pthread_mutex_unlock(&office->lock);
    return err;
}

void xf_office_set_complete(struct xf_office *office, size_t migration, bool is_complete, uint64_t period)
{
    pthread_mutex_lock(&office->lock);
    office->host.set_complete(office->host.ctx, migration, is_complete, period);
    pthread_mutex_unlock(&office->lock);
}

/* Without the lock: commands ask too, on a thread that must not wait for a save. */
struct xf_worker_phase xf_office_phase(struct xf_office *office, size_t migration)
{
    struct xf_worker_phase phase = {0};
    office->host.phase(office->host.ctx, migration, &phase);
    return phase;
}

void xf_office_event(struct xf_office *office, size_t migration, const char *name, const char *text)
{
    struct xf_buf detail;
    xf_buf_init(&detail, 4096);
    enum xf_err err = xf_buf_append_slice(&detail, text ? XF_SLICE("{\"text\":\"") : XF_SLICE("{}"));
    if (!err && text)
        err = xf_buf_append_json_escaped(&detail, xf_slice_of(text));
    if (!err && text)
        err = xf_buf_append_slice(&detail, XF_SLICE("\"}"));
    pthread_mutex_lock(&office->lock);
    office->host.event(office->host.ctx, migration, name, err ? XF_SLICE("{}") : xf_buf_view(&detail));
    pthread_mutex_unlock(&office->lock);
    xf_buf_fini(&detail);
}

/* --- Start and stop --- */

/* A desk's jobs copy with its mover's track, so their threads end before it goes; a mover asks its desk for a reconcile,
 * so the desk itself outlives it. */
static void stop_units(struct xf_worker *worker, size_t movers, size_t desks)
{
    atomic_store(&worker->office.is_stopping, true);
    for (size_t i = 0; i < desks; i++)
        xf_desk_stop(&worker->units[i].desk);
    for (size_t i = 0; i < movers; i++)
        xf_mover_stop(&worker->units[i].mover);
    for (size_t i = 0; i < desks; i++)
        xf_desk_fini(&worker->units[i].desk);
}

static enum xf_err start_units(struct xf_worker *worker)
{
    for (size_t i = 0; i < worker->unit_count; i++) {
        struct unit *unit = &worker->units[i];
        size_t movers = i, desks = i;
        enum xf_err err = xf_desk_init(&unit->desk, &worker->office, i);
        if (!err) {
            desks++;
            err = xf_mover_start(&unit->mover, &worker->office, i, xf_desk_want_reconcile, &unit->desk);
        }
        if (!err) {
            movers++;
            err = xf_desk_start(&unit->desk, &unit->mover.track, xf_mover_is_leading, &unit->mover);
        }
        if (err) {
            stop_units(worker, movers, desks);
            return err;
        }
    }
    return XF_OK;
}

enum xf_err xf_worker_new(const struct xf_config *config, struct xf_journal *journal, const struct xf_worker_host *host,
                          struct xf_worker **out)
{
    struct xf_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return XF_ERR_NOMEM;
    worker->office = (struct xf_office){.config = config, .journal = journal, .host = *host};
    worker->unit_count = config->migration_count;
    worker->units = calloc(worker->unit_count ? worker->unit_count : 1, sizeof *worker->units);
    enum xf_err err = XF_ERR_NOMEM;
    if (!worker->units)
        goto err0;
    if (pthread_mutex_init(&worker->office.lock, NULL))
        goto err1;
    if (pthread_mutex_init(&worker->dry_runs.lock, NULL))
        goto err2;
    err = start_units(worker);
    if (err)
        goto err3;
    *out = worker;
    return XF_OK;
err3:
    pthread_mutex_destroy(&worker->dry_runs.lock);
err2:
    pthread_mutex_destroy(&worker->office.lock);
err1:
    free(worker->units);
err0:
    free(worker);
    return err;
}

void xf_worker_free(struct xf_worker *worker)
{
    if (!worker)
        return;
    stop_units(worker, worker->unit_count, worker->unit_count);
    xf_dry_runs_stop(&worker->dry_runs);
    pthread_mutex_destroy(&worker->office.lock);
    free(worker->units);
    free(worker);
}

/* --- Commands --- */

static enum xf_err say(struct xf_buf *why, enum xf_err code, const char *text)
{
    enum xf_err err = xf_buf_append_slice(why, xf_slice_of(text));
    return err ? err : code;
}

static enum xf_err command_desk(struct xf_worker *worker, size_t migration, enum xf_command command,
                                const struct xf_command_options *options, struct xf_buf *why)
{
    struct xf_desk *desk = &worker->units[migration].desk;
    if (command == XF_COMMAND_PREPARE && worker->office.config->migrations[migration].schema_file)
        return say(why, XF_ERR_STATE,
                   "declared schemas come with a later version: leave `schema` out and the new collection "
                   "is made like the legacy one");
    struct xf_worker_phase phase = xf_office_phase(&worker->office, migration);
    if (command == XF_COMMAND_RECONCILE && phase.is_unfilled)
        return say(why, XF_ERR_STATE,
                   "reads are on the new collection and no backfill has filled it: repairing the legacy one from it would "
                   "delete what it lacks. Turn new_reads off, run the backfill, then switch again");
    if (command == XF_COMMAND_RECONCILE && !phase.is_off && !phase.is_dual_writing)
        return say(why, XF_ERR_STATE,
                   "dual_write has just been turned on, and writes of before are in flight: ask again in a moment");
    if (command == XF_COMMAND_RECONCILE && !phase.is_dual_writing)
        return say(why, XF_ERR_STATE, "turn dual_write on first: without it what differs is not repaired");
    xf_desk_want(desk,
                 command == XF_COMMAND_PREPARE    ? XF_DESK_PREPARE
                 : command == XF_COMMAND_VALIDATE ? XF_DESK_VALIDATE
                                                  : XF_DESK_RECONCILE,
                 options);
    return XF_OK;
}

enum xf_err xf_worker_command(struct xf_worker *worker, size_t migration, enum xf_command command,
                              const struct xf_command_options *options, struct xf_buf *why)
{
    if (migration >= worker->unit_count)
        return say(why, XF_ERR_NOT_FOUND, "there is no such migration");
    if (options->dry_run)
        return say(why, XF_ERR_INVALID, "only prepare and backfill have a dry run");
    if (!xf_office_phase(&worker->office, migration).is_leader)
        return say(why, XF_ERR_STATE,
                   "another replica leads this migration, or none does just now: ask the one that the status names as the "
                   "leader");
    switch (command) {
    case XF_COMMAND_PREPARE:
    case XF_COMMAND_VALIDATE:
    case XF_COMMAND_RECONCILE:
        return command_desk(worker, migration, command, options, why);
    default:
        return xf_mover_command(&worker->units[migration].mover, command, options->adopt, why);
    }
}

enum xf_err xf_worker_dry_run(struct xf_worker *worker, size_t migration, enum xf_command command,
                              xf_dry_run_done_fn *done, void *ctx)
{
    if (migration >= worker->unit_count)
        return XF_ERR_NOT_FOUND;
    if (command != XF_COMMAND_PREPARE && command != XF_COMMAND_BACKFILL)
        return XF_ERR_INVALID;
    return xf_dry_run_start(&worker->dry_runs, &worker->office, migration, command, done, ctx);
}

static enum xf_err print_job(struct unit *unit, enum xf_desk_job job, const char *key, struct xf_buf *out)
{
    enum xf_err err = xf_buf_append_slice(out, xf_slice_of(key));
    return err ? err : xf_desk_status(&unit->desk, job, out);
}

enum xf_err xf_worker_status(struct xf_worker *worker, size_t migration, struct xf_buf *out)
{
    if (migration >= worker->unit_count)
        return XF_ERR_NOT_FOUND;
    struct unit *unit = &worker->units[migration];
    enum xf_err err = print_job(unit, XF_DESK_PREPARE, "{\"prepare\":", out);
    if (!err)
        err = xf_buf_append_slice(out, XF_SLICE(","));
    if (!err)
        err = xf_mover_status(&unit->mover, out);
    if (!err)
        err = print_job(unit, XF_DESK_RECONCILE, ",\"reconcile\":", out);
    if (!err)
        err = print_job(unit, XF_DESK_VALIDATE, ",\"validation\":", out);
    return err ? err : xf_buf_append_slice(out, XF_SLICE("}"));
}
