/* Values and complete markers in Redis: <prefix>:{<migration>}:<name>, and the set <prefix>:{<migration>}:names of what
 * is there, so that a proxy without a state directory finds them without a walk over all keys.
 *
 * The leader writes, the others read. Of the leader's values one that Redis has not confirmed is pending and wins over
 * what Redis holds; a confirmed one gives way to it, for another replica may have written since. Elsewhere all give way:
 * what a replica had not written when it lost the lead is old. What Redis has lost is written again, by any replica as long
 * as nobody else has (NX): the next leader may be one that has never seen it.
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
        bool is_refused = value->is_pending && !err && xf_redis_reply_type(reply) != XF_REDIS_NIL; /* NX: somebody has */
        if (is_refused)
            xf_log(XF_LOG_WARN, "state", "migration=%s value=%s: redis did not take it (%.*s), trying again",
                   subject->control->migrations[subject->migration].conf->name, value->name,
                   XF_SLICE_ARG(xf_redis_reply_text(reply)));
        xf_state_changed(subject->control, subject->migration, XF_SAVE_LATER_MS);
    }
    free(subject);
}

static void write_value(struct xf_control *control, size_t migration, struct xf_value *value, bool only_if_lost)
{
    char key[KEY_MAX], names_key[KEY_MAX];
    struct xf_slice name = xf_slice_of(value->name);
    struct xf_slice add[] = {XF_SLICE("SADD"), key_of(control, migration, "names", names_key), name};
    struct xf_slice set[] = {XF_SLICE("SET"), key_of(control, migration, value->name, key),
                             xf_slice(value->bytes, value->len), XF_SLICE("NX")};
    value->is_pending = true;
    struct subject *subject = add[1].ptr && set[1].ptr ? new_subject(control, migration, name) : NULL;
    if (!subject)
        return;
    subject->version = value->version;
    if (xf_redis_command(control->redis, add, 3, NULL, NULL) ||
        xf_redis_command(control->redis, set, only_if_lost ? 4 : 3, on_written, subject)) {
        free(subject);
        return;
    }
    value->is_under_way = true;
}

/* The leader's values go to Redis, and from every replica the word that dual writes have been off. */
static bool may_write(const struct xf_control_migration *m, const struct xf_value *value)
{
    return m->is_writer ||
           (strcmp(value->name, "complete") == 0 && xf_slice_eq(xf_slice(value->bytes, value->len), XF_SLICE("0")));
}

void xf_mirror_write_pending(struct xf_control *control)
{
    for (size_t i = 0; i < control->config->migration_count && xf_redis_is_up(control->redis); i++)
        for (struct xf_value *value = control->migrations[i].values.first; value; value = value->next)
            if (value->is_pending && !value->is_under_way && may_write(&control->migrations[i], value))
                write_value(control, i, value, false);
}

/* One reading of all values of a migration. */
struct reading {
    struct xf_control *control;
    size_t migration;
    xf_control_done_fn *done;
    void *ctx;
};

/* What is not written yet is older than what Redis holds where another replica leads. */
static bool is_ahead(const struct xf_control_migration *m, const struct xf_value *value)
{
    return value && value->is_pending && m->is_writer;
}

static void take_value(struct xf_control *control, size_t migration, struct xf_slice name, struct xf_slice text)
{
    struct xf_control_migration *m = &control->migrations[migration];
    struct xf_value *value = xf_values_find(&m->values, name);
    if (is_ahead(m, value) || xf_slice_eq(name, XF_SLICE("complete"))) /* the marker is read with the flags */
        return;
    if (value && xf_slice_eq(xf_slice(value->bytes, value->len), text)) {
        value->is_pending = false;
        return;
    }
    enum xf_err err = xf_value_name_is_good(name) ? xf_values_set(&m->values, name, text, false) : XF_ERR_INVALID;
    if (err)
        xf_log(XF_LOG_WARN, "state", "migration=%s value=%.*s: not taken from redis, %s", m->conf->name,
               (int)(name.len < XF_VALUE_NAME_MAX ? name.len : XF_VALUE_NAME_MAX), name.ptr, xf_err_sentence(err));
    else
        xf_state_changed(control, migration, XF_SAVE_LATER_MS);
}

static bool is_listed(const struct xf_redis_reply *values, const char *name)
{
    for (size_t i = 0; i + 1 < xf_redis_reply_count(values); i += 2)
        if (xf_slice_eq(xf_redis_reply_text(xf_redis_reply_item(values, i)), xf_slice_of(name)))
            return xf_redis_reply_type(xf_redis_reply_item(values, i + 1)) == XF_REDIS_TEXT;
    return false;
}

static void take_values(struct xf_control *control, size_t migration, const struct xf_redis_reply *reply)
{
    struct xf_control_migration *m = &control->migrations[migration];
    for (size_t i = 0; i + 1 < xf_redis_reply_count(reply) && i < 2 * XF_VALUES_MAX; i += 2) {
        const struct xf_redis_reply *text = xf_redis_reply_item(reply, i + 1);
        if (xf_redis_reply_type(text) == XF_REDIS_TEXT)
            take_value(control, migration, xf_redis_reply_text(xf_redis_reply_item(reply, i)), xf_redis_reply_text(text));
    }
    for (struct xf_value *value = m->values.first; value; value = value->next)
        if (!is_listed(reply, value->name) && !value->is_under_way)
            write_value(control, migration, value, !may_write(m, value));
    xf_mirror_write_pending(control);
}

static void on_values(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct reading reading = *(struct reading *)ctx;
    free(ctx);
    if (!err && xf_redis_reply_type(reply) != XF_REDIS_ARRAY)
        err = XF_ERR_IO; /* a server that refuses is asked again when it comes back; the values in memory stand */
    if (!err)
        take_values(reading.control, reading.migration, reply);
    if (!err && xf_redis_reply_count(reply) == 0)
        err = XF_ERR_NOT_FOUND;
    if (reading.done)
        reading.done(reading.ctx, err);
}

enum xf_err xf_control_read_values(struct xf_control *control, size_t migration, xf_control_done_fn *done, void *ctx)
{
    static const char script[] = "local read = {} for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do "
                                 "local value = redis.pcall('GET', ARGV[1] .. name) "
                                 "read[#read + 1] = name read[#read + 1] = type(value) == 'string' and value "
                                 "end return read";
    char names_key[KEY_MAX], first[KEY_MAX];
    struct xf_slice args[] = {XF_SLICE("EVAL"), xf_slice_of(script), XF_SLICE("1"),
                              key_of(control, migration, "names", names_key), key_of(control, migration, "", first)};
    struct reading *reading = args[3].ptr && args[4].ptr ? malloc(sizeof *reading) : NULL;
    if (!reading)
        return XF_ERR_NOMEM;
    *reading = (struct reading){control, migration, done, ctx};
    enum xf_err err = xf_redis_command(control->redis, args, sizeof args / sizeof *args, on_values, reading);
    if (err)
        free(reading);
    return err;
}

void xf_control_write_values(struct xf_control *control, size_t migration, bool may_write)
{
    struct xf_control_migration *m = &control->migrations[migration];
    bool begins = !m->is_writer && may_write;
    m->is_writer = may_write;
    if (begins)
        xf_mirror_write_pending(control);
}

void xf_mirror_redis_is_up(struct xf_control *control)
{
    for (size_t i = 0; i < control->config->migration_count; i++)
        if (xf_control_read_values(control, i, NULL, NULL) != XF_OK)
            xf_log(XF_LOG_WARN, "state", "migration=%s: the saved values could not be asked for",
                   control->config->migrations[i].name);
}

bool xf_mirror_saw_complete(struct xf_control *control, size_t migration, struct xf_slice text)
{
    struct xf_control_migration *m = &control->migrations[migration];
    struct xf_value *value = xf_values_find(&m->values, XF_SLICE("complete"));
    if (value && value->is_pending && may_write(m, value))
        return false;
    if (!text.ptr) {
        if (value && !value->is_under_way)
            write_value(control, migration, value, !may_write(m, value));
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
