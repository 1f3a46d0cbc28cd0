/* Whether a change of aliases leaves the migrations alone. Qdrant reads an action in several shapes (objects, arrays in
 * field order, unknown keys beside known ones), so the shape is not relied upon: a body in which any string at all is a
 * guarded name is not safe. That refuses too much only where somebody writes such a name into a field without meaning.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/route.h"

#include <cjson/cJSON.h>

const char xf_route_alias_refusal[] =
    "this change of aliases names a collection (or an alias of one) that is being migrated with dual writes on (or it is "
    "not known yet whether they are), and would turn requests away from the migration; finish the migration or switch "
    "dual writes off first (or set allow_unsafe)";

static bool is_guarded(const struct xf_snapshot *snapshot, const char *name)
{
    const struct xf_migration_view *migration = xf_snapshot_find(snapshot, xf_slice_of(name));
    return migration && xf_guards_names(migration);
}

/* cJSON nests at most CJSON_NESTING_LIMIT deep, which bounds the recursion. */
static bool holds_guarded(const struct xf_snapshot *snapshot, const cJSON *item) // NOLINT(misc-no-recursion)
{
    if (cJSON_IsString(item))
        return is_guarded(snapshot, item->valuestring);
    for (const cJSON *child = item->child; child; child = child->next)
        if (holds_guarded(snapshot, child))
            return true;
    return false;
}

static bool is_blank(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t' || *from == '\r' || *from == '\n'))
        from++;
    return from == to;
}

enum xf_err xf_route_alias_change_is_safe(const struct xf_snapshot *snapshot, struct xf_slice body, bool *is_safe)
{
    if (body.len == 0)
        return XF_ERR_INVALID;
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(body.ptr, body.len, &end, false);
    if (!json)
        return XF_ERR_INVALID;
    bool is_whole = is_blank(end, body.ptr + body.len);
    if (is_whole)
        *is_safe = !holds_guarded(snapshot, json);
    cJSON_Delete(json);
    return is_whole ? XF_OK : XF_ERR_INVALID;
}
