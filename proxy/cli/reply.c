/* Reading the admin API's answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli_int.h"

#include <stdio.h>

enum { DOUBLE_DIGITS = 15 };

/* Appends the token that starts at `at`: a string whole, a long integer between quotes, anything else byte by byte.
 * Returns how much of the text it was. */
static size_t append_token(struct xf_slice text, size_t at, struct xf_buf *out, enum xf_err *err)
{
    size_t end = at + 1;
    if (text.ptr[at] == '"') {
        while (end < text.len && text.ptr[end] != '"')
            end += text.ptr[end] == '\\' ? 2 : 1;
        end = end < text.len ? end + 1 : text.len;
    } else {
        end = at;
        while (end < text.len && strchr("+-.0123456789eE", text.ptr[end]) && text.ptr[end])
            end++;
    }
    struct xf_slice token = xf_slice(text.ptr + at, end > at ? end - at : 1);
    bool is_long = token.ptr[0] != '"' && token.len > DOUBLE_DIGITS && !memchr(token.ptr, '.', token.len);
    if (is_long)
        *err = xf_buf_printf(out, "\"%.*s\"", XF_SLICE_ARG(token));
    else
        *err = xf_buf_append_slice(out, token);
    return token.len;
}

static void replace_controls(char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = *text == '\n' ? ' ' : '?';
}

/* What comes from the proxy may hold what a terminal would obey. No deeper than cJSON's own limit. */
static void make_printable(cJSON *item)
{
    for (; item; item = item->next) {
        replace_controls(item->string);
        replace_controls(item->valuestring);
        make_printable(item->child);
    }
}

cJSON *xf_cli_json_parse(struct xf_slice text)
{
    struct xf_buf copy;
    enum xf_err err = XF_OK;
    xf_buf_init(&copy, 2 * (size_t)XF_CLI_ANSWER_BYTES_MAX);
    for (size_t at = 0; at < text.len && !err;)
        at += append_token(text, at, &copy, &err);
    cJSON *json = err ? NULL : cJSON_ParseWithLength(xf_buf_view(&copy).ptr, xf_buf_len(&copy));
    xf_buf_fini(&copy);
    make_printable(json);
    return json;
}

const cJSON *xf_reply_result(const struct xf_reply *reply)
{
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(reply->json, "result");
    return result ? result : reply->json;
}

void xf_reply_print_json(const struct xf_reply *reply)
{
    struct xf_slice body = xf_buf_view(&reply->body);
    size_t len = body.len ? body.len - 1 : 0; /* without the NUL */
    (void)fwrite(body.ptr, 1, len, stdout);   /* a failure shows when standard output is closed */
    if (!len || body.ptr[len - 1] != '\n')
        fputc('\n', stdout);
}

static const char *error_text(const struct xf_reply *reply)
{
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(reply->json, "status");
    const char *text = xf_cli_text(status, "error", NULL);
    return text ? text : xf_cli_text(reply->json, "error", NULL);
}

enum xf_cli_exit xf_reply_judge(const struct xf_cli_args *args, const struct xf_reply *reply)
{
    if (reply->status >= 200 && reply->status < 300)
        return XF_CLI_OK;
    const char *text = error_text(reply);
    if (args->json)
        xf_reply_print_json(reply);
    if (text)
        xf_cli_complain("%s", text);
    else
        xf_cli_complain("the admin API answered with status %ld", reply->status);
    if (reply->status == 401 || reply->status == 403)
        xf_cli_complain("set CROSSFADE_ADMIN_TOKEN, or name a file with --token-file");
    return XF_CLI_FAILED;
}
