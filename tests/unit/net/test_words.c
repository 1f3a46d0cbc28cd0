/* Words of an answer are found wherever it is cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct xf_words feed(const char *text, size_t first, size_t step)
{
    struct xf_words words = {0};
    size_t len = strlen(text);
    xf_words_feed(&words, xf_slice(text, first));
    for (size_t at = first; at < len; at += step)
        xf_words_feed(&words, xf_slice(text + at, len - at < step ? len - at : step));
    xf_words_feed(&words, XF_SLICE_NONE);
    return words;
}

static void found_wherever_it_is_cut(void **state)
{
    static const struct {
        const char *text;
        bool has_wait_timeout, has_result;
    } rows[] = {
        {"{\"result\":{\"operation_id\":12345678901234567,\"status\":\"completed\"},\"status\":\"ok\",\"time\":0.000123}", false, true},
        {"{\"result\":{\"operation_id\":3,\"status\":\"acknowledged\"},\"status\":\"ok\",\"time\":0.000123}", false, true},
        {"{\"result\":{\"operation_id\":3,\"status\":\"wait_timeout\"},\"status\":\"ok\",\"time\":0.1}", true, false},
        {"{\"result\":[{\"operation_id\":3,\"status\":\"completed\"},{\"operation_id\":4,\"status\":\"wait_timeout\"}],\"time\":0.1}", true, true},
        {"{\"result\":[],\"status\":\"ok\"}", false, true},
        {"{\"result\":true,\"status\":\"ok\",\"time\":0.000123, and nothing else that is known to mean anything}", false, false},
        {"", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].text);
        for (size_t first = 0; first <= len; first++) {
            for (size_t step = 1; step <= len + 1; step += step < 40 ? 1 : len) {
                struct xf_words words = feed(rows[i].text, first, step);
                assert_int_equal(words.has_wait_timeout, rows[i].has_wait_timeout);
                assert_int_equal(words.has_result, rows[i].has_result);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(found_wherever_it_is_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
