/* Making the new collection. GET /collections/{c} answers with what create wants, nested differently (Qdrant 1.18.3):
 * the members of config.params go up one level, the other parts of config stand beside them; sending the nested form
 * would silently make a collection without vectors. Not part of config are payload indexes and shard keys, and the read
 * fan-out can only be patched.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/prepare.h"

#include "proxy/worker/cut.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEP_BYTES_MAX = 4 << 20 };

void xf_plan_fini(struct xf_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        xf_buf_fini(&plan->steps[i].body);
    free(plan->steps);
    *plan = (struct xf_plan){0};
}

static enum xf_err add_step(struct xf_plan *plan, const char *method, const char *suffix, struct xf_buf **body)
{
    struct xf_plan_step *steps = realloc(plan->steps, (plan->count + 1) * sizeof *steps);
    if (!steps)
        return XF_ERR_NOMEM;
    plan->steps = steps;
    struct xf_plan_step *step = &steps[plan->count++];
    *step = (struct xf_plan_step){.method = method, .suffix = suffix};
    xf_buf_init(&step->body, STEP_BYTES_MAX);
    *body = &step->body;
    return XF_OK;
}

static enum xf_err put_all(struct xf_buf *body, const struct xf_slice *parts, size_t count)
{
    enum xf_err err = XF_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = xf_buf_append_slice(body, parts[i]);
    return err;
}

static enum xf_err put_member(struct xf_buf *body, struct xf_slice key, struct xf_slice value)
{
    struct xf_slice comma = xf_buf_view(body).ptr[xf_buf_len(body) - 1] == '{' ? XF_SLICE("") : XF_SLICE(",");
    const struct xf_slice parts[] = {comma, XF_SLICE("\""), key, XF_SLICE("\":"), value};
    return put_all(body, parts, sizeof parts / sizeof *parts);
}

static bool is_fan_out(struct xf_slice key)
{
    return xf_slice_eq(key, XF_SLICE("read_fan_out_factor")) || xf_slice_eq(key, XF_SLICE("read_fan_out_delay_ms"));
}

/* Copies those members of `object` that create takes, or those that only PATCH takes. */
static enum xf_err put_params(struct xf_buf *body, struct xf_slice object, bool wants_fan_out)
{
    struct xf_cut cut = xf_cut(object);
    enum xf_err err = XF_OK;
    for (xf_cut_enter(&cut, '{'); !err && xf_cut_more(&cut, '}');) {
        struct xf_slice key = xf_cut_key(&cut);
        struct xf_slice value = xf_cut_value(&cut);
        if (!cut.err && is_fan_out(key) == wants_fan_out && !(wants_fan_out && xf_cut_is_null(value)))
            err = put_member(body, key, value);
    }
    return err ? err : cut.err;
}

static enum xf_err put_rest(struct xf_buf *body, struct xf_slice config)
{
    struct xf_cut cut = xf_cut(config);
    enum xf_err err = XF_OK;
    for (xf_cut_enter(&cut, '{'); !err && xf_cut_more(&cut, '}');) {
        struct xf_slice key = xf_cut_key(&cut);
        struct xf_slice value = xf_cut_value(&cut);
        if (xf_slice_eq(key, XF_SLICE("params")) || cut.err)
            continue;
        if (xf_slice_eq(key, XF_SLICE("optimizer_config")))
            key = XF_SLICE("optimizers_config"); /* the name that create documents */
        err = put_member(body, key, value);
    }
    return err ? err : cut.err;
}

static enum xf_err plan_create(const struct xf_collection *legacy, struct xf_plan *plan)
{
    struct xf_buf *body = NULL;
    enum xf_err err = add_step(plan, "PUT", "", &body);
    if (!err)
        err = xf_buf_append_slice(body, XF_SLICE("{"));
    if (!err)
        err = put_params(body, xf_cut_member(legacy->config, "params"), false);
    if (!err)
        err = put_rest(body, legacy->config);
    return err ? err : xf_buf_append_slice(body, XF_SLICE("}"));
}

static enum xf_err plan_fan_out(const struct xf_collection *legacy, struct xf_plan *plan)
{
    struct xf_slice params = xf_cut_member(legacy->config, "params");
    if (xf_cut_is_null(xf_cut_member(params, "read_fan_out_factor")) &&
        xf_cut_is_null(xf_cut_member(params, "read_fan_out_delay_ms")))
        return XF_OK;
    struct xf_buf *body = NULL;
    enum xf_err err = add_step(plan, "PATCH", "", &body);
    if (!err)
        err = xf_buf_append_slice(body, XF_SLICE("{\"params\":{"));
    if (!err)
        err = put_params(body, params, true);
    return err ? err : xf_buf_append_slice(body, XF_SLICE("}}"));
}

static enum xf_err plan_keys(const struct xf_collection *legacy, struct xf_plan *plan)
{
    enum xf_err err = XF_OK;
    for (size_t i = 0; i < legacy->key_count && !err; i++) {
        struct xf_buf *body = NULL;
        const struct xf_slice parts[] = {XF_SLICE("{\"shard_key\":"), legacy->shard_keys[i], XF_SLICE("}")};
        err = add_step(plan, "PUT", "/shards", &body);
        if (!err)
            err = put_all(body, parts, sizeof parts / sizeof *parts);
    }
    return err;
}

static enum xf_err plan_index(struct xf_plan *plan, struct xf_slice field, struct xf_slice schema)
{
    struct xf_slice params = xf_cut_member(schema, "params");
    if (xf_cut_is_null(params))
        params = xf_cut_member(schema, "data_type");
    if (!params.len)
        return XF_ERR_JSON_SHAPE;
    struct xf_buf *body = NULL;
    const struct xf_slice parts[] = {XF_SLICE("{\"field_name\":\""), field, XF_SLICE("\",\"field_schema\":"), params,
                                     XF_SLICE("}")};
    enum xf_err err = add_step(plan, "PUT", "/index?wait=true", &body);
    return err ? err : put_all(body, parts, sizeof parts / sizeof *parts);
}

static enum xf_err plan_indexes(const struct xf_collection *legacy, struct xf_plan *plan)
{
    if (xf_cut_is_null(legacy->payload_schema))
        return XF_OK;
    struct xf_cut cut = xf_cut(legacy->payload_schema);
    enum xf_err err = XF_OK;
    for (xf_cut_enter(&cut, '{'); !err && xf_cut_more(&cut, '}');) {
        struct xf_slice field = xf_cut_key(&cut);
        struct xf_slice schema = xf_cut_value(&cut);
        if (!cut.err)
            err = plan_index(plan, field, schema);
    }
    return err ? err : cut.err;
}

enum xf_err xf_plan_make(const struct xf_collection *legacy, struct xf_plan *plan)
{
    *plan = (struct xf_plan){0};
    enum xf_err err = plan_create(legacy, plan);
    if (!err)
        err = plan_keys(legacy, plan);
    if (!err)
        err = plan_fan_out(legacy, plan);
    if (!err)
        err = plan_indexes(legacy, plan);
    if (err)
        xf_plan_fini(plan);
    return err;
}

static enum xf_err print_step(const struct xf_plan_step *step, const struct xf_side_conf *side, struct xf_buf *out)
{
    struct xf_target target = xf_target(side, step->suffix);
    enum xf_err err = xf_buf_printf(out, "{\"method\":\"%s\",\"path\":\"", step->method);
    if (!err)
        err = xf_target_print(&target, out);
    if (!err)
        err = xf_buf_append_slice(out, XF_SLICE("\",\"body\":"));
    if (!err)
        err = xf_buf_append_slice(out, xf_buf_view(&step->body));
    return err ? err : xf_buf_append_slice(out, XF_SLICE("}"));
}

enum xf_err xf_plan_print(const struct xf_plan *plan, const struct xf_side_conf *side, struct xf_buf *out)
{
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE("["));
    for (size_t i = 0; i < plan->count && !err; i++) {
        if (i)
            err = xf_buf_append_slice(out, XF_SLICE(","));
        if (!err)
            err = print_step(&plan->steps[i], side, out);
    }
    return err ? err : xf_buf_append_slice(out, XF_SLICE("]"));
}

static enum xf_err refuse(char *why, const char *text)
{
    (void)snprintf(why, XF_WHY_MAX, "%s", text);
    return XF_ERR_STATE;
}

static enum xf_err read_legacy(const struct xf_prepare *prepare, struct xf_collection *legacy, char *why)
{
    if (prepare->migration->schema_file)
        return refuse(why,
                      "declared schemas come with a later version: leave `schema` out and the new collection is made "
                      "like the legacy one");
    enum xf_err err = xf_collection_read(prepare->wire, &prepare->migration->side[XF_LEGACY], legacy, why);
    if (!err && legacy->prevents_unoptimized)
        err = refuse(
            why, "the legacy collection has prevent_unoptimized on, which hides writes from reads: turn it off with "
                 "PATCH {\"optimizers_config\":{\"prevent_unoptimized\":false}} and prepare again");
    return err;
}

/* OK when requests may go to it: it is not there, or empty, or ours, or to be adopted. */
static enum xf_err look_at_new(const struct xf_prepare *prepare, struct xf_collection *new, bool *exists, char *why)
{
    const struct xf_side_conf *side = &prepare->migration->side[XF_NEW];
    enum xf_err err = xf_collection_read(prepare->wire, side, new, why);
    *exists = err != XF_ERR_NOT_FOUND;
    if (err == XF_ERR_NOT_FOUND)
        return XF_OK;
    struct xf_answer answer;
    uint64_t count = 0;
    xf_answer_init(&answer);
    if (!err)
        err = xf_collection_count(prepare->wire, side, &answer, &count, why);
    xf_buf_fini(&answer.body);
    if (!err && count && !prepare->was_made && !prepare->adopt)
        err = refuse(
            why, "the new collection exists, is not empty and was not made by this migration: choose another name, or "
                 "adopt it, which deletes what the legacy collection does not have");
    return err;
}

static bool has_key(const struct xf_collection *collection, struct xf_slice body)
{
    struct xf_slice key = xf_cut_member(body, "shard_key");
    for (size_t i = 0; i < collection->key_count; i++)
        if (xf_slice_eq(collection->shard_keys[i], key))
            return true;
    return false;
}

/* A collection that is there already is not made again, nor are its shard keys; all else may be repeated. */
static bool is_needed(const struct xf_plan_step *step, const struct xf_collection *new, bool exists)
{
    if (!exists)
        return true;
    bool is_create = strcmp(step->method, "PUT") == 0 && !step->suffix[0];
    return !is_create && !(strcmp(step->suffix, "/shards") == 0 && has_key(new, xf_buf_view(&step->body)));
}

static enum xf_err send_steps(const struct xf_prepare *prepare, const struct xf_plan *plan,
                              const struct xf_collection *new, bool exists, char *why)
{
    struct xf_answer answer;
    xf_answer_init(&answer);
    enum xf_err err = XF_OK;
    size_t sent = 0;
    for (size_t i = 0; i < plan->count && !err; i++) {
        if (!is_needed(&plan->steps[i], new, exists))
            continue;
        struct xf_target target = xf_target(&prepare->migration->side[XF_NEW], plan->steps[i].suffix);
        err = xf_wire_call(prepare->wire, plan->steps[i].method, &target, xf_buf_view(&plan->steps[i].body), &answer,
                           why);
        sent++;
    }
    xf_buf_fini(&answer.body);
    if (!err)
        (void)snprintf(why, XF_WHY_MAX, "%s, %zu requests sent", exists ? "the collection was there" : "made", sent);
    return err;
}

enum xf_err xf_prepare_run(const struct xf_prepare *prepare, char *why)
{
    struct xf_collection legacy, new;
    struct xf_plan plan = {0};
    bool exists = false;
    xf_collection_init(&legacy);
    xf_collection_init(&new);
    enum xf_err err = read_legacy(prepare, &legacy, why);
    if (!err)
        err = look_at_new(prepare, &new, &exists, why);
    if (!err)
        err = xf_plan_make(&legacy, &plan);
    if (!err) {
        prepare->mark(prepare->ctx); /* one that is empty now is as good as made here */
        err = send_steps(prepare, &plan, &new, exists, why);
    }
    xf_plan_fini(&plan);
    xf_collection_fini(&legacy);
    xf_collection_fini(&new);
    return err;
}

enum xf_err xf_prepare_show(const struct xf_prepare *prepare, struct xf_buf *out, char *why)
{
    struct xf_collection legacy;
    struct xf_plan plan = {0};
    xf_collection_init(&legacy);
    enum xf_err err = read_legacy(prepare, &legacy, why);
    if (!err)
        err = xf_plan_make(&legacy, &plan);
    if (!err)
        err = xf_plan_print(&plan, &prepare->migration->side[XF_NEW], out);
    xf_plan_fini(&plan);
    xf_collection_fini(&legacy);
    return err;
}
