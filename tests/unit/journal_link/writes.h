/* Writes of one thread, for the tests of links.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_JOURNAL_LINK_WRITES_H
#define XF_TESTS_UNIT_JOURNAL_LINK_WRITES_H

#include "tests/unit/journal_link/replica.h"

struct write {
    struct xf_journal_op *op;
    enum xf_err err;
    bool is_begun; /* or refused: the journal has spoken */
    bool was_late; /* `begun` was called */
};

/* Clean, dirty, dirty and held, no effect. */
extern const struct xf_verdict_input clean, dirty, held, nothing;

/* One replica with one link on this thread, joined and connected. */
struct bench {
    struct redis_server server;
    struct event_base *base;
    struct xf_journal a;
    struct xf_journal_link *link;
};
void bench_init(struct bench *bench);
void bench_fini(struct bench *bench);

void record_begun(void *ctx, struct xf_journal_op *op, enum xf_err err); /* ctx: the struct write */
void begin(struct xf_journal_link *link, struct write *write, uint64_t number);
void begin_ids(struct xf_journal_link *link, struct write *write, const struct xf_point_id *ids, size_t count);
void begin_all(struct xf_journal_link *link, struct write *write);
void wait_begun(struct bench *bench, struct write *write);           /* begun, without an error */
void end(struct write *write, const struct xf_verdict_input *input); /* does not wait */
void wait_quiet(struct bench *bench, struct xf_journal_link *link); /* all ends are answered */
void wait_up(struct event_base *base, struct xf_journal_link *link);
void wait_lost(struct bench *bench, struct xf_journal *replica);

#endif
