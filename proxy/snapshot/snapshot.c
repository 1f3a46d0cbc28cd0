/* The snapshot: everything it holds lies in one pool of its own, so that it is built once, read by many and freed
 * whole.
 *
 * Names are found by linear probing in a table at most half full. Real names go in before aliases: where a name is both
 * (an alias on one server, a collection on another) the configuration, which a person wrote, decides.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/snapshot/snapshot.h"

#include "common/base/pool.h"

#include <stdlib.h>

struct xf_snapshot_name {
    struct xf_slice text; /* ptr NULL: the slot is free */
    uint64_t hash;
    size_t migration;
};

/* What is really allocated; the snapshot that others see is its first member. */
struct owned_snapshot {
    struct xf_snapshot shown;
    struct xf_pool pool;
};

const char *xf_phase_name(enum xf_phase phase)
{
    static const char *const names[XF_PHASE_COUNT] = {"legacy_only", "dual_write", "canary", "switched", "new_only"};
    XF_ASSERT(phase < XF_PHASE_COUNT);
    return names[phase];
}

enum xf_err xf_phase_of_flags(bool dual_write, uint8_t new_reads_percent, enum xf_phase *phase)
{
    if (new_reads_percent > 100)
        return XF_ERR_INVALID;
    if (new_reads_percent == 0)
        *phase = dual_write ? XF_PHASE_DUAL_WRITE : XF_PHASE_LEGACY_ONLY;
    else if (new_reads_percent == 100)
        *phase = dual_write ? XF_PHASE_SWITCHED : XF_PHASE_NEW_ONLY;
    else if (dual_write)
        *phase = XF_PHASE_CANARY;
    else
        return XF_ERR_INVALID;
    return XF_OK;
}

/* FNV-1a. The table holds what operators configured, so nobody can fill it with collisions. */
static uint64_t hash_name(struct xf_slice name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 0x100000001b3u;
    return hash ^ (hash >> 32);
}

/* The slot that holds the name, or the free one where it belongs. */
static struct xf_snapshot_name *find_slot(const struct xf_snapshot *snapshot, struct xf_slice name, uint64_t hash)
{
    size_t mask = snapshot->name_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct xf_snapshot_name *slot = &snapshot->names[i];
        if (!slot->text.ptr || (slot->hash == hash && xf_slice_eq(slot->text, name)))
            return slot;
    }
}

/* Puts the name into the table unless it stands there already; *owner is then whose it is. */
static enum xf_err add_name(struct owned_snapshot *own, struct xf_slice name, size_t migration, size_t *owner)
{
    uint64_t hash = hash_name(name);
    struct xf_snapshot_name *slot = find_slot(&own->shown, name, hash);
    if (!slot->text.ptr) {
        struct xf_slice text = xf_pool_copy(&own->pool, name);
        if (!text.ptr)
            return XF_ERR_NOMEM;
        *slot = (struct xf_snapshot_name){.text = text, .hash = hash, .migration = migration};
    }
    *owner = slot->migration;
    return XF_OK;
}

static void *alloc_zeroed(struct xf_pool *pool, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *memory = xf_pool_alloc(pool, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

static enum xf_err make_table(struct owned_snapshot *own, size_t name_count)
{
    size_t slots = 8;
    while (slots < 2 * name_count)
        slots *= 2;
    own->shown.names = alloc_zeroed(&own->pool, slots, sizeof *own->shown.names);
    own->shown.name_slots = slots;
    return own->shown.names ? XF_OK : XF_ERR_NOMEM;
}

static enum xf_err copy_vector_names(struct xf_pool *pool, struct xf_migration_view *view)
{
    const struct xf_slice *from = view->vector_names;
    view->vector_names = alloc_zeroed(pool, view->vector_name_count, sizeof *from);
    if (!view->vector_names)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < view->vector_name_count; i++) {
        view->vector_names[i] = xf_pool_copy(pool, from[i]);
        if (!view->vector_names[i].ptr)
            return XF_ERR_NOMEM;
    }
    return XF_OK;
}

/* A name that two migrations claim is a mistake of the configuration. */
static enum xf_err add_migration(struct owned_snapshot *own, const struct xf_snapshot_input *input, size_t index)
{
    struct xf_migration_view *view = &own->shown.migrations[index];
    *view = input->migrations[index];
    view->conf = &input->config->migrations[index];
    view->index = index;
    enum xf_err err = copy_vector_names(&own->pool, view);
    for (int side = 0; !err && side < XF_SIDE_COUNT; side++) {
        size_t owner;
        err = add_name(own, xf_slice_of(view->conf->side[side].collection), index, &owner);
        if (!err && owner != index)
            err = XF_ERR_INVALID;
    }
    return err;
}

static enum xf_err add_aliases(struct owned_snapshot *own, const struct xf_snapshot_input *input)
{
    for (size_t i = 0; i < input->alias_count; i++) {
        const struct xf_alias *alias = &input->aliases[i];
        if (alias->migration >= input->config->migration_count)
            return XF_ERR_INVALID;
        size_t owner; /* the first one to claim an alias keeps it */
        enum xf_err err = add_name(own, alias->name, alias->migration, &owner);
        if (err)
            return err;
    }
    return XF_OK;
}

static enum xf_err fill(struct owned_snapshot *own, const struct xf_snapshot_input *input)
{
    size_t count = input->config->migration_count;
    own->shown.migrations = alloc_zeroed(&own->pool, count, sizeof *own->shown.migrations);
    if (!own->shown.migrations)
        return XF_ERR_NOMEM;
    enum xf_err err = make_table(own, XF_SIDE_COUNT * count + input->alias_count);
    for (size_t i = 0; !err && i < count; i++)
        err = add_migration(own, input, i);
    return err ? err : add_aliases(own, input);
}

enum xf_err xf_snapshot_new(const struct xf_snapshot_input *input, struct xf_snapshot **snapshot)
{
    struct owned_snapshot *own = malloc(sizeof *own);
    if (!own)
        return XF_ERR_NOMEM;
    own->shown = (struct xf_snapshot){.generation = input->generation, .config = input->config};
    atomic_init(&own->shown.refs, 1);
    xf_pool_init(&own->pool, SIZE_MAX);
    enum xf_err err = fill(own, input);
    if (err) {
        xf_pool_fini(&own->pool);
        free(own);
        return err;
    }
    *snapshot = &own->shown;
    return XF_OK;
}

struct xf_snapshot *xf_snapshot_ref(struct xf_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void xf_snapshot_unref(struct xf_snapshot *snapshot)
{
    if (!snapshot || atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct owned_snapshot *own = (struct owned_snapshot *)snapshot;
    xf_pool_fini(&own->pool);
    free(own);
}

const struct xf_migration_view *xf_snapshot_find(const struct xf_snapshot *snapshot, struct xf_slice name)
{
    if (snapshot->config->migration_count == 0)
        return NULL;
    const struct xf_snapshot_name *slot = find_slot(snapshot, name, hash_name(name));
    return slot->text.ptr ? &snapshot->migrations[slot->migration] : NULL;
}
