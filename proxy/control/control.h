/* The control thread: flags in Redis, aliases of both sides, vector names, the state directory, and the snapshot made
 * of them. It publishes a new snapshot whenever one of these changes; data threads never wait for it.
 *
 * Flags are plain string keys (docs/configuration.md). They are followed by client-side caching push (CLIENT TRACKING
 * in broadcast mode, redirected to a second connection: RESP2, as hiredis 0.14 speaks it), with a slow poll beside it,
 * or by fast polling where tracking is not to be had. Redis away: the last known flags stay, also over a restart, from
 * `state_dir`; without either, nothing is known, and the snapshot says that requests to the migration are refused. A
 * value that is no flag value is logged, counted, shown in the status, and leaves the last good one in force.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONTROL_CONTROL_H
#define XF_PROXY_CONTROL_CONTROL_H

#include "common/base/buf.h"
#include "proxy/config/config.h"
#include "proxy/snapshot/snapshot.h"

struct event_base;
struct xf_control;

/* Called on the control thread with a reference that the callee owns. */
typedef void xf_publish_fn(void *ctx, struct xf_snapshot *snapshot);

/* Reads the state directory, asks Redis and the upstreams, and publishes the first snapshot before returning: as soon
 * as they have answered or proved unreachable, two seconds at most, in which it runs `base` itself. `base` is the
 * control thread's own event base; the caller runs it afterwards. Everything below is called on that thread, unless it
 * says otherwise. */
XF_MUST_CHECK enum xf_err xf_control_new(const struct xf_config *config, struct event_base *base,
                                         xf_publish_fn *publish, void *ctx, struct xf_control **control);
void xf_control_free(struct xf_control *control);

struct xf_flag_state {
    bool dual_write; /* in force, like new_reads_percent */
    uint8_t new_reads_percent;
    const char *dual_write_from, *new_reads_from; /* "migration", "global", "default" or "state_dir" */
    const char *error;                            /* NULL, or what is wrong with the value now in Redis */
};
void xf_control_flags(const struct xf_control *control, size_t migration, struct xf_flag_state *state);
enum xf_phase xf_control_phase(const struct xf_control *control, size_t migration); /* in force */
bool xf_control_redis_is_up(const struct xf_control *control);
uint64_t xf_control_redis_down_ms(const struct xf_control *control); /* since it was last up; 0 while up */

/* Whether the state directory said that dual writes were on when an earlier process last wrote it. */
bool xf_control_was_dual_writing(const struct xf_control *control, size_t migration);
/* Whether it said that they were off; neither is true where it said nothing. */
bool xf_control_was_one_sided(const struct xf_control *control, size_t migration);

/* Requests to the migration are refused: its flags are not known, or it is held back. */
bool xf_control_is_refused(const struct xf_control *control, size_t migration);
/* What else than flags is not known without Redis: refuses until it is called with false. Publishes a change. */
void xf_control_hold_back(struct xf_control *control, size_t migration, bool is_held_back);

/* The backfill has been through, or has been forgotten; kept in Redis and in state_dir. */
void xf_control_set_complete(struct xf_control *control, size_t migration, bool is_complete);
bool xf_control_is_complete(const struct xf_control *control, size_t migration);

/* Sets the migration's own flag keys in Redis, both at once. `done` is called later, on this thread: when what was set
 * is in force, or with what went wrong. NULL text leaves a flag alone. INVALID for what is no flag value, STATE for a
 * pair that has no phase, BUSY for a phase that cannot be reached from the present one (xf_flags_obstacle), IO while Redis is away; then nothing is set and `done` is not called. */
typedef void xf_control_done_fn(void *ctx, enum xf_err err);
XF_MUST_CHECK enum xf_err xf_control_set_flags(struct xf_control *control, size_t migration, const char *dual_write,
                                               const char *new_reads, xf_control_done_fn *done, void *ctx);

/* Small durable values for the worker (cursor, report): keys <prefix>:{<migration>}:<name> in Redis, with a copy in
 * state_dir used when Redis is away. */
XF_MUST_CHECK enum xf_err xf_control_save(struct xf_control *control, size_t migration, const char *name,
                                          struct xf_slice value);
/* Appends the value to `out`; NOT_FOUND if there is none. Answered from memory: what was saved, or what was read at
 * start and reconnect. */
XF_MUST_CHECK enum xf_err xf_control_load(const struct xf_control *control, size_t migration, const char *name,
                                          struct xf_buf *out);

/* Reads a migration's values from Redis anew, and then calls `done` (unless NULL) on this thread: NOT_FOUND, Redis had none;
 * IO, they stand as they were; STATE: control is being freed. An error returned: no call. */
XF_MUST_CHECK enum xf_err xf_control_read_values(struct xf_control *control, size_t migration, xf_control_done_fn *done,
                                                 void *ctx);
/* Whether this replica's values go to Redis; otherwise, and at first, what Redis holds replaces them. For who leads, once it
 * has read them anew. */
void xf_control_write_values(struct xf_control *control, size_t migration, bool may_write);

/* Asks the upstreams for aliases and vector names now, for instance after an alias change came through the proxy. Any
 * thread, until xf_control_free. */
void xf_control_refresh_aliases(struct xf_control *control);

/* Appends this module's gauges (redis up, flag errors, flags, phase) in Prometheus text format. */
XF_MUST_CHECK enum xf_err xf_control_metrics(const struct xf_control *control, struct xf_buf *out);

#endif
