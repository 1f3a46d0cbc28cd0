/* What is in force now: configuration, phases and names, in one immutable object. The control thread builds a new one when a
 * flag or an alias changes and hands it to the data threads; each of them counts its own users without atomics (struct
 * xf_view), and knows when none of its requests rests on an older one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_SNAPSHOT_SNAPSHOT_H
#define XF_PROXY_SNAPSHOT_SNAPSHOT_H

#include "common/base/slice.h"
#include "proxy/config/config.h"

#include <stdatomic.h>
#include <stdint.h>

/* In force; the controller moves it towards the flags. Written and shown as legacy_only, dual_write, ... */
enum xf_phase {
    XF_PHASE_LEGACY_ONLY,
    XF_PHASE_DUAL_WRITE,
    XF_PHASE_CANARY,
    XF_PHASE_SWITCHED,
    XF_PHASE_NEW_ONLY,
    XF_PHASE_COUNT
};
const char *xf_phase_name(enum xf_phase phase);

struct xf_migration_view {
    const struct xf_migration_conf *conf;
    size_t index; /* in config->migrations */
    enum xf_phase phase;
    bool dual_write;
    uint8_t new_reads_percent;     /* 0..100 */
    bool is_refused;               /* nothing is known of its flags: every request to it gets 503 */
    bool vectors_match;            /* both sides are known to declare the same vectors */
    bool filters_match;            /* both sides are known to index payload alike: a filter means the same on both */
    bool follower_is_complete;     /* the backfill has been through: a "not found" of the follower is a failure now */
    struct xf_slice *vector_names; /* of the legacy collection, for exactness; 0: not known */
    size_t vector_name_count;
};

/* The side whose answer counts: legacy until the switch, new after it. */
static inline enum xf_side xf_authority(const struct xf_migration_view *view)
{
    return view->phase == XF_PHASE_SWITCHED || view->phase == XF_PHASE_NEW_ONLY ? XF_NEW : XF_LEGACY;
}

/* Names that mean the migration must not be turned elsewhere. */
static inline bool xf_guards_names(const struct xf_migration_view *view)
{
    return (view->dual_write || view->is_refused) && !view->conf->allow_unsafe;
}

struct xf_alias { /* an alias, on `upstream`, of a migrated collection */
    struct xf_slice name;
    size_t migration;
};

struct xf_snapshot {
    _Atomic unsigned refs;
    uint64_t generation; /* grows by one with each snapshot */
    const struct xf_config *config;
    struct xf_migration_view *migrations; /* config->migration_count of them */
    /* The names that mean a migrated collection, in an open-addressed table; nobody else's business. */
    struct xf_snapshot_name *names;
    size_t name_slots;
};

/* What a new snapshot is made of; everything is copied, `config` must outlive it. */
struct xf_snapshot_input {
    const struct xf_config *config;
    uint64_t generation;
    const struct xf_migration_view *migrations; /* conf and index are filled in by the snapshot */
    const struct xf_alias *aliases;
    size_t alias_count;
};
XF_MUST_CHECK enum xf_err xf_snapshot_new(const struct xf_snapshot_input *input, struct xf_snapshot **snapshot);
struct xf_snapshot *xf_snapshot_ref(struct xf_snapshot *snapshot);
void xf_snapshot_unref(struct xf_snapshot *snapshot); /* NULL is fine */

/* The migration that a collection name (either real name or an alias) belongs to, or NULL. */
const struct xf_migration_view *xf_snapshot_find(const struct xf_snapshot *snapshot, struct xf_slice name);

/* dual_write and new_reads_percent to a phase. INVALID for what has none: canary without dual writes. */
XF_MUST_CHECK enum xf_err xf_phase_of_flags(bool dual_write, uint8_t new_reads_percent, enum xf_phase *phase);

#endif
