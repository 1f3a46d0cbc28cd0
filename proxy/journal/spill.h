/* What Redis could not take: ids that a write has touched while this replica was cut off, in a file of state_dir, to be
 * given to Redis as dirty. Bounded, checksummed, tolerant of a torn tail; what does not fit becomes "all". The file is
 * not fsynced: it must survive the process, not the machine (a machine that went down in doubt makes everything unknown,
 * see replica_file). Internal to this folder; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_SPILL_H
#define XF_PROXY_JOURNAL_SPILL_H

#include "common/base/error.h"
#include "common/json/point_id.h"

#include <stdint.h>

struct xf_spill;

/* Opens or makes the file, takes up what an earlier process left (see xf_spill_is_inherited) and cuts a torn tail. IO: also
 * when another process has it open. */
XF_MUST_CHECK enum xf_err xf_spill_open(const char *path, uint64_t bytes_max, struct xf_spill **spill);
void xf_spill_close(struct xf_spill *spill); /* an empty file is removed; NULL is fine */
/* IO: not written (disk full, for instance): the caller must not go on as if it were. After "all" ids add nothing, but what
 * is being taken is then not cut. */
XF_MUST_CHECK enum xf_err xf_spill_add(struct xf_spill *spill, const struct xf_point_id *ids, size_t id_count);
XF_MUST_CHECK enum xf_err xf_spill_add_all(struct xf_spill *spill);
bool xf_spill_is_empty(const struct xf_spill *spill); /* cheap: an atomic */
bool xf_spill_is_inherited(const struct xf_spill *spill); /* something in it is from an earlier process */
bool xf_spill_has_all(const struct xf_spill *spill); /* the file is full, damaged in its middle, or somebody said so */
size_t xf_spill_ids(const struct xf_spill *spill); /* how many; an id that was added twice counts twice */
uint64_t xf_spill_bytes(const struct xf_spill *spill);

/* Giving it away: take reads everything up to now, in pieces; `done` cuts the file if nothing came in between, and
 * otherwise leaves it to be given again (marking twice does no harm). One taker at a time. */
struct xf_spill_take { /* nobody else's business */
    uint64_t change, at, end;
    size_t given;
};
void xf_spill_take_begin(struct xf_spill *spill, struct xf_spill_take *take);
/* Up to `max` ids; 0 at the end. IO: cannot be read any more: everything is to be marked. */
XF_MUST_CHECK enum xf_err xf_spill_take_next(struct xf_spill *spill, struct xf_spill_take *take, struct xf_point_id *ids,
                                             size_t max, size_t *count);
void xf_spill_take_done(struct xf_spill *spill, const struct xf_spill_take *take);

#endif
