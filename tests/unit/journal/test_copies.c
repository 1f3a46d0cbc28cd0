/* What copies make clean: ids of theirs that nothing touched, and no others.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal/fixture.h"

static struct xf_journal_copy *copy_range(struct xf_journal *journal, uint64_t from, uint64_t to)
{
    struct xf_point_id ends[2] = {id_of(from), id_of(to)};
    struct xf_copy_scope scope = {.from = &ends[0], .to = &ends[1], .is_range = true};
    struct xf_journal_copy *copy;
    assert_int_equal(xf_journal_copy_begin(journal, 0, &scope, &copy), XF_OK);
    return copy;
}

static void an_untouched_id_is_clean(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    mark(journal, 1);
    mark(journal, 2);
    struct xf_journal_copy *copy = copy_one(journal, 1);
    assert_int_equal(state_of(journal).copies, 1);
    end_copy_one(copy, 1, true);
    assert_int_equal(dirty_of(journal), 1);
    assert_int_equal(state_of(journal).copies, 0);
    xf_journal_free(journal);
}

/* On neither side: the copy had nothing to write, and the two are equal. */
static void an_id_that_is_nowhere_is_clean(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    mark(journal, 1);
    xf_journal_copy_end(copy_one(journal, 1), NULL, 0, true);
    assert_int_equal(dirty_of(journal), 0);
    mark(journal, 15);
    mark(journal, 25);
    xf_journal_copy_end(copy_range(journal, 10, 20), NULL, 0, true);
    assert_int_equal(dirty_of(journal), 1);
    xf_journal_free(journal);
}

enum touch { BEGIN, BEGIN_AND_END, END, MARK, ALL_BEGIN, ALL_BEGIN_AND_END, ALL_END, TOUCH_COUNT };

static struct xf_journal_op *touch_before(struct xf_journal *journal, enum touch touch)
{
    return touch == END ? begin(journal, 12, 12) : touch == ALL_END ? begin_all(journal) : NULL;
}

static struct xf_journal_op *touch_during(struct xf_journal *journal, enum touch touch, struct xf_journal_op *op)
{
    if (touch == MARK) {
        mark(journal, 12);
        return NULL;
    }
    if (!op)
        op = touch == BEGIN || touch == BEGIN_AND_END ? begin(journal, 12, 12) : begin_all(journal);
    if (touch == BEGIN || touch == ALL_BEGIN)
        return op;
    end_well(op);
    return NULL;
}

/* Each kind of touch between a copy's begin and its end keeps the id dirty, or makes it so, in both kinds of copy. */
static void every_touch_counts(void **state)
{
    (void)state;
    for (int touch = BEGIN; touch < TOUCH_COUNT; touch++) {
        for (int is_range = 0; is_range < 2; is_range++) {
            for (int was_dirty = 0; was_dirty < 2; was_dirty++) {
                struct xf_journal *journal = journal_new();
                if (was_dirty)
                    mark(journal, 12);
                struct xf_journal_op *op = touch_before(journal, (enum touch)touch);
                struct xf_journal_copy *copy = is_range ? copy_range(journal, 10, 20) : copy_one(journal, 12);
                op = touch_during(journal, (enum touch)touch, op);
                end_copy_one(copy, 12, true);
                if (dirty_of(journal) != 1)
                    fail_msg("touch %d in a %s copy: the id is clean", touch, is_range ? "range" : "list");
                if (op)
                    end_well(op);
                assert_int_equal(dirty_of(journal), 1);
                end_copy_one(copy_one(journal, 12), 12, true);
                assert_int_equal(dirty_of(journal), 0);
                xf_journal_free(journal);
            }
        }
    }
}

/* A write that began before the copy and goes on after it: in flight at the copy's end. */
static void in_flight_all_along(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    struct xf_journal_op *op = begin(journal, 12, 12);
    end_copy_one(copy_range(journal, 10, 20), 12, true);
    assert_int_equal(dirty_of(journal), 1);
    end_well(op);
    assert_int_equal(dirty_of(journal), 1);
    xf_journal_free(journal);
}

/* Touched but not written by the copy: it may have read the range before the point was there. */
static void a_touched_id_the_copy_did_not_see(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    struct xf_journal_copy *copy = copy_range(journal, 10, 20);
    end_well(begin(journal, 13, 13));
    end_well(begin(journal, 20, 20)); /* the range ends before 20 */
    end_copy_one(copy, 12, true);
    struct xf_point_id ids[4];
    assert_int_equal(xf_journal_take_dirty(journal, 0, ids, 4), 1);
    assert_int_equal(ids[0].lo, 13);
    xf_journal_free(journal);
}

static void a_failed_copy_leaves_its_ids_dirty(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    end_copy_one(copy_range(journal, 10, 20), 12, false);
    assert_int_equal(dirty_of(journal), 1);
    /* Its write may still land: the next copy cannot make the id clean before the hold has ended. */
    end_copy_one(copy_one(journal, 12), 12, true);
    assert_int_equal(dirty_of(journal), 1);
    xf_journal_free(journal);
}

static void copies_exclude_one_another(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    struct xf_journal_copy *range = copy_range(journal, 10, 20), *more;
    struct xf_point_id from = id_of(19), to = id_of(30), inside[] = {id_of(50), id_of(15)}, outside[] = {id_of(20)};
    struct xf_copy_scope scope = {.from = &from, .to = &to, .is_range = true};
    assert_int_equal(xf_journal_copy_begin(journal, 0, &scope, &more), XF_ERR_BUSY);
    scope = (struct xf_copy_scope){.is_range = true}; /* open at both ends */
    assert_int_equal(xf_journal_copy_begin(journal, 0, &scope, &more), XF_ERR_BUSY);
    scope = (struct xf_copy_scope){.ids = inside, .id_count = 2};
    assert_int_equal(xf_journal_copy_begin(journal, 0, &scope, &more), XF_ERR_BUSY);
    scope = (struct xf_copy_scope){.ids = outside, .id_count = 1};
    assert_int_equal(xf_journal_copy_begin(journal, 0, &scope, &more), XF_OK);
    struct xf_journal_copy *next = copy_range(journal, 21, 30);
    struct xf_point_id twenty = id_of(20);
    scope = (struct xf_copy_scope){.from = &twenty, .to = &to, .is_range = true};
    struct xf_journal_copy *none;
    assert_int_equal(xf_journal_copy_begin(journal, 0, &scope, &none), XF_ERR_BUSY);
    assert_int_equal(state_of(journal).copies, 3);
    xf_journal_copy_end(range, NULL, 0, true);
    xf_journal_copy_end(more, NULL, 0, true);
    xf_journal_copy_end(next, NULL, 0, true);
    xf_journal_copy_end(copy_range(journal, 10, 20), NULL, 0, true);
    xf_journal_free(journal);
}

/* UUIDs come after all numbers. */
static void ranges_follow_the_order_of_ids(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    struct xf_point_id uuid = {.hi = 1, .lo = 1, .is_uuid = true};
    xf_journal_mark_dirty(journal, 0, &(struct xf_journal_scope){.ids = &uuid, .id_count = 1});
    mark(journal, UINT64_MAX);
    struct xf_point_id first_uuid = {.is_uuid = true};
    struct xf_journal_copy *copy;
    struct xf_copy_scope scope = {.to = &first_uuid, .is_range = true};
    assert_int_equal(xf_journal_copy_begin(journal, 0, &scope, &copy), XF_OK);
    xf_journal_copy_end(copy, NULL, 0, true);
    struct xf_point_id left[2];
    assert_int_equal(xf_journal_take_dirty(journal, 0, left, 2), 1);
    assert_true(xf_point_id_eq(left[0], uuid));
    xf_journal_free(journal);
}

static void the_queue_is_oldest_first(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    for (uint64_t i = 9; i > 4; i--)
        mark(journal, i);
    mark(journal, 9); /* keeps its place */
    struct xf_point_id ids[8];
    assert_int_equal(xf_journal_take_dirty(journal, 0, ids, 2), 2);
    assert_int_equal(ids[0].lo, 9);
    assert_int_equal(ids[1].lo, 8);
    struct xf_journal_copy *copy = copy_one(journal, 9);
    struct xf_journal_op *op = begin(journal, 7, 7);
    assert_int_equal(xf_journal_take_dirty(journal, 0, ids, 8), 3); /* not 9 in hand, not 7 in flight */
    assert_int_equal(ids[0].lo, 8);
    assert_int_equal(ids[1].lo, 6);
    end_well(op);
    end_copy_one(copy, 9, true);
    assert_int_equal(xf_journal_take_dirty(journal, 0, ids, 8), 4);
    xf_journal_free(journal);
}

/* A request that may still land would undo what the copy did. */
static void a_held_id_stays_dirty(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_end(begin(journal, 1, 1), follower_unknown, true, true);
    struct xf_point_id ids[2];
    assert_int_equal(xf_journal_take_dirty(journal, 0, ids, 2), 1); /* one early try */
    end_copy_one(copy_one(journal, 1), 1, true);
    assert_int_equal(dirty_of(journal), 1);
    assert_int_equal(xf_journal_take_dirty(journal, 0, ids, 2), 0); /* and no more until the hold has ended */
    mark(journal, 1);
    assert_int_equal(xf_journal_take_dirty(journal, 0, ids, 2), 1); /* but for news */
    xf_journal_free(journal);
}

static void a_hold_ends(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_set_hold_ms(journal, 20);
    struct xf_journal_op *op = begin(journal, 1, 1);
    xf_journal_end(op, follower_unknown, true, true);
    while (dirty_of(journal)) {
        struct xf_point_id ids[2];
        if (xf_journal_take_dirty(journal, 0, ids, 2))
            end_copy_one(copy_one(journal, 1), 1, true);
    }
    xf_journal_free(journal);
}

/* With a refusal nothing is under way any more, so the first copy cleans. */
static void a_refusal_is_not_held(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_end(begin(journal, 1, 1), follower_refused, true, true);
    end_copy_one(copy_one(journal, 1), 1, true);
    assert_int_equal(dirty_of(journal), 0);
    xf_journal_free(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untouched_id_is_clean),
        cmocka_unit_test(an_id_that_is_nowhere_is_clean),
        cmocka_unit_test(every_touch_counts),
        cmocka_unit_test(in_flight_all_along),
        cmocka_unit_test(a_touched_id_the_copy_did_not_see),
        cmocka_unit_test(a_failed_copy_leaves_its_ids_dirty),
        cmocka_unit_test(copies_exclude_one_another),
        cmocka_unit_test(ranges_follow_the_order_of_ids),
        cmocka_unit_test(the_queue_is_oldest_first),
        cmocka_unit_test(a_held_id_stays_dirty),
        cmocka_unit_test(a_hold_ends),
        cmocka_unit_test(a_refusal_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
