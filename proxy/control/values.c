/* A list: a migration has a handful of values.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/values.h"

#include <stdlib.h>

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

bool xf_value_name_is_good(struct xf_slice name)
{
    if (name.len == 0 || name.len > XF_VALUE_NAME_MAX || xf_slice_eq(name, XF_SLICE("names")) ||
        xf_slice_eq(name, XF_SLICE("ENABLE_DUAL_WRITE")) || xf_slice_eq(name, XF_SLICE("ENABLE_NEW_READS")))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char(name.ptr[i]))
            return false;
    return true;
}

struct xf_value *xf_values_find(const struct xf_values *values, struct xf_slice name)
{
    for (struct xf_value *value = values->first; value; value = value->next)
        if (xf_slice_eq(xf_slice_of(value->name), name))
            return value;
    return NULL;
}

static struct xf_value *add(struct xf_values *values, struct xf_slice name)
{
    struct xf_value *value = calloc(1, sizeof *value);
    if (!value)
        return NULL;
    value->name = strndup(name.ptr, name.len);
    if (!value->name) {
        free(value);
        return NULL;
    }
    value->next = values->first;
    values->first = value;
    values->count++;
    return value;
}

enum xf_err xf_values_set(struct xf_values *values, struct xf_slice name, struct xf_slice bytes, bool is_pending)
{
    if (!xf_value_name_is_good(name))
        return XF_ERR_INVALID;
    struct xf_value *value = xf_values_find(values, name);
    if (bytes.len > XF_VALUE_BYTES_MAX || (!value && values->count >= XF_VALUES_MAX))
        return XF_ERR_FULL;
    char *copy = malloc(bytes.len + 1);
    if (!copy)
        return XF_ERR_NOMEM;
    if (!value && !(value = add(values, name))) {
        free(copy);
        return XF_ERR_NOMEM;
    }
    if (bytes.len)
        memcpy(copy, bytes.ptr, bytes.len);
    free(value->bytes);
    value->bytes = copy;
    value->len = bytes.len;
    value->version++;
    value->is_pending = is_pending;
    value->is_under_way = false;
    return XF_OK;
}

void xf_values_fini(struct xf_values *values)
{
    while (values->first) {
        struct xf_value *value = values->first;
        values->first = value->next;
        free(value->name);
        free(value->bytes);
        free(value);
    }
    values->count = 0;
}
