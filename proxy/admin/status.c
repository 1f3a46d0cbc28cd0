/* A migration's status: what operators want, what is in force, how far the two sides are apart, and what stands in the
 * way.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include "proxy/stats/stats.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/* What the status is made of, asked for once. */
struct facts {
    const struct xf_migration_conf *conf;
    struct xf_flag_state flags;
    struct xf_journal_state journal;
    enum xf_phase phase;
    bool is_complete;
    bool is_valid; /* the last validation has passed */
    uint64_t settings, redis_down_ms;
    bool redis_is_up, is_refused;
    cJSON *replicas;
};

static bool validation_has_passed(struct xf_slice worker)
{
    cJSON *json = cJSON_ParseWithLength(worker.ptr, worker.len);
    const cJSON *report = cJSON_GetObjectItemCaseSensitive(json, "validation");
    bool has_passed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(report, "passed"));
    cJSON_Delete(json);
    return has_passed;
}

static void gather(const struct xf_admin *admin, size_t migration, struct xf_slice worker, struct facts *facts)
{
    const struct xf_admin_parts *parts = &admin->parts;
    *facts = (struct facts){
        .conf = &parts->config->migrations[migration],
        .phase = xf_control_phase(parts->control, migration),
        .is_complete = xf_control_is_complete(parts->control, migration),
        .is_valid = validation_has_passed(worker),
        .settings = xf_mstat_sum(migration, XF_MSTAT_SETTINGS),
        .redis_down_ms = xf_control_redis_down_ms(parts->control),
        .redis_is_up = xf_control_redis_is_up(parts->control),
        .is_refused = xf_control_is_refused(parts->control, migration),
        .replicas = xf_admin_replicas(admin, migration),
    };
    xf_control_flags(parts->control, migration, &facts->flags);
    xf_journal_state(parts->journal, migration, &facts->journal);
}

static void print_side(const struct xf_config *config, const char *key, const struct xf_side_conf *side,
                       struct xf_json_out *json)
{
    xf_json_open(json, key, '{');
    xf_json_text(json, "upstream", config->upstreams[side->upstream].name);
    xf_json_text(json, "collection", side->collection);
    xf_json_close(json, '}');
}

static void print_flags(const struct facts *facts, struct xf_json_out *json)
{
    xf_json_open(json, "flags", '{');
    xf_json_bool(json, "dual_write", facts->flags.dual_write);
    xf_json_u64(json, "new_reads", facts->flags.new_reads_percent);
    xf_json_text(json, "dual_write_from", facts->flags.dual_write_from);
    xf_json_text(json, "new_reads_from", facts->flags.new_reads_from);
    xf_json_text(json, "error", facts->flags.error);
    xf_json_close(json, '}');
}

static void print_dirty(const struct facts *facts, struct xf_json_out *json)
{
    xf_json_open(json, "dirty", '{');
    if (facts->journal.is_unknown)
        xf_json_null(json, "count");
    else
        xf_json_u64(json, "count", facts->journal.dirty);
    xf_json_bool(json, "unknown", facts->journal.is_unknown);
    xf_json_u64(json, "listed", facts->journal.dirty);
    xf_json_u64(json, "oldest_age_ms", facts->journal.oldest_dirty_age_ms);
    xf_json_close(json, '}');
}

static void say_lapsed(const char *id, char text[XF_ADMIN_REASON_MAX])
{
    (void)snprintf(text, XF_ADMIN_REASON_MAX,
                   "replica %s has lapsed: start it again with its state_dir, or `crossfade replica forget %s`", id, id);
}

static void print_lapsed(const struct facts *facts, struct xf_json_out *json)
{
    char text[XF_ADMIN_REASON_MAX], id[64];
    for (int at = 0; xf_admin_next_lapsed(facts->replicas, &at, id);) {
        say_lapsed(id, text);
        xf_json_text(json, NULL, text);
    }
}

/* Reasons why the switch's gate is closed; these, and replicas that have lapsed, hold `switch` back under guard: enforce. */
static const char *first_obstacle(const struct facts *facts)
{
    if (!facts->flags.dual_write)
        return "dual writes are off: turn them on and let a backfill go through first";
    if (!facts->is_complete)
        return "the backfill has not been through";
    if (facts->journal.is_unknown)
        return "which points differ is not known: a reconcile is needed";
    if (facts->journal.is_cut_off)
        return "this replica is cut off from Redis: what is shown is as last seen";
    return NULL;
}

static void print_reasons(const struct facts *facts, struct xf_json_out *json)
{
    const char *obstacle = first_obstacle(facts);
    xf_json_open(json, "reasons", '[');
    if (facts->phase != XF_PHASE_SWITCHED && facts->phase != XF_PHASE_NEW_ONLY) {
        if (obstacle)
            xf_json_text(json, NULL, obstacle);
        print_lapsed(facts, json);
        if (facts->journal.dirty)
            xf_json_text(json, NULL, "some points may still differ: see dirty");
        if (facts->journal.held)
            xf_json_text(json, NULL, "requests without an answer may still land: see held");
        if (!facts->is_valid)
            xf_json_text(json, NULL, "no validation has passed since the program started");
    }
    xf_json_close(json, ']');
}

static void print_warnings(const struct facts *facts, struct xf_json_out *json)
{
    char text[160];
    xf_json_open(json, "warnings", '[');
    if (facts->settings) {
        (void)snprintf(text, sizeof text,
                       "settings were changed on the authority only: %llu times; change them on the "
                       "other side too",
                       (unsigned long long)facts->settings);
        xf_json_text(json, NULL, text);
    }
    if (facts->is_refused)
        xf_json_text(json, NULL,
                     "requests to both collections are refused: Redis has not been reached since this replica was first "
                     "started, so it is not known which one is in use");
    if (!facts->redis_is_up) {
        (void)snprintf(text, sizeof text, "Redis has been away for %llu s: the last known flags stay in force",
                       (unsigned long long)(facts->redis_down_ms / 1000));
        xf_json_text(json, NULL, text);
    }
    if (facts->journal.is_cut_off)
        xf_json_text(json, NULL,
                     "this replica is cut off from the others' journal: writes go on, and their ids go to a file in "
                     "state_dir");
    print_lapsed(facts, json);
    if (facts->flags.error)
        xf_json_text(json, NULL, facts->flags.error);
    if (facts->journal.is_unknown && facts->flags.dual_write)
        xf_json_text(json, NULL, "which points differ is not known: a reconcile is needed");
    xf_json_close(json, ']');
}

static void print_all(const struct xf_admin *admin, size_t migration, struct xf_slice worker, struct xf_json_out *json)
{
    struct facts facts;
    gather(admin, migration, worker, &facts);
    const struct xf_journal_state *journal = &facts.journal;
    const struct xf_migration_conf *conf = facts.conf;
    struct xf_migration_view view = {.phase = facts.phase};
    xf_json_open(json, NULL, '{');
    xf_json_text(json, "name", conf->name);
    print_side(admin->parts.config, "legacy", &conf->side[XF_LEGACY], json);
    print_side(admin->parts.config, "new", &conf->side[XF_NEW], json);
    xf_json_text(json, "phase", xf_phase_name(facts.phase));
    xf_json_text(json, "authority", xf_authority(&view) == XF_NEW ? "new" : "legacy");
    print_flags(&facts, json);
    xf_json_text(json, "ack", conf->ack == XF_ACK_BOTH ? "both" : "authority");
    xf_json_text(json, "guard", conf->guard == XF_GUARD_ENFORCE ? "enforce" : "warn");
    xf_json_bool(json, "refused", facts.is_refused);
    xf_json_bool(json, "follower_is_complete", facts.is_complete);
    xf_json_text(json, "replica", xf_journal_replica_id(admin->parts.journal));
    xf_json_text(json, "leader", journal->leader[0] ? journal->leader : NULL);
    xf_admin_print_replicas(admin, migration, json);
    xf_json_bool(json, "cut_off", journal->is_cut_off);
    print_dirty(&facts, json);
    xf_json_u64(json, "held", journal->held);
    xf_json_u64(json, "in_flight", journal->in_flight);
    xf_json_u64(json, "copies", journal->copies);
    xf_json_u64(json, "settings_on_authority_only", facts.settings);
    xf_json_merge(json, worker);
    print_reasons(&facts, json);
    print_warnings(&facts, json);
    xf_json_close(json, '}');
    cJSON_Delete(facts.replicas);
}

void xf_admin_print_status(const struct xf_admin *admin, size_t migration, struct xf_json_out *json)
{
    struct xf_buf worker;
    xf_buf_init(&worker, XF_ADMIN_ANSWER_BYTES_MAX);
    enum xf_err err = xf_worker_status(admin->parts.worker, migration, &worker);
    if (err)
        json->err = err;
    else
        print_all(admin, migration, xf_buf_view(&worker), json);
    xf_buf_fini(&worker);
}

bool xf_admin_switch_obstacle(const struct xf_admin *admin, size_t migration, char reason[XF_ADMIN_REASON_MAX])
{
    struct facts facts;
    char id[64];
    int at = 0;
    if (!xf_control_redis_is_up(admin->parts.control))
        return false; /* then flags cannot be set anyway, and that is said */
    gather(admin, migration, XF_SLICE("{}"), &facts);
    const char *obstacle = first_obstacle(&facts);
    bool has_lapsed = xf_admin_next_lapsed(facts.replicas, &at, id);
    if (obstacle)
        (void)snprintf(reason, XF_ADMIN_REASON_MAX, "%s", obstacle);
    else if (has_lapsed)
        say_lapsed(id, reason);
    cJSON_Delete(facts.replicas);
    return obstacle || has_lapsed;
}
