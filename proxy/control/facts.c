/* What a collection declares, from a tree of the answer, which is small and comes rarely.
 *
 * Compared is what can make one server take a write that the other declines, store something else, or match other points:
 * a vector's size, distance, data type and whether it is several; a sparse one's modifier and data type; the kind and the
 * parameters of a payload index. Where things are kept and how they are searched (on_disk, hnsw, quantization) is not. What
 * a server leaves out because it is the default counts as the default (Qdrant 1.12.4 to 1.18.3).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/names.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text_of(const cJSON *object, const char *key, const char *otherwise)
{
    const cJSON *item = get(object, key);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

/* Takes the text over. */
static enum xf_err add(struct xf_name_list *list, char *text)
{
    struct xf_slice *items = text ? realloc(list->items, (list->count + 1) * sizeof *items) : NULL;
    if (!items) {
        free(text);
        return XF_ERR_NOMEM;
    }
    list->items = items;
    items[list->count++] = xf_slice_of(text);
    return XF_OK;
}

static enum xf_err add_line(struct xf_name_list *list, const char *format, ...) XF_PRINTF(2, 3);
static enum xf_err add_line(struct xf_name_list *list, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return len < 0 ? XF_ERR_NOMEM : add(list, text);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct xf_slice *)a)->ptr, ((const struct xf_slice *)b)->ptr);
}

static void sort(struct xf_name_list *list)
{
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, compare);
}

/* ---- vectors ---- */

static enum xf_err add_dense(const cJSON *params, const char *name, struct xf_facts *facts)
{
    const cJSON *size = get(params, "size");
    enum xf_err err = add(&facts->vectors, strdup(name));
    return err ? err
               : add_line(&facts->declared, "%s dense size=%.0f distance=%s datatype=%s several=%s", name,
                          cJSON_IsNumber(size) ? size->valuedouble : 0, text_of(params, "distance", "?"),
                          text_of(params, "datatype", "float32"),
                          text_of(get(params, "multivector_config"), "comparator", "no"));
}

static enum xf_err add_sparse(const cJSON *params, const char *name, struct xf_facts *facts)
{
    enum xf_err err = add(&facts->vectors, strdup(name));
    return err ? err
               : add_line(&facts->declared, "%s sparse modifier=%s datatype=%s", name, text_of(params, "modifier", "none"),
                          text_of(get(params, "index"), "datatype", "float32"));
}

static enum xf_err add_each(const cJSON *object, enum xf_err (*add_one)(const cJSON *, const char *, struct xf_facts *),
                            struct xf_facts *facts)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        enum xf_err err = add_one(item, item->string, facts);
        if (err)
            return err;
    }
    return XF_OK;
}

/* `vectors` is either the one unnamed vector's parameters, which have a numeric size, or a map of names. A vector may
 * be named "size", but then what stands there is an object. */
static enum xf_err add_vectors(const cJSON *params, struct xf_facts *facts)
{
    const cJSON *vectors = get(params, "vectors"), *sparse = get(params, "sparse_vectors");
    enum xf_err err = cJSON_IsNumber(get(vectors, "size")) ? add_dense(vectors, "", facts)
                      : cJSON_IsObject(vectors)            ? add_each(vectors, add_dense, facts)
                                                           : XF_OK;
    if (!err && cJSON_IsObject(sparse))
        err = add_each(sparse, add_sparse, facts);
    sort(&facts->declared);
    return err;
}

/* ---- payload indexes ---- */

static bool is_meaningless(const char *parameter)
{
    static const char *const known[] = {"type", "on_disk", "is_tenant", "is_principal", "enable_hnsw"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(parameter, known[i]) == 0)
            return true;
    return false;
}

static enum xf_err add_parameters(const cJSON *params, struct xf_name_list *list)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, params)
    {
        if (cJSON_IsNull(item) || is_meaningless(item->string))
            continue;
        char *value = cJSON_PrintUnformatted(item);
        enum xf_err err = value ? add_line(list, "%s=%s", item->string, value) : XF_ERR_NOMEM;
        cJSON_free(value);
        if (err)
            return err;
    }
    sort(list);
    return XF_OK;
}

static enum xf_err join(const char *field, const char *type, const struct xf_name_list *parts, struct xf_name_list *out)
{
    char *line = NULL;
    if (asprintf(&line, "%s %s", field, type) < 0)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < parts->count; i++) {
        char *longer = NULL;
        int len = asprintf(&longer, "%s %s", line, parts->items[i].ptr);
        free(line);
        if (len < 0)
            return XF_ERR_NOMEM;
        line = longer;
    }
    return add(out, line);
}

static enum xf_err add_index(const cJSON *index, const char *field, struct xf_facts *facts)
{
    struct xf_name_list parts = {NULL, 0};
    enum xf_err err = add_parameters(get(index, "params"), &parts);
    if (!err)
        err = join(field, text_of(index, "data_type", "?"), &parts, &facts->indexed);
    xf_name_list_fini(&parts);
    return err;
}

/* ---- the whole ---- */

static enum xf_err add_all(const cJSON *root, struct xf_facts *facts)
{
    const cJSON *result = get(root, "result"), *params = get(get(result, "config"), "params");
    if (!cJSON_IsObject(params))
        return XF_ERR_JSON_SHAPE;
    facts->is_there = true;
    enum xf_err err = add_vectors(params, facts);
    if (!err)
        err = add_each(get(result, "payload_schema"), add_index, facts);
    sort(&facts->indexed);
    return err;
}

enum xf_err xf_facts_of(struct xf_slice body, struct xf_facts *facts)
{
    struct xf_facts found = {0};
    cJSON *root = cJSON_ParseWithLength(body.ptr, body.len);
    enum xf_err err = root ? add_all(root, &found) : XF_ERR_JSON_SYNTAX;
    cJSON_Delete(root);
    if (err)
        xf_facts_fini(&found);
    else
        *facts = found;
    return err;
}

void xf_facts_fini(struct xf_facts *facts)
{
    xf_name_list_fini(&facts->vectors);
    xf_name_list_fini(&facts->declared);
    xf_name_list_fini(&facts->indexed);
    facts->is_there = false;
}

bool xf_facts_eq(const struct xf_facts *a, const struct xf_facts *b)
{
    return a->is_there == b->is_there && xf_name_list_eq(&a->vectors, &b->vectors) &&
           xf_name_list_eq(&a->declared, &b->declared) && xf_name_list_eq(&a->indexed, &b->indexed);
}

bool xf_facts_vectors_match(const struct xf_facts *a, const struct xf_facts *b)
{
    return a->is_there && b->is_there && xf_name_list_eq(&a->declared, &b->declared);
}

bool xf_facts_filters_match(const struct xf_facts *a, const struct xf_facts *b)
{
    return a->is_there && b->is_there && xf_name_list_eq(&a->indexed, &b->indexed);
}
