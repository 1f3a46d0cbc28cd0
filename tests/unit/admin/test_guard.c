/* Who may ask the admin port, and what it makes of broken requests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/admin/fixture.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char answer[ANSWER_MAX];

static void assert_qdrant_error(void)
{
    cJSON *json = cJSON_Parse(body_of(answer));
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(json, "status");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(status, "error"));
    if (!text || strlen(text) < 10 || !cJSON_GetObjectItemCaseSensitive(json, "time"))
        fail_msg("not an error in Qdrant's shape: %s", answer);
    cJSON_Delete(json);
}

struct row {
    const char *method, *path, *fields, *body;
    int status;
};

static void check(const struct row *rows, size_t count, const char *token)
{
    struct fixture fixture;
    fixture_init(&fixture, token);
    for (size_t i = 0; i < count; i++) {
        int status = ask(&fixture, rows[i].method, rows[i].path, rows[i].fields, rows[i].body, answer);
        if (status != rows[i].status)
            fail_msg("%s %s with %s: %d, expected %d", rows[i].method, rows[i].path, rows[i].fields, status,
                     rows[i].status);
        if (status >= 400 && strcmp(rows[i].path, "/readyz") != 0)
            assert_qdrant_error();
    }
    fixture_fini(&fixture);
}
#define CHECK(rows, token) check(rows, sizeof rows / sizeof rows[0], token)
#define LIST "/api/v1/migrations"
#define PAUSE "/api/v1/migrations/books%20%221%22/pause"

static void a_token_is_asked_for(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET", LIST, HOST, NULL, 401},
        {"GET", LIST, HOST "Authorization: Bearer s3cret\r\n", NULL, 200},
        {"GET", LIST, HOST "Authorization: bearer s3cret\r\n", NULL, 200},
        {"GET", LIST, HOST "X-Crossfade-Token: s3cret\r\n", NULL, 200},
        {"GET", LIST, HOST "Authorization: Bearer s3cre\r\n", NULL, 401},
        {"GET", LIST, HOST "Authorization: Bearer s3cretx\r\n", NULL, 401},
        {"GET", LIST, HOST "Authorization: Bearer \r\n", NULL, 401},
        {"GET", LIST, HOST "Authorization: s3cret\r\n", NULL, 401},
        {"GET", LIST, HOST "X-Crossfade-Token: wrong\r\nAuthorization: Bearer s3cret\r\n", NULL, 401},
        {"GET", "/metrics", HOST, NULL, 401},
        {"GET", "/nothing/here", HOST, NULL, 401},
        {"POST", PAUSE, JSON, "{}", 401},
        {"POST", PAUSE, JSON "Authorization: Bearer s3cret\r\n", "{}", 202},
        {"GET", "/healthz", HOST, NULL, 200},
        {"GET", "/readyz", HOST, NULL, 200},
        {"GET", "/", HOST, NULL, 200},
    };
    CHECK(rows, "s3cret");
}

static void foreign_pages_are_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET", LIST, "Host: localhost:7334\r\n", NULL, 200},
        {"GET", LIST, "Host: LOCALHOST\r\n", NULL, 200},
        {"GET", LIST, "Host: 127.0.0.1:1\r\n", NULL, 200},
        {"GET", LIST, "Host: [::1]:7334\r\n", NULL, 200},
        {"GET", LIST, "Host: evil.example\r\n", NULL, 403},
        {"GET", LIST, "Host: localhost.evil.example\r\n", NULL, 403},
        {"GET", LIST, "Host: 127.0.0.1.evil.example:7334\r\n", NULL, 403},
        {"GET", LIST, "", NULL, 403},
        {"GET", "/healthz", "Host: evil.example\r\n", NULL, 403},
        {"GET", LIST, HOST "Origin: http://localhost\r\n", NULL, 200},
        {"GET", LIST, HOST "Origin: http://evil.example\r\n", NULL, 403},
        {"GET", LIST, HOST "Origin: null\r\n", NULL, 403},
        {"GET", LIST, HOST "Origin: http://localhost:8080\r\n", NULL, 403},
        {"POST", PAUSE, JSON "Origin: http://evil.example\r\n", "{}", 403},
        {"POST", PAUSE, JSON "Sec-Fetch-Site: cross-site\r\n", "{}", 403},
        {"POST", PAUSE, JSON "Sec-Fetch-Site: same-site\r\n", "{}", 403},
        {"POST", PAUSE, JSON "Sec-Fetch-Site: same-origin\r\n", "{}", 202},
        {"GET", LIST, HOST "Sec-Fetch-Site: cross-site\r\n", NULL, 403},
        {"GET", LIST, HOST "Sec-Fetch-Site: none\r\n", NULL, 200},
        {"GET", "/", HOST "Sec-Fetch-Site: cross-site\r\n", NULL, 200},
    };
    CHECK(rows, NULL);
}

/* Every address is listened on: by which names is not known, and the token decides. */
static void any_host_where_all_addresses_are_listened_on(void **state)
{
    (void)state;
    static char any[] = "0.0.0.0";
    struct fixture fixture;
    fixture_init(&fixture, "s3cret");
    fixture.config.admin.listen.host = any;
    const char *fields = "Host: crossfade.internal:7334\r\nAuthorization: Bearer s3cret\r\n";
    assert_int_equal(ask(&fixture, "GET", LIST, fields, NULL, answer), 200);
    assert_int_equal(ask(&fixture, "GET", LIST, "Host: crossfade.internal\r\n", NULL, answer), 401);
    fixture_fini(&fixture);
}

static void bodies_are_checked(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"POST", PAUSE, HOST, "{}", 415},
        {"POST", PAUSE, HOST "Content-Type: text/plain\r\n", "{}", 415},
        {"POST", PAUSE, HOST "Content-Type: application/jsonp\r\n", "{}", 415},
        {"POST", PAUSE, HOST "Content-Type: application/json; charset=utf-8\r\n", "{}", 202},
        {"POST", PAUSE, JSON, "", 202},
        {"POST", PAUSE, JSON, "[]", 400},
        {"POST", PAUSE, JSON, "{", 400},
        {"POST", PAUSE, JSON, "{} {}", 400},
        {"POST", PAUSE, JSON, "{\"fast\":true}", 400},
        {"POST", "/api/v1/migrations/books%20%221%22/validate", JSON, "{\"full\":1}", 400},
        {"POST", "/api/v1/migrations/books%20%221%22/validate", JSON, "{\"dry_run\":true}", 400},
        {"PUT", "/api/v1/migrations/books%20%221%22/flags", JSON, "{}", 400},
        {"PUT", "/api/v1/migrations/books%20%221%22/flags", JSON, "{\"dual_write\":1}", 400},
        {"PUT", "/api/v1/migrations/books%20%221%22/flags", JSON, "{\"dualwrite\":true}", 400},
    };
    CHECK(rows, NULL);
}

static void paths_and_methods(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET", "/nothing", HOST, NULL, 404},
        {"GET", "/api/v1/migrations/other", HOST, NULL, 404},
        {"GET", "/api/v1/migrations/books%20%221%22", HOST, NULL, 200},
        {"GET", "/api/v1/migrations/books%20%221%22%00", HOST, NULL, 404},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k", HOST, NULL, 404},
        {"GET", PAUSE, HOST, NULL, 405},
        {"DELETE", LIST, HOST, NULL, 405},
        {"POST", LIST, JSON, "{}", 405},
        {"GET", "/api/v1/collections", HOST, NULL, 200},
        {"POST", "/api/v1/collections/old_books/validate", JSON, "{}", 202},
        {"POST", "/api/v1/collections/none/validate", JSON, "{}", 404},
        {"GET", "/api/v1/schema/version", HOST, NULL, 501},
        {"POST", "/api/v1/migrations/books%20%221%22/cleanup", JSON, "{\"confirm\":\"old_books\"}", 501},
    };
    CHECK(rows, NULL);
}

static void a_method_that_is_not_right_is_told_which_is(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    assert_int_equal(ask(&fixture, "GET", PAUSE, HOST, NULL, answer), 405);
    assert_non_null(strstr(answer, "\r\nAllow: POST\r\n"));
    fixture_fini(&fixture);
}

static void a_large_body_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    int fd = client_connect(&fixture);
    client_send(fd, "POST " PAUSE " HTTP/1.1\r\n" JSON "Content-Length: 1048577\r\n\r\n");
    client_read_until(&fixture, fd, answer, ANSWER_MAX, "\r\n\r\n");
    assert_non_null(strstr(answer, " 413 "));
    assert_int_equal(fixture.worker.commands, 0);
    (void)close(fd);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_asked_for),
        cmocka_unit_test(foreign_pages_are_refused),
        cmocka_unit_test(any_host_where_all_addresses_are_listened_on),
        cmocka_unit_test(bodies_are_checked),
        cmocka_unit_test(paths_and_methods),
        cmocka_unit_test(a_method_that_is_not_right_is_told_which_is),
        cmocka_unit_test(a_large_body_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
