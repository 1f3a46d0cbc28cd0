/* Inside of the control thread. Who does what:
 *
 *   control.c   life, publishing, the calls of control.h       follow.c    connections, reading the flags, polls
 *   flags.c     what a reading means                           tracking.c  client-side caching push
 *   state.c     state_dir: text of a file, when it is written  mirror.c    values and complete markers in Redis
 *   state_writer.c  the thread that brings it to the disk
 *   aliases.c   HTTP to the upstreams                          names.c, facts.c  what their answers say
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONTROL_CONTROL_INT_H
#define XF_PROXY_CONTROL_CONTROL_INT_H

#include "common/redis/redis.h"
#include "proxy/control/control.h"
#include "proxy/control/flags.h"
#include "proxy/control/names.h"
#include "proxy/control/state_writer.h"
#include "proxy/control/values.h"

struct event;
struct xf_aliases;

struct xf_control_migration {
    const struct xf_migration_conf *conf;
    struct xf_flags flags;
    struct xf_values values;
    struct xf_facts facts[XF_SIDE_COUNT]; /* of the two collections */
    bool is_unsaved;             /* the state file is behind */
    bool was_dual_writing;       /* by the state file, at the start, like was_one_sided */
    bool was_one_sided;
    bool is_held_back;           /* xf_control_hold_back */
    bool is_writer;              /* of values: xf_control_write_values */
};

struct xf_control {
    const struct xf_config *config;
    struct event_base *base;
    xf_publish_fn *publish;
    void *publish_ctx;
    uint64_t generation;
    bool is_started;     /* the first snapshot may go out */
    bool is_publish_due; /* a snapshot could not be made; the next poll tries again */
    bool is_wait_over;
    struct xf_control_migration *migrations;

    /* follow.c */
    struct xf_redis *redis; /* commands */
    char **keys;            /* of one reading: XF_KEYS_PER_MIGRATION for each, then the XF_KEYS_GLOBAL */
    struct xf_slice *key_args;
    char key_count_text[24];
    size_t key_count;
    size_t reads_in_flight;
    bool read_again;
    bool is_first_read_settled;
    bool is_incarnation_under_way;
    struct event *poll_timer;
    uint64_t safety_poll_ms; /* beside tracking; 0: never, which only tests want */
    bool was_up;
    uint64_t up_last_ms;  /* when Redis was lost, or the start */
    char read_error[200]; /* "" or why the flags cannot be read although Redis is there */

    /* tracking.c */
    struct xf_redis *listener;
    int64_t listener_id; /* 0: not subscribed */
    bool is_tracking;
    bool is_refusal_logged;
    char *tracking_prefix;

    struct xf_aliases *aliases; /* aliases.c */
    struct event *save_timer;   /* state.c */
    struct xf_state_writer *state_writer;
    struct event *wait_timer;   /* ends the wait for the first answers */
    int refresh_fd;             /* written by any thread, read by `refresh_event` */
    struct event *refresh_event;

    struct {
        uint64_t emptied, flag_errors, state_write_errors, alias_refresh_errors, flag_reads, invalidations;
    } counts;
};

enum { XF_KEYS_PER_MIGRATION = 3, XF_KEYS_GLOBAL = 3 }; /* dual, reads, complete; dual, reads, incarnation */

void xf_control_publish(struct xf_control *control); /* nothing before the first snapshot */

XF_MUST_CHECK enum xf_err xf_follow_start(struct xf_control *control);
void xf_follow_stop(struct xf_control *control);
typedef void xf_read_done_fn(void *ctx, enum xf_err err);
/* Reads all flag keys. Without `done` a read that is under way already is followed by one more. */
void xf_follow_read(struct xf_control *control, xf_read_done_fn *done, void *ctx);
void xf_follow_set_poll(struct xf_control *control);
struct xf_redis_options xf_follow_options(const struct xf_control *control, const char *name);

XF_MUST_CHECK enum xf_err xf_tracking_start(struct xf_control *control);
void xf_tracking_stop(struct xf_control *control);
void xf_tracking_redis_is_up(struct xf_control *control);
void xf_tracking_redis_is_down(struct xf_control *control);

void xf_mirror_redis_is_up(struct xf_control *control);
void xf_mirror_write_pending(struct xf_control *control);
/* Sets the marker here and in Redis without publishing; true if it changed. */
bool xf_mirror_set_complete(struct xf_control *control, size_t migration, bool is_complete);
/* What the last reading says about a migration's complete marker; true if it changed. */
bool xf_mirror_saw_complete(struct xf_control *control, size_t migration, struct xf_slice text);

void xf_state_load_all(struct xf_control *control);
enum { XF_SAVE_SOON_MS = 0, XF_SAVE_LATER_MS = 200 };
void xf_state_changed(struct xf_control *control, size_t migration, uint64_t within_ms);
void xf_state_save_all(struct xf_control *control);

XF_MUST_CHECK enum xf_err xf_aliases_start(struct xf_control *control);
void xf_aliases_stop(struct xf_control *control);
bool xf_aliases_are_settled(const struct xf_control *control); /* the first round is through */
/* Lays the known aliases of migrated collections out for a snapshot, to be freed; the names stay theirs. */
XF_MUST_CHECK enum xf_err xf_aliases_list(const struct xf_control *control, struct xf_alias **aliases, size_t *count);

#endif
