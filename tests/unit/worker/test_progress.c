/* The saved state of a backfill comes back as it was; what is not one is refused; waits grow and are bounded.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void round_trip(const struct xf_progress *progress)
{
    struct xf_buf text;
    struct xf_progress read;
    xf_buf_init(&text, 4096);
    assert_int_equal(xf_progress_print(progress, &text), XF_OK);
    assert_int_equal(xf_progress_parse(xf_buf_view(&text), &read), XF_OK);
    assert_true(read.state == progress->state && read.has_cursor == progress->has_cursor);
    assert_true(!read.has_cursor || xf_point_id_eq(read.cursor, progress->cursor));
    assert_true(read.is_through == progress->is_through && read.deletes_extras == progress->deletes_extras);
    assert_true(read.adopt == progress->adopt && read.copied == progress->copied && read.total == progress->total);
    assert_true(read.started_at_ms == progress->started_at_ms);
    /* A cut text must not be taken for an earlier or emptier state. */
    for (size_t n = 0; n < xf_buf_len(&text) - 1; n++) {
        int err = xf_progress_parse(xf_slice(xf_buf_view(&text).ptr, n), &read);
        assert_true(err != XF_OK);
    }
    xf_buf_fini(&text);
}

static void states_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < XF_BACKFILL_STATE_COUNT; i++)
        round_trip(&(struct xf_progress){.state = (enum xf_backfill_state)i});
    round_trip(&(struct xf_progress){.state = XF_BACKFILL_RUNNING,
                                     .has_cursor = true,
                                     .cursor = {.lo = UINT64_MAX},
                                     .copied = UINT64_MAX - 1,
                                     .total = UINT64_MAX,
                                     .deletes_extras = true,
                                     .started_at_ms = 1795210583448});
    round_trip(&(struct xf_progress){.state = XF_BACKFILL_PAUSED,
                                     .has_cursor = true,
                                     .cursor = {.hi = 1, .lo = 2, .is_uuid = true},
                                     .is_through = true,
                                     .adopt = true});
}

static void a_scan_comes_back(void **state)
{
    (void)state;
    const struct xf_scan_progress rows[] = {
        {.incarnation = "0"},
        {.moment = UINT64_MAX,
         .incarnation = "0123456789abcdef0123456789abcdef",
         .pass = 1,
         .has_cursor = true,
         .cursor = {.hi = 1, .lo = 2, .is_uuid = true},
         .compared = 5,
         .differing = 4,
         .seen = {3, UINT64_MAX},
         .only = {2, 1}},
        {.incarnation = "a", .is_through = true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xf_buf text;
        struct xf_scan_progress read = {0};
        xf_buf_init(&text, 4096);
        assert_int_equal(xf_scan_progress_print(&rows[i], &text), XF_OK);
        assert_int_equal(xf_scan_progress_parse(xf_buf_view(&text), &read), XF_OK);
        assert_true(read.moment == rows[i].moment && read.pass == rows[i].pass && read.is_through == rows[i].is_through);
        assert_string_equal(read.incarnation, rows[i].incarnation);
        assert_true(read.has_cursor == rows[i].has_cursor && xf_point_id_eq(read.cursor, rows[i].cursor));
        assert_true(read.compared == rows[i].compared && read.differing == rows[i].differing);
        for (int side = 0; side < XF_SIDE_COUNT; side++)
            assert_true(read.seen[side] == rows[i].seen[side] && read.only[side] == rows[i].only[side]);
        for (size_t n = 0; n < xf_buf_len(&text) - 1; n++) {
            int err = xf_scan_progress_parse(xf_slice(xf_buf_view(&text).ptr, n), &read);
            assert_true(err != XF_OK);
        }
        xf_buf_fini(&text);
    }
}

static void waits_grow_and_are_bounded(void **state)
{
    (void)state;
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        uint64_t least = xf_backoff_ms(attempt, 0, 0), most = xf_backoff_ms(attempt, 0, least / 2);
        assert_true(least >= 100 && most <= 15000 && most > least);
        assert_true(xf_backoff_ms(attempt + 1, 0, 0) >= least);
        assert_true(xf_backoff_ms(attempt, 60000, 0) >= 60000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(states_come_back), cmocka_unit_test(a_scan_comes_back),
                                       cmocka_unit_test(waits_grow_and_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
