/* The options of a request: one small JSON object, or nothing. An option nobody knows is an error, not a wish to be
 * ignored.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <stdio.h>

static bool is_blank(const char *from, const char *to)
{
    while (from < to && strchr(" \t\r\n", *from))
        from++;
    return from == to;
}

static cJSON *parse(struct evbuffer *input)
{
    size_t len = evbuffer_get_length(input);
    if (len == 0)
        return cJSON_CreateObject();
    const char *text = (const char *)evbuffer_pullup(input, -1), *end = NULL;
    if (!text)
        return NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(text, len, &end, false);
    if (json && (!cJSON_IsObject(json) || !is_blank(end, text + len))) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

bool xf_admin_read_body(struct xf_admin_request *request)
{
    request->body = parse(evhttp_request_get_input_buffer(request->http));
    if (!request->body)
        xf_admin_error(request->http, 400, "the body is not a JSON object");
    return request->body != NULL;
}

static const struct xf_admin_option *find(const struct xf_admin_option *options, const char *name)
{
    while (options->name && strcmp(options->name, name) != 0)
        options++;
    return options->name ? options : NULL;
}

static bool is_listed(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static bool refuse(const struct xf_admin_request *request, const char *name, const char *what)
{
    char text[160];
    (void)snprintf(text, sizeof text, "\"%.64s\": %s", name, what); /* a longer name is cut */
    xf_admin_error(request->http, 400, text);
    return false;
}

bool xf_admin_read_options(const struct xf_admin_request *request, const struct xf_admin_option *options,
                           const char *const *also)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, request->body)
    {
        const struct xf_admin_option *option = find(options, member->string);
        if (!option && !is_listed(also, member->string))
            return refuse(request, member->string, "this verb has no such option");
        if (option && !cJSON_IsBool(member))
            return refuse(request, member->string, "expected true or false");
        if (option)
            *option->value = cJSON_IsTrue(member);
    }
    return true;
}
