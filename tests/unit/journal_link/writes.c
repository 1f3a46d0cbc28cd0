/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_link/writes.h"

#include "common/base/clock.h"
#include "proxy/journal/link_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const struct xf_verdict_input clean = {.outcome = {XF_OUTCOME_COMPLETED, XF_OUTCOME_COMPLETED}, .is_exact = true};
const struct xf_verdict_input dirty = {.outcome = {XF_OUTCOME_COMPLETED, XF_OUTCOME_REFUSED}, .is_exact = true};
const struct xf_verdict_input held = {.outcome = {XF_OUTCOME_COMPLETED, XF_OUTCOME_UNKNOWN}, .is_exact = true};
const struct xf_verdict_input nothing = {.outcome = {XF_OUTCOME_NOT_SENT, XF_OUTCOME_NOT_SENT}};

static bool is_up(void *ctx)
{
    const struct xf_journal_link *link = ctx;
    return xf_redis_is_up(link->redis) && xf_redis_outstanding(link->redis) == 0;
}

void wait_up(struct event_base *base, struct xf_journal_link *link)
{
    run_until(base, is_up, link);
}

void bench_init(struct bench *bench)
{
    memset(bench, 0, sizeof *bench);
    redis_server_start(&bench->server);
    bench->base = event_base_new();
    assert_non_null(bench->base);
    replica_init(&bench->a, "aaaa", &bench->server, 2);
    replica_join(&bench->a, &bench->server, false);
    bench->link = replica_link(&bench->a, bench->base);
    wait_up(bench->base, bench->link);
}

void bench_fini(struct bench *bench)
{
    xf_journal_link_free(bench->link);
    replica_fini(&bench->a);
    event_base_free(bench->base);
    redis_server_fini(&bench->server);
}

void record_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct write *write = ctx;
    assert_false(write->is_begun);
    assert_int_equal(op == NULL, err != XF_OK);
    write->op = op;
    write->err = err;
    write->is_begun = write->was_late = true;
}

static void begin_scope(struct xf_journal_link *link, struct write *write, const struct xf_journal_scope *scope)
{
    *write = (struct write){NULL, XF_OK, false, false};
    enum xf_err err = xf_journal_begin(link, 0, scope, record_begun, write, &write->op);
    assert_false(write->was_late); /* never before return */
    if (err == XF_ERR_BUSY)
        return;
    write->is_begun = true;
    write->err = err;
}

void begin_ids(struct xf_journal_link *link, struct write *write, const struct xf_point_id *ids, size_t count)
{
    /* Only for the time of the call, so that a sanitizer sees who keeps them. */
    struct xf_point_id *copy = malloc((count + 1) * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, ids, count * sizeof *ids);
    struct xf_journal_scope scope = {.ids = copy, .id_count = count};
    begin_scope(link, write, &scope);
    free(copy);
}

void begin(struct xf_journal_link *link, struct write *write, uint64_t number)
{
    struct xf_point_id id = {.lo = number};
    begin_ids(link, write, &id, 1);
}

void begin_all(struct xf_journal_link *link, struct write *write)
{
    struct xf_journal_scope scope = {.is_all = true};
    begin_scope(link, write, &scope);
}

static bool is_begun(void *ctx)
{
    const struct write *write = ctx;
    return write->is_begun;
}

void wait_begun(struct bench *bench, struct write *write)
{
    run_until(bench->base, is_begun, write);
    assert_int_equal(write->err, XF_OK);
    assert_non_null(write->op);
}

void end(struct write *write, const struct xf_verdict_input *input)
{
    xf_journal_end(write->op, input);
    write->op = NULL;
}

static bool is_quiet(void *ctx)
{
    return !xf_journal_link_is_busy(ctx);
}

void wait_quiet(struct bench *bench, struct xf_journal_link *link)
{
    run_until(bench->base, is_quiet, link);
}

static bool is_lost(void *ctx)
{
    struct xf_journal *replica = ctx;
    return atomic_load(&replica->member.generation) == 0;
}

void wait_lost(struct bench *bench, struct xf_journal *replica)
{
    run_until(bench->base, is_lost, replica);
}
