/* What the flags of one migration say, and what is in force. No input or output here: one reading of Redis comes in,
 * the state moves, the caller publishes, logs and counts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONTROL_FLAGS_H
#define XF_PROXY_CONTROL_FLAGS_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "proxy/snapshot/snapshot.h"

#include <stdint.h>

enum xf_flag { XF_FLAG_DUAL_WRITE, XF_FLAG_NEW_READS, XF_FLAG_COUNT };
enum xf_flag_from { XF_FROM_DEFAULT, XF_FROM_GLOBAL, XF_FROM_MIGRATION, XF_FROM_STATE_DIR };
enum { XF_INCARNATION_MAX = 64 };

const char *xf_flag_key(enum xf_flag flag); /* "ENABLE_DUAL_WRITE" */
const char *xf_flag_from_name(enum xf_flag_from from);
/* 0 1 true false on off yes no, any case, as 0 and 100; new_reads also "25%". INVALID for all else. */
XF_MUST_CHECK enum xf_err xf_flag_parse(enum xf_flag flag, struct xf_slice text, uint8_t *percent);

struct xf_flags {
    bool may_jump; /* guard: warn; phases are left for any other, whatever is lost by that */
    uint8_t wanted[XF_FLAG_COUNT]; /* the last good values, in percent */
    enum xf_flag_from from[XF_FLAG_COUNT];
    /* Redis was emptied and this flag has not been set again: the last value stays. */
    bool is_held[XF_FLAG_COUNT];
    bool dual_write; /* in force */
    uint8_t new_reads_percent;
    enum xf_phase phase;
    bool is_known;    /* Redis has been read, or the state file says; before that the phase means nothing */
    bool has_history; /* the phase is one that was in force: by the state file, or by a reading before */
    char incarnation[XF_INCARNATION_MAX + 1]; /* of the Redis last seen; "" if none was */
    bool is_adopting;                         /* the incarnation has gone and a new one is being written */
    char error[320];                          /* "" or what is wrong with what stands in Redis */
};

/* One reading; a slice with ptr NULL is a key that is not there, unless it stands for something else than a text. */
struct xf_flag_reading {
    struct xf_slice own[XF_FLAG_COUNT], global[XF_FLAG_COUNT], incarnation;
    bool is_own_odd[XF_FLAG_COUNT], is_global_odd[XF_FLAG_COUNT]; /* a list, a hash: no flag, and not a missing one */
    bool is_complete;    /* the backfill has been through, and dual writes were on since */
    bool has_backfilled; /* or was so once */
};
struct xf_flag_change {
    bool is_in_force_changed; /* to be published */
    bool is_state_changed;    /* to be kept in state_dir */
    bool was_emptied;         /* noticed now */
    bool is_error_new;        /* `error` says something it did not say before */
};
struct xf_flag_change xf_flags_apply(struct xf_flags *flags, const struct xf_flag_reading *reading);
/* NULL, or why this step would lose reads or writes, whatever the flags say. One side alone is written in legacy_only and
 * in new_only, so the other is old by the time it would be read. */
const char *xf_flags_obstacle(enum xf_phase from, enum xf_phase to, bool is_complete);
/* After a restart: what was in force then. INVALID for a pair that has no phase. */
XF_MUST_CHECK enum xf_err xf_flags_restore(struct xf_flags *flags, uint8_t dual_write, uint8_t new_reads);

#endif
