/* The JSON writer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/json_out.h"

static void put(struct xf_json_out *json, struct xf_slice text)
{
    if (!json->err)
        json->err = xf_buf_append_slice(json->out, text);
}

static void begin_value(struct xf_json_out *json, const char *key)
{
    if (json->needs_comma)
        put(json, XF_SLICE(","));
    if (key) {
        put(json, XF_SLICE("\""));
        put(json, xf_slice_of(key));
        put(json, XF_SLICE("\":"));
    }
    json->needs_comma = true;
}

void xf_json_open(struct xf_json_out *json, const char *key, char bracket)
{
    begin_value(json, key);
    put(json, xf_slice(&bracket, 1));
    json->needs_comma = false;
}

void xf_json_close(struct xf_json_out *json, char bracket)
{
    put(json, xf_slice(&bracket, 1));
    json->needs_comma = true;
}

void xf_json_text(struct xf_json_out *json, const char *key, const char *text)
{
    if (!text) {
        xf_json_null(json, key);
        return;
    }
    begin_value(json, key);
    put(json, XF_SLICE("\""));
    if (!json->err)
        json->err = xf_buf_append_json_escaped(json->out, xf_slice_of(text));
    put(json, XF_SLICE("\""));
}

void xf_json_u64(struct xf_json_out *json, const char *key, uint64_t value)
{
    begin_value(json, key);
    if (!json->err)
        json->err = xf_buf_append_u64(json->out, value);
}

void xf_json_bool(struct xf_json_out *json, const char *key, bool value)
{
    begin_value(json, key);
    put(json, value ? XF_SLICE("true") : XF_SLICE("false"));
}

void xf_json_null(struct xf_json_out *json, const char *key)
{
    begin_value(json, key);
    put(json, XF_SLICE("null"));
}

void xf_json_raw(struct xf_json_out *json, const char *key, struct xf_slice value)
{
    begin_value(json, key);
    put(json, value);
}

void xf_json_merge(struct xf_json_out *json, struct xf_slice object)
{
    if (object.len <= 2)
        return;
    begin_value(json, NULL);
    put(json, xf_slice(object.ptr + 1, object.len - 2));
}
