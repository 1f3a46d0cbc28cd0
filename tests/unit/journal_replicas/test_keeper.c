/* Replicas that share one journal: who is there, who leads, what becomes of what was under way when one falls silent, when
 * Redis is away, or when it has forgotten everything. Each replica is a process; Redis is a real one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_replicas/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONG_HOLD_MS = 600000, SHORT_HOLD_MS = 1500 };

struct fixture {
    struct redis_server server;
    struct replica a, b;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    redis_server_start(&f->server);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->a.dir[0])
        replica_fini(&f->a);
    if (f->b.dir[0])
        replica_fini(&f->b);
    redis_server_fini(&f->server);
    free(f);
    return 0;
}

static void start_a(struct fixture *f, uint64_t hold_ms)
{
    replica_start(&f->a, f->server.port, hold_ms);
    wait_for(&f->a, "state", "joined=1 replicas=1 lapsed=0");
    wait_for(&f->a, "state", "leads=1");
}

/* A new journal is unknown until somebody has compared. A lease that is over for a moment has it tried again. */
static void make_known(struct replica *leader)
{
    char question[64];
    wait_for(leader, "state", "whole=0 lapsed=0");
    do {
        snprintf(question, sizeof question, "known %s", ask(leader, "moment"));
        wait_for(leader, "state", "leads=1");
    } while (strcmp(ask(leader, "%s", question), "known=1") != 0);
    wait_for(leader, "state", "known=1");
}

static void start_both(struct fixture *f, uint64_t hold_ms)
{
    start_a(f, hold_ms);
    make_known(&f->a);
    replica_start(&f->b, f->server.port, hold_ms);
    wait_for(&f->b, "state", "joined=1 leads=0 known=1 replicas=2 lapsed=0");
    wait_for(&f->a, "state", "joined=1 leads=1 replicas=2");
}

static void test_one_joins_and_leads_the_second_does_not(void **state)
{
    struct fixture *f = *state;
    start_a(f, LONG_HOLD_MS);
    wait_for(&f->a, "state", "known=0 whole=0 dirty=0");
    make_known(&f->a);
    replica_start(&f->b, f->server.port, LONG_HOLD_MS);
    wait_for(&f->b, "state", "joined=1 leads=0 known=1 replicas=2");
    expect(&f->b, "take 5", "STATE");
    expect(&f->b, "copy x 1", "STATE");
    char a[64];
    snprintf(a, sizeof a, "leader=%s", ask(&f->a, "id"));
    wait_for(&f->b, "state", a);
    ask(&f->a, "dual 1");
    wait_for(&f->a, "state", "dual=0");
    ask(&f->b, "dual 1");
    wait_for(&f->a, "state", "dual=1");
    wait_for(&f->b, "state", "dual=1");
    ask(&f->b, "dual 0");
    wait_for(&f->b, "state", "dual=0");
    wait_for(&f->a, "state", "dual=0");
    assert_non_null(strstr(ask(&f->b, "replicas"), "\"state\":\"joined\",\"dual\":true,\"is_leader\":true,\"is_self\":false}"));
}

static void test_marks_and_copies(void **state)
{
    struct fixture *f = *state;
    start_a(f, LONG_HOLD_MS);
    make_known(&f->a);
    expect(&f->a, "mark 1,2,3", "OK");
    wait_for(&f->a, "state", "dirty=3 known=1");
    expect(&f->a, "copy x 1,2", "OK");
    expect(&f->a, "copy y 2,3", "BUSY");
    expect(&f->a, "range y - 2", "BUSY");
    expect(&f->a, "take 5", "ids=3");
    expect(&f->a, "range y 3 -", "OK");
    wait_for(&f->a, "may x", "1");
    expect(&f->a, "mark 2", "OK"); /* touched: it stays */
    expect(&f->a, "done x 1,2", "kept=1 met_all=0");
    expect(&f->a, "take 5", "ids=2");
    expect(&f->a, "failed y 7,8", "kept=2 met_all=0");
    wait_for(&f->a, "state", "dirty=4 held=0");
    expect(&f->a, "copy x 7", "OK");
    expect(&f->a, "unknown x 7", "kept=1 met_all=0");
    wait_for(&f->a, "state", "dirty=4 held=1");
    expect(&f->a, "mark all", "OK");
    wait_for(&f->a, "state", "known=0");
    make_known(&f->a);
    ask(&f->a, "lose");
    expect(&f->a, "state", "known=0");
    wait_for(&f->a, "counts", "file=0");
    wait_for(&f->a, "state", "known=0 joined=1");
    make_known(&f->a);
}

static void test_holds_end(void **state)
{
    struct fixture *f = *state;
    start_a(f, SHORT_HOLD_MS);
    make_known(&f->a);
    expect(&f->a, "mark 7", "OK");
    expect(&f->a, "copy x 7", "OK");
    expect(&f->a, "unknown x 7", "kept=1 met_all=0");
    expect(&f->a, "copy x 7", "OK");
    expect(&f->a, "done x 7", "kept=1 met_all=0");
    expect(&f->a, "take 5", "ids=");
    wait_for(&f->a, "state", "held=0 dirty=1");
    expect(&f->a, "take 5", "ids=7");
    expect(&f->a, "copy x 7", "OK");
    expect(&f->a, "done x 7", "kept=0 met_all=0");
    wait_for(&f->a, "state", "held=0 dirty=0 known=1");
}

static void test_a_silent_replica_lapses_and_comes_back(void **state)
{
    struct fixture *f = *state;
    start_both(f, LONG_HOLD_MS);
    expect(&f->a, "begin x 1,2", "OK");
    expect(&f->a, "copy c 9", "OK");
    replica_pause(&f->a);
    wait_for(&f->b, "state", "leads=1 lapsed=1 replicas=2 known=1");
    expect(&f->b, "counts", "lapses=1");
    wait_for(&f->b, "state", "flight=0 dirty=3 held=3 copies=0");
    expect(&f->b, "copy c 9", "OK"); /* the old one is not in its way */
    expect(&f->b, "moment", "1 1"); /* early: one is missing */
    replica_wake(&f->a);
    expect(&f->a, "may c", "0");
    expect(&f->a, "state", "joined=0"); /* and does not join while the copy is in hand */
    expect(&f->a, "done c 9", "kept=2 met_all=0");
    wait_for(&f->a, "state", "joined=1 leads=0 lapsed=0");
    expect(&f->a, "counts", "rejoined=1");
    ask(&f->a, "dual 1");
    ask(&f->b, "dual 1");
    wait_for(&f->a, "counts", "file=0");
    expect(&f->a, "end x completed", "OK");
    wait_for(&f->a, "state", "dual=1 known=1 flight=0");
    wait_for(&f->b, "state", "leads=1 lapsed=0 known=1 dirty=3");
}

static void test_redis_emptied(void **state)
{
    struct fixture *f = *state;
    start_both(f, SHORT_HOLD_MS);
    expect(&f->a, "begin x 1", "OK");
    replica_pause(&f->b);
    redis_server_kill(&f->server);
    wait_for(&f->a, "state", "joined=0");
    expect(&f->a, "take 5", "IO");
    expect(&f->a, "usable", "1");
    redis_server_start(&f->server);
    wait_for(&f->a, "state", "joined=1 known=0 leads=1 replicas=2 lapsed=1 whole=1");
    expect(&f->a, "counts", "emptied=1 rejoined=1");
    expect(&f->a, "end x completed", "OK");
    replica_wake(&f->b);
    wait_for(&f->b, "state", "joined=1 replicas=2 lapsed=0 known=0");
    wait_for(&f->a, "state", "lapsed=0 whole=0 held=0");
    wait_for(&f->a, "state", "known=0");
    make_known(&f->a);
    wait_for(&f->b, "state", "known=1");
    wait_for(&f->a, "state", "dirty=1 known=1");
}

static void test_redis_away_and_back(void **state)
{
    struct fixture *f = *state;
    start_both(f, LONG_HOLD_MS);
    redis_server_pause(&f->server);
    wait_for(&f->a, "state", "joined=0");
    expect(&f->a, "begin x 5", "OK cut off");
    expect(&f->a, "end x completed", "OK");
    expect(&f->a, "counts", "file=1 cut_off=1");
    wait_for(&f->a, "state", "dirty=1 known=1");
    redis_server_wake(&f->server);
    wait_for(&f->a, "state", "joined=1 known=1 dirty=1 lapsed=0");
    wait_for(&f->a, "counts", "file=0");
    wait_for(&f->a, "state", "joined=1 known=1 dirty=1 lapsed=0");
    wait_for(&f->b, "state", "joined=1 known=1 dirty=1 lapsed=0");
}

static void test_goodbye(void **state)
{
    struct fixture *f = *state;
    start_both(f, LONG_HOLD_MS);
    replica_stop(&f->a);
    wait_for(&f->b, "state", "replicas=1 lapsed=0 leads=1 known=1");
    replica_again(&f->a); /* clean, so that another Redis process means nothing */
    wait_for(&f->a, "state", "joined=1 replicas=2 known=1");
    replica_kill(&f->a);
    wait_for(&f->b, "state", "replicas=2 lapsed=1 known=1");
    replica_again(&f->a); /* the same Redis: nothing is in doubt */
    wait_for(&f->a, "state", "joined=1 replicas=2 lapsed=0 known=1");
}

static void test_forget(void **state)
{
    struct fixture *f = *state;
    start_both(f, SHORT_HOLD_MS);
    char question[128];
    snprintf(question, sizeof question, "forget %s", ask(&f->b, "id"));
    expect(&f->a, question, "STATE");
    expect(&f->a, "forget nobody", "NOT_FOUND");
    replica_kill(&f->b);
    wait_for(&f->a, "state", "lapsed=1");
    expect(&f->a, question, "OK");
    wait_for(&f->a, "state", "lapsed=0 replicas=1 known=0 whole=1");
    make_known(&f->a);
}

/* The file is written about once a second. */
static void wait_for_file(const struct replica *replica, const char *words)
{
    char path[128], text[1024];
    snprintf(path, sizeof path, "%s/replica", replica->dir);
    for (int i = 0; i < 6000; i++) {
        FILE *file = fopen(path, "r");
        size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
        if (file)
            fclose(file);
        text[len] = '\0';
        if (strstr(text, words))
            return;
        usleep(5000);
    }
    fail_msg("no %s in %s", words, text);
}

static void test_no_redis_no_use(void **state)
{
    struct fixture *f = *state;
    uint16_t port = f->server.port;
    redis_server_kill(&f->server);
    replica_start(&f->a, port, SHORT_HOLD_MS);
    expect(&f->a, "usable", "0");
    wait_for(&f->a, "state", "joined=0 known=0");
    redis_server_start(&f->server);
    wait_for(&f->a, "state", "joined=1");
    expect(&f->a, "usable", "1");
    wait_for_file(&f->a, " m\n");
    replica_kill(&f->a);
    redis_server_kill(&f->server);
    replica_again(&f->a);
    expect(&f->a, "usable", "1");
    wait_for(&f->a, "state", "joined=0 known=0");
}

static void test_a_hot_copy_waits_for_writers_and_they_for_it(void **state)
{
    struct fixture *f = *state;
    start_both(f, LONG_HOLD_MS);
    expect(&f->b, "begin x 5", "OK");
    ask_ahead(&f->a, "hot c 5");
    expect(&f->b, "end x completed", "OK");
    assert_string_equal(take_answer(&f->a), "OK");
    ask_ahead(&f->b, "begin y 5"); /* waits for the copy */
    expect(&f->a, "done c 5", "kept=0 met_all=0");
    assert_string_equal(take_answer(&f->b), "OK");
    expect(&f->b, "begin z 6", "OK");
    expect(&f->a, "hot c 6", "OK"); /* it stays a second and goes on all the same */
    expect(&f->b, "end z completed", "OK");
    wait_for(&f->b, "state", "flight=1");
    expect(&f->a, "done c 6", "kept=1 met_all=0");
    expect(&f->b, "end y completed", "OK");
    wait_for(&f->a, "state", "flight=0 dirty=1 held=0");
}

/* Redis loses what it had answered since its last dump. */
static void restart_redis(struct fixture *f)
{
    redis_server_kill(&f->server);
    redis_server_start(&f->server);
}

static void test_redis_rolled_back(void **state)
{
    struct fixture *f = *state;
    start_a(f, SHORT_HOLD_MS);
    make_known(&f->a);
    redis_do(&f->server, "SAVE");
    expect(&f->a, "begin x 1", "OK");
    expect(&f->a, "end x refused", "OK");
    wait_for(&f->a, "state", "flight=0 dirty=1 known=1");
    restart_redis(f);
    wait_for(&f->a, "state", "joined=1 known=0 replicas=1 lapsed=0");
    expect(&f->a, "counts", "rolled=1 emptied=0");
    wait_for(&f->a, "state", "leads=1 whole=0");
    make_known(&f->a);
}

static void test_redis_restarted_with_all_it_had(void **state)
{
    struct fixture *f = *state;
    start_a(f, LONG_HOLD_MS);
    make_known(&f->a);
    expect(&f->a, "mark 3", "OK");
    replica_pause(&f->a); /* so that nothing is said between the dump and the end */
    redis_do(&f->server, "SAVE");
    restart_redis(f);
    replica_wake(&f->a);
    wait_for(&f->a, "counts", "rejoined=1 rolled=0 emptied=0");
    wait_for(&f->a, "state", "joined=1 known=1 dirty=1");
    replica_kill(&f->a);
    redis_do(&f->server, "SAVE");
    restart_redis(f);
    replica_again(&f->a); /* it cannot say what it last heard: in doubt */
    wait_for(&f->a, "state", "joined=1 known=0 whole=1 dirty=1");
}

static void test_a_clean_stop_and_another_redis_process(void **state)
{
    struct fixture *f = *state;
    start_a(f, LONG_HOLD_MS);
    make_known(&f->a);
    redis_do(&f->server, "SAVE");
    expect(&f->a, "mark 3", "OK");
    replica_stop(&f->a);
    replica_again(&f->a);
    wait_for(&f->a, "state", "joined=1 known=1 dirty=1");
    redis_do(&f->server, "SAVE");
    replica_stop(&f->a);
    redis_do(&f->server, "SAVE");
    restart_redis(f);
    replica_again(&f->a);
    wait_for(&f->a, "state", "joined=1 known=1 dirty=1");
    replica_stop(&f->a);
    restart_redis(f); /* that was before it had left, and joined once more */
    replica_again(&f->a);
    wait_for(&f->a, "state", "joined=1 known=0");
    expect(&f->a, "counts", "rolled=1");
}

static void overwrite(const struct replica *replica, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", replica->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static void test_damaged_files(void **state)
{
    struct fixture *f = *state;
    start_a(f, LONG_HOLD_MS);
    make_known(&f->a);
    char id[64];
    snprintf(id, sizeof id, "%s", ask(&f->a, "id"));
    replica_stop(&f->a);
    overwrite(&f->a, "replica", "crossfade-replica 1\nmigration zzz");
    replica_again(&f->a);
    assert_string_equal(ask(&f->a, "id"), id);
    wait_for(&f->a, "state", "joined=1 known=0 whole=1");
    replica_stop(&f->a);
    overwrite(&f->a, "replica-id", "not an id");
    replica_again(&f->a);
    assert_string_not_equal(ask(&f->a, "id"), id);
    wait_for(&f->a, "state", "joined=1 known=0");
}

static void test_what_was_kept_outlives_its_process(void **state)
{
    struct fixture *f = *state;
    start_a(f, LONG_HOLD_MS);
    make_known(&f->a);
    redis_server_pause(&f->server);
    wait_for(&f->a, "state", "joined=0");
    expect(&f->a, "begin x 5", "OK cut off");
    replica_kill(&f->a);
    redis_server_wake(&f->server);
    replica_again(&f->a);
    wait_for(&f->a, "counts", "file=0");
    wait_for(&f->a, "state", "joined=1 known=1 dirty=1 held=1"); /* nobody knows how it ended */
    make_known(&f->a);
    redis_server_pause(&f->server);
    wait_for(&f->a, "state", "joined=0 known=1");
    ask(&f->a, "lose");
    expect(&f->a, "state", "known=0");
    replica_kill(&f->a);
    redis_server_wake(&f->server);
    replica_again(&f->a);
    wait_for(&f->a, "counts", "file=0");
    wait_for(&f->a, "state", "joined=1 known=0 whole=1");
}

static void test_one_state_dir_one_process(void **state)
{
    struct fixture *f = *state;
    start_a(f, LONG_HOLD_MS);
    f->b = f->a;
    f->b.pid = 0;
    replica_again(&f->b);
    assert_string_equal(f->b.answer, "IO");
    replica_stop(&f->b);
    f->b.dir[0] = '\0';
    wait_for(&f->a, "state", "joined=1");
}

static void test_hundreds_of_migrations(void **state)
{
    struct fixture *f = *state;
    replica_start_many(&f->a, f->server.port, LONG_HOLD_MS, 300);
    wait_for(&f->a, "all", "leads=300");
    sleep(4); /* leases hold for three seconds: all are renewed meanwhile */
    wait_for(&f->a, "all", "leads=300");
    restart_redis(f);
    wait_for(&f->a, "counts", "emptied=300 rejoined=1");
    wait_for(&f->a, "all", "leads=300");
    replica_stop(&f->a);
    replica_start_many(&f->b, f->server.port, LONG_HOLD_MS, 300);
    wait_for(&f->b, "all", "leads=300"); /* at once: the first has said goodbye */
    wait_for(&f->b, "state", "replicas=1 lapsed=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_joins_and_leads_the_second_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_and_copies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holds_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_silent_replica_lapses_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redis_emptied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redis_away_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goodbye, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_redis_no_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_hot_copy_waits_for_writers_and_they_for_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redis_rolled_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redis_restarted_with_all_it_had, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_clean_stop_and_another_redis_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_kept_outlives_its_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_state_dir_one_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hundreds_of_migrations, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
