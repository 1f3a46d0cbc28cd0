/* The one copying primitive: makes the follower equal to the authority for a range of ids or a list of them, under the
 * journal's eyes (docs/consistency.md). Backfill and repair differ only in what they ask it to copy; nothing else in
 * the program writes to the follower on its own.
 *
 * A track is shared by all copies of a migration, from any thread; a hand belongs to the thread that copies with it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_COPY_H
#define XF_PROXY_WORKER_COPY_H

#include "proxy/journal/journal.h"
#include "proxy/worker/collection.h"
#include "proxy/worker/points.h"
#include "proxy/worker/turn.h"

#include <pthread.h>

/* What both collections look like, shared by the copies that began with it. */
struct xf_facts {
    atomic_uint refs;
    struct xf_collection side[XF_SIDE_COUNT];
};
struct xf_facts *xf_facts_new(void); /* with one reference; NULL without memory */
struct xf_facts *xf_facts_ref(struct xf_facts *facts);
void xf_facts_unref(struct xf_facts *facts); /* NULL is fine */

struct xf_track {
    const struct xf_config *config;
    struct xf_journal *journal;
    size_t migration;
    /* Asked right before each write and again before its last bytes: does this replica still lead, and is `authority`
     * still the authority of a migration that dual writes. Any thread, must not wait. */
    bool (*may_write)(void *ctx, enum xf_side authority);
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t barrier_over;
    struct {
        uint64_t started, proven; /* numbers of barriers: the last one begun, the last one answered completed */
        bool is_running;
    } barrier[XF_SIDE_COUNT];
    uint64_t pace_ns; /* when the next points may go, by the rate limit */
    struct xf_turns turns;
};
XF_MUST_CHECK enum xf_err xf_track_init(struct xf_track *track, const struct xf_config *config,
                                        struct xf_journal *journal, size_t migration);
void xf_track_fini(struct xf_track *track);
/* How long a copy of so many points has to wait for the rate limit; books its share of time, so ask once. */
uint64_t xf_track_pace_ms(struct xf_track *track, uint64_t points);

struct xf_hand {
    struct xf_wire *wire;
    struct xf_answer read, extra, ack;
    struct xf_buf body;
    struct xf_page page, extra_page;
    struct xf_point_id *ids; /* what the copy in hand has written or deleted */
    size_t id_count, id_cap;
    bool may_land;        /* one of its writes was not answered as completed, and may take effect later */
    char why[XF_WHY_MAX]; /* what the last failure said */
};
XF_MUST_CHECK enum xf_err xf_hand_init(struct xf_hand *hand, const struct xf_config *config,
                                       const atomic_bool *is_stopping);
void xf_hand_fini(struct xf_hand *hand);

struct xf_copy_task {
    struct xf_copy_scope scope;
    enum xf_side authority;
    const struct xf_facts *facts;
    size_t page_points;  /* read at once */
    bool deletes_extras; /* range: the follower may hold ids that the authority lacks */
};
struct xf_copy_result {
    uint64_t copied, deleted, bytes;
    uint64_t retry_after_ms;
    size_t kept;         /* ids of the scope that are dirty all the same: writes came by */
    bool met_all;        /* one of these was of unknown scope */
    bool are_facts_old;  /* read them anew before the next try */
};
/* OK: the scope is equal on both sides but for ids touched meanwhile, which the journal knows. Else `hand->why` says
 * what happened: BUSY  the journal has part of the scope in another copy, or the server asks for patience: try again
 * later UPSTREAM_*  the same; if a write may still land, the journal holds its ids IO  the journal is away: the same
 * STATE  stopping, not the leader, or the phase is no longer the one it began in INVALID, NOT_FOUND, JSON_*, FULL  a
 * server refused or made no sense: trying again does not help by itself. An exclusive copy waits for its turn (turn.h);
 * its scope is the caller's to keep small. */
XF_MUST_CHECK enum xf_err xf_copy(struct xf_track *track, struct xf_hand *hand, const struct xf_copy_task *task,
                                  struct xf_copy_result *result);
/* Whether the same copy may succeed later without anybody's help. */
bool xf_copy_is_retryable(enum xf_err err);

/* Reads one page of a collection into `answer` and `page`: ids from `from` on (NULL: from the first). */
struct xf_page_request {
    const struct xf_point_id *from;
    size_t limit;
    struct xf_slice shard_key; /* empty: all */
    bool with_data;
};
XF_MUST_CHECK enum xf_err xf_page_read(struct xf_wire *wire, const struct xf_side_conf *side,
                                       const struct xf_collection *collection, const struct xf_page_request *request,
                                       struct xf_answer *answer, struct xf_page *page, char *why);
/* Points out of an answer, with the collection's name in `why`. */
XF_MUST_CHECK enum xf_err xf_page_take(const struct xf_side_conf *side, const struct xf_answer *answer,
                                       struct xf_page *page, char *why);
/* Appends `,"shard_key":...`, or nothing if it is empty. */
XF_MUST_CHECK enum xf_err xf_append_shard_key(struct xf_slice shard_key, struct xf_buf *body);

#endif
