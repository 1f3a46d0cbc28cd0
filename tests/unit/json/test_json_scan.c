/* The JSON reader: the events of a text must not depend on where it is cut nor on the instruction set, jumps must land
 * behind the right bracket, and what serde_json refuses by structure or depth is refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/json/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The events as a line of text: one letter each, tokens in quotes. Containers under a key "j" are jumped over, and then
 * the letter is followed by what the jump has seen. */
struct trace {
    char text[4096];
    size_t len;
};

static void put(struct trace *trace, struct xf_slice bytes)
{
    assert_true(trace->len + bytes.len < sizeof trace->text);
    memcpy(trace->text + trace->len, bytes.ptr, bytes.len);
    trace->len += bytes.len;
    trace->text[trace->len] = 0;
}

static void put_event(struct trace *trace, const struct xf_json_scan *scan, enum xf_json_event event)
{
    static const char letters[] = "?{}[]JKSNtfn";
    put(trace, xf_slice(letters + event, 1));
    if (event == XF_JSON_KEY || event == XF_JSON_STRING || event == XF_JSON_NUMBER) {
        put(trace, XF_SLICE("'"));
        put(trace, scan->token_is_whole ? scan->token : XF_SLICE("..."));
        put(trace, XF_SLICE("'"));
    }
    if (event == XF_JSON_JUMPED) {
        put(trace, scan->jump.saw_string ? XF_SLICE("s") : XF_SLICE(""));
        put(trace, scan->jump.saw_array ? XF_SLICE("a") : XF_SLICE(""));
        put(trace, scan->jump.saw_object ? XF_SLICE("o") : XF_SLICE(""));
    }
}

static enum xf_err run(struct xf_json_scan *scan, struct xf_slice in, struct trace *trace, bool *jump_next)
{
    for (;;) {
        enum xf_json_event event;
        enum xf_err err = xf_json_scan_next(scan, &in, &event);
        if (err || event == XF_JSON_MORE)
            return err;
        put_event(trace, scan, event);
        if (*jump_next && (event == XF_JSON_OBJECT || event == XF_JSON_ARRAY))
            xf_json_scan_jump(scan);
        *jump_next = event == XF_JSON_KEY && scan->token_is_whole && xf_slice_eq(scan->token, XF_SLICE("j"));
    }
}

/* In two pieces cut at `cut`, or, with cut past the end, one byte at a time; each piece in memory of its exact size. */
static enum xf_err trace_of(struct xf_slice text, size_t cut, struct trace *trace)
{
    struct xf_json_scan scan;
    bool jump_next = false;
    enum xf_err err = XF_OK;
    *trace = (struct trace){.len = 0};
    xf_json_scan_init(&scan);
    size_t step = cut > text.len ? 1 : cut;
    for (size_t at = 0; !err && at < text.len;) {
        size_t n = step == 0 || step > text.len - at ? text.len - at : step;
        char *piece = malloc(n);
        assert_non_null(piece);
        memcpy(piece, text.ptr + at, n);
        err = run(&scan, xf_slice(piece, n), trace, &jump_next);
        free(piece);
        at += n;
        step = cut > text.len ? 1 : text.len;
    }
    return err ? err : xf_json_scan_finish(&scan);
}

static void check_every_cut(struct xf_slice text, enum xf_err err, const char *events)
{
    for (enum xf_json_finder finder = XF_JSON_FIND_PORTABLE; finder <= XF_JSON_FIND_AVX2; finder++) {
        if (!xf_json_find_use(finder))
            continue;
        for (size_t cut = 0; cut <= text.len + 1; cut++) {
            struct trace trace;
            assert_int_equal(trace_of(text, cut, &trace), err);
            if (events)
                assert_string_equal(trace.text, events);
        }
    }
}

static void test_events(void **state)
{
    (void)state;
    static const struct {
        const char *text, *events;
    } rows[] = {
        {"{}", "{}"},
        {" [ ] ", "[]"},
        {"[1,-2.5e+3 , 18446744073709551615]", "[N'1'N'-2.5e+3'N'18446744073709551615']"},
        {"[true,false,null]", "[tfn]"},
        {"{\"a\":{\"b\":[]},\"c\":\"d\"}", "{K'a'{K'b'[]}K'c'S'd'}"},
        {"{\"po\\u0069nts\":\"\\\"\\\\\\/\\n\"}", "{K'points'S'\"\\/\n'}"},
        {"[\"\\u00e9\\u20ac\\ud83d\\ude00\"]", "[S'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80']"},
        {"[\"\\ud83d\",\"\\ude00\",\"\\ud83dx\"]", "[S'...'S'...'S'...']"},
        {"{\"j\":[1,2,3],\"k\":1}", "{K'j'[JK'k'N'1'}"},
        {"{\"j\":{},\"k\":[]}", "{K'j'{JK'k'[]}"},
        {"{\"j\":[[1],[2]],\"k\":1}", "{K'j'[JaK'k'N'1'}"},
        {"{\"j\":{\"x\":\"]}\\\"\\\\\",\"y\":[{\"z\":\"\\\\\"}]},\"k\":1}", "{K'j'{JsaoK'k'N'1'}"},
        {"{\"j\":[\"\x02\x02[\"],\"k\":0}", "{K'j'[JsK'k'N'0'}"},
        {"{\"j\":[\x02],\"k\":0}", "{K'j'[JK'k'N'0'}"},
        {"\"x\"", "S'x'"},
        {"17", ""}, /* a number ends with what comes behind it */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_every_cut(xf_slice_of(rows[i].text), XF_OK, rows[i].events);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       " ",
                                       "{",
                                       "[",
                                       "[1",
                                       "[1,]",
                                       "[,1]",
                                       "{,}",
                                       "{\"a\"}",
                                       "{\"a\":}",
                                       "{\"a\":1,}",
                                       "{a:1}",
                                       "[1 2]",
                                       "[1]]",
                                       "[1}",
                                       "{\"a\":1]",
                                       "1 2",
                                       "[] x",
                                       "\"a",
                                       "tru",
                                       "[nul]",
                                       "[NaN]",
                                       "'a'",
                                       "\xef\xbb\xbf{}",
                                       "{1:2}",
                                       "[+1]",
                                       "[\"a\":1]",
                                       "{\"j\":[",
                                       "{\"j\":\"",
                                       "{\"j\":[\"]",
                                       "[\"\\q\"]",
                                       "[\"\\u12g4\"]",
                                       "[\"\\u1\",\"2\"]"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_every_cut(xf_slice_of(rows[i]), XF_ERR_JSON_SYNTAX, NULL);
}

/* `levels` containers in all: the first `outer` are read, the others stand under "j" and are jumped over. */
static size_t nested(char *text, unsigned levels, bool jumped)
{
    size_t n = 0;
    if (jumped)
        n += (size_t)sprintf(text, "{\"j\":");
    for (unsigned i = jumped ? 1 : 0; i < levels; i++)
        text[n++] = '[';
    for (unsigned i = jumped ? 1 : 0; i < levels; i++)
        text[n++] = ']';
    if (jumped)
        text[n++] = '}';
    return n;
}

static void test_depth(void **state)
{
    (void)state;
    char text[600];
    for (int jumped = 0; jumped < 2; jumped++) {
        check_every_cut(xf_slice(text, nested(text, 127, jumped)), XF_OK, NULL);
        check_every_cut(xf_slice(text, nested(text, 128, jumped)), XF_ERR_JSON_DEPTH, NULL);
    }
}

static void test_long_texts(void **state)
{
    (void)state;
    char text[XF_JSON_TEXT_MAX + 16], want[XF_JSON_TEXT_MAX + 16];
    for (size_t over = 0; over < 2; over++) {
        size_t len = XF_JSON_TEXT_MAX + over;
        memset(text, 'x', sizeof text);
        text[0] = '"';
        text[len + 1] = '"';
        memset(want, 'x', sizeof want);
        memcpy(want, "S'", 2);
        strcpy(want + 2 + len, "'");
        check_every_cut(xf_slice(text, len + 2), XF_OK, over ? "S'...'" : want);
    }
}

/* A jump over random brackets, quotes and backslashes must end where a byte by byte reading says. */
static size_t slow_jump(const char *text, size_t n)
{
    size_t depth = 1;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && strchr("[{", text[i]))
            depth++;
        else if (!in_string && strchr("]}", text[i]) && --depth == 0)
            return i + 1;
    }
    return n;
}

static void test_jump_against_slow(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (unsigned round = 0; round < 20000; round++) {
        char text[300];
        size_t n = 1 + round % sizeof text;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1103515245 + 12345;
            text[i] = "[]{}]}\"\\\"0123456789.,x xyz"[(seed >> 16) % (round % 2 ? 26 : 16)];
        }
        for (enum xf_json_finder finder = XF_JSON_FIND_PORTABLE; finder <= XF_JSON_FIND_AVX2; finder++) {
            struct xf_json_jump jump = {.depth = 1, .depth_max = 1000};
            if (!xf_json_find_use(finder))
                continue;
            size_t cut = seed % n, used = xf_json_jump_run(&jump, text, cut);
            if (jump.depth > 0)
                used += xf_json_jump_run(&jump, text + cut, n - cut);
            assert_int_equal(used, slow_jump(text, n));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),     cmocka_unit_test(test_refused),           cmocka_unit_test(test_depth),
        cmocka_unit_test(test_long_texts), cmocka_unit_test(test_jump_against_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
