/* What the admin port does when asked by the right people: status, verbs, flags, metrics, page.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/admin/fixture.h"

#include "proxy/stats/stats.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <unistd.h>

static char answer[ANSWER_MAX];
#define BASE "/api/v1/migrations/books%20%221%22"

static int post(struct fixture *fixture, const char *verb, const char *body)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", BASE, verb);
    return ask(fixture, "POST", path, JSON, body, answer);
}

static bool answer_has(const char *text)
{
    return strstr(body_of(answer), text) != NULL;
}

static void assert_has(const char *text)
{
    if (!answer_has(text))
        fail_msg("no %s in %s", text, answer);
}

static void verbs_reach_the_worker(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *body;
        enum xf_command command;
        struct xf_command_options options;
    } rows[] = {
        {"prepare", "{\"adopt\":true}", XF_COMMAND_PREPARE, {.adopt = true}},
        {"backfill", "{}", XF_COMMAND_BACKFILL, {0}},
        {"backfill", "{\"adopt\":true,\"dry_run\":false}", XF_COMMAND_BACKFILL, {.adopt = true}},
        {"pause", "{}", XF_COMMAND_PAUSE, {0}},
        {"resume", "{}", XF_COMMAND_RESUME, {0}},
        {"cancel", "{}", XF_COMMAND_CANCEL, {0}},
        {"validate", "{\"full\":true}", XF_COMMAND_VALIDATE, {.full = true}},
        {"reconcile", "{}", XF_COMMAND_RECONCILE, {0}},
    };
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(post(&fixture, rows[i].verb, rows[i].body), 202);
        assert_int_equal(fixture.worker.command, rows[i].command);
        assert_int_equal(fixture.worker.options.adopt, rows[i].options.adopt);
        assert_int_equal(fixture.worker.options.full, rows[i].options.full);
        assert_false(fixture.worker.options.dry_run);
        assert_has("\"look_at\":\"" BASE "\"");
    }
    fixture_fini(&fixture);
}

static void a_dry_run_shows_and_a_refusal_explains(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture.worker.why = "{\"legacy\":18446744073709551615}";
    assert_int_equal(post(&fixture, "backfill", "{\"dry_run\":true}"), 200);
    assert_string_equal(body_of(answer), fixture.worker.why);
    fixture.worker.result = XF_ERR_STATE;
    fixture.worker.why = "turn \"dual writes\" on first";
    assert_int_equal(post(&fixture, "backfill", "{}"), 409);
    assert_has("{\"status\":{\"error\":\"turn \\\"dual writes\\\" on first\"}");
    fixture.worker.why = NULL;
    fixture.worker.result = XF_ERR_NOMEM;
    assert_int_equal(post(&fixture, "pause", "{}"), 503);
    fixture_fini(&fixture);
}

/* The port goes on answering while a dry run waits for a server, and after its client has gone. */
static void a_dry_run_keeps_nobody_waiting(void **state)
{
    (void)state;
    static const char request[] = "POST /api/v1/migrations/books%20%221%22/prepare HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"dry_run\":true}";
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    for (int leaves = 0; leaves < 2; leaves++) {
        fixture.worker.dry_run = NULL;
        int fd = client_connect(&fixture);
        client_send(fd, request);
        while (!fixture.worker.dry_run)
            turn(&fixture);
        assert_int_equal(ask(&fixture, "GET", "/healthz", HOST, NULL, answer), 200);
        if (leaves)
            (void)close(fd);
        for (int i = 0; i < 50; i++)
            turn(&fixture);
        fixture_dry_run_done(&fixture, XF_ERR_STATE, "status 401: no");
        if (!leaves) {
            client_read_until(&fixture, fd, answer, sizeof answer, "status 401: no");
            assert_non_null(strstr(answer, "HTTP/1.1 409"));
            (void)close(fd);
        }
    }
    fixture_fini(&fixture);
}

/* Only who leads takes commands; the others say who that is. */
static void commands_are_the_leaders(void **state)
{
    (void)state;
    static const char *const verbs[] = {"prepare", "backfill", "pause", "resume", "cancel", "validate", "reconcile"};
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        fixture.journal.state = (struct xf_journal_state){.leader = "other"};
        assert_int_equal(post(&fixture, verbs[i], "{}"), 409);
        assert_has("replica other leads this migration: send this to its admin port");
        fixture.journal.state = (struct xf_journal_state){.leader = ""};
        assert_int_equal(post(&fixture, verbs[i], "{}"), 503);
        assert_non_null(strstr(answer, "\r\nRetry-After: 1\r\n"));
        assert_has("no replica leads this migration yet");
        fixture.journal.state = (struct xf_journal_state){.leader = "own"}; /* its lease is not proven just now */
        assert_int_equal(post(&fixture, verbs[i], "{}"), 503);
        fixture.journal.state = (struct xf_journal_state){.leader = "own", .is_cut_off = true};
        assert_int_equal(post(&fixture, verbs[i], "{}"), 503);
        assert_has("cut off from Redis");
    }
    assert_int_equal(ask(&fixture, "POST", "/api/v1/collections/books/validate", JSON, "{}", answer), 503);
    assert_int_equal(fixture.worker.commands, 0);
    fixture.worker.why = "{}";
    assert_int_equal(post(&fixture, "backfill", "{\"dry_run\":true}"), 200); /* asks the servers, whoever leads */
    fixture_fini(&fixture);
}

static void a_lapsed_replica_is_forgotten(void **state)
{
    (void)state;
    static const struct {
        enum xf_err result;
        int status;
    } rows[] = {{XF_OK, 200}, {XF_ERR_STATE, 409}, {XF_ERR_NOT_FOUND, 409}, {XF_ERR_IO, 503}};
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture.journal.replicas = "[{\"id\":\"own\",\"state\":\"joined\"},{\"id\":\"x 1\",\"state\":\"lapsed\"}]";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture.journal.forget_result = rows[i].result;
        fixture.journal.forgotten[0] = '\0';
        assert_int_equal(post(&fixture, "replicas/x%201/forget", "{}"), rows[i].status);
        assert_string_equal(fixture.journal.forgotten, "x 1");
        if (!rows[i].result)
            assert_has("\"replica\":\"x 1\"");
    }
    fixture.journal.forgotten[0] = '\0';
    assert_int_equal(post(&fixture, "replicas/own/forget", "{}"), 409);
    assert_has("only one that has lapsed");
    assert_int_equal(post(&fixture, "replicas/other/forget", "{}"), 404);
    assert_int_equal(post(&fixture, "replicas/x%201/forget", "{\"force\":true}"), 400);
    assert_int_equal(post(&fixture, "replicas/x%201", "{}"), 404);
    assert_int_equal(ask(&fixture, "GET", BASE "/replicas/x/forget", HOST, NULL, answer), 405);
    assert_string_equal(fixture.journal.forgotten, "");
    fixture_fini(&fixture);
}

static int begin_to_forget(struct fixture *fixture)
{
    int fd = client_connect(fixture);
    atomic_store(&fixture->journal.is_forget_held, true);
    client_send(fd, "POST " BASE "/replicas/x1/forget HTTP/1.1\r\n" JSON "Content-Length: 2\r\n\r\n{}");
    return fd;
}

/* The journal waits for Redis; the port does not, nor does it mind when the client or the port itself goes. */
static void forgetting_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture.journal.replicas = "[{\"id\":\"x1\",\"state\":\"lapsed\"}]";
    int fd = begin_to_forget(&fixture);
    for (int i = 0; i < 50; i++)
        turn(&fixture);
    assert_int_equal(post(&fixture, "replicas/x1/forget", "{}"), 503);
    assert_non_null(strstr(answer, "Retry-After: 1"));
    atomic_store(&fixture.journal.is_forget_held, false);
    client_read_until(&fixture, fd, answer, sizeof answer, "\"replica\":\"x1\"");
    (void)close(fd);

    fd = begin_to_forget(&fixture);
    for (int i = 0; i < 50; i++)
        turn(&fixture);
    (void)close(fd);
    for (int i = 0; i < 50; i++)
        turn(&fixture);
    atomic_store(&fixture.journal.is_forget_held, false);
    while (post(&fixture, "replicas/x1/forget", "{}") == 503)
        ;
    assert_non_null(strstr(answer, "HTTP/1.1 200"));

    fd = begin_to_forget(&fixture);
    for (int i = 0; i < 50; i++)
        turn(&fixture);
    atomic_store(&fixture.journal.is_forget_held, false);
    xf_admin_free(fixture.admin);
    fixture.admin = NULL;
    (void)close(fd);
    fixture_fini(&fixture);
}

static void the_status_says_it_all(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture.control = (struct xf_control){
        .phase = XF_PHASE_CANARY, .flags = {true, 25, "migration", "global", "ENABLE_NEW_READS=maybe: no value"}};
    fixture.worker.status =
        "{\"backfill\":{\"state\":\"running\",\"cursor\":18446744073709551615},\"validation\":null}";
    fixture.journal.state =
        (struct xf_journal_state){.dirty = 1, .held = 3, .oldest_dirty_age_ms = 9, .replicas = 2, .lapsed = 1, .leader = "other"};
    fixture.journal.replicas = "[{\"id\":\"own\",\"state\":\"joined\"},{\"id\":\"x1\",\"state\":\"lapsed\"}]";
    struct xf_stats *stats;
    assert_int_equal(xf_stats_new(1, &stats), XF_OK);
    xf_mstat_add(stats, 0, XF_MSTAT_SETTINGS, 3);
    assert_int_equal(ask(&fixture, "GET", BASE, HOST, NULL, answer), 200);
    cJSON *json = cJSON_Parse(body_of(answer));
    assert_non_null(json);
    cJSON_Delete(json);
    static const char *const parts[] = {"\"name\":\"books \\\"1\\\"\"",
                                        "\"legacy\":{\"upstream\":\"main\",\"collection\":\"old_books\"}",
                                        "\"phase\":\"canary\"",
                                        "\"authority\":\"legacy\"",
                                        "\"dual_write\":true,\"new_reads\":25",
                                        "\"dual_write_from\":\"migration\"",
                                        "\"dirty\":{\"count\":1,\"unknown\":false,\"listed\":1,\"oldest_age_ms\":9}",
                                        "\"replica\":\"own\",\"leader\":\"other\",\"replicas\":[{\"id\":\"own\",",
                                        "\"held\":3",
                                        "\"cut_off\":false",
                                        "\"refused\":false",
                                        "replica x1 has lapsed: start it again with its state_dir, or `crossfade replica "
                                        "forget x1`",
                                        "requests without an answer may still land",
                                        "\"in_flight\":0",
                                        "\"cursor\":18446744073709551615",
                                        "\"settings_on_authority_only\":3",
                                        "changed on the authority only: 3 times",
                                        "Redis has been away for 17 s",
                                        "ENABLE_NEW_READS=maybe",
                                        "the backfill has not been through",
                                        "no validation has passed"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_has(parts[i]);
    fixture.journal.state = (struct xf_journal_state){.is_unknown = true, .is_cut_off = true};
    fixture.control.is_refused = true;
    assert_int_equal(ask(&fixture, "GET", "/api/v1/migrations", HOST, NULL, answer), 200);
    assert_has("\"leader\":null");
    assert_has("\"cut_off\":true");
    assert_has("this replica is cut off from the others' journal");
    assert_has("\"refused\":true");
    assert_has("requests to both collections are refused");
    assert_has("{\"migrations\":[{");
    assert_has("\"dirty\":{\"count\":null,\"unknown\":true");
    assert_has("a reconcile is needed");
    assert_int_equal(ask(&fixture, "GET", "/api/v1/collections", HOST, NULL, answer), 200);
    assert_has(
        "{\"collection\":\"old_books\",\"upstream\":\"main\",\"migration\":\"books \\\"1\\\"\",\"side\":\"legacy\","
        "\"is_authority\":true}");
    fixture_fini(&fixture);
}

/* Sends a request whose answer waits for Redis. */
static int begin_flags(struct fixture *fixture, const char *method, const char *path, const char *body)
{
    char request[512];
    int fd = client_connect(fixture);
    (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n" JSON "Content-Length: %zu\r\n\r\n%s", method, path,
                   strlen(body), body);
    client_send(fd, request);
    while (!fixture->control.done)
        turn(fixture);
    return fd;
}

static void flags_are_answered_when_in_force(void **state)
{
    (void)state;
    static const struct {
        const char *body, *dual_write, *new_reads;
    } rows[] = {
        {"{\"dual_write\":true}", "1", "-"},
        {"{\"dual_write\":false,\"new_reads\":\"25%\"}", "0", "25%"},
        {"{\"new_reads\":\"off\"}", "-", "off"},
    };
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = begin_flags(&fixture, "PUT", BASE "/flags", rows[i].body);
        assert_string_equal(fixture.control.dual_write, rows[i].dual_write);
        assert_string_equal(fixture.control.new_reads, rows[i].new_reads);
        fixture_flags_done(&fixture, i == 2 ? XF_ERR_IO : XF_OK);
        client_read_until(&fixture, fd, answer, ANSWER_MAX, "}");
        assert_int_equal(strncmp(answer, i == 2 ? "HTTP/1.1 503" : "HTTP/1.1 200", 12), 0);
        (void)close(fd);
    }
    fixture_fini(&fixture);
}

static void flags_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        enum xf_err err;
        int status;
    } rows[] = {{XF_ERR_INVALID, 400}, {XF_ERR_STATE, 409}, {XF_ERR_IO, 503}, {XF_ERR_NOMEM, 503}};
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture.control.set_result = rows[i].err;
        assert_int_equal(ask(&fixture, "PUT", BASE "/flags", JSON, "{\"dual_write\":\"x\"}", answer), rows[i].status);
    }
    fixture_fini(&fixture);
}

static void a_client_may_leave_before_its_flags_are_set(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    (void)close(begin_flags(&fixture, "PUT", BASE "/flags", "{\"dual_write\":true}"));
    for (int i = 0; i < 20; i++)
        turn(&fixture);
    fixture_flags_done(&fixture, XF_OK);
    assert_int_equal(ask(&fixture, "GET", "/healthz", HOST, NULL, answer), 200);
    /* The port may go before the answer of Redis comes, too. */
    int fd = begin_flags(&fixture, "PUT", BASE "/flags", "{\"dual_write\":true}");
    xf_admin_free(fixture.admin);
    fixture.admin = NULL;
    fixture_flags_done(&fixture, XF_OK);
    (void)close(fd);
    fixture_fini(&fixture);
}

static void verbs_that_are_flags(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *body, *dual_write, *new_reads;
    } rows[] = {
        {"switch", "{}", "-", "1"},
        {"switch", "{\"percent\":25}", "-", "25%"},
        {"switch", "{\"percent\":100}", "-", "1"},
        {"rollback", "{}", "-", "0"},
    };
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture.control.flags.dual_write = true;
    fixture.control.is_complete = true;
    fixture.control.phase = XF_PHASE_DUAL_WRITE;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", BASE, rows[i].verb);
        int fd = begin_flags(&fixture, "POST", path, rows[i].body);
        assert_string_equal(fixture.control.dual_write, rows[i].dual_write);
        assert_string_equal(fixture.control.new_reads, rows[i].new_reads);
        fixture_flags_done(&fixture, XF_OK);
        client_read_until(&fixture, fd, answer, ANSWER_MAX, "}");
        (void)close(fd);
    }
    static const char *const bad[] = {"{\"percent\":0}", "{\"percent\":101}", "{\"percent\":2.5}",
                                      "{\"percent\":\"5\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(post(&fixture, "switch", bad[i]), 400);
    assert_int_equal(post(&fixture, "finish", "{}"), 409);
    fixture.control.flags.new_reads_percent = 100;
    int fd = begin_flags(&fixture, "POST", BASE "/finish", "{}");
    assert_string_equal(fixture.control.dual_write, "0");
    fixture_flags_done(&fixture, XF_OK);
    client_read_until(&fixture, fd, answer, ANSWER_MAX, "}");
    (void)close(fd);
    fixture_fini(&fixture);
}

static void the_switch_is_guarded(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    assert_int_equal(post(&fixture, "switch", "{}"), 409);
    assert_has("dual writes are off");
    fixture.control.flags.dual_write = true;
    assert_int_equal(post(&fixture, "switch", "{\"percent\":5}"), 409);
    assert_has("the backfill has not been through");
    fixture.control.is_complete = true;
    fixture.journal.replicas = "[{\"id\":\"own\",\"state\":\"joined\"},{\"id\":\"x1\",\"state\":\"lapsed\"}]";
    assert_int_equal(post(&fixture, "switch", "{}"), 409);
    assert_has("replica x1 has lapsed");
    fixture.journal.replicas = "[]";
    fixture.journal.state.is_cut_off = true;
    assert_int_equal(post(&fixture, "switch", "{}"), 409);
    assert_has("cut off from Redis");
    fixture.journal.state.is_cut_off = false;
    fixture.journal.state.is_unknown = true;
    assert_int_equal(post(&fixture, "switch", "{}"), 409);
    assert_has("a reconcile is needed");
    int fd = begin_flags(&fixture, "POST", BASE "/switch", "{\"force\":true}");
    fixture_flags_done(&fixture, XF_OK);
    (void)close(fd);
    fixture.migration.guard = XF_GUARD_WARN;
    fd = begin_flags(&fixture, "POST", BASE "/switch", "{}");
    fixture_flags_done(&fixture, XF_OK);
    (void)close(fd);
    fixture.control.phase = XF_PHASE_SWITCHED; /* back from new_only: legacy may have missed writes */
    fixture.control.is_complete = false;
    assert_int_equal(post(&fixture, "rollback", "{}"), 409);
    assert_has("reconcile first");
    fixture.control.phase = XF_PHASE_NEW_ONLY;
    fixture.control.set_result = XF_ERR_BUSY;
    assert_int_equal(post(&fixture, "rollback", "{\"force\":true}"), 409);
    assert_has("misses writes");
    fixture_fini(&fixture);
}

static void the_small_routes(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    assert_int_equal(ask(&fixture, "GET", "/readyz", HOST, NULL, answer), 200);
    fixture.is_ready = false;
    assert_int_equal(ask(&fixture, "GET", "/readyz", HOST, NULL, answer), 503);
    assert_int_equal(ask(&fixture, "GET", "/healthz", HOST, NULL, answer), 200);
    assert_int_equal(ask(&fixture, "HEAD", "/healthz", HOST, NULL, answer), 200);
    assert_string_equal(body_of(answer), "");
    assert_int_equal(ask(&fixture, "GET", "/", HOST, NULL, answer), 200);
    assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none'"));
    assert_has("<title>Crossfade</title>");
    assert_has("</script>\n");
    assert_int_equal(ask(&fixture, "GET", "/metrics", HOST, NULL, answer), 200);
    assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
    assert_has("crossfade_build_info{version=");
    assert_has("\ncrossfade_requests_total 0\n");
    assert_has("\ncrossfade_redis_up 1\n");
    assert_has("# TYPE crossfade_dirty_points gauge\n");
    assert_has("\ncrossfade_dirty_unknown{migration=");
    fixture.journal.state = (struct xf_journal_state){.held = 3, .replicas = 2, .lapsed = 1, .is_leader = true};
    fixture.journal.counts = (struct xf_journal_counts){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    assert_int_equal(ask(&fixture, "GET", "/metrics", HOST, NULL, answer), 200);
    static const char *const lines[] = {
        "journal_held{migration=\"books \"1\"\"} 3", "journal_replicas{migration=\"books \"1\"\"} 2",
        "journal_replicas_lapsed{migration=\"books \"1\"\"} 1", "journal_leader{migration=\"books \"1\"\"} 1",
        "journal_cut_off{migration=\"books \"1\"\"} 0", "journal_begins_total 1", "journal_ends_total 2",
        "journal_conflicts_total 3", "journal_forced_total 4", "journal_queued_total 5", "journal_cut_off_writes_total 6",
        "journal_rejoins_total 7", "journal_lapses_total 8", "journal_rolled_back_total 9", "journal_emptied_total 10",
        "journal_file_bytes 11", "journal_file_full_total 12"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char line[128], head[128];
        (void)snprintf(line, sizeof line, "\ncrossfade_%s\n", lines[i]);
        assert_has(line);
        (void)snprintf(head, sizeof head, "# TYPE crossfade_%.*s ", (int)strcspn(lines[i], "{ "), lines[i]);
        assert_has(head);
    }
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_reach_the_worker), cmocka_unit_test(a_dry_run_shows_and_a_refusal_explains),
        cmocka_unit_test(a_dry_run_keeps_nobody_waiting), cmocka_unit_test(commands_are_the_leaders),
        cmocka_unit_test(a_lapsed_replica_is_forgotten), cmocka_unit_test(forgetting_keeps_nobody_waiting),
        cmocka_unit_test(the_status_says_it_all), cmocka_unit_test(flags_are_answered_when_in_force),
        cmocka_unit_test(flags_that_cannot_be),   cmocka_unit_test(a_client_may_leave_before_its_flags_are_set),
        cmocka_unit_test(verbs_that_are_flags),   cmocka_unit_test(the_switch_is_guarded),
        cmocka_unit_test(the_small_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
