/* The verbs: POST /api/v1/migrations/{m}/<verb>. Long work is handed to the worker and answered at once; switch,
 * rollback and finish are the flags of the same meaning, with a look at what they would lose.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include "common/base/log.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static const char *const nothing_else[] = {NULL};

/* The worker has said why not; or there was no room for it to. */
static void refuse(const struct xf_admin_request *request, enum xf_err err, struct xf_buf *why)
{
    if (xf_buf_len(why) == 0 || xf_buf_append(why, "", 1)) {
        xf_admin_error_code(request->http, err);
        return;
    }
    xf_admin_error(request->http, xf_err_status(err), xf_buf_view(why).ptr);
}

static void command(const struct xf_admin_request *request, enum xf_command verb, const char *name,
                    const struct xf_command_options *options)
{
    struct xf_buf why;
    if (options->dry_run) { /* asks the servers only: any replica can */
        xf_admin_dry_run(request, verb);
        return;
    }
    if (!xf_admin_leads(request))
        return;
    xf_buf_init(&why, XF_ADMIN_ANSWER_BYTES_MAX);
    enum xf_err err = xf_worker_command(request->admin->parts.worker, request->migration, verb, options, &why);
    if (err)
        refuse(request, err, &why);
    else
        xf_admin_accepted(request, name);
    if (!err)
        xf_log(XF_LOG_INFO, "admin", "migration=%s verb=%s: accepted",
               request->admin->parts.config->migrations[request->migration].name, name);
    xf_buf_fini(&why);
}

void xf_admin_on_prepare(struct xf_admin_request *request)
{
    struct xf_command_options given = {0};
    const struct xf_admin_option options[] = {{"dry_run", &given.dry_run}, {"adopt", &given.adopt}, {NULL, NULL}};
    if (xf_admin_read_options(request, options, nothing_else))
        command(request, XF_COMMAND_PREPARE, "prepare", &given);
}

void xf_admin_on_backfill(struct xf_admin_request *request)
{
    struct xf_command_options given = {0};
    const struct xf_admin_option options[] = {{"dry_run", &given.dry_run}, {"adopt", &given.adopt}, {NULL, NULL}};
    if (xf_admin_read_options(request, options, nothing_else))
        command(request, XF_COMMAND_BACKFILL, "backfill", &given);
}

void xf_admin_on_validate(struct xf_admin_request *request)
{
    struct xf_command_options given = {0};
    const struct xf_admin_option options[] = {{"full", &given.full}, {NULL, NULL}};
    if (xf_admin_read_options(request, options, nothing_else))
        command(request, XF_COMMAND_VALIDATE, "validate", &given);
}

static void command_without_options(const struct xf_admin_request *request, enum xf_command verb, const char *name)
{
    const struct xf_admin_option none[] = {{NULL, NULL}};
    if (xf_admin_read_options(request, none, nothing_else))
        command(request, verb, name, &(struct xf_command_options){0});
}

void xf_admin_on_pause(struct xf_admin_request *request)
{
    command_without_options(request, XF_COMMAND_PAUSE, "pause");
}

void xf_admin_on_resume(struct xf_admin_request *request)
{
    command_without_options(request, XF_COMMAND_RESUME, "resume");
}

void xf_admin_on_cancel(struct xf_admin_request *request)
{
    command_without_options(request, XF_COMMAND_CANCEL, "cancel");
}

void xf_admin_on_reconcile(struct xf_admin_request *request)
{
    command_without_options(request, XF_COMMAND_RECONCILE, "reconcile");
}

/* --- Verbs that are flags --- */

/* True if the verb may go on in spite of the obstacle; else it has been answered. */
static bool passes(const struct xf_admin_request *request, const char *verb, const char *obstacle, bool is_forced)
{
    const struct xf_migration_conf *conf = &request->admin->parts.config->migrations[request->migration];
    if (!obstacle)
        return true;
    if (!is_forced) {
        char text[XF_ADMIN_REASON_MAX + 64];
        (void)snprintf(text, sizeof text, "%s (\"force\": true overrides this)", obstacle);
        xf_admin_error(request->http, 409, text);
        return false;
    }
    xf_log(XF_LOG_WARN, "admin", "migration=%s verb=%s: forced although %s", conf->name, verb, obstacle);
    return true;
}

/* 1 to 100, 100 if nothing is said; 0 after having answered. */
static unsigned read_percent(const struct xf_admin_request *request)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(request->body, "percent");
    if (!item)
        return 100;
    if (cJSON_IsNumber(item) && item->valueint >= 1 && item->valueint <= 100 && item->valuedouble == item->valueint)
        return (unsigned)item->valueint;
    xf_admin_error(request->http, 400, "\"percent\": expected a whole number from 1 to 100");
    return 0;
}

void xf_admin_on_switch(struct xf_admin_request *request)
{
    static const char *const also[] = {"percent", NULL};
    const struct xf_admin *admin = request->admin;
    bool is_forced = admin->parts.config->migrations[request->migration].guard == XF_GUARD_WARN;
    const struct xf_admin_option options[] = {{"force", &is_forced}, {NULL, NULL}};
    unsigned percent = read_percent(request);
    if (!percent || !xf_admin_read_options(request, options, also))
        return;
    struct xf_flag_state flags;
    xf_control_flags(admin->parts.control, request->migration, &flags);
    char text[16], obstacle[XF_ADMIN_REASON_MAX];
    bool is_hindered =
        flags.new_reads_percent != 100 && xf_admin_switch_obstacle(admin, request->migration, obstacle);
    (void)snprintf(text, sizeof text, "%u%%", percent);
    if (passes(request, "switch", is_hindered ? obstacle : NULL, is_forced))
        xf_admin_set_flags(request, NULL, percent == 100 ? "1" : text);
}

/* Rolling back is the emergency exit: open as long as the legacy collection gets the writes and is not known to have
 * missed some. From new_only there is none, whatever is forced: xf_control_set_flags refuses it. */
void xf_admin_on_rollback(struct xf_admin_request *request)
{
    bool is_forced = false;
    const struct xf_admin_option options[] = {{"force", &is_forced}, {NULL, NULL}};
    if (!xf_admin_read_options(request, options, nothing_else))
        return;
    const struct xf_admin_parts *parts = &request->admin->parts;
    struct xf_journal_state journal;
    xf_journal_state(parts->journal, request->migration, &journal);
    bool is_switched = xf_control_phase(parts->control, request->migration) == XF_PHASE_SWITCHED;
    bool may_miss = is_switched && journal.is_unknown && !xf_control_is_complete(parts->control, request->migration);
    const char *obstacle = may_miss ? "the legacy collection may miss writes made while dual writes were off: reconcile first"
                                    : NULL;
    if (passes(request, "rollback", obstacle, is_forced))
        xf_admin_set_flags(request, NULL, "0");
}

void xf_admin_on_finish(struct xf_admin_request *request)
{
    bool is_forced = false;
    const struct xf_admin_option options[] = {{"force", &is_forced}, {NULL, NULL}};
    if (!xf_admin_read_options(request, options, nothing_else))
        return;
    struct xf_flag_state flags;
    xf_control_flags(request->admin->parts.control, request->migration, &flags);
    if (flags.new_reads_percent != 100) {
        xf_admin_error(request->http, 409,
                       "reads have not all moved to the new collection: switch first, or turn dual writes off to give "
                       "the migration up");
        return;
    }
    xf_admin_set_flags(request, "0", NULL);
}

void xf_admin_on_cleanup(struct xf_admin_request *request)
{
    xf_admin_error(
        request->http, 501,
        "cleaning up is not in this version: when the migration is finished, delete the legacy collection at "
        "its Qdrant directly, after a snapshot");
}
