/* When this replica writes both sides, leads and serves: each condition by itself, against a stand-in for the journal and
 * the control thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "proxy/phases.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <event2/event.h>
#include <stdlib.h>

/* ---- the stand-ins ---- */

struct xf_journal {
    bool is_usable, is_dual;
    int losses, dual_calls;
    struct xf_journal_state state;
};
struct xf_control {
    bool is_held_back, was_one_sided, redis_is_up, may_write;
    int readings;
    xf_control_done_fn *done; /* waits for finish_reading */
    void *done_ctx;
};

bool xf_journal_is_usable(const struct xf_journal *journal, size_t migration)
{
    (void)migration;
    return journal->is_usable;
}

void xf_journal_lose(struct xf_journal *journal, size_t migration)
{
    (void)migration;
    assert_false(journal->is_dual); /* said before, or with it */
    journal->losses++;
}

void xf_journal_set_dual(struct xf_journal *journal, size_t migration, bool is_dual)
{
    (void)migration;
    journal->is_dual = is_dual;
    journal->dual_calls++;
}

void xf_journal_state(struct xf_journal *journal, size_t migration, struct xf_journal_state *state)
{
    (void)migration;
    *state = journal->state;
}

bool xf_control_was_one_sided(const struct xf_control *control, size_t migration)
{
    (void)migration;
    return control->was_one_sided;
}

void xf_control_hold_back(struct xf_control *control, size_t migration, bool is_held_back)
{
    (void)migration;
    control->is_held_back = is_held_back;
}

bool xf_control_redis_is_up(const struct xf_control *control)
{
    return control->redis_is_up;
}

void xf_control_write_values(struct xf_control *control, size_t migration, bool may_write)
{
    (void)migration;
    control->may_write = may_write;
}

enum xf_err xf_control_read_values(struct xf_control *control, size_t migration, xf_control_done_fn *done, void *ctx)
{
    (void)migration;
    assert_null(control->done); /* one at a time */
    control->done = done;
    control->done_ctx = ctx;
    control->readings++;
    return XF_OK;
}

/* ---- fixture ---- */

struct fixture {
    struct xf_migration_conf conf;
    struct xf_config config;
    struct xf_journal journal;
    struct xf_control control;
    struct event_base *base;
    struct xf_phases *phases;
    uint64_t generation, oldest;
    int fills; /* of the shelf */
};

static uint64_t oldest_generation(void *ctx)
{
    return ((struct fixture *)ctx)->oldest;
}

static void on_values(void *ctx, size_t migration)
{
    struct fixture *f = ctx;
    (void)migration;
    assert_false(xf_phases_is_leader(f->phases, 0)); /* before it leads */
    f->fills++;
}

static void start(struct fixture *f)
{
    struct xf_phases_parts parts = {&f->config, &f->control, &f->journal, oldest_generation, on_values, f};
    assert_int_equal(xf_phases_new(&parts, f->base, &f->phases), XF_OK);
}

static void init(struct fixture *f)
{
    static char name[] = "m";
    *f = (struct fixture){.conf = {.name = name}, .journal = {.is_usable = true}};
    f->journal.state = (struct xf_journal_state){.replicas = 1, .leader = "other"};
    f->control.redis_is_up = true;
    f->config = (struct xf_config){.migrations = &f->conf, .migration_count = 1};
    f->config.timeouts.answer_ms = 60;
    f->config.timeouts.body_ms = 40;
    f->base = event_base_new();
    assert_non_null(f->base);
    xf_log_set_level(XF_LOG_ERROR);
}

static void fini(struct fixture *f)
{
    xf_phases_free(f->phases);
    event_base_free(f->base);
}

static void publish(struct fixture *f, enum xf_phase phase, bool dual_write, bool is_refused)
{
    struct xf_migration_view view = {
        .conf = &f->conf, .phase = phase, .dual_write = dual_write, .is_refused = is_refused, .follower_is_complete = true};
    struct xf_snapshot snapshot = {.generation = ++f->generation, .config = &f->config, .migrations = &view};
    xf_phases_note(f->phases, &snapshot);
}

static void turns(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
}

static struct xf_worker_phase phase_of(struct fixture *f)
{
    struct xf_worker_phase phase;
    xf_phases_get(f->phases, 0, &phase);
    return phase;
}

static void finish_reading(struct fixture *f, enum xf_err err)
{
    while (!f->control.done)
        turns(f, 1);
    xf_control_done_fn *done = f->control.done;
    f->control.done = NULL;
    done(f->control.done_ctx, err);
}

static void lead(struct fixture *f, uint64_t token)
{
    f->journal.state.is_leader = token > 0;
    f->journal.state.token = token;
}

/* ---- dual ---- */

static void dual_waits_for_requests_of_before(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    start(&f);
    publish(&f, XF_PHASE_LEGACY_ONLY, false, false);
    assert_int_equal(f.journal.losses, 1); /* an earlier process may have written both sides */
    publish(&f, XF_PHASE_LEGACY_ONLY, false, false);
    assert_int_equal(f.journal.losses, 1);
    publish(&f, XF_PHASE_DUAL_WRITE, true, false);
    f.oldest = 2;
    turns(&f, 5);
    assert_false(f.journal.is_dual);
    assert_false(phase_of(&f).is_off || phase_of(&f).is_dual_writing);
    assert_int_equal(phase_of(&f).period, 3);
    f.oldest = 3;
    turns(&f, 5);
    assert_true(f.journal.is_dual);
    assert_false(phase_of(&f).is_dual_writing); /* this one is, but not all are known to be */
    f.journal.state.are_all_dual = true;
    assert_true(phase_of(&f).is_dual_writing);
    assert_true(xf_phases_is_now(f.phases, 0, 3));

    publish(&f, XF_PHASE_CANARY, true, false); /* goes on */
    assert_int_equal(phase_of(&f).period, 3);
    assert_true(f.journal.is_dual && f.journal.losses == 1);
    publish(&f, XF_PHASE_LEGACY_ONLY, false, false);
    assert_true(!f.journal.is_dual && f.journal.losses == 2);
    assert_true(phase_of(&f).is_off && !phase_of(&f).is_dual_writing);
    publish(&f, XF_PHASE_DUAL_WRITE, true, false);
    assert_false(phase_of(&f).is_dual_writing); /* whatever the others said a moment ago */
    assert_false(xf_phases_is_now(f.phases, 0, 3));
    fini(&f);
}

static void dual_waits_for_what_may_still_land(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    start(&f);
    f.oldest = 100;
    publish(&f, XF_PHASE_LEGACY_ONLY, false, false);
    uint64_t before_ms = xf_clock_now_ms();
    xf_phases_unproven(f.phases, 0);
    publish(&f, XF_PHASE_DUAL_WRITE, true, false);
    while (!f.journal.is_dual)
        turns(&f, 1);
    assert_true(xf_clock_now_ms() >= before_ms + 100); /* answer and body */
    fini(&f);
}

/* An earlier process wrote to one side alone; what was on its way when it ended may land. */
static void dual_waits_after_a_start_too(void **state)
{
    (void)state;
    for (int was_one_sided = 0; was_one_sided < 2; was_one_sided++) {
        struct fixture f;
        init(&f);
        f.control.was_one_sided = was_one_sided;
        f.oldest = 100;
        uint64_t before_ms = xf_clock_now_ms();
        start(&f);
        publish(&f, XF_PHASE_DUAL_WRITE, true, false);
        assert_int_equal(f.journal.losses, 0); /* both sides are written from the start: nobody has missed anything */
        if (!was_one_sided)
            turns(&f, 1);
        while (!f.journal.is_dual)
            turns(&f, 1);
        assert_true(!was_one_sided || xf_clock_now_ms() >= before_ms + 100);
        fini(&f);
    }
}

static void several_replicas_settle(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    start(&f);
    f.oldest = 100;
    f.journal.state.replicas = 2;
    f.journal.state.are_all_dual = true; /* as they said while dual writes were on before */
    publish(&f, XF_PHASE_DUAL_WRITE, true, false);
    uint64_t before_ms = xf_clock_now_ms();
    while (!phase_of(&f).is_dual_writing)
        turns(&f, 1);
    assert_true(xf_clock_now_ms() >= before_ms + 1000);
    f.journal.state.are_all_dual = false;
    turns(&f, 2);
    f.journal.state.are_all_dual = true;
    assert_false(phase_of(&f).is_dual_writing);
    fini(&f);
}

static void an_unfilled_side_is_not_copied_from(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    start(&f);
    f.oldest = 100;
    f.journal.state.are_all_dual = true;
    publish(&f, XF_PHASE_SWITCHED, true, false);
    turns(&f, 3);
    assert_true(phase_of(&f).is_dual_writing && phase_of(&f).authority == XF_NEW);
    struct xf_migration_view view = {.conf = &f.conf, .phase = XF_PHASE_SWITCHED, .dual_write = true};
    struct xf_snapshot snapshot = {.generation = 9, .config = &f.config, .migrations = &view};
    xf_phases_note(f.phases, &snapshot);
    assert_true(phase_of(&f).is_unfilled && !phase_of(&f).is_dual_writing);
    fini(&f);
}

/* ---- use ---- */

static void held_back_until_the_journal_knows(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    f.journal.is_usable = false;
    start(&f);
    assert_true(f.control.is_held_back);
    publish(&f, XF_PHASE_LEGACY_ONLY, false, true);
    turns(&f, 5);
    assert_true(f.control.is_held_back);
    assert_int_equal(f.journal.losses, 0); /* it writes nowhere */
    f.journal.is_usable = true;
    while (f.control.is_held_back)
        turns(&f, 1);
    publish(&f, XF_PHASE_LEGACY_ONLY, false, false);
    assert_int_equal(f.journal.losses, 1);
    fini(&f);
}

/* ---- lead ---- */

static void leads_with_the_values_of_now(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    start(&f);
    publish(&f, XF_PHASE_DUAL_WRITE, true, false);
    lead(&f, 5);
    while (!f.control.done)
        turns(&f, 1);
    assert_false(phase_of(&f).is_leader || f.control.may_write);
    finish_reading(&f, XF_ERR_IO); /* tried again */
    assert_false(phase_of(&f).is_leader);
    finish_reading(&f, XF_OK);
    assert_true(phase_of(&f).is_leader && f.control.may_write && xf_phases_is_leader(f.phases, 0));
    assert_int_equal(f.fills, 1);
    lead(&f, 7); /* somebody else led in between, and nobody here has looked */
    assert_false(phase_of(&f).is_leader || xf_phases_is_leader(f.phases, 0));
    finish_reading(&f, XF_OK);
    assert_true(phase_of(&f).is_leader);
    lead(&f, 0);
    assert_false(phase_of(&f).is_leader);
    while (f.control.may_write)
        turns(&f, 1);
    fini(&f);
}

/* What was asked for before it led is not enough. */
static void a_reading_of_before_does_not_count(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    start(&f);
    publish(&f, XF_PHASE_DUAL_WRITE, true, false);
    while (!f.control.done) /* the refresh of one that does not lead */
        turns(&f, 1);
    lead(&f, 3);
    turns(&f, 3);
    finish_reading(&f, XF_OK);
    assert_false(phase_of(&f).is_leader || f.control.may_write);
    finish_reading(&f, XF_OK);
    assert_true(phase_of(&f).is_leader);
    assert_int_equal(f.control.readings, 2);
    fini(&f);
}

/* Redis has none of the values: where there are other replicas, they are given a moment to put back what they know. */
static void nothing_saved_is_asked_for_twice(void **state)
{
    (void)state;
    for (size_t replicas = 1; replicas <= 2; replicas++) {
        struct fixture f;
        init(&f);
        start(&f);
        f.journal.state.replicas = replicas;
        publish(&f, XF_PHASE_DUAL_WRITE, true, false);
        lead(&f, 1);
        uint64_t before_ms = xf_clock_now_ms();
        finish_reading(&f, XF_ERR_NOT_FOUND);
        assert_int_equal(phase_of(&f).is_leader, replicas == 1);
        if (replicas == 2) {
            finish_reading(&f, XF_ERR_NOT_FOUND);
            assert_true(phase_of(&f).is_leader && xf_clock_now_ms() >= before_ms + 1000);
        }
        fini(&f);
    }
}

static void others_are_shown_what_the_leader_saves(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    start(&f);
    publish(&f, XF_PHASE_DUAL_WRITE, true, false);
    finish_reading(&f, XF_OK);
    uint64_t before_ms = xf_clock_now_ms();
    finish_reading(&f, XF_OK);
    assert_int_equal(f.fills, 2);
    assert_true(xf_clock_now_ms() >= before_ms + 900); /* not all the time */
    f.control.redis_is_up = false;
    turns(&f, 10);
    assert_null(f.control.done);
    assert_false(f.control.may_write);
    fini(&f);
}

static void control_goes_while_it_reads(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    start(&f);
    publish(&f, XF_PHASE_DUAL_WRITE, true, false);
    finish_reading(&f, XF_ERR_STATE);
    assert_int_equal(f.fills, 0);
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dual_waits_for_requests_of_before), cmocka_unit_test(dual_waits_for_what_may_still_land),
        cmocka_unit_test(dual_waits_after_a_start_too),      cmocka_unit_test(several_replicas_settle),
        cmocka_unit_test(an_unfilled_side_is_not_copied_from), cmocka_unit_test(held_back_until_the_journal_knows),
        cmocka_unit_test(leads_with_the_values_of_now),      cmocka_unit_test(a_reading_of_before_does_not_count),
        cmocka_unit_test(nothing_saved_is_asked_for_twice),
        cmocka_unit_test(others_are_shown_what_the_leader_saves), cmocka_unit_test(control_goes_while_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
