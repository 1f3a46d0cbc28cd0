/* The answer is small and comes rarely, so a tree of it is built and read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/names.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

void xf_name_list_fini(struct xf_name_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)list->items[i].ptr);
    free(list->items);
    *list = (struct xf_name_list){NULL, 0};
}

bool xf_name_list_eq(const struct xf_name_list *a, const struct xf_name_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!xf_slice_eq(a->items[i], b->items[i]))
            return false;
    return true;
}

static enum xf_err add(struct xf_name_list *list, const char *text)
{
    struct xf_slice *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return XF_ERR_NOMEM;
    list->items = items;
    char *copy = strdup(text);
    if (!copy)
        return XF_ERR_NOMEM;
    items[list->count++] = xf_slice_of(copy);
    return XF_OK;
}

static enum xf_err add_aliases(const cJSON *root, struct xf_name_list *list)
{
    const cJSON *aliases =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, "result"), "aliases");
    const cJSON *item;
    if (!cJSON_IsArray(aliases))
        return XF_ERR_JSON_SHAPE;
    cJSON_ArrayForEach(item, aliases)
    {
        const cJSON *alias = cJSON_GetObjectItemCaseSensitive(item, "alias_name");
        const cJSON *collection = cJSON_GetObjectItemCaseSensitive(item, "collection_name");
        if (!cJSON_IsString(alias) || !cJSON_IsString(collection))
            return XF_ERR_JSON_SHAPE;
        enum xf_err err = add(list, alias->valuestring);
        if (!err)
            err = add(list, collection->valuestring);
        if (err)
            return err;
    }
    return XF_OK;
}

enum xf_err xf_names_of_aliases(struct xf_slice body, struct xf_name_list *list)
{
    struct xf_name_list found = {NULL, 0};
    cJSON *root = cJSON_ParseWithLength(body.ptr, body.len);
    enum xf_err err = root ? add_aliases(root, &found) : XF_ERR_JSON_SYNTAX;
    cJSON_Delete(root);
    if (err)
        xf_name_list_fini(&found);
    else
        *list = found;
    return err;
}
