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

#define OK(result) "{\"result\":" result ",\"status\":\"ok\",\"time\":0.1}"
#define ERROR(text) "{\"status\":{\"error\":\"" text "\"},\"time\":0.0}"
#define DID(status) "{\"operation_id\":3,\"status\":\"" status "\"}"

/* At least one answer for each row of answers.def, and those that nearly fit another. */
static void outcomes(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum xf_outcome outcome;
        bool proves_no_effect;
    } rows[] = {
        {200, OK(DID("completed")), XF_OUTCOME_COMPLETED, false},
        {200, OK(DID("acknowledged")), XF_OUTCOME_ACKNOWLEDGED, false},
        {200, OK(DID("wait_timeout")), XF_OUTCOME_WAIT_TIMEOUT, false},
        {200, OK("[" DID("completed") "," DID("completed") "]"), XF_OUTCOME_COMPLETED, false},
        {200, OK("[" DID("completed") "," DID("acknowledged") "]"), XF_OUTCOME_ACKNOWLEDGED, false},
        {200, OK("[" DID("acknowledged") "," DID("wait_timeout") "," DID("completed") "]"), XF_OUTCOME_WAIT_TIMEOUT, false},
        {200, OK("[]"), XF_OUTCOME_COMPLETED, false},
        {200, "", XF_OUTCOME_UNKNOWN, false},
        {200, "hello", XF_OUTCOME_UNKNOWN, false},
        {200, OK("true"), XF_OUTCOME_UNKNOWN, false},
        {202, "{\"result\":null,\"status\":\"accepted\",\"time\":0.1}", XF_OUTCOME_UNKNOWN, false},
        {307, "", XF_OUTCOME_REFUSED, false},
        {301, OK(DID("completed")), XF_OUTCOME_REFUSED, false},
        {400, ERROR("Format error in JSON body: EOF while parsing a value"), XF_OUTCOME_REFUSED, true},
        {422, ERROR("Validation error in JSON body: [points: empty]"), XF_OUTCOME_REFUSED, true},
        {422, ERROR("Validation error in path parameters: [name: too long]"), XF_OUTCOME_REFUSED, true},
        {400, ERROR("Deserialize error in query parameters: duplicate field `wait`"), XF_OUTCOME_REFUSED, true},
        {400, ERROR("Wrong input: Format error in JSON body: said by a payload"), XF_OUTCOME_REFUSED, false},
        {400, ERROR("Wrong input: Not existing vector name error: x"), XF_OUTCOME_REFUSED, false},
        {400, ERROR("Bad request: Empty update request"), XF_OUTCOME_REFUSED, false},
        {400, "", XF_OUTCOME_REFUSED, false},
        {401, "Must provide an API key or an Authorization bearer token", XF_OUTCOME_REFUSED, true},
        {403, ERROR("Forbidden: Write access to collection c is required"), XF_OUTCOME_REFUSED, true},
        {403, "Invalid JWT", XF_OUTCOME_REFUSED, true},
        {403, ERROR("Forbidden: This operation is not allowed with a payload restriction"), XF_OUTCOME_REFUSED, false},
        {403, ERROR("Forbidden: Write operations are locked"), XF_OUTCOME_REFUSED, false},
        {404, ERROR("Not found: No point with id 7 found"), XF_OUTCOME_REFUSED, false},
        {404, ERROR("Not found: Collection `x` doesn't exist!"), XF_OUTCOME_REFUSED, true},
        {404, "", XF_OUTCOME_REFUSED, true},
        {404, ERROR("Not found: Shard key x"), XF_OUTCOME_REFUSED, false},
        {408, ERROR("Timeout: Operation timed out"), XF_OUTCOME_UNKNOWN, false},
        {409, ERROR("Wrong input: Collection `x` already exists!"), XF_OUTCOME_REFUSED, false},
        {413, "Payload too large", XF_OUTCOME_REFUSED, false},
        {429, ERROR("Rate limiting exceeded: Write rate limit exceeded"), XF_OUTCOME_REFUSED, false},
        {500, ERROR("Service internal error: No space left on device"), XF_OUTCOME_UNKNOWN, false},
        {500, ERROR("Format error in JSON body: x"), XF_OUTCOME_UNKNOWN, false},
        {502, "", XF_OUTCOME_UNKNOWN, false},
        {503, ERROR("Service unavailable: Shard key is not available"), XF_OUTCOME_REFUSED, false},
        {504, "", XF_OUTCOME_UNKNOWN, false},
        {599, "", XF_OUTCOME_UNKNOWN, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xf_answer answer;
        make(&answer, rows[i].status, rows[i].body);
        if (xf_answer_outcome(&answer) != rows[i].outcome || xf_answer_proves_no_effect(&answer) != rows[i].proves_no_effect)
            fail_msg("%d %s", rows[i].status, rows[i].body);
        answer.is_whole = false; /* cut off: it says nothing */
        assert_int_equal(xf_answer_outcome(&answer), XF_OUTCOME_UNKNOWN);
        assert_false(xf_answer_proves_no_effect(&answer));
        xf_answer_fini(&answer);
    }
}

enum where { ANY, HAS, OPENS, EMPTY };

static const struct {
    int from, to;
    enum where where;
    const char *text, *outcome, *meaning;
    bool proves;
} table[] = {
#define XF_ANSWER(from, to, where, text, outcome, proves, meaning) {from, to, where, text, #outcome, meaning, proves},
#include "proxy/fanout/answers.def"
#undef XF_ANSWER
};

static void print_row(size_t i, char *out, size_t room)
{
    static const char *const words[] = {[ANY] = "any", [HAS] = "has ", [OPENS] = "begins ", [EMPTY] = "empty"};
    bool has_text = table[i].text[0] != 0;
    char status[16], outcome[32];
    snprintf(status, sizeof status, table[i].from == table[i].to ? "%d" : "%d-%d", table[i].from, table[i].to);
    size_t at = 0;
    for (; table[i].outcome[at]; at++)
        outcome[at] = xf_ascii_lower(table[i].outcome[at]);
    outcome[at] = 0;
    snprintf(out, room, "| %s | %s%s%s%s | %s | %s | %s |", status, words[table[i].where], has_text ? "`" : "", table[i].text,
             has_text ? "`" : "", outcome, table[i].proves ? "yes" : "no", table[i].meaning);
}

/* The table in docs/outcomes.md is this one, row by row. */
static void the_documentation_says_the_same(void **state)
{
    (void)state;
    char line[1024], row[1024];
    size_t next = 0, count = sizeof table / sizeof *table;
    FILE *file = fopen(OUTCOMES_MD, "r");
    assert_non_null(file);
    while (next < count && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        print_row(next, row, sizeof row);
        if (strcmp(line, row) == 0)
            next++;
        else if (next > 0)
            break;
    }
    fclose(file);
    if (next == count)
        return;
    print_row(next, row, sizeof row);
    fail_msg("docs/outcomes.md lacks, at its place: %s", row);
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
        cmocka_unit_test(the_documentation_says_the_same),
        cmocka_unit_test(error_text),
        cmocka_unit_test(missing_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
