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
enum number_rule { RULE_PAYLOAD, RULE_F32, RULE_COSINE };

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

/* Both directions of rounding in a norm of many terms; the unit is relative, as normalising is a multiplication. */
static bool within_normalisation(float a, float b)
{
    double most = fabs((double)a) > fabs((double)b) ? fabs((double)a) : fabs((double)b);
    return fabs((double)a - (double)b) <= 4e-6 * most + 1e-9;
}

static bool numbers_equal(struct xf_slice a, struct xf_slice b, enum number_rule rule)
{
    if (!is_number(b) || (is_integer(a) && is_integer(b)))
        return false; /* as text they were not equal */
    if (rule == RULE_PAYLOAD)
        return is_integer(a) == is_integer(b) && within_one_ulp(to_double(a), to_double(b));
    float x = to_float(a), y = to_float(b);
    return x == y || (rule == RULE_COSINE && within_normalisation(x, y));
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

static enum number_rule rule_of(const struct xf_collection *collection, struct xf_slice name)
{
    for (size_t i = 0; i < collection->name_count; i++)
        if (xf_cut_text_eq(collection->vector_names[i], name))
            return collection->is_cosine[i] ? RULE_COSINE : RULE_F32;
    return RULE_F32;
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

static const char *maps_difference(struct xf_slice a, struct xf_slice b, const struct xf_collection *collection)
{
    if (count_vectors(a) != count_vectors(b))
        return "not the same named vectors";
    struct xf_cut cut = xf_cut(a);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) {
        struct xf_slice name = xf_cut_key(&cut), value = xf_cut_value(&cut), other = XF_SLICE_NONE;
        if (cut.err || !find_member(b, name, &other))
            return "not the same named vectors";
        if (!values_equal(value, other, rule_of(collection, name), DEPTH_MAX))
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
                                const struct xf_collection *collection)
{
    if (!xf_json_equal(or_empty(legacy->payload), or_empty(new->payload)))
        return "the payload differs";
    struct xf_slice a = or_empty(legacy->vector), b = or_empty(new->vector);
    if (xf_slice_eq(a, b))
        return NULL;
    if (a.ptr[0] == '{' && b.ptr[0] == '{')
        return maps_difference(a, b, collection);
    return values_equal(a, b, rule_of(collection, XF_SLICE("")), DEPTH_MAX) ? NULL : "the vector differs";
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
