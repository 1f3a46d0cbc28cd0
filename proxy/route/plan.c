/* What is done with a request: policy, decided from the endpoint's class, the migration's phase and nothing else.
 *
 * The order of the questions: is a migrated collection concerned; is its state known; is the endpoint known; which class
 * is it. Whatever is in doubt while dual writing is refused with a sentence that says what to do, because a change that
 * reaches one side only would go unseen by the journal (G6). Outside dual writing one side holds the truth and requests
 * simply go there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/route.h"

static const char dot_name[] = "\".\" and \"..\" are not usable as collection names: Qdrant takes them for folders of "
                               "its storage; choose another name";
static const char unknown_state[] =
    "Redis has not been reached since this replica was first started, so it is not known which collection is in use; "
    "check redis.url or wait";
static const char unknown_endpoint[] =
    "this method and path are not known to the proxy, and while dual writes are on for this collection it cannot tell "
    "whether both sides would stay equal; switch dual writes off first, or send the request to Qdrant directly";
static const char staging_endpoint[] =
    "this endpoint of Qdrant's staging builds acts on one server's update queue and is not run while dual writes are "
    "on "
    "for this collection; switch dual writes off first, or send the request to Qdrant directly";
static const char lifecycle_in_migration[] =
    "this collection is being migrated with dual writes on: deleting or re-creating it would lose the other side's "
    "points; finish the migration or switch dual writes off first (or set allow_unsafe for the migration)";
static const char lifecycle_of_new[] =
    "this is the new collection of a migration that has not switched: the proxy creates it with the verb prepare; "
    "delete "
    "it at its Qdrant directly if it must go (or set allow_unsafe for the migration)";
static const char lifecycle_of_legacy[] =
    "this is the legacy collection of a migration that has moved on to the new one: use the new name for the live "
    "collection, and delete the legacy one at its Qdrant directly (or set allow_unsafe for the migration)";
static const char snapshot_recovery[] =
    "recovering or uploading a snapshot replaces the content of one side only, and dual writes are on for this "
    "collection; switch dual writes off first and start the backfill anew afterwards (or set allow_unsafe)";
static const char cluster_change[] =
    "this shard or cluster operation changes the data of one side only, and dual writes are on for this collection; "
    "switch dual writes off first and start the backfill anew afterwards (or set allow_unsafe)";

static void refuse(struct xf_plan *plan, int status, const char *reason)
{
    plan->action = XF_ACTION_REFUSE;
    plan->status = status;
    plan->reason = reason;
}

/* Points and their search; not the collection's own state, of which each side has a different one. */
static bool is_point_read(const struct xf_endpoint *endpoint, const struct xf_path *path)
{
    return endpoint->class_ == XF_CLASS_READ && path->segment_count >= 3 &&
           (xf_slice_eq(path->segments[2], XF_SLICE("points")) || xf_slice_eq(path->segments[2], XF_SLICE("facet")));
}

static void plan_read(const struct xf_path *path, unsigned canary_draw, struct xf_plan *plan)
{
    plan->may_rewrite_body = plan->endpoint->class_ == XF_CLASS_READ && plan->endpoint->has_names_in_body;
    if (plan->migration->phase != XF_PHASE_CANARY || !is_point_read(plan->endpoint, path))
        return;
    plan->may_be_canary = true;
    if (canary_draw < plan->migration->new_reads_percent)
        plan->side = XF_NEW;
}

static void plan_write(struct xf_plan *plan)
{
    if (!plan->migration->dual_write)
        return;
    if (plan->endpoint->is_staging)
        refuse(plan, 501, staging_endpoint);
    else
        plan->action = XF_ACTION_DUAL;
}

/* True if `side` of the migration is what the client named. */
static bool names_side(const struct xf_migration_view *migration, enum xf_side side, struct xf_slice name)
{
    return xf_slice_eq(xf_slice_of(migration->conf->side[side].collection), name);
}

/* PUT and DELETE of the collection itself. They mean the collection of that very name, on the side that bears it; an
 * alias goes to the authority as it is (Qdrant deletes nothing by an alias and creates nothing over one). Before dual
 * writing the legacy name is an ordinary collection, and so is the new one when all is over; the other name of
 * the two is in the operators' hands. */
static void plan_lifecycle(struct xf_slice name, struct xf_plan *plan)
{
    const struct xf_migration_view *migration = plan->migration;
    enum xf_side authority = plan->side, follower = authority == XF_NEW ? XF_LEGACY : XF_NEW;
    bool is_of_follower = !names_side(migration, authority, name) && names_side(migration, follower, name);
    plan->keeps_name = true;
    if (is_of_follower)
        plan->side = follower;
    if (migration->conf->allow_unsafe)
        return;
    if (migration->dual_write)
        refuse(plan, 409, lifecycle_in_migration);
    else if (is_of_follower)
        refuse(plan, 409, follower == XF_NEW ? lifecycle_of_new : lifecycle_of_legacy);
}

/* What changes one side's data behind the journal's back. */
static void plan_back_door(const char *reason, struct xf_plan *plan)
{
    if (plan->endpoint->changes_data && plan->migration->dual_write && !plan->migration->conf->allow_unsafe)
        refuse(plan, 409, reason);
}

static void plan_unknown(enum xf_http_method method, struct xf_plan *plan)
{
    bool is_harmless = method == XF_HTTP_HEAD || method == XF_HTTP_OPTIONS;
    if (plan->migration->dual_write && !is_harmless)
        refuse(plan, 501, unknown_endpoint);
}

static void plan_migrated(const struct xf_path *path, unsigned canary_draw, struct xf_plan *plan)
{
    switch (plan->endpoint->class_) {
    case XF_CLASS_READ:
        plan_read(path, canary_draw, plan);
        break;
    case XF_CLASS_WRITE_POINTS:
    case XF_CLASS_WRITE_INDEX:
        plan_write(plan);
        break;
    case XF_CLASS_WRITE_COLLECTION_CONFIG:
        plan->is_setting = plan->migration->dual_write;
        break;
    case XF_CLASS_CREATE_COLLECTION:
    case XF_CLASS_DELETE_COLLECTION:
        plan_lifecycle(path->segments[1], plan);
        break;
    case XF_CLASS_SNAPSHOT_WRITE:
        plan_back_door(snapshot_recovery, plan);
        break;
    case XF_CLASS_CLUSTER_WRITE:
        plan_back_door(cluster_change, plan);
        break;
    case XF_CLASS_ALIASES:
    case XF_CLASS_SNAPSHOT_READ:
    case XF_CLASS_CLUSTER_READ:
    case XF_CLASS_SERVICE:
    case XF_CLASS_UNKNOWN:
        break;
    }
}

static bool may_write(enum xf_http_method method, const struct xf_endpoint *endpoint)
{
    if (method == XF_HTTP_GET || method == XF_HTTP_HEAD || method == XF_HTTP_OPTIONS)
        return false;
    return !endpoint || (endpoint->class_ != XF_CLASS_READ && endpoint->class_ != XF_CLASS_SNAPSHOT_READ &&
                         endpoint->class_ != XF_CLASS_CLUSTER_READ);
}

/* Some migration would have to be kept from a change of aliases, or may have to be. */
static bool guards_aliases(const struct xf_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->config->migration_count; i++)
        if (xf_guards_names(&snapshot->migrations[i]))
            return true;
    return false;
}

/* No migrated collection in the path; its body may still name one. */
static void plan_other(const struct xf_snapshot *snapshot, struct xf_plan *plan)
{
    if (!plan->endpoint || snapshot->config->migration_count == 0)
        return;
    if (plan->endpoint->class_ == XF_CLASS_ALIASES)
        plan->needs_alias_check = guards_aliases(snapshot);
    else if (plan->endpoint->class_ == XF_CLASS_READ)
        plan->may_rewrite_body = plan->endpoint->has_names_in_body;
}

void xf_route_plan(const struct xf_snapshot *snapshot, enum xf_http_method method, const struct xf_path *path,
                   unsigned canary_draw, struct xf_plan *plan)
{
    const struct xf_endpoint *endpoint = xf_route_find(method, path);
    *plan = (struct xf_plan){.endpoint = endpoint, .action = XF_ACTION_PASS, .is_write = may_write(method, endpoint)};
    bool has_collection = path->segment_count >= 2 && xf_slice_eq(path->segments[0], XF_SLICE("collections")) &&
                          !(endpoint && endpoint->class_ == XF_CLASS_ALIASES);
    if (has_collection) {
        struct xf_slice name = path->segments[1];
        if (xf_slice_eq(name, XF_SLICE(".")) || xf_slice_eq(name, XF_SLICE(".."))) {
            refuse(plan, 400, dot_name);
            return;
        }
        plan->migration = xf_snapshot_find(snapshot, name);
    }
    if (!plan->migration) {
        plan_other(snapshot, plan);
        return;
    }
    plan->side = xf_authority(plan->migration);
    if (plan->migration->is_refused) {
        refuse(plan, 503, unknown_state);
        plan->retry_after_s = 1;
    } else if (endpoint) {
        plan_migrated(path, canary_draw, plan);
    } else {
        plan_unknown(method, plan);
    }
}
