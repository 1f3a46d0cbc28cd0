/* The whole table: what each side said, whether the write is exact, whether the sides declare the same vectors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { OUTCOMES = XF_OUTCOME_UNKNOWN + 1 };

/* A row for what legacy said, a letter for what new did, in the order of enum xf_outcome.
 * '.': no effect; 'c': clean; 'd': dirty; 'h': dirty and held. */
struct table {
    bool is_exact, vectors_match;
    const char *rows[OUTCOMES];
};

static const struct table tables[] = {
    {true, true, {".ddhdh",    /* not sent */
                  "dcdhdh",    /* completed */
                  "ddchdh",    /* acknowledged */
                  "hhhhhh",    /* wait_timeout */
                  "dddhdh",    /* refused */
                  "hhhhhh"}},  /* unknown */
    {true, false, {".ddhdh", "dcdhdh", "dddhdh", "hhhhhh", "dddhdh", "hhhhhh"}},
    {false, true, {".ddhdh", "dddhdh", "dddhdh", "hhhhhh", "dddhdh", "hhhhhh"}},
    {false, false, {".ddhdh", "dddhdh", "dddhdh", "hhhhhh", "dddhdh", "hhhhhh"}},
};

static char letter(const struct xf_verdict *verdict)
{
    if (verdict->is_no_effect)
        return verdict->is_dirty || verdict->is_held ? '!' : '.';
    if (verdict->is_held)
        return verdict->is_dirty ? 'h' : '!';
    return verdict->is_dirty ? 'd' : 'c';
}

static void test_every_cell(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (int legacy = 0; legacy < OUTCOMES; legacy++)
            for (int new_side = 0; new_side < OUTCOMES; new_side++) {
                struct xf_verdict_input input = {.is_exact = tables[t].is_exact, .vectors_match = tables[t].vectors_match};
                input.outcome[XF_LEGACY] = (enum xf_outcome)legacy;
                input.outcome[XF_NEW] = (enum xf_outcome)new_side;
                struct xf_verdict verdict = xf_journal_judge(&input);
                if (letter(&verdict) != tables[t].rows[legacy][new_side])
                    fail_msg("exact=%d vectors_match=%d legacy=%d new=%d: %c, not %c", input.is_exact, input.vectors_match,
                             legacy, new_side, letter(&verdict), tables[t].rows[legacy][new_side]);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cell)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
