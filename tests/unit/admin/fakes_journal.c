/* A journal that says what a test wants it to: what admin asks of it, and nothing else.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/admin/fixture.h"

#include <stdio.h>

void xf_journal_state(struct xf_journal *journal, size_t migration, struct xf_journal_state *state)
{
    assert_int_equal(migration, 0);
    *state = journal->state;
}

const char *xf_journal_replica_id(const struct xf_journal *journal)
{
    (void)journal;
    return "own";
}

enum xf_err xf_journal_print_replicas(struct xf_journal *journal, size_t migration, struct xf_buf *out)
{
    assert_int_equal(migration, 0);
    return xf_buf_append_slice(out, xf_slice_of(journal->replicas));
}

void xf_journal_counts(struct xf_journal *journal, struct xf_journal_counts *counts)
{
    *counts = journal->counts;
}

/* On a thread of its own. */
enum xf_err xf_journal_forget(struct xf_journal *journal, size_t migration, const char *replica)
{
    (void)migration;
    (void)snprintf(journal->forgotten, sizeof journal->forgotten, "%s", replica);
    while (atomic_load(&journal->is_forget_held))
        (void)sched_yield();
    return journal->forget_result;
}
