/* Each ticket has a claim for each of its ids. All claims, of those in flight and of those that wait, stand in a table of
 * buckets by the id's hash, in order of arrival; the first one for an id is marked. A ticket counts for how many ids it
 * is not the first: at none it may go. So entering, leaving and being admitted cost what the ticket's own ids cost, however
 * many wait, and no memory is asked for but the table's, which may stay small when there is none.
 *
 * A ticket that is forced goes to the front of each of its lines: who waits there waits for it as well.
 *
 * ALL has no claims. It goes when nothing is in flight and nothing waits before it; nobody who came later passes it while
 * it waits, and nobody goes while it is in flight.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/queue.h"

#include <stdlib.h>

enum { BUCKETS_KEPT = 1 << 14, BUCKETS_MAX = 1 << 24 };

void xf_queue_init(struct xf_queue *queue)
{
    *queue = (struct xf_queue){.bucket_count = XF_QUEUE_BUCKETS_MIN};
    queue->buckets = queue->few;
}

void xf_queue_fini(struct xf_queue *queue)
{
    if (queue->buckets != queue->few)
        free(queue->buckets);
    xf_queue_init(queue);
}

/* --- The table of claims --- */

static const struct xf_point_id *id_of(const struct xf_claim *claim)
{
    return &claim->ticket->ids[claim - claim->ticket->claims];
}

static struct xf_claim_bucket *bucket_of(const struct xf_queue *queue, struct xf_point_id id)
{
    return &queue->buckets[xf_point_id_hash(id) & (queue->bucket_count - 1)];
}

static void append_claim(struct xf_claim_bucket *bucket, struct xf_claim *claim)
{
    claim->previous = bucket->last;
    claim->next = NULL;
    if (bucket->last)
        bucket->last->next = claim;
    else
        bucket->first = claim;
    bucket->last = claim;
}

static void prepend_claim(struct xf_claim_bucket *bucket, struct xf_claim *claim)
{
    claim->previous = NULL;
    claim->next = bucket->first;
    if (bucket->first)
        bucket->first->previous = claim;
    else
        bucket->last = claim;
    bucket->first = claim;
}

static void unlink_claim(struct xf_claim_bucket *bucket, struct xf_claim *claim)
{
    if (claim->previous)
        claim->previous->next = claim->next;
    else
        bucket->first = claim->next;
    if (claim->next)
        claim->next->previous = claim->previous;
    else
        bucket->last = claim->previous;
}

/* The claim for the id at or behind `claim`, NULL if there is none. */
static struct xf_claim *find_from(struct xf_claim *claim, struct xf_point_id id)
{
    while (claim && !xf_point_id_eq(*id_of(claim), id))
        claim = claim->next;
    return claim;
}

static void move_to(struct xf_queue *queue, struct xf_claim_bucket *buckets, size_t count)
{
    struct xf_claim_bucket *old = queue->buckets;
    size_t old_count = queue->bucket_count;
    queue->buckets = buckets;
    queue->bucket_count = count;
    for (size_t i = 0; i < old_count; i++)
        for (struct xf_claim *claim = old[i].first, *next; claim; claim = next) {
            next = claim->next;
            append_claim(bucket_of(queue, *id_of(claim)), claim);
        }
    if (old != queue->few)
        free(old);
}

static void make_room(struct xf_queue *queue, size_t more)
{
    size_t count = queue->bucket_count;
    while (count < queue->claim_count + more && count < BUCKETS_MAX)
        count *= 2;
    if (count == queue->bucket_count)
        return;
    struct xf_claim_bucket *buckets = calloc(count, sizeof *buckets);
    if (buckets) /* else the lines are longer */
        move_to(queue, buckets, count);
}

static void give_room_back(struct xf_queue *queue)
{
    if (queue->claim_count > 0 || queue->bucket_count <= BUCKETS_KEPT)
        return;
    free(queue->buckets);
    queue->buckets = queue->few;
    queue->bucket_count = XF_QUEUE_BUCKETS_MIN;
    for (size_t i = 0; i < XF_QUEUE_BUCKETS_MIN; i++)
        queue->few[i] = (struct xf_claim_bucket){NULL, NULL};
}

/* --- Lists of tickets --- */

static void append_ticket(struct xf_ticket_list *list, struct xf_ticket *ticket)
{
    ticket->previous = list->last;
    ticket->next = NULL;
    if (list->last)
        list->last->next = ticket;
    else
        list->first = ticket;
    list->last = ticket;
    list->count++;
    list->all_count += ticket->is_all;
}

static void remove_ticket(struct xf_ticket_list *list, struct xf_ticket *ticket)
{
    if (ticket->previous)
        ticket->previous->next = ticket->next;
    else
        list->first = ticket->next;
    if (ticket->next)
        ticket->next->previous = ticket->previous;
    else
        list->last = ticket->previous;
    list->count--;
    list->all_count -= ticket->is_all;
}

static void step_back(struct xf_queue *queue, struct xf_ticket *ticket)
{
    if (ticket->behind++ == 0 && ticket->is_waiting)
        queue->unhindered--;
}

static void step_up(struct xf_queue *queue, struct xf_ticket *ticket)
{
    XF_ASSERT(ticket->behind > 0);
    if (--ticket->behind == 0 && ticket->is_waiting)
        queue->unhindered++;
}

/* --- Coming and going --- */

static void claim_ids(struct xf_queue *queue, struct xf_ticket *ticket)
{
    make_room(queue, ticket->id_count);
    queue->claim_count += ticket->id_count;
    for (size_t i = 0; i < ticket->id_count; i++) {
        struct xf_claim_bucket *bucket = bucket_of(queue, ticket->ids[i]);
        struct xf_claim *claim = &ticket->claims[i];
        *claim = (struct xf_claim){.ticket = ticket, .is_first = !find_from(bucket->first, ticket->ids[i])};
        ticket->behind += !claim->is_first;
        append_claim(bucket, claim);
    }
}

static void give_ids_back(struct xf_queue *queue, struct xf_ticket *ticket)
{
    for (size_t i = 0; i < ticket->id_count; i++) {
        struct xf_claim *claim = &ticket->claims[i];
        struct xf_claim *heir = claim->is_first ? find_from(claim->next, ticket->ids[i]) : NULL;
        unlink_claim(bucket_of(queue, ticket->ids[i]), claim);
        if (heir) {
            heir->is_first = true;
            step_up(queue, heir->ticket);
        }
    }
    queue->claim_count -= ticket->id_count;
    give_room_back(queue);
}

static void admit(struct xf_queue *queue, struct xf_ticket *ticket)
{
    ticket->is_admitted = true;
    append_ticket(&queue->admitted, ticket);
}

bool xf_queue_enter(struct xf_queue *queue, struct xf_ticket *ticket)
{
    size_t count = ticket->is_all ? 0 : ticket->id_count;
    ticket->id_count = count;
    claim_ids(queue, ticket);
    bool may_go = ticket->is_all ? queue->admitted.count == 0 && queue->waiting.count == 0
                                 : queue->admitted.all_count == 0 && queue->waiting.all_count == 0;
    if (may_go && ticket->behind == 0) {
        admit(queue, ticket);
        return true;
    }
    ticket->is_waiting = true;
    append_ticket(&queue->waiting, ticket);
    queue->unhindered += ticket->behind == 0;
    return false;
}

static void stop_waiting(struct xf_queue *queue, struct xf_ticket *ticket)
{
    queue->unhindered -= ticket->behind == 0;
    remove_ticket(&queue->waiting, ticket);
    ticket->is_waiting = false;
}

/* To the front of the line for its id. */
static void move_up(struct xf_queue *queue, struct xf_claim *claim)
{
    struct xf_claim_bucket *bucket = bucket_of(queue, *id_of(claim));
    if (!claim->is_first) {
        struct xf_claim *first = find_from(bucket->first, *id_of(claim));
        first->is_first = false;
        step_back(queue, first->ticket);
        claim->is_first = true;
        step_up(queue, claim->ticket);
    }
    unlink_claim(bucket, claim);
    prepend_claim(bucket, claim);
}

void xf_queue_force(struct xf_queue *queue, struct xf_ticket *ticket)
{
    XF_ASSERT(ticket->is_waiting);
    stop_waiting(queue, ticket);
    for (size_t i = 0; i < ticket->id_count; i++)
        move_up(queue, &ticket->claims[i]);
    admit(queue, ticket);
}

void xf_queue_leave(struct xf_queue *queue, struct xf_ticket *ticket)
{
    XF_ASSERT(ticket->is_waiting || ticket->is_admitted);
    if (ticket->is_waiting)
        stop_waiting(queue, ticket);
    else
        remove_ticket(&queue->admitted, ticket);
    ticket->is_admitted = false;
    give_ids_back(queue, ticket);
}

/* Up to the first ALL that waits; that one only if it is the very first. */
static struct xf_ticket *find_next(const struct xf_queue *queue)
{
    if (queue->unhindered == 0 || queue->admitted.all_count > 0)
        return NULL;
    for (struct xf_ticket *ticket = queue->waiting.first; ticket; ticket = ticket->next) {
        if (ticket->is_all)
            return ticket == queue->waiting.first && queue->admitted.count == 0 ? ticket : NULL;
        if (ticket->behind == 0)
            return ticket;
    }
    return NULL;
}

struct xf_ticket *xf_queue_next(struct xf_queue *queue)
{
    struct xf_ticket *ticket = find_next(queue);
    if (!ticket)
        return NULL;
    stop_waiting(queue, ticket);
    admit(queue, ticket);
    return ticket;
}
