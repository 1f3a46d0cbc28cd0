/* Followers of /events: they get the status, then what happens, and may leave at any time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/admin/fixture.h"

#include <unistd.h>

#define FOLLOW "GET /api/v1/migrations/books%20%221%22/events HTTP/1.1\r\n" HOST "\r\n"
enum { FOLLOWERS = 64 };

static char answer[ANSWER_MAX];

static int follow(struct fixture *fixture)
{
    int fd = client_connect(fixture);
    client_send(fd, FOLLOW);
    client_read_until(fixture, fd, answer, ANSWER_MAX, "\n\n");
    return fd;
}

static void the_status_comes_first(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    int fd = follow(&fixture);
    assert_non_null(strstr(answer, "Content-Type: text/event-stream"));
    assert_non_null(strstr(answer, "event: status\ndata: {\"name\":"));
    xf_admin_event(fixture.admin, 0, "backfill", XF_SLICE("{\"text\":\n\"half way\"}"));
    client_read_until(&fixture, fd, answer, ANSWER_MAX, "\n\n");
    assert_non_null(strstr(answer, "event: backfill\ndata: {\"text\": \"half way\"}\n\n"));
    (void)close(fd);
    fixture_fini(&fixture);
}

static void followers_come_and_go(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    int fds[FOLLOWERS];
    for (int i = 0; i < FOLLOWERS; i++)
        fds[i] = follow(&fixture);
    int fd = client_connect(&fixture);
    client_send(fd, FOLLOW);
    client_read_until(&fixture, fd, answer, ANSWER_MAX, "}");
    assert_int_equal(strncmp(answer, "HTTP/1.1 503", 12), 0);
    (void)close(fd);
    for (int i = 0; i < FOLLOWERS; i += 2)
        (void)close(fds[i]);
    /* Those that have gone make room: found out by writing to them, if not before. */
    for (bool has_room = false; !has_room;) {
        xf_admin_event(fixture.admin, 0, "tick", XF_SLICE("{}"));
        fd = client_connect(&fixture);
        client_send(fd, FOLLOW);
        client_read_until(&fixture, fd, answer, ANSWER_MAX, "}");
        has_room = strncmp(answer, "HTTP/1.1 200", 12) == 0;
        (void)close(fd);
    }
    xf_admin_event(fixture.admin, 0, "last", XF_SLICE("{}"));
    for (int i = 1; i < FOLLOWERS; i += 2) {
        client_read_until(&fixture, fds[i], answer, ANSWER_MAX, "event: last");
        assert_non_null(strstr(answer, "event: last"));
        (void)close(fds[i]);
    }
    fixture_fini(&fixture);
}

/* One that does not read is let go before it fills the memory; the others do not notice. */
static void a_follower_that_does_not_read(void **state)
{
    (void)state;
    static char detail[40000];
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    int silent = follow(&fixture), fd = follow(&fixture);
    memset(detail, 'x', sizeof detail - 1);
    detail[0] = detail[sizeof detail - 2] = '"';
    for (int i = 0; i < 400; i++) { /* 16 MB: more than sockets hold */
        xf_admin_event(fixture.admin, 0, "much", xf_slice_of(detail));
        client_read_until(&fixture, fd, answer, ANSWER_MAX, "\"\n\n");
        assert_non_null(strstr(answer, "\"\n\n"));
    }
    (void)fd;
    size_t total = 0;
    ssize_t got;
    while ((got = read(silent, answer, sizeof answer)) > 0) {
        total += (size_t)got;
        turn(&fixture);
        if (memmem(answer, (size_t)got, "\r\n0\r\n\r\n", 7))
            break; /* the end of the chunked answer */
    }
    assert_true(total < 400u * sizeof detail);
    (void)close(silent);
    (void)close(fd);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_comes_first),
        cmocka_unit_test(followers_come_and_go),
        cmocka_unit_test(a_follower_that_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
