/* The client of the admin API: one request at a time over libcurl, answers bounded, no redirects, no proxy from the
 * environment (the token is for the admin port alone).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli_int.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TOKEN_BYTES_MAX = 4096, CONNECT_MS = 5000, ANSWER_MS = 120000, RETRY_AFTER_MAX_S = 5, TRIES_MAX = 10 };

void xf_reply_init(struct xf_reply *reply)
{
    *reply = (struct xf_reply){0};
    xf_buf_init(&reply->body, XF_CLI_ANSWER_BYTES_MAX);
}

void xf_reply_fini(struct xf_reply *reply)
{
    cJSON_Delete(reply->json);
    xf_buf_fini(&reply->body);
}

static size_t on_body(char *bytes, size_t one, size_t count, void *reply)
{
    return xf_buf_append(&((struct xf_reply *)reply)->body, bytes, one * count) ? 0 : count;
}

/* Copies the token into a header field; false after having said what is wrong with it. An empty field: there is no
 * token. */
static bool read_token(const struct xf_cli_args *args, char *field, size_t room)
{
    char token[TOKEN_BYTES_MAX + 2] = "";
    const char *from_env = getenv("CROSSFADE_ADMIN_TOKEN");
    field[0] = 0;
    if (args->token_file) {
        FILE *file = fopen(args->token_file, "re");
        if (!file) {
            xf_cli_complain("%s: %s", args->token_file, strerrordesc_np(errno));
            return false;
        }
        size_t len = fread(token, 1, sizeof token - 1, file);
        fclose(file);
        token[len] = 0;
    } else if (from_env) {
        snprintf(token, sizeof token, "%s", from_env);
    }
    size_t len = strlen(token);
    while (len && strchr(" \t\r\n", token[len - 1]))
        token[--len] = 0;
    bool is_valid = len <= TOKEN_BYTES_MAX && (len || !args->token_file);
    for (size_t i = 0; i < len; i++)
        is_valid &= (unsigned char)token[i] > 0x20 && token[i] != 0x7f;
    if (!is_valid)
        xf_cli_complain("the admin token is empty, too long or holds blanks or control characters");
    else if (len)
        snprintf(field, room, "Authorization: Bearer %s", token);
    explicit_bzero(token, sizeof token);
    return is_valid;
}

static const char *admin_of(const struct xf_cli_args *args)
{
    const char *from_env = getenv("CROSSFADE_ADMIN");
    if (args->admin)
        return args->admin;
    return from_env && *from_env ? from_env : "http://127.0.0.1:7334";
}

static bool set_up(CURL *curl, const char *method, const char *url, const char *body, struct curl_slist *fields,
                   struct xf_reply *reply)
{
    bool is_bad = curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_PROXY, "") != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS) != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields) != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply) != CURLE_OK;
    if (body)
        is_bad |= curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body) != CURLE_OK;
    is_bad |= curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) != CURLE_OK;
    return !is_bad;
}

/* Adds a field; on failure the list is gone. */
static struct curl_slist *with_field(struct curl_slist *fields, const char *field)
{
    struct curl_slist *longer = curl_slist_append(fields, field);
    if (!longer)
        curl_slist_free_all(fields);
    return longer;
}

static void free_fields(struct curl_slist *fields)
{
    for (struct curl_slist *field = fields; field; field = field->next)
        explicit_bzero(field->data, strlen(field->data));
    curl_slist_free_all(fields);
}

static enum xf_cli_exit perform(CURL *curl, const char *url, struct xf_reply *reply)
{
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        xf_cli_complain(
            "%s: the admin API cannot be reached: %s (is the proxy running? --admin URL or CROSSFADE_ADMIN says "
            "where)",
            url, curl_easy_strerror(code));
        return XF_CLI_UNREACHABLE;
    }
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    reply->retry_after_s = retry_after_s > 0 && retry_after_s <= RETRY_AFTER_MAX_S ? (unsigned)retry_after_s : 0;
    if (xf_buf_append(&reply->body, "", 1)) {
        xf_cli_complain("out of memory");
        return XF_CLI_FAILED;
    }
    reply->json = xf_cli_json_parse(xf_slice(reply->body.data, xf_buf_len(&reply->body) - 1));
    return XF_CLI_OK;
}

/* Just after a start no replica leads yet, for instance. */
static enum xf_cli_exit perform_patiently(CURL *curl, const char *url, struct xf_reply *reply)
{
    enum xf_cli_exit result = perform(curl, url, reply);
    for (int tries = 1; tries < TRIES_MAX && result == XF_CLI_OK && reply->status == 503 && reply->retry_after_s; tries++) {
        const struct timespec wait = {.tv_sec = reply->retry_after_s};
        (void)nanosleep(&wait, NULL); /* a signal only makes it shorter */
        cJSON_Delete(reply->json);
        reply->json = NULL;
        xf_buf_clear(&reply->body);
        result = perform(curl, url, reply);
    }
    return result;
}

enum xf_cli_exit xf_cli_request(const struct xf_cli_args *args, const char *method, const char *path, const char *body,
                                struct xf_reply *reply)
{
    char token[TOKEN_BYTES_MAX + 64], url[4096];
    const char *admin = admin_of(args);
    int admin_len = (int)strlen(admin) - (admin[0] && admin[strlen(admin) - 1] == '/');
    if (snprintf(url, sizeof url, "%.*s%s", admin_len, admin, path) >= (int)sizeof url) {
        xf_cli_complain("the address of the admin API is too long");
        return XF_CLI_USAGE;
    }
    if (!read_token(args, token, sizeof token))
        return XF_CLI_USAGE;
    enum xf_cli_exit result = XF_CLI_FAILED;
    CURL *curl = curl_easy_init();
    struct curl_slist *fields = with_field(NULL, body ? "Content-Type: application/json" : "Accept: application/json");
    if (fields && token[0])
        fields = with_field(fields, token);
    if (curl && fields && set_up(curl, method, url, body, fields, reply))
        result = perform_patiently(curl, url, reply);
    else
        xf_cli_complain("%s: the request cannot be made", url);
    free_fields(fields);
    explicit_bzero(token, sizeof token);
    curl_easy_cleanup(curl);
    return result;
}

bool xf_cli_migration_path(const char *migration, const char *suffix, char *path, size_t room)
{
    char *name = curl_easy_escape(NULL, migration, 0);
    int len = name ? snprintf(path, room, "/api/v1/migrations/%s%s", name, suffix) : -1;
    curl_free(name);
    if (len < 0 || (size_t)len >= room) {
        xf_cli_complain("the name of the migration is too long");
        return false;
    }
    return true;
}
