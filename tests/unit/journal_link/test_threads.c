/* Links on several threads: one queue for all of them, and Redis between those of different replicas.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_link/crew.h"

#include "common/base/log.h"
#include "common/bridge/bridge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct xf_verdict_input clean = {.outcome = {XF_OUTCOME_COMPLETED, XF_OUTCOME_COMPLETED}, .is_exact = true};
static const struct xf_verdict_input dirty = {.outcome = {XF_OUTCOME_COMPLETED, XF_OUTCOME_REFUSED}, .is_exact = true};

/* ---- in order of arrival ---- */

enum { LINE = 30 };

struct line {
    struct write {
        struct line *line;
        struct thread *thread;
        struct xf_journal_op *op;
        _Atomic bool has_arrived;
        size_t place;
    } writes[LINE];
    _Atomic size_t next;
    _Atomic bool is_released;
    _Atomic unsigned inside;
};

static void on_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct write *write = ctx;
    assert_int_equal(err, XF_OK);
    assert_int_equal(atomic_fetch_add(&write->line->inside, 1), 0);
    write->place = atomic_fetch_add(&write->line->next, 1);
    write->op = op;
    if (write == &write->line->writes[0] && !atomic_load(&write->line->is_released))
        return;
    atomic_fetch_sub(&write->line->inside, 1);
    xf_journal_end(op, &clean);
}

static void task_begin(void *ctx, void *args)
{
    struct write *write = ctx;
    struct xf_point_id ids[] = {{.lo = 1}, {.lo = 2}};
    struct xf_journal_scope scope = {.ids = ids, .id_count = 2};
    (void)args;
    assert_int_equal(xf_journal_begin(write->thread->link, 0, &scope, on_begun, write, &write->op), XF_ERR_BUSY);
    atomic_store(&write->has_arrived, true);
}

static void task_release(void *ctx, void *args)
{
    struct write *write = ctx;
    (void)args;
    atomic_fetch_sub(&write->line->inside, 1);
    xf_journal_end(write->op, &clean);
}

static bool has_arrived(void *ctx)
{
    struct write *write = ctx;
    return atomic_load(&write->has_arrived);
}

static bool has_begun_first(void *ctx)
{
    struct line *line = ctx;
    return atomic_load(&line->next) == 1;
}

static bool is_through(void *ctx)
{
    struct line *line = ctx;
    return atomic_load(&line->next) == LINE;
}

static void test_writes_of_all_threads_go_in_order_of_arrival(void **state)
{
    struct crew crew;
    static struct line line;
    (void)state;
    crew_init(&crew, 1);
    crew_start(&crew);
    for (size_t i = 0; i < LINE; i++) {
        struct write *write = &line.writes[i];
        write->line = &line;
        write->thread = &crew.threads[i % THREADS];
        assert_int_equal(xf_bridge_post(write->thread->bridge, task_begin, write, NULL, 0), XF_OK);
        wait_for(has_arrived, write);
        if (i == 0)
            wait_for(has_begun_first, &line);
    }
    atomic_store(&line.is_released, true);
    assert_int_equal(xf_bridge_post(line.writes[0].thread->bridge, task_release, &line.writes[0], NULL, 0), XF_OK);
    wait_for(is_through, &line);
    crew_stop(&crew);
    crew_fini(&crew);
    for (size_t i = 0; i < LINE; i++)
        assert_int_equal(line.writes[i].place, i);
    assert_int_equal(atomic_load(&crew.replicas[0].tally.conflicts), 0);
}

/* ---- a storm ---- */

enum { CLIENTS = 6, ROUNDS = 60, IDS = 24 };

struct storm {
    struct crew crew;
    _Atomic size_t left; /* clients */
    _Atomic unsigned inside[IDS], inside_all;
    _Atomic bool was_written[IDS], was_all;
    const struct xf_verdict_input *verdict;
    bool expects_order; /* nothing is cut off */
};

struct client {
    struct storm *storm;
    struct thread *thread;
    struct xf_journal_op *op;
    struct event *timer;
    uint64_t random;
    unsigned rounds;
    bool is_all;
    struct xf_point_id ids[IDS];
    size_t id_count;
};

static uint64_t draw(struct client *client, uint64_t below)
{
    client->random ^= client->random << 13;
    client->random ^= client->random >> 7;
    client->random ^= client->random << 17;
    return (client->random >> 20) % below;
}

static uint64_t begins_of(struct xf_journal *replica)
{
    return atomic_load(&replica->tally.begins);
}

static uint64_t ends_of(struct xf_journal *replica)
{
    return atomic_load(&replica->tally.ends);
}

static uint64_t conflicts_of(struct xf_journal *replica)
{
    return atomic_load(&replica->tally.conflicts);
}

static uint64_t kept_of(struct xf_journal *replica)
{
    return atomic_load(&replica->tally.cut_off_writes) + replica->file.count + replica->file.alls;
}

static uint64_t count_all(struct storm *storm, uint64_t (*count)(struct xf_journal *))
{
    uint64_t sum = 0;
    for (size_t i = 0; i < storm->crew.replica_count; i++)
        sum += count(&storm->crew.replicas[i]);
    return sum;
}

static void go_in(struct client *client)
{
    struct storm *storm = client->storm;
    bool is_alone = client->is_all ? atomic_fetch_add(&storm->inside_all, 1) == 0 : atomic_load(&storm->inside_all) == 0;
    for (size_t i = 0; i < IDS; i++)
        is_alone = is_alone && !(client->is_all && atomic_load(&storm->inside[i]));
    for (size_t i = 0; i < client->id_count; i++) {
        is_alone = atomic_fetch_add(&storm->inside[client->ids[i].lo], 1) == 0 && is_alone;
        atomic_store(&storm->was_written[client->ids[i].lo], true);
    }
    if (client->is_all)
        atomic_store(&storm->was_all, true);
    assert_true(is_alone || !storm->expects_order);
}

static void go_out(struct client *client)
{
    if (client->is_all)
        atomic_fetch_sub(&client->storm->inside_all, 1);
    for (size_t i = 0; i < client->id_count; i++)
        atomic_fetch_sub(&client->storm->inside[client->ids[i].lo], 1);
}

static void hold_for_a_while(struct client *client)
{
    struct timeval while_ = {0, (suseconds_t)draw(client, 400)};
    assert_int_equal(evtimer_add(client->timer, &while_), 0);
}

static void on_client_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct client *client = ctx;
    assert_int_equal(err, XF_OK);
    client->op = op;
    go_in(client);
    hold_for_a_while(client);
}

static void next_write(struct client *client)
{
    struct xf_journal_scope scope = {.is_all = draw(client, 40) == 0, .ids = client->ids};
    client->is_all = scope.is_all;
    client->id_count = 0;
    for (uint64_t id = draw(client, 6); id < IDS && !scope.is_all; id += 1 + draw(client, 14))
        client->ids[client->id_count++] = (struct xf_point_id){.lo = id};
    scope.id_count = client->id_count;
    enum xf_err err = xf_journal_begin(client->thread->link, 0, &scope, on_client_begun, client, &client->op);
    if (err != XF_ERR_BUSY)
        on_client_begun(client, client->op, err);
}

static void on_while(evutil_socket_t fd, short what, void *ctx)
{
    struct client *client = ctx;
    (void)fd;
    (void)what;
    if (client->op) {
        assert_int_equal(xf_journal_confirm(client->op), XF_OK);
        go_out(client);
        xf_journal_end(client->op, client->storm->verdict);
        client->op = NULL;
    }
    if (client->rounds++ < ROUNDS)
        next_write(client);
    else
        atomic_fetch_sub(&client->storm->left, 1);
}

static void clients_init(struct storm *storm, struct client *clients)
{
    struct timeval soon = {0, 0};
    atomic_store(&storm->left, THREADS * CLIENTS);
    for (size_t i = 0; i < THREADS * CLIENTS; i++) {
        struct client *client = &clients[i];
        *client = (struct client){.storm = storm, .random = (i + 1) * UINT64_C(0x9e3779b97f4a7c15)};
        client->thread = &storm->crew.threads[i % THREADS];
        client->timer = evtimer_new(client->thread->base, on_while, client);
        assert_true(client->timer && evtimer_add(client->timer, &soon) == 0);
    }
}

static bool is_over(void *ctx)
{
    struct storm *storm = ctx;
    return atomic_load(&storm->left) == 0;
}

static void storm_fini(struct storm *storm, struct client *clients)
{
    crew_wait_quiet(&storm->crew);
    assert_int_equal(redis_in_flight(&storm->crew.server), 0);
    assert_int_equal(count_all(storm, begins_of), THREADS * CLIENTS * ROUNDS);
    assert_int_equal(count_all(storm, ends_of), THREADS * CLIENTS * ROUNDS);
    crew_stop(&storm->crew);
    for (size_t i = 0; i < THREADS * CLIENTS; i++)
        event_free(clients[i].timer);
    crew_fini(&storm->crew);
}

static void storm_init(struct storm *storm, struct client *clients, size_t replica_count,
                       const struct xf_verdict_input *verdict)
{
    memset(storm, 0, sizeof *storm);
    crew_init(&storm->crew, replica_count);
    storm->verdict = verdict;
    storm->expects_order = verdict == &clean;
    clients_init(storm, clients);
    crew_start(&storm->crew);
}

static void expect_calm_after_a_storm(size_t replica_count)
{
    static struct client clients[THREADS * CLIENTS];
    static struct storm storm;
    storm_init(&storm, clients, replica_count, &clean);
    wait_for(is_over, &storm);
    crew_wait_quiet(&storm.crew);
    assert_int_equal(count_all(&storm, kept_of), 0);
    assert_int_equal(count_all(&storm, conflicts_of) > 0, replica_count > 1);
    for (size_t i = 0; i < IDS; i++)
        assert_false(redis_dirty(&storm.crew.server, i));
    storm_fini(&storm, clients);
}

static void test_a_storm_without_faults_leaves_nothing(void **state)
{
    (void)state;
    expect_calm_after_a_storm(1);
}

static void test_a_storm_of_two_replicas_leaves_nothing(void **state)
{
    (void)state;
    expect_calm_after_a_storm(REPLICAS);
}

/* Every write ends dirty, and the replica loses its place again and again: no id may get lost over it. */
static void test_a_storm_while_the_replica_joins_again(void **state)
{
    static struct client clients[THREADS * CLIENTS];
    static struct storm storm;
    struct xf_journal *replica = &storm.crew.replicas[0];
    unsigned joins = 0;
    (void)state;
    storm_init(&storm, clients, 1, &dirty);
    for (; !is_over(&storm); joins++) {
        usleep(3000);
        xf_member_lost(&replica->member, replica->generations);
        usleep(joins % 3 * 500);
        replica_join_again(replica, &storm.crew.server);
    }
    assert_true(joins > 0);
    crew_wait_quiet(&storm.crew);
    for (size_t i = 0; i < IDS; i++)
        if (atomic_load(&storm.was_written[i]))
            assert_true(redis_dirty(&storm.crew.server, i) || file_has(replica, i));
    assert_true(!atomic_load(&storm.was_all) || replica->file.alls > 0 || !redis_meta_is(&storm.crew.server, "moment", "1"));
    storm_fini(&storm, clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_of_all_threads_go_in_order_of_arrival),
        cmocka_unit_test(test_a_storm_without_faults_leaves_nothing),
        cmocka_unit_test(test_a_storm_of_two_replicas_leaves_nothing),
        cmocka_unit_test(test_a_storm_while_the_replica_joins_again),
    };
    xf_log_set_level(XF_LOG_ERROR); /* thousands of lost generations */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
