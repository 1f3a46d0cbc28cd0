/* The replicas that share a migration's journal, and which of them leads it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include <cjson/cJSON.h>
#include <stdio.h>

void xf_admin_print_replicas(const struct xf_admin *admin, size_t migration, struct xf_json_out *json)
{
    struct xf_buf list;
    xf_buf_init(&list, XF_ADMIN_ANSWER_BYTES_MAX);
    enum xf_err err = xf_journal_print_replicas(admin->parts.journal, migration, &list);
    if (err && !json->err)
        json->err = err;
    xf_json_raw(json, "replicas", xf_buf_view(&list));
    xf_buf_fini(&list);
}

cJSON *xf_admin_replicas(const struct xf_admin *admin, size_t migration)
{
    struct xf_buf list;
    cJSON *json = NULL;
    xf_buf_init(&list, XF_ADMIN_ANSWER_BYTES_MAX);
    if (xf_journal_print_replicas(admin->parts.journal, migration, &list) == XF_OK)
        json = cJSON_ParseWithLength(xf_buf_view(&list).ptr, xf_buf_len(&list));
    xf_buf_fini(&list);
    return json;
}

bool xf_admin_next_lapsed(const cJSON *replicas, int *at, char id[64])
{
    for (const cJSON *one; (one = cJSON_GetArrayItem(replicas, *at));) {
        const char *state = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "state"));
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "id"));
        ++*at;
        if (state && name && strcmp(state, "lapsed") == 0) {
            (void)snprintf(id, 64, "%s", name);
            return true;
        }
    }
    return false;
}

bool xf_admin_leads(const struct xf_admin_request *request)
{
    const struct xf_admin_parts *parts = &request->admin->parts;
    struct xf_journal_state state;
    char text[200];
    xf_journal_state(parts->journal, request->migration, &state);
    if (state.is_leader)
        return true;
    bool is_self = strcmp(state.leader, xf_journal_replica_id(parts->journal)) == 0;
    if (state.is_cut_off && (is_self || !state.leader[0])) {
        xf_admin_error_for_now(request->http, "this replica is cut off from Redis, without which no replica can lead");
    } else if (state.leader[0] && !is_self) {
        (void)snprintf(text, sizeof text, "replica %s leads this migration: send this to its admin port", state.leader);
        xf_admin_error(request->http, 409, text);
    } else {
        xf_admin_error_for_now(request->http, "no replica leads this migration yet: try again in a moment");
    }
    return false;
}
