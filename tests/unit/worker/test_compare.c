/* Which values count as equal, and which must not.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void payloads(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
        {"{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1}", false},
        {"18446744073709551615", "18446744073709551614", false},
        {"9007199254740993", "9007199254740992", false},
        {"1e16", "1e+16", true},
        {"0.1", "0.10000000000000002", true},  /* the next double */
        {"0.1", "0.10000000000000003", false}, /* the one after it */
        {"1", "1.0", false},
        {"-9223372036854775808", "-9223372036854775807", false},
        {"-9223372036854775808", "-9223372036854775808.0", false},
        {"18446744073709551616.0", "18446744073709551615", false},
        {"1.7976931348623157e308", "1.7976931348623155e308", true},
        {"5e-324", "0.0", true}, /* one unit apart, at the end of the scale */
        {"5e-324", "-5e-324", false},
        {"0.1", "-0.1", false},
        {"-0.0", "0.0", true},
        {"\"\\u00e9\"", "\"\xc3\xa9\"", true},
        {"\"a\"", "\"b\"", false},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"null", "false", false},
        {"null", "{}", false},
        {"{\"a\":{\"x\":1.5,\"y\":null}}", "{\"a\":{\"y\":null,\"x\":1.5}}", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(xf_json_equal(xf_slice_of(rows[i].a), xf_slice_of(rows[i].b)), rows[i].equal);
        assert_int_equal(xf_json_equal(xf_slice_of(rows[i].b), xf_slice_of(rows[i].a)), rows[i].equal);
    }
}

/* Two sides that declare the same: the unnamed vector, and one of each kind. */
static struct xf_slice names[] = {XF_SLICE(""),  XF_SLICE("cos"), XF_SLICE("dot"), XF_SLICE("byte"),
                                  XF_SLICE("half"), XF_SLICE("cos half"), XF_SLICE("cos byte"), XF_SLICE("sparse")};
static bool is_cosine[] = {false, true, false, false, false, true, true, false};
static bool is_sparse[] = {false, false, false, false, false, false, false, true};
static enum xf_datatype datatypes[] = {XF_DATATYPE_FLOAT32, XF_DATATYPE_FLOAT32, XF_DATATYPE_FLOAT32,
                                       XF_DATATYPE_UINT8,   XF_DATATYPE_FLOAT16, XF_DATATYPE_FLOAT16,
                                       XF_DATATYPE_UINT8,   XF_DATATYPE_FLOAT32};
#define SIDE                                                                                                           \
    {                                                                                                                  \
        .vector_names = names, .is_cosine = is_cosine, .is_sparse = is_sparse, .datatypes = datatypes,                 \
        .name_count = sizeof names / sizeof *names                                                                     \
    }

static bool are_equal(const char *legacy, const char *new, const struct xf_collection side[XF_SIDE_COUNT])
{
    struct xf_point a = {.vector = xf_slice_of(legacy)}, b = {.vector = xf_slice_of(new)};
    return xf_point_difference(&a, &b, side) == NULL;
}

static void vectors(void **state)
{
    (void)state;
    const struct xf_collection side[XF_SIDE_COUNT] = {SIDE, SIDE};
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"[0.5,1e-7]", "[0.50,0.0000001]", true},
        {"[0.5]", "[0.50000006]", false},
        {"{\"cos\":[0.5]}", "{\"cos\":[0.50000006]}", true},
        {"{\"cos\":[0.6,0.8]}", "{\"cos\":[0.6,0.80001]}", false},
        {"{\"cos\":[0.6,0.8]}", "{\"cos\":[0.6,-0.8]}", false},
        {"{\"cos\":[0.0,1.0]}", "{\"cos\":[-0.0,1.0]}", true},
        {"{\"cos\":[[0.6,0.8],[1.0,0.0]]}", "{\"cos\":[[0.6,0.8000001],[1.0,0.0]]}", true},
        {"{\"cos\":[[0.6,0.8],[1.0,0.0]]}", "{\"cos\":[[0.6,0.8],[0.0,1.0]]}", false},
        {"{\"cos\":[[0.6,0.8]]}", "{\"cos\":[0.6,0.8]}", false},
        {"{\"dot\":[0.5]}", "{\"dot\":[0.50000006]}", false},
        {"{\"dot\":[16777216]}", "{\"dot\":[16777216.0]}", true},
        {"{\"cos\":[1.0],\"dot\":[2.0]}", "{\"dot\":[2.0],\"cos\":[1.0]}", true},
        {"{\"cos\":[1.0]}", "{\"cos\":[1.0],\"dot\":[2.0]}", false},
        {"{\"cos\":[1.0]}", "{\"dot\":[1.0]}", false},
        {"{\"byte\":[3.0]}", "{\"byte\":[3]}", true},
        {"{\"byte\":[3.0]}", "{\"byte\":[4.0]}", false},
        {"{\"cos byte\":[3.0,4.0]}", "{\"cos byte\":[3.0,4.0]}", true},
        {"{\"cos byte\":[3.0,4.0]}", "{\"cos byte\":[6.0,8.0]}", false}, /* bytes are kept as they are */
        {"{\"half\":[0.33325195]}", "{\"half\":[0.33325195]}", true},
        {"{\"half\":[0.33325195]}", "{\"half\":[0.33349609]}", false}, /* the next float16 */
        {"{\"cos half\":[0.6,0.8]}", "{\"cos half\":[0.6005,0.8]}", true},
        {"{\"cos half\":[0.6,0.8]}", "{\"cos half\":[0.62,0.8]}", false},
        {"{\"sparse\":{\"indices\":[1,7],\"values\":[0.5,1e-7]}}",
         "{\"sparse\":{\"values\":[0.50,0.0000001],\"indices\":[1,7]}}", true},
        {"{\"sparse\":{\"indices\":[1,7],\"values\":[0.5,1.0]}}",
         "{\"sparse\":{\"indices\":[1,7],\"values\":[0.50000006,1.0]}}", false},
        {"{\"sparse\":{\"indices\":[16777217],\"values\":[1.0]}}",
         "{\"sparse\":{\"indices\":[16777216],\"values\":[1.0]}}", false},
        {"{\"sparse\":{\"indices\":[],\"values\":[]}}", "{}", false},
        {"[[1.0],[2.0]]", "[[1.0],[2.5]]", false},
        {"[[1.0],[2.0]]", "[[1.0]]", false},
        {"[1.0,2.0]", "[1.0]", false},
        {"{}", "", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(are_equal(rows[i].a, rows[i].b, side), rows[i].equal);
        assert_int_equal(are_equal(rows[i].b, rows[i].a, side), rows[i].equal);
    }
    struct xf_point with = {.payload = XF_SLICE("{\"a\":1}")}, without = {0};
    assert_non_null(xf_point_difference(&with, &without, side));
}

/* Where the sides declare different things, equal is what one makes of the other's. */
static void vectors_of_two_kinds(void **state)
{
    (void)state;
    struct xf_slice name[] = {XF_SLICE("")};
    bool cosine[] = {true}, not_cosine[] = {false};
    enum xf_datatype f32[] = {XF_DATATYPE_FLOAT32}, f16[] = {XF_DATATYPE_FLOAT16}, u8[] = {XF_DATATYPE_UINT8};
    const struct xf_collection plain = {
        .vector_names = name, .is_cosine = not_cosine, .is_sparse = not_cosine, .datatypes = f32, .name_count = 1};
    struct xf_collection half = plain, byte = plain, normal = plain, normal_half = plain;
    half.datatypes = normal_half.datatypes = f16;
    byte.datatypes = u8;
    normal.is_cosine = normal_half.is_cosine = cosine;
    const struct {
        const struct xf_collection *side;
        const char *plain, *other;
        bool equal;
    } rows[] = {
        {&byte, "[3.7,-1.5,300.0]", "[3.0,0.0,255.0]", true},
        {&byte, "[3.7]", "[4.0]", false},
        {&half, "[0.1]", "[0.099975586]", true},
        {&half, "[0.1]", "[0.10003662]", false}, /* the next one */
        {&half, "[1e-8,6e-8]", "[0.0,5.9604645e-8]", true},
        {&half, "[65519.0]", "[65504.0]", true},
        {&normal, "[3.0,4.0]", "[0.6,0.8]", true},
        {&normal, "[3.0,4.0]", "[0.6,0.80000013]", true},
        {&normal, "[3.0,4.0]", "[0.8,0.6]", false},
        {&normal, "[0.0,0.0]", "[0.0,0.0]", true},
        {&normal, "[[3.0,4.0],[0.0,2.0]]", "[[0.6,0.8],[0.0,1.0]]", true},
        {&normal, "[[3.0,4.0],[0.0,2.0]]", "[[0.6,0.8],[1.0,0.0]]", false},
        {&normal_half, "[3.0,4.0]", "[0.60009766,0.7998047]", true},
        {&normal_half, "[3.0,4.0]", "[0.62,0.78]", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct xf_collection ahead[XF_SIDE_COUNT] = {plain, *rows[i].side};
        const struct xf_collection back[XF_SIDE_COUNT] = {*rows[i].side, plain};
        assert_int_equal(are_equal(rows[i].plain, rows[i].other, ahead), rows[i].equal);
        assert_int_equal(are_equal(rows[i].other, rows[i].plain, back), rows[i].equal);
    }
}

static void hits(void **state)
{
    (void)state;
#define HITS(list) "{\"result\":{\"points\":[" list "]},\"status\":\"ok\"}"
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"), true},
        {HITS("{\"id\":1,\"score\":0.8},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":2,\"score\":0.8},{\"id\":1,\"score\":0.8}"), true},
        {HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":1,\"score\":0.9},{\"id\":3,\"score\":0.8}"), true},
        {HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":3,\"score\":0.9},{\"id\":2,\"score\":0.8}"), false},
        {HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.8}"),
         HITS("{\"id\":1,\"score\":0.9},{\"id\":2,\"score\":0.7}"), false},
        {HITS("{\"id\":1,\"score\":0.9}"), HITS(""), false},
        {HITS(""), HITS(""), true},
        {HITS("{\"id\":1,\"score\":0.9}"), "{\"result\":{\"points\":[{\"id\":1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(xf_hits_equal(xf_slice_of(rows[i].a), xf_slice_of(rows[i].b)), rows[i].equal);
        assert_int_equal(xf_hits_equal(xf_slice_of(rows[i].b), xf_slice_of(rows[i].a)), rows[i].equal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(payloads), cmocka_unit_test(vectors),
                                       cmocka_unit_test(vectors_of_two_kinds), cmocka_unit_test(hits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
