/* The replica's queue: writes of one process that overlap go one after another, in order of arrival, whichever threads
 * they are on. A write in the queue holds no ids anywhere; a waiting ALL gets its turn, since nobody who came later
 * passes it. Nothing here can fail: what a ticket needs is in its owner's memory.
 *
 * Pure data: the member's lock is held in every call. Internal to this folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_QUEUE_H
#define XF_PROXY_JOURNAL_QUEUE_H

#include "common/json/point_id.h"

struct xf_ticket;

struct xf_claim { /* nobody else's business: a ticket's place in the line for one of its ids */
    struct xf_claim *previous, *next; /* in its bucket */
    struct xf_ticket *ticket;
    bool is_first; /* of those for the same id */
};

struct xf_ticket { /* embedded in an op; before it enters, the owner sets the first four and clears the rest */
    const struct xf_point_id *ids; /* sorted, each once; the owner's */
    struct xf_claim *claims;       /* room for id_count of them; the owner's */
    size_t id_count;
    bool is_all;
    bool is_admitted, is_waiting;
    struct xf_ticket *previous, *next; /* among those that wait, or among the admitted */
    size_t behind;                     /* of how many ids it is not the first */
};

struct xf_ticket_list {
    struct xf_ticket *first, *last;
    size_t count, all_count; /* all_count: how many of them are ALL */
};

struct xf_claim_bucket {
    struct xf_claim *first, *last;
};

enum { XF_QUEUE_BUCKETS_MIN = 256 };

struct xf_queue {
    struct xf_ticket_list admitted, waiting; /* in order of arrival */
    size_t unhindered;                       /* of those that wait: first for all their ids, or ALL */
    size_t claim_count, bucket_count;
    struct xf_claim_bucket *buckets; /* `few`, or a larger table of its own */
    struct xf_claim_bucket few[XF_QUEUE_BUCKETS_MIN];
};

void xf_queue_init(struct xf_queue *queue); /* the queue does not move from now on */
void xf_queue_fini(struct xf_queue *queue);
/* Admits the ticket now (true) or queues it. */
bool xf_queue_enter(struct xf_queue *queue, struct xf_ticket *ticket);
/* Its patience is over: admits a waiting ticket although it overlaps. */
void xf_queue_force(struct xf_queue *queue, struct xf_ticket *ticket);
/* The ticket is through, or has given up. */
void xf_queue_leave(struct xf_queue *queue, struct xf_ticket *ticket);
/* The next waiting ticket that overlaps neither with one in flight nor with one that waits before it is admitted and
 * returned; NULL when there is none. To be called until NULL after a leave. */
struct xf_ticket *xf_queue_next(struct xf_queue *queue);

#endif
