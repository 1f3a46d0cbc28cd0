/* What a side's answer means for the points, from the texts that Qdrant 1.12.4 and 1.18.3 send.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void make(struct xf_answer *answer, int status, const char *body)
{
    char text[256];
    size_t head_len = 0;
    enum xf_err err = XF_OK;
    struct xf_http_head head;
    int len = snprintf(text, sizeof text, "HTTP/1.1 %d X\r\ncontent-length: %zu\r\n\r\n", status, strlen(body));
    xf_http_head_init(&head);
    assert_int_equal(xf_http_parse_response(&head, XF_HTTP_PUT, xf_slice(text, (size_t)len), &head_len, &err), XF_HTTP_DONE);
    xf_answer_init(answer);
    assert_int_equal(xf_answer_take_head(answer, &head, text), XF_OK);
    assert_int_equal(xf_answer_take_body(answer, xf_slice_of(body)), XF_OK);
    answer->is_whole = true;
}

static void outcomes(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum xf_outcome outcome;
    } rows[] = {
        {200, "{\"result\":{\"operation_id\":3,\"status\":\"completed\"},\"status\":\"ok\",\"time\":0.1}", XF_OUTCOME_COMPLETED},
        {200, "{\"result\":{\"operation_id\":3,\"status\":\"acknowledged\"},\"status\":\"ok\",\"time\":0.1}",
         XF_OUTCOME_ACKNOWLEDGED},
        {200, "{\"result\":{\"operation_id\":3,\"status\":\"wait_timeout\"},\"status\":\"ok\",\"time\":0.1}",
         XF_OUTCOME_WAIT_TIMEOUT},
        {200, "{\"result\":[{\"operation_id\":3,\"status\":\"completed\"},{\"operation_id\":4,\"status\":\"acknowledged\"}],"
              "\"status\":\"ok\",\"time\":0.1}", XF_OUTCOME_ACKNOWLEDGED},
        {200, "{\"result\":[],\"status\":\"ok\",\"time\":0.1}", XF_OUTCOME_COMPLETED},
        {200, "", XF_OUTCOME_UNKNOWN},
        {400, "{\"status\":{\"error\":\"Wrong input\"},\"time\":0.0}", XF_OUTCOME_REFUSED},
        {500, "", XF_OUTCOME_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xf_answer answer;
        make(&answer, rows[i].status, rows[i].body);
        assert_int_equal(xf_answer_outcome(&answer), rows[i].outcome);
        xf_answer_fini(&answer);
    }
}

static void error_text(void **state)
{
    struct xf_answer answer;
    char text[64];
    (void)state;
    make(&answer, 400, "{\"status\":{\"error\":\"bad \\\"x\\\" here\"},\"time\":0.0}");
    size_t len = xf_answer_error_text(&answer, text, sizeof text);
    assert_int_equal(len, strlen("bad \"x\" here"));
    assert_memory_equal(text, "bad \"x\" here", len);
    xf_answer_fini(&answer);
    make(&answer, 401, "Must provide an API key");
    len = xf_answer_error_text(&answer, text, 4);
    assert_memory_equal(text, "Must", len);
    assert_true(xf_answer_proves_no_effect(&answer));
    xf_answer_fini(&answer);
}

/* Refused while the request was read: nothing can have been done. A refusal by the operation itself proves no such thing. */
static void unreadable(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool proves;
    } rows[] = {
        {400, "{\"status\":{\"error\":\"Format error in JSON body: EOF while parsing a value\"},\"time\":0.0}", true},
        {422, "{\"status\":{\"error\":\"Validation error in JSON body: [points: empty]\"},\"time\":0.0}", true},
        {400, "{\"status\":{\"error\":\"Deserialize error in query parameters: duplicate field `wait`\"},\"time\":0.0}", true},
        {400, "{\"status\":{\"error\":\"Wrong input: Format error in JSON body: said by a payload\"},\"time\":0.0}", false},
        {500, "{\"status\":{\"error\":\"Format error in JSON body: x\"},\"time\":0.0}", false},
        {400, "", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xf_answer answer;
        make(&answer, rows[i].status, rows[i].body);
        assert_int_equal(xf_answer_proves_no_effect(&answer), rows[i].proves);
        xf_answer_fini(&answer);
    }
}

static void missing_point(void **state)
{
    struct xf_answer answer;
    (void)state;
    make(&answer, 404, "{\"status\":{\"error\":\"Not found: No point with id 7 found\"},\"time\":0.0}");
    assert_true(xf_answer_is_point_missing(&answer));
    assert_false(xf_answer_proves_no_effect(&answer));
    xf_answer_fini(&answer);
    make(&answer, 404, "{\"status\":{\"error\":\"Not found: Collection `x` doesn't exist!\"},\"time\":0.0}");
    assert_false(xf_answer_is_point_missing(&answer));
    xf_answer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes),
        cmocka_unit_test(error_text),
        cmocka_unit_test(unreadable),
        cmocka_unit_test(missing_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
