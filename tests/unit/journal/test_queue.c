/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- tickets by letters: one id each, '*' for ALL ---- */

enum { IDS_MAX = 64 };

struct owner {
    struct xf_ticket ticket;
    struct xf_point_id ids[IDS_MAX];
    struct xf_claim claims[IDS_MAX];
};

static void prepare(struct owner *owner, const char *letters)
{
    memset(owner, 0xa5, sizeof *owner); /* nothing rests on fresh memory being clean */
    owner->ticket = (struct xf_ticket){.ids = owner->ids, .claims = owner->claims, .is_all = *letters == '*'};
    for (const char *letter = letters; *letter && *letter != '*'; letter++)
        owner->ids[owner->ticket.id_count++] = (struct xf_point_id){.lo = (uint64_t)*letter};
}

static bool enter(struct xf_queue *queue, struct owner *owner, const char *letters)
{
    prepare(owner, letters);
    return xf_queue_enter(queue, &owner->ticket);
}

static void assert_next(struct xf_queue *queue, const struct owner *owner)
{
    assert_ptr_equal(xf_queue_next(queue), owner ? &owner->ticket : NULL);
}

static void test_those_that_share_nothing_go_at_once(void **state)
{
    struct xf_queue queue;
    struct owner a, b, none;
    (void)state;
    xf_queue_init(&queue);
    assert_true(enter(&queue, &a, "ab"));
    assert_true(enter(&queue, &b, "cd"));
    assert_true(enter(&queue, &none, ""));
    assert_true(a.ticket.is_admitted && !a.ticket.is_waiting);
    xf_queue_leave(&queue, &a.ticket);
    xf_queue_leave(&queue, &none.ticket);
    xf_queue_leave(&queue, &b.ticket);
    assert_next(&queue, NULL);
    assert_int_equal(queue.claim_count, 0);
    xf_queue_fini(&queue);
}

static void test_order_of_arrival(void **state)
{
    struct xf_queue queue;
    struct owner a, ab, b, c;
    (void)state;
    xf_queue_init(&queue);
    assert_true(enter(&queue, &a, "a"));
    assert_false(enter(&queue, &ab, "ab"));
    assert_false(enter(&queue, &b, "b")); /* nothing in flight on b, but somebody came before */
    assert_true(enter(&queue, &c, "c"));
    assert_next(&queue, NULL);
    xf_queue_leave(&queue, &a.ticket);
    assert_next(&queue, &ab);
    assert_next(&queue, NULL);
    xf_queue_leave(&queue, &ab.ticket);
    assert_next(&queue, &b);
    xf_queue_leave(&queue, &b.ticket);
    xf_queue_leave(&queue, &c.ticket);
    xf_queue_fini(&queue);
}

static void test_who_gives_up_while_waiting_makes_room(void **state)
{
    struct xf_queue queue;
    struct owner a, ab, b;
    (void)state;
    xf_queue_init(&queue);
    assert_true(enter(&queue, &a, "a"));
    assert_false(enter(&queue, &ab, "ab"));
    assert_false(enter(&queue, &b, "b"));
    xf_queue_leave(&queue, &ab.ticket);
    assert_next(&queue, &b);
    assert_next(&queue, NULL);
    xf_queue_leave(&queue, &b.ticket);
    xf_queue_leave(&queue, &a.ticket);
    xf_queue_fini(&queue);
}

static void test_all_gets_its_turn(void **state)
{
    struct xf_queue queue;
    struct owner a, all, b, second;
    (void)state;
    xf_queue_init(&queue);
    assert_true(enter(&queue, &a, "a"));
    assert_false(enter(&queue, &all, "*"));
    assert_false(enter(&queue, &b, "b")); /* came later: does not pass it */
    assert_false(enter(&queue, &second, "*"));
    assert_next(&queue, NULL);
    xf_queue_leave(&queue, &a.ticket);
    assert_next(&queue, &all);
    assert_next(&queue, NULL);
    xf_queue_leave(&queue, &all.ticket);
    assert_next(&queue, &b);
    assert_next(&queue, NULL);
    xf_queue_leave(&queue, &b.ticket);
    assert_next(&queue, &second);
    xf_queue_leave(&queue, &second.ticket);
    xf_queue_fini(&queue);
}

static void test_force(void **state)
{
    struct xf_queue queue;
    struct owner a, waits, forced;
    (void)state;
    xf_queue_init(&queue);
    assert_true(enter(&queue, &a, "a"));
    assert_false(enter(&queue, &waits, "a"));
    assert_false(enter(&queue, &forced, "ab"));
    xf_queue_force(&queue, &forced.ticket);
    assert_true(forced.ticket.is_admitted && !forced.ticket.is_waiting);
    xf_queue_leave(&queue, &a.ticket);
    assert_next(&queue, NULL); /* it waits for the one that passed it, too */
    xf_queue_leave(&queue, &forced.ticket);
    assert_next(&queue, &waits);
    xf_queue_leave(&queue, &waits.ticket);

    assert_true(enter(&queue, &a, "a"));
    assert_false(enter(&queue, &forced, "*"));
    xf_queue_force(&queue, &forced.ticket);
    assert_false(enter(&queue, &waits, "c"));
    xf_queue_leave(&queue, &a.ticket);
    assert_next(&queue, NULL);
    xf_queue_leave(&queue, &forced.ticket);
    assert_next(&queue, &waits);
    xf_queue_leave(&queue, &waits.ticket);
    xf_queue_fini(&queue);
}

static void test_many_ids_grow_the_table_and_give_it_back(void **state)
{
    enum { MANY = 100000 };
    struct xf_queue queue;
    struct xf_point_id *ids = calloc(MANY, sizeof *ids);
    struct xf_claim *claims = calloc(2 * MANY, sizeof *claims);
    (void)state;
    assert_true(ids && claims);
    for (size_t i = 0; i < MANY; i++)
        ids[i] = (struct xf_point_id){.lo = i, .hi = i & 1 ? i : 0, .is_uuid = i & 1};
    struct xf_ticket first = {.ids = ids, .claims = claims, .id_count = MANY};
    struct xf_ticket second = {.ids = ids, .claims = claims + MANY, .id_count = MANY};
    struct owner small;
    xf_queue_init(&queue);
    assert_true(enter(&queue, &small, "-"));
    xf_queue_leave(&queue, &small.ticket);
    assert_true(xf_queue_enter(&queue, &first));
    assert_true(queue.bucket_count >= MANY);
    assert_false(xf_queue_enter(&queue, &second));
    xf_queue_leave(&queue, &first);
    assert_ptr_equal(xf_queue_next(&queue), &second);
    xf_queue_leave(&queue, &second);
    assert_int_equal(queue.claim_count, 0);
    assert_int_equal(queue.bucket_count, XF_QUEUE_BUCKETS_MIN);
    xf_queue_fini(&queue);
    free(claims);
    free(ids);
}

/* ---- against a reference that compares everybody with everybody ---- */

enum { TICKETS = 60 };
enum reference_state { GONE, WAITING, ADMITTED };

struct reference {
    uint64_t bits[TICKETS]; /* of its ids; all ones: ALL */
    enum reference_state state[TICKETS];
    uint64_t arrival[TICKETS], arrivals;
};

/* Overlaps with one in flight, or with one that waits and came before. */
static bool is_hindered(const struct reference *reference, size_t i)
{
    for (size_t j = 0; j < TICKETS; j++) {
        bool is_ahead = reference->state[j] == ADMITTED ||
                        (reference->state[j] == WAITING && reference->arrival[j] < reference->arrival[i]);
        bool overlaps = (reference->bits[i] & reference->bits[j]) || reference->bits[i] == UINT64_MAX ||
                        reference->bits[j] == UINT64_MAX;
        if (j != i && is_ahead && overlaps)
            return true;
    }
    return false;
}

static size_t reference_next(const struct reference *reference)
{
    size_t found = TICKETS;
    for (size_t i = 0; i < TICKETS; i++)
        if (reference->state[i] == WAITING && !is_hindered(reference, i) &&
            (found == TICKETS || reference->arrival[i] < reference->arrival[found]))
            found = i;
    return found;
}

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Mostly few ids out of few, now and then many, none, or ALL. */
static void draw(struct owner *owner, uint64_t *bits, uint64_t *random)
{
    uint64_t kind = next_random(random) % 20;
    *bits = 0;
    owner->ticket = (struct xf_ticket){.ids = owner->ids, .claims = owner->claims, .is_all = kind == 0};
    if (kind == 0)
        *bits = UINT64_MAX;
    for (uint64_t bit = 0; kind > 1 && bit < IDS_MAX - 1; bit++) /* the last is left out, or it would look like ALL */
        if (next_random(random) % (kind == 2 ? 2 : 24) == 0) {
            owner->ids[owner->ticket.id_count++] = (struct xf_point_id){.lo = bit, .is_uuid = bit & 1};
            *bits |= UINT64_C(1) << bit;
        }
}

static void check_step(struct xf_queue *queue, struct owner *owners, struct reference *reference, uint64_t *random)
{
    size_t i = next_random(random) % TICKETS;
    if (reference->state[i] == GONE) {
        draw(&owners[i], &reference->bits[i], random);
        reference->arrival[i] = ++reference->arrivals;
        bool is_admitted = xf_queue_enter(queue, &owners[i].ticket);
        assert_int_equal(is_admitted, !is_hindered(reference, i));
        reference->state[i] = is_admitted ? ADMITTED : WAITING;
    } else if (reference->state[i] == WAITING && next_random(random) % 4 != 0) {
        xf_queue_force(queue, &owners[i].ticket);
        reference->state[i] = ADMITTED;
    } else {
        xf_queue_leave(queue, &owners[i].ticket);
        reference->state[i] = GONE;
        size_t next;
        while ((next = reference_next(reference)) < TICKETS) {
            assert_next(queue, &owners[next]);
            reference->state[next] = ADMITTED;
        }
        assert_next(queue, NULL);
    }
}

static void test_random_tickets_against_the_reference(void **state)
{
    static struct owner owners[TICKETS];
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct reference reference = {.arrivals = 0};
        struct xf_queue queue;
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
        xf_queue_init(&queue);
        for (int step = 0; step < 2500; step++)
            check_step(&queue, owners, &reference, &random);
        for (size_t i = 0; i < TICKETS; i++)
            if (reference.state[i] != GONE)
                xf_queue_leave(&queue, &owners[i].ticket);
        assert_int_equal(queue.admitted.count + queue.waiting.count + queue.unhindered, 0);
        assert_int_equal(queue.claim_count, 0);
        xf_queue_fini(&queue);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_that_share_nothing_go_at_once),
        cmocka_unit_test(test_order_of_arrival),
        cmocka_unit_test(test_who_gives_up_while_waiting_makes_room),
        cmocka_unit_test(test_all_gets_its_turn),
        cmocka_unit_test(test_force),
        cmocka_unit_test(test_many_ids_grow_the_table_and_give_it_back),
        cmocka_unit_test(test_random_tickets_against_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
