/* `replica forget ID`: for one migration, or for all in whose status the replica is listed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli_int.h"

#include <curl/curl.h>
#include <stdio.h>

static enum xf_cli_exit forget(const struct xf_cli_args *args, const char *migration)
{
    char suffix[512], path[1024];
    struct xf_reply reply;
    char *id = curl_easy_escape(NULL, args->positional[1], 0);
    bool fits = id && snprintf(suffix, sizeof suffix, "/replicas/%s/forget", id) < (int)sizeof suffix;
    curl_free(id);
    if (!fits || !xf_cli_migration_path(migration, suffix, path, sizeof path)) {
        if (!fits)
            xf_cli_complain("the id of the replica is too long");
        return XF_CLI_USAGE;
    }
    xf_reply_init(&reply);
    enum xf_cli_exit result = xf_cli_request(args, "POST", path, "{}", &reply);
    if (result == XF_CLI_OK)
        result = xf_reply_judge(args, &reply);
    if (result == XF_CLI_OK && (args->json || !reply.json))
        xf_reply_print_json(&reply);
    else if (result == XF_CLI_OK)
        xf_cli_show(xf_reply_result(&reply));
    xf_reply_fini(&reply);
    return result;
}

static bool is_registered(const cJSON *migration, const char *id)
{
    const cJSON *replica;
    cJSON_ArrayForEach(replica, cJSON_GetObjectItemCaseSensitive(migration, "replicas"))
    {
        if (strcmp(xf_cli_text(replica, "id", ""), id) == 0)
            return true;
    }
    return false;
}

/* Tries them all, and says of each that failed why. */
static enum xf_cli_exit forget_everywhere(const struct xf_cli_args *args, const cJSON *answer)
{
    const cJSON *migration;
    enum xf_cli_exit result = XF_CLI_OK;
    int count = 0;
    cJSON_ArrayForEach(migration, cJSON_GetObjectItemCaseSensitive(answer, "migrations"))
    {
        if (!is_registered(migration, args->positional[1]))
            continue;
        enum xf_cli_exit one = forget(args, xf_cli_text(migration, "name", ""));
        result = one == XF_CLI_OK ? result : one;
        count++;
    }
    if (count)
        return result;
    xf_cli_complain("%s: no migration has such a replica; `crossfade status M` lists them", args->positional[1]);
    return XF_CLI_FAILED;
}

enum xf_cli_exit xf_cli_run_replica(const struct xf_cli_args *args)
{
    struct xf_reply reply;
    if (strcmp(args->positional[0], "forget") != 0) {
        xf_cli_complain("found \"%s\", expected %s", args->positional[0], args->verb->synopsis);
        return XF_CLI_USAGE;
    }
    if (args->migration)
        return forget(args, args->migration);
    xf_reply_init(&reply);
    enum xf_cli_exit result = xf_cli_request(args, "GET", "/api/v1/migrations", NULL, &reply);
    if (result == XF_CLI_OK)
        result = xf_reply_judge(args, &reply);
    if (result == XF_CLI_OK)
        result = forget_everywhere(args, xf_reply_result(&reply));
    xf_reply_fini(&reply);
    return result;
}
