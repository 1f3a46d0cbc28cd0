/* What writes leave behind: clean only if nothing met them, they are exact, and both sides did the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal/fixture.h"

static const struct {
    enum xf_outcome legacy, new_side;
    bool is_exact, vectors_match;
    size_t dirty;
} endings[] = {
    {XF_OUTCOME_COMPLETED, XF_OUTCOME_COMPLETED, true, false, 0},
    {XF_OUTCOME_COMPLETED, XF_OUTCOME_COMPLETED, false, true, 1},
    {XF_OUTCOME_ACKNOWLEDGED, XF_OUTCOME_ACKNOWLEDGED, true, true, 0},
    {XF_OUTCOME_ACKNOWLEDGED, XF_OUTCOME_ACKNOWLEDGED, true, false, 1},
    {XF_OUTCOME_ACKNOWLEDGED, XF_OUTCOME_ACKNOWLEDGED, false, true, 1},
    {XF_OUTCOME_COMPLETED, XF_OUTCOME_ACKNOWLEDGED, true, true, 1},
    {XF_OUTCOME_WAIT_TIMEOUT, XF_OUTCOME_WAIT_TIMEOUT, true, true, 1},
    {XF_OUTCOME_COMPLETED, XF_OUTCOME_WAIT_TIMEOUT, true, true, 1},
    {XF_OUTCOME_COMPLETED, XF_OUTCOME_REFUSED, true, true, 1},
    {XF_OUTCOME_REFUSED, XF_OUTCOME_COMPLETED, true, true, 1},
    {XF_OUTCOME_REFUSED, XF_OUTCOME_REFUSED, true, true, 1},
    {XF_OUTCOME_COMPLETED, XF_OUTCOME_UNKNOWN, true, true, 1},
    {XF_OUTCOME_UNKNOWN, XF_OUTCOME_UNKNOWN, true, true, 1},
    {XF_OUTCOME_NOT_SENT, XF_OUTCOME_NOT_SENT, false, false, 0},
    {XF_OUTCOME_COMPLETED, XF_OUTCOME_NOT_SENT, true, true, 1},
    {XF_OUTCOME_NOT_SENT, XF_OUTCOME_UNKNOWN, true, true, 1},
};

static void each_ending_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        struct xf_journal *journal = journal_new();
        struct xf_journal_op *op = begin(journal, 5, 5);
        assert_int_equal(state_of(journal).in_flight, 1);
        assert_int_equal(dirty_of(journal), 0);
        const enum xf_outcome outcome[2] = {endings[i].legacy, endings[i].new_side};
        xf_journal_end(op, outcome, endings[i].is_exact, endings[i].vectors_match);
        if (dirty_of(journal) != endings[i].dirty)
            fail_msg("row %zu: %zu dirty", i, dirty_of(journal));
        assert_int_equal(state_of(journal).in_flight, 0);
        assert_false(state_of(journal).is_unknown);
        xf_journal_free(journal);
    }
}

static void a_restart_knows_nothing(void **state)
{
    (void)state;
    struct xf_journal *journal;
    assert_int_equal(xf_journal_new(2, DIRTY_MAX, &journal), XF_OK);
    assert_true(state_of(journal).is_unknown);
    xf_journal_mark_known(journal, 0);
    assert_false(state_of(journal).is_unknown);
    struct xf_journal_state other;
    xf_journal_state(journal, 1, &other);
    assert_true(other.is_unknown);
    xf_journal_free(journal);
}

static void only_the_ids_that_met_are_dirty(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    struct xf_journal_op *a = begin(journal, 1, 10);
    struct xf_journal_op *b = begin(journal, 9, 20);
    end_well(b);
    assert_int_equal(dirty_of(journal), 2);
    end_well(a);
    assert_int_equal(dirty_of(journal), 2);
    struct xf_point_id ids[4];
    assert_int_equal(xf_journal_take_dirty(journal, 0, ids, 4), 2);
    assert_int_equal(ids[0].lo, 9);
    assert_int_equal(ids[1].lo, 10);
    end_well(begin(journal, 1, 20)); /* nothing in flight beside it: adds nothing */
    assert_int_equal(dirty_of(journal), 2);
    xf_journal_free(journal);
}

/* a meets b, b meets c: all three leave the id dirty, though a and c never met. */
static void a_chain_of_meetings(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    struct xf_journal_op *a = begin(journal, 1, 1);
    struct xf_journal_op *b = begin(journal, 1, 1);
    end_well(a);
    assert_int_equal(dirty_of(journal), 1);
    struct xf_journal_op *c = begin(journal, 1, 1);
    end_well(b);
    end_copy_one(copy_one(journal, 1), 1, true); /* c is in flight: cannot clean */
    assert_int_equal(dirty_of(journal), 1);
    end_well(c);
    assert_int_equal(dirty_of(journal), 1);
    end_copy_one(copy_one(journal, 1), 1, true);
    assert_int_equal(dirty_of(journal), 0);
    xf_journal_free(journal);
}

static void all_meets_ids(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    struct xf_journal_op *before = begin(journal, 1, 1);
    struct xf_journal_op *all = begin_all(journal);
    struct xf_journal_op *after = begin(journal, 2, 2);
    end_well(all);
    assert_false(state_of(journal).is_unknown);
    end_well(before);
    end_well(after);
    assert_int_equal(dirty_of(journal), 2);
    assert_false(state_of(journal).is_unknown);
    end_well(begin(journal, 3, 3));
    assert_int_equal(dirty_of(journal), 2);
    xf_journal_free(journal);
}

static void all_that_is_not_clean_is_unknown(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_end(begin_all(journal), both_completed, false, true);
    assert_true(state_of(journal).is_unknown);
    xf_journal_mark_known(journal, 0);
    xf_journal_end(begin_all(journal), follower_refused, true, true);
    assert_true(state_of(journal).is_unknown);
    xf_journal_mark_known(journal, 0);
    const enum xf_outcome nothing[2] = {XF_OUTCOME_NOT_SENT, XF_OUTCOME_NOT_SENT};
    xf_journal_end(begin_all(journal), nothing, false, false);
    assert_false(state_of(journal).is_unknown);
    struct xf_journal_op *a = begin_all(journal), *b = begin_all(journal);
    end_well(a);
    assert_true(state_of(journal).is_unknown);
    xf_journal_mark_known(journal, 0);
    end_well(b);
    assert_true(state_of(journal).is_unknown);
    xf_journal_free(journal);
}

static void marking_all_is_unknown(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_mark_dirty(journal, 0, &(struct xf_journal_scope){.is_all = true});
    assert_true(state_of(journal).is_unknown);
    assert_int_equal(dirty_of(journal), 0);
    xf_journal_free(journal);
}

static void too_many_dirty_ids_are_unknown(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    for (uint64_t i = 0; i < DIRTY_MAX; i++)
        mark(journal, i);
    assert_false(state_of(journal).is_unknown);
    mark(journal, 7); /* there already */
    assert_false(state_of(journal).is_unknown);
    mark(journal, DIRTY_MAX);
    assert_true(state_of(journal).is_unknown);
    assert_int_equal(dirty_of(journal), DIRTY_MAX);
    xf_journal_free(journal);
}

/* A reconcile cannot vouch for what happened behind its back. */
static void news_during_a_reconcile_count(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_mark_dirty(journal, 0, &(struct xf_journal_scope){.is_all = true});
    struct xf_journal_moment began = xf_journal_reconcile_begin(journal, 0);
    xf_journal_mark_dirty(journal, 0, &(struct xf_journal_scope){.is_all = true});
    assert_false(xf_journal_reconcile_end(journal, 0, began));
    assert_true(state_of(journal).is_unknown);
    began = xf_journal_reconcile_begin(journal, 0);
    mark(journal, 1);
    assert_true(xf_journal_reconcile_end(journal, 0, began));
    assert_false(state_of(journal).is_unknown);
    assert_int_equal(dirty_of(journal), 1);
    xf_journal_free(journal);
}

static void a_write_of_all_that_may_land_holds_the_reconcile(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_end(begin_all(journal), follower_unknown, true, true);
    assert_false(xf_journal_reconcile_end(journal, 0, xf_journal_reconcile_begin(journal, 0)));
    assert_true(state_of(journal).is_unknown && state_of(journal).hold_all_ms > 0);
    xf_journal_mark_known(journal, 0);
    assert_true(state_of(journal).is_unknown);
    xf_journal_free(journal);

    journal = journal_new();
    xf_journal_set_hold_ms(journal, 5);
    xf_journal_end(begin_all(journal), follower_unknown, true, true);
    while (!xf_journal_reconcile_end(journal, 0, xf_journal_reconcile_begin(journal, 0))) {
        /* ends when a reconcile began after the hold */
    }
    xf_journal_free(journal);
}

/* A backfill that starts over vouches for now, not for the reconcile that began before something else went wrong. */
static void a_backfill_does_not_end_a_reconcile(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_mark_dirty(journal, 0, &(struct xf_journal_scope){.is_all = true});
    struct xf_journal_moment began = xf_journal_reconcile_begin(journal, 0);
    xf_journal_mark_known(journal, 0);
    assert_false(state_of(journal).is_unknown);
    xf_journal_mark_dirty(journal, 0, &(struct xf_journal_scope){.is_all = true});
    assert_false(xf_journal_reconcile_end(journal, 0, began));
    assert_true(state_of(journal).is_unknown);
    xf_journal_free(journal);
}

/* A process that died may have sent what lands only after the next one has compared. */
static void what_an_earlier_process_sent_holds_the_reconcile(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    xf_journal_hold_all(journal, 0);
    assert_true(state_of(journal).is_unknown);
    assert_false(xf_journal_reconcile_end(journal, 0, xf_journal_reconcile_begin(journal, 0)));
    xf_journal_free(journal);
}

static void a_journal_goes_with_all_it_holds(void **state)
{
    (void)state;
    struct xf_journal *journal = journal_new();
    (void)begin(journal, 1, 30);
    (void)begin_all(journal);
    (void)copy_one(journal, 4);
    xf_journal_free(journal);
    xf_journal_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_ending_by_itself),
        cmocka_unit_test(a_restart_knows_nothing),
        cmocka_unit_test(only_the_ids_that_met_are_dirty),
        cmocka_unit_test(a_chain_of_meetings),
        cmocka_unit_test(all_meets_ids),
        cmocka_unit_test(all_that_is_not_clean_is_unknown),
        cmocka_unit_test(marking_all_is_unknown),
        cmocka_unit_test(too_many_dirty_ids_are_unknown),
        cmocka_unit_test(news_during_a_reconcile_count),
        cmocka_unit_test(a_write_of_all_that_may_land_holds_the_reconcile),
        cmocka_unit_test(a_backfill_does_not_end_a_reconcile),
        cmocka_unit_test(what_an_earlier_process_sent_holds_the_reconcile),
        cmocka_unit_test(a_journal_goes_with_all_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
