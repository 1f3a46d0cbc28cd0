/* Short words for the journal's calls, on one migration whose dirty set is known and empty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_JOURNAL_FIXTURE_H
#define XF_TESTS_JOURNAL_FIXTURE_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "proxy/journal/journal.h"

enum { DIRTY_MAX = 1000 };

static const enum xf_outcome both_completed[2] = {XF_OUTCOME_COMPLETED, XF_OUTCOME_COMPLETED};
static const enum xf_outcome follower_unknown[2] = {XF_OUTCOME_COMPLETED, XF_OUTCOME_UNKNOWN};
static const enum xf_outcome follower_refused[2] = {XF_OUTCOME_COMPLETED, XF_OUTCOME_REFUSED};

static inline struct xf_point_id id_of(uint64_t number)
{
    return (struct xf_point_id){.lo = number};
}

static inline struct xf_journal *journal_new(void)
{
    struct xf_journal *journal;
    assert_int_equal(xf_journal_new(1, DIRTY_MAX, &journal), XF_OK);
    xf_journal_mark_known(journal, 0);
    return journal;
}

/* Begins a write to the ids from..to, both included. */
static inline struct xf_journal_op *begin(struct xf_journal *journal, uint64_t from, uint64_t to)
{
    struct xf_point_id ids[64];
    size_t count = 0;
    for (uint64_t i = from; i <= to; i++)
        ids[count++] = id_of(i);
    struct xf_journal_scope scope = {.ids = ids, .id_count = count};
    struct xf_journal_op *op;
    assert_int_equal(xf_journal_begin(journal, 0, &scope, NULL, NULL, &op), XF_OK);
    return op;
}

static inline struct xf_journal_op *begin_all(struct xf_journal *journal)
{
    struct xf_journal_scope scope = {.is_all = true};
    struct xf_journal_op *op;
    assert_int_equal(xf_journal_begin(journal, 0, &scope, NULL, NULL, &op), XF_OK);
    return op;
}

static inline void end_well(struct xf_journal_op *op)
{
    xf_journal_end(op, both_completed, true, true);
}

static inline void mark(struct xf_journal *journal, uint64_t number)
{
    struct xf_point_id id = id_of(number);
    xf_journal_mark_dirty(journal, 0, &(struct xf_journal_scope){.ids = &id, .id_count = 1});
}

static inline struct xf_journal_state state_of(struct xf_journal *journal)
{
    struct xf_journal_state state;
    xf_journal_state(journal, 0, &state);
    return state;
}

static inline size_t dirty_of(struct xf_journal *journal)
{
    return state_of(journal).dirty;
}

/* A copy of one id. */
static inline struct xf_journal_copy *copy_one(struct xf_journal *journal, uint64_t number)
{
    struct xf_point_id id = id_of(number);
    struct xf_journal_copy *copy;
    assert_int_equal(xf_journal_copy_begin(journal, 0, &(struct xf_copy_scope){.ids = &id, .id_count = 1}, &copy),
                     XF_OK);
    return copy;
}

static inline void end_copy_one(struct xf_journal_copy *copy, uint64_t number, bool is_done)
{
    struct xf_point_id id = id_of(number);
    xf_journal_copy_end(copy, &id, 1, is_done);
}

#endif
