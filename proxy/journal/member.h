/* One migration as this replica knows it, shared by all its threads: whether it is joined and its lease holds, under
 * which names its sessions go, what Redis last said, the replica's queue and the local file. Internal to this folder.
 *
 * Generations: 0 means not joined. Each join makes a new one, with a new boot number and so new sessions; what was
 * begun under an older generation is not on record any more (the join script has made it dirty).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_MEMBER_H
#define XF_PROXY_JOURNAL_MEMBER_H

#include "proxy/journal/journal.h"
#include "proxy/journal/queue.h"
#include "proxy/journal/spill.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    XF_LEASE_VALID_MS = 3000, /* from before a beat was sent, on a clock that runs in suspend */
    XF_LAPSE_AFTER_MS = 4500, /* without a change of a replica's beat, on the observer's clock */
    XF_BEAT_MS = 500,
    XF_PATIENCE_MS = 2000,  /* of a write that waits for another one */
    XF_INC_MAX = 40
};

/* What every script's answer says. */
struct xf_picture {
    uint64_t seq; /* grows with each script that changes something */
    bool is_unknown, is_held_whole;
    size_t dirty, in_flight, held;
};

struct xf_member {
    struct xf_journal *journal;
    size_t migration;
    char *base; /* "<prefix>:{<migration>}:j:" */

    _Atomic uint64_t generation; /* 0: not joined */
    _Atomic uint64_t lease_until_ms; /* CLOCK_BOOTTIME */
    _Atomic bool is_dual;        /* set_dual */
    _Atomic bool is_losing;      /* xf_journal_lose has been called and Redis has not taken it yet */
    _Atomic bool is_loss_held;   /* set before is_losing: some of what was lost may still land, so the mark is held */
    _Atomic bool was_ever_known; /* joined once, or a replica file was there */
    _Atomic size_t unacknowledged; /* begins and ends of this process without an answer */
    _Atomic uint64_t token;      /* of this replica as the leader; 0: it does not lead */
    /* What decides whether the file's ids are given to Redis as held: see xf_ops_cut_off. */
    _Atomic size_t cut_off_ops;    /* open ops whose ids are in the file, or were given from it */
    _Atomic bool is_spill_held;    /* the file has ids of an op that ended without a known outcome */
    _Atomic uint64_t given;        /* how often the file has been taken to be given to Redis: counted after take_begin */

    pthread_mutex_t lock; /* what follows; `generation` is set to a new number under it, after inc and boot */
    char inc[XF_INC_MAX + 1];
    uint64_t boot, beat;
    struct xf_picture picture; /* the newest by seq */
    uint64_t answers;          /* of all sessions, under this generation */
    struct xf_journal_state seen; /* what only beats say: copies, age, leader, replicas */
    struct xf_queue queue;
    struct xf_spill *spill;
};

/* Joined, and the lease holds now. Any thread. */
bool xf_member_holds(const struct xf_member *member);
/* What was sent under `generation` has got lost, or Redis says that it does not know us: not joined any more, if that is still
 * the generation; the keeper joins again. Any thread. */
void xf_member_lost(struct xf_member *member, uint64_t generation);
/* Counts an answer to what was sent under `generation`, and keeps its picture if it is newer than the one it has; not when
 * another join has come in between, since its numbers may be of another Redis. Any thread. */
void xf_member_saw(struct xf_member *member, uint64_t generation, const struct xf_picture *picture);

/* For the keeper, while the generation is 0 and before it sends a join: the ids of every op in flight in this process go to
 * the file, and the op counts as cut off until it ends; the join forgets them, and without this a copy could make such an
 * id clean while the write is under way. op.c.
 *
 * Giving the file then goes like this, and the order matters: xf_spill_take_begin; given++; held = cut_off_ops > 0 |
 * exchange(is_spill_held, false) | the file is inherited; mark, held or not; when that fails, is_spill_held |= held. So an op
 * that finds `given` as it was when it wrote its ids knows that the mark of them is still to come, and is held if it has said
 * so before it looked; else it writes them once more. While the file is not empty or cut_off_ops > 0, this replica must not
 * say that it is dual: others would not know what it has not told yet. */
void xf_ops_cut_off(struct xf_member *member);

/* What a link needs to know of the whole journal. */
struct xf_journal_tally { /* what links count, for xf_journal_counts */
    _Atomic uint64_t begins, ends, conflicts, forced, queued, cut_off_writes;
    _Atomic uint64_t rolled_back; /* answers of all sessions that said so */
};
struct xf_member *xf_journal_member(struct xf_journal *journal, size_t migration);
const struct xf_journal_options *xf_journal_options(const struct xf_journal *journal);
/* The session number of one more link: 1, 2, ..; 0 when `link_count` have been given away. Any thread. */
unsigned xf_journal_next_link(struct xf_journal *journal);
struct xf_journal_tally *xf_journal_tally(struct xf_journal *journal);

#endif
