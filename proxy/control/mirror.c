/* Values and complete markers in Redis: <prefix>:{<migration>}:<name>, and the set <prefix>:{<migration>}:names of what
 * is there, so that a proxy without a state directory finds them without a walk over all keys.
 *
 * A value that Redis has not confirmed is pending and wins over what Redis holds; a confirmed one gives way to it, for
 * another replica may have written since. What Redis has lost is written again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"
#include "proxy/control/control_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_MAX = 1024 };

/* What a reply is about. The value is looked up again when it comes. */
struct subject {
    struct xf_control *control;
    size_t migration;
    uint64_t version;
    char name[XF_VALUE_NAME_MAX + 1];
};

static struct subject *new_subject(struct xf_control *control, size_t migration, struct xf_slice name)
{
    struct subject *subject = calloc(1, sizeof *subject);
    if (!subject)
        return NULL;
    subject->control = control;
    subject->migration = migration;
    memcpy(subject->name, name.ptr, name.len);
    return subject;
}

static struct xf_value *find(const struct subject *subject)
{
    return xf_values_find(&subject->control->migrations[subject->migration].values, xf_slice_of(subject->name));
}

static struct xf_slice key_of(const struct xf_control *control, size_t migration, const char *name, char key[KEY_MAX])
{
    int len = snprintf(key, KEY_MAX, "%s:{%s}:%s", control->config->redis.prefix,
                       control->config->migrations[migration].name, name);
    return len > 0 && len < KEY_MAX ? xf_slice(key, (size_t)len) : XF_SLICE_NONE;
}

static void on_written(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct subject *subject = ctx;
    struct xf_value *value = err == XF_ERR_STATE ? NULL : find(subject);
    if (value && value->version == subject->version) {
        value->is_under_way = false;
        value->is_pending = err || !xf_redis_reply_is_status(reply, "OK");
        if (value->is_pending && !err)
            xf_log(XF_LOG_WARN, "state", "migration=%s value=%s: redis did not take it (%.*s), trying again",
                   subject->control->migrations[subject->migration].conf->name, value->name,
                   XF_SLICE_ARG(xf_redis_reply_text(reply)));
        xf_state_changed(subject->control, subject->migration, XF_SAVE_LATER_MS);
    }
    free(subject);
}

static void write_value(struct xf_control *control, size_t migration, struct xf_value *value)
{
    char key[KEY_MAX], names_key[KEY_MAX];
    struct xf_slice name = xf_slice_of(value->name);
    struct xf_slice add[] = {XF_SLICE("SADD"), key_of(control, migration, "names", names_key), name};
    struct xf_slice set[] = {XF_SLICE("SET"), key_of(control, migration, value->name, key),
                             xf_slice(value->bytes, value->len)};
    value->is_pending = true;
    struct subject *subject = add[1].ptr && set[1].ptr ? new_subject(control, migration, name) : NULL;
    if (!subject)
        return;
    subject->version = value->version;
    if (xf_redis_command(control->redis, add, 3, NULL, NULL) ||
        xf_redis_command(control->redis, set, 3, on_written, subject)) {
        free(subject);
        return;
    }
    value->is_under_way = true;
}

void xf_mirror_write_pending(struct xf_control *control)
{
    for (size_t i = 0; i < control->config->migration_count && xf_redis_is_up(control->redis); i++)
        for (struct xf_value *value = control->migrations[i].values.first; value; value = value->next)
            if (value->is_pending && !value->is_under_way)
                write_value(control, i, value);
}

static void on_value(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct subject *subject = ctx;
    if (!err) {
        struct xf_control_migration *m = &subject->control->migrations[subject->migration];
        struct xf_value *value = find(subject);
        bool is_there = xf_redis_reply_type(reply) == XF_REDIS_TEXT;
        if (value && !is_there && !value->is_pending)
            write_value(subject->control, subject->migration, value);
        bool is_same = value && is_there && xf_slice_eq(xf_slice(value->bytes, value->len), xf_redis_reply_text(reply));
        if (is_there && !is_same && !(value && value->is_pending)) {
            enum xf_err set = xf_values_set(&m->values, xf_slice_of(subject->name), xf_redis_reply_text(reply), false);
            if (set)
                xf_log(XF_LOG_WARN, "state", "migration=%s value=%s: not taken from redis, %s", m->conf->name,
                       subject->name, xf_err_sentence(set));
            else
                xf_state_changed(subject->control, subject->migration, XF_SAVE_LATER_MS);
        }
    }
    free(subject);
}

static void read_value(struct xf_control *control, size_t migration, struct xf_slice name)
{
    char key[KEY_MAX];
    if (!xf_value_name_is_good(name) || xf_slice_eq(name, XF_SLICE("complete")))
        return; /* the marker is read with the flags */
    struct subject *subject = new_subject(control, migration, name);
    if (!subject)
        return;
    struct xf_slice get[] = {XF_SLICE("GET"), key_of(control, migration, subject->name, key)};
    if (!get[1].ptr || xf_redis_command(control->redis, get, 2, on_value, subject))
        free(subject);
}

static bool is_listed(const struct xf_redis_reply *names, const char *name)
{
    for (size_t i = 0; i < xf_redis_reply_count(names); i++)
        if (xf_slice_eq(xf_redis_reply_text(xf_redis_reply_item(names, i)), xf_slice_of(name)))
            return true;
    return false;
}

static void on_names(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct subject *subject = ctx;
    struct xf_control *control = subject->control;
    size_t migration = subject->migration;
    free(subject);
    if (err || xf_redis_reply_type(reply) != XF_REDIS_ARRAY)
        return; /* a server that refuses is asked again when it comes back; the values in memory stand */
    size_t count = xf_redis_reply_count(reply);
    for (size_t i = 0; i < count && i < XF_VALUES_MAX; i++)
        read_value(control, migration, xf_redis_reply_text(xf_redis_reply_item(reply, i)));
    for (struct xf_value *value = control->migrations[migration].values.first; value; value = value->next)
        if (!value->is_under_way && (value->is_pending || !is_listed(reply, value->name)))
            write_value(control, migration, value);
}

void xf_mirror_redis_is_up(struct xf_control *control)
{
    for (size_t i = 0; i < control->config->migration_count; i++) {
        char key[KEY_MAX];
        struct subject *subject = new_subject(control, i, XF_SLICE(""));
        struct xf_slice args[] = {XF_SLICE("SMEMBERS"), key_of(control, i, "names", key)};
        if (subject && (!args[1].ptr || xf_redis_command(control->redis, args, 2, on_names, subject)))
            free(subject);
    }
}

bool xf_mirror_saw_complete(struct xf_control *control, size_t migration, struct xf_slice text)
{
    struct xf_control_migration *m = &control->migrations[migration];
    struct xf_value *value = xf_values_find(&m->values, XF_SLICE("complete"));
    if (value && value->is_pending)
        return false;
    if (!text.ptr) {
        if (value)
            write_value(control, migration, value);
        return false;
    }
    bool was_complete = xf_control_is_complete(control, migration);
    if (value && xf_slice_eq(xf_slice(value->bytes, value->len), text))
        return false;
    if (xf_values_set(&m->values, XF_SLICE("complete"), text, false))
        return false;
    xf_state_changed(control, migration, XF_SAVE_SOON_MS);
    return was_complete != xf_control_is_complete(control, migration);
}

bool xf_mirror_set_complete(struct xf_control *control, size_t migration, bool is_complete)
{
    struct xf_control_migration *m = &control->migrations[migration];
    if (xf_control_is_complete(control, migration) == is_complete)
        return false;
    enum xf_err err =
        xf_values_set(&m->values, XF_SLICE("complete"), is_complete ? XF_SLICE("1") : XF_SLICE("0"), true);
    if (err) {
        xf_log(XF_LOG_ERROR, "state", "migration=%s: the complete marker cannot be kept, %s", m->conf->name,
               xf_err_sentence(err));
        return false;
    }
    xf_log(XF_LOG_INFO, "state", "migration=%s complete=%d: noted", m->conf->name, is_complete);
    xf_state_changed(control, migration, XF_SAVE_SOON_MS);
    xf_mirror_write_pending(control);
    return true;
}
