/* Comparing raw JSON values. Equal text is equal, which is the common case and costs a memcmp; only where texts differ
 * are values looked at.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/compare.h"

#include "proxy/worker/cut.h"

#include <math.h>
#include <stdlib.h>

enum { DEPTH_MAX = 128, HITS_MAX = 64, NUMBER_MAX = 400 };

/* How numbers are held against each other. */
enum number_rule { RULE_PAYLOAD, RULE_F32 };

static bool values_equal(struct xf_slice a, struct xf_slice b, enum number_rule rule, unsigned depth);

static bool is_number(struct xf_slice s)
{
    return s.len && s.len < NUMBER_MAX && (s.ptr[0] == '-' || (s.ptr[0] >= '0' && s.ptr[0] <= '9'));
}

static bool is_integer(struct xf_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '.' || s.ptr[i] == 'e' || s.ptr[i] == 'E')
            return false;
    return true;
}

static double to_double(struct xf_slice s)
{
    char text[NUMBER_MAX];
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return strtod(text, NULL);
}

static float to_float(struct xf_slice s)
{
    char text[NUMBER_MAX];
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return strtof(text, NULL);
}

static bool within_one_ulp(double a, double b)
{
    return a == b || nextafter(a, b) == b;
}

static bool numbers_equal(struct xf_slice a, struct xf_slice b, enum number_rule rule)
{
    if (!is_number(b) || (is_integer(a) && is_integer(b)))
        return false; /* as text they were not equal */
    if (rule == RULE_PAYLOAD)
        return is_integer(a) == is_integer(b) && within_one_ulp(to_double(a), to_double(b));
    return to_float(a) == to_float(b);
}

static bool arrays_equal(struct xf_slice a, struct xf_slice b, enum number_rule rule, unsigned depth)
{
    struct xf_cut left = xf_cut(a), right = xf_cut(b);
    xf_cut_enter(&left, '[');
    xf_cut_enter(&right, '[');
    for (;;) {
        bool more = xf_cut_more(&left, ']'), also = xf_cut_more(&right, ']');
        if (more != also || left.err || right.err)
            return false;
        if (!more)
            return true;
        struct xf_slice x = xf_cut_value(&left);
        struct xf_slice y = xf_cut_value(&right);
        if (left.err || right.err || !values_equal(x, y, rule, depth))
            return false;
    }
}

static bool find_member(struct xf_slice object, struct xf_slice key, struct xf_slice *value)
{
    struct xf_cut cut = xf_cut(object);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) {
        struct xf_slice name = xf_cut_key(&cut);
        *value = xf_cut_value(&cut);
        if (!cut.err && xf_cut_text_eq(name, key))
            return true;
    }
    return false;
}

/* Usually the keys come in the same order; each is looked for only where they do not. */
static bool objects_equal(struct xf_slice a, struct xf_slice b, enum number_rule rule, unsigned depth)
{
    struct xf_cut left = xf_cut(a), right = xf_cut(b);
    xf_cut_enter(&left, '{');
    xf_cut_enter(&right, '{');
    for (;;) {
        bool more = xf_cut_more(&left, '}'), also = xf_cut_more(&right, '}');
        if (more != also || left.err || right.err)
            return false;
        if (!more)
            return true;
        struct xf_slice key = xf_cut_key(&left), other_key = xf_cut_key(&right);
        struct xf_slice x = xf_cut_value(&left), y = xf_cut_value(&right);
        if (left.err || right.err || (!xf_cut_text_eq(key, other_key) && !find_member(b, key, &y)))
            return false;
        if (!values_equal(x, y, rule, depth))
            return false;
    }
}

static bool values_equal(struct xf_slice a, struct xf_slice b, enum number_rule rule, unsigned depth)
{
    if (xf_slice_eq(a, b))
        return true;
    if (depth == 0 || !a.len || !b.len)
        return false;
    if (is_number(a))
        return numbers_equal(a, b, rule);
    if (a.ptr[0] != b.ptr[0])
        return false;
    switch (a.ptr[0]) {
    case '{':
        return objects_equal(a, b, rule, depth - 1);
    case '[':
        return arrays_equal(a, b, rule, depth - 1);
    case '"':
        return xf_cut_text_eq(xf_cut_unquoted(a), xf_cut_unquoted(b));
    default:
        return false;
    }
}

bool xf_json_equal(struct xf_slice a, struct xf_slice b)
{
    return values_equal(a, b, RULE_PAYLOAD, DEPTH_MAX);
}

/* --- Vectors --- */

/* What a side does to a vector that it is given. */
struct treatment {
    enum xf_datatype datatype;
    bool normalises;
};

static struct treatment treatment_of(const struct xf_collection *collection, struct xf_slice name)
{
    for (size_t i = 0; i < collection->name_count; i++)
        if (xf_cut_text_eq(collection->vector_names[i], name))
            return (struct treatment){
                .datatype = collection->datatypes[i],
                .normalises = collection->is_cosine[i] && collection->datatypes[i] != XF_DATATYPE_UINT8};
    return (struct treatment){0};
}

/* To the nearest, ties to even; past the largest it becomes infinite. */
static double round_to_float16(double x)
{
    if (x == 0 || !isfinite(x))
        return x;
    int exponent = ilogb(x);
    double step = ldexp(1, (exponent < -14 ? -14 : exponent) - 10), rounded = nearbyint(x / step) * step;
    return fabs(rounded) > 65504 ? copysign(INFINITY, x) : rounded;
}

static double round_to(double x, enum xf_datatype datatype)
{
    switch (datatype) {
    case XF_DATATYPE_FLOAT16:
        return round_to_float16(x);
    case XF_DATATYPE_UINT8:
        return x < 0 ? 0 : x > 255 ? 255 : trunc(x);
    default:
        return x;
    }
}

/* What to multiply the numbers of an array with; a vector that is as long as 1 already is left alone. */
static double scale_of(struct xf_slice array)
{
    double sum = 0;
    struct xf_cut cut = xf_cut(array);
    for (xf_cut_enter(&cut, '['); xf_cut_more(&cut, ']');) {
        struct xf_slice value = xf_cut_value(&cut);
        double x = is_number(value) ? (double)to_float(value) : 0;
        sum += x * x;
    }
    return sum == 0 || fabs(sum - 1) <= 1e-6 ? 1 : 1 / sqrt(sum);
}

/* A norm is a sum of many terms, rounded in another order on another machine; its error is relative, as normalising is a
 * multiplication. With float16 it may tip the rounding. */
static bool within_normalisation(double a, double b, bool is_float16)
{
    double most = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    return fabs(a - b) <= (is_float16 ? 0x1p-10 * most + 0x1p-24 : 4e-6 * most + 1e-9);
}

static bool dense_equal(struct xf_slice a, struct xf_slice b, const struct treatment t[XF_SIDE_COUNT])
{
    struct xf_cut left = xf_cut(a), right = xf_cut(b);
    bool normalises = t[XF_LEGACY].normalises || t[XF_NEW].normalises;
    bool is_float16 = t[XF_LEGACY].datatype == XF_DATATYPE_FLOAT16 || t[XF_NEW].datatype == XF_DATATYPE_FLOAT16;
    double left_scale = t[XF_NEW].normalises ? scale_of(a) : 1, right_scale = t[XF_LEGACY].normalises ? scale_of(b) : 1;
    xf_cut_enter(&left, '[');
    xf_cut_enter(&right, '[');
    for (;;) {
        bool more = xf_cut_more(&left, ']'), also = xf_cut_more(&right, ']');
        if (more != also || left.err || right.err)
            return false;
        if (!more)
            return true;
        struct xf_slice x = xf_cut_value(&left), y = xf_cut_value(&right);
        if (xf_slice_eq(x, y) && left_scale == right_scale && t[XF_LEGACY].datatype == t[XF_NEW].datatype)
            continue;
        if (!is_number(x) || !is_number(y))
            return false;
        double p = round_to((double)to_float(x) * left_scale, t[XF_NEW].datatype);
        double q = round_to((double)to_float(y) * right_scale, t[XF_LEGACY].datatype);
        if (p != q && !(normalises && within_normalisation(p, q, is_float16)))
            return false;
    }
}

static char first_of(struct xf_slice array)
{
    struct xf_cut cut = xf_cut(array);
    xf_cut_enter(&cut, '[');
    return xf_cut_more(&cut, ']') ? xf_cut_peek(&cut) : '\0';
}

/* Several vectors under one name, each as one by itself. */
static bool rows_equal(struct xf_slice a, struct xf_slice b, const struct treatment t[XF_SIDE_COUNT])
{
    struct xf_cut left = xf_cut(a), right = xf_cut(b);
    xf_cut_enter(&left, '[');
    xf_cut_enter(&right, '[');
    for (;;) {
        bool more = xf_cut_more(&left, ']'), also = xf_cut_more(&right, ']');
        if (more != also || left.err || right.err)
            return false;
        if (!more)
            return true;
        struct xf_slice x = xf_cut_value(&left), y = xf_cut_value(&right);
        if (left.err || right.err || !dense_equal(x, y, t))
            return false;
    }
}

static bool vectors_equal(struct xf_slice a, struct xf_slice b, struct xf_slice name,
                          const struct xf_collection side[XF_SIDE_COUNT])
{
    const struct treatment t[XF_SIDE_COUNT] = {treatment_of(&side[XF_LEGACY], name), treatment_of(&side[XF_NEW], name)};
    if (!a.len || !b.len || a.ptr[0] != b.ptr[0])
        return false;
    if (a.ptr[0] != '[')
        return values_equal(a, b, RULE_F32, DEPTH_MAX); /* sparse: indices are integers, values floats */
    return first_of(a) == '[' ? rows_equal(a, b, t) : dense_equal(a, b, t);
}

static size_t count_vectors(struct xf_slice map)
{
    size_t count = 0;
    struct xf_cut cut = xf_cut(map);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}'); count++) {
        (void)xf_cut_key(&cut);
        (void)xf_cut_value(&cut);
    }
    return count;
}

static const char *maps_difference(struct xf_slice a, struct xf_slice b,
                                   const struct xf_collection side[XF_SIDE_COUNT])
{
    if (count_vectors(a) != count_vectors(b))
        return "not the same named vectors";
    struct xf_cut cut = xf_cut(a);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) {
        struct xf_slice name = xf_cut_key(&cut), value = xf_cut_value(&cut), other = XF_SLICE_NONE;
        if (cut.err || !find_member(b, name, &other))
            return "not the same named vectors";
        if (!vectors_equal(value, other, name, side))
            return "a named vector differs";
    }
    return cut.err ? "the vectors cannot be read" : NULL;
}

/* An absent value and an empty object mean the same, both for payloads and for vectors. */
static struct xf_slice or_empty(struct xf_slice value)
{
    return value.len ? value : XF_SLICE("{}");
}

const char *xf_point_difference(const struct xf_point *legacy, const struct xf_point *new,
                                const struct xf_collection side[XF_SIDE_COUNT])
{
    if (!xf_json_equal(or_empty(legacy->payload), or_empty(new->payload)))
        return "the payload differs";
    struct xf_slice a = or_empty(legacy->vector), b = or_empty(new->vector);
    if (a.ptr[0] == '{' && b.ptr[0] == '{')
        return xf_slice_eq(a, b) ? NULL : maps_difference(a, b, side);
    return xf_slice_eq(a, b) || vectors_equal(a, b, XF_SLICE(""), side) ? NULL : "the vector differs";
}

struct hit {
    struct xf_point_id id;
    double score;
};

static bool read_hits(struct xf_slice answer, struct hit *hits, size_t *count)
{
    struct xf_slice result = xf_cut_member(answer, "result");
    if (result.len && result.ptr[0] == '{')
        result = xf_cut_member(result, "points");
    struct xf_cut cut = xf_cut(result);
    *count = 0;
    for (xf_cut_enter(&cut, '['); xf_cut_more(&cut, ']');) {
        struct xf_slice hit = xf_cut_value(&cut);
        struct xf_slice id = xf_cut_member(hit, "id"), score = xf_cut_member(hit, "score");
        if (*count == HITS_MAX || !id.len || xf_point_id_of_json(id, &hits[*count].id) || !is_number(score))
            return false;
        hits[(*count)++].score = to_double(score);
    }
    return !cut.err;
}

static bool scores_equal(double a, double b)
{
    double most = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    return fabs(a - b) <= 1e-5 * (most > 1 ? most : 1);
}

/* Each hit of `a` is in `b` with its score, or ties with the last one there, which pushed it out. */
static bool hits_within(const struct hit *a, size_t a_count, const struct hit *b, size_t b_count)
{
    for (size_t i = 0; i < a_count; i++) {
        size_t at = 0;
        while (at < b_count && !xf_point_id_eq(a[i].id, b[at].id))
            at++;
        if (at == b_count)
            at--;
        if (!scores_equal(a[i].score, b[at].score))
            return false;
    }
    return true;
}

bool xf_hits_equal(struct xf_slice answer_a, struct xf_slice answer_b)
{
    struct hit a[HITS_MAX], b[HITS_MAX];
    size_t a_count, b_count;
    if (!read_hits(answer_a, a, &a_count) || !read_hits(answer_b, b, &b_count) || a_count != b_count)
        return false;
    return hits_within(a, a_count, b, b_count) && hits_within(b, b_count, a, a_count);
}
