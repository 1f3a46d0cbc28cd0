/* Writes JSON into a buffer. cJSON would take every number for a double; here integers stay integers, and documents of
 * others (the worker's status) go in as they are. The first failure sticks and shows in `err`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_ADMIN_JSON_OUT_H
#define XF_PROXY_ADMIN_JSON_OUT_H

#include "common/base/buf.h"

struct xf_json_out {
    struct xf_buf *out;
    enum xf_err err;
    bool needs_comma;
};

/* `key` is NULL inside an array and at the top. Keys are static text and need no escaping. */
void xf_json_open(struct xf_json_out *json, const char *key, char bracket);     /* '{' or '[' */
void xf_json_close(struct xf_json_out *json, char bracket);                     /* '}' or ']' */
void xf_json_text(struct xf_json_out *json, const char *key, const char *text); /* NULL: null */
void xf_json_u64(struct xf_json_out *json, const char *key, uint64_t value);
void xf_json_bool(struct xf_json_out *json, const char *key, bool value);
void xf_json_null(struct xf_json_out *json, const char *key);
/* JSON as it is, for a value. */
void xf_json_raw(struct xf_json_out *json, const char *key, struct xf_slice value);
/* The members of another object (its text with the braces) become members of this one. */
void xf_json_merge(struct xf_json_out *json, struct xf_slice object);

#endif
