/* The write scan against a slow reference that parses the body recursively, byte by byte, and on its own collects the
 * ids and filters of selector bodies and batches of them. Whole and cut scans must agree, and where the reference
 * understands a body in its plain form, so must the scan, with the same ids. The first byte chooses the operation, the
 * second the cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/write_scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IDS_MAX = 1000 };

/* The reference: a recursive reader of plain bodies. It gives up (`plain` false) on whatever is not plain, which is
 * then checked for agreement of the cuts alone: escapes, duplicate keys, ids that are not plain digits. */
struct reference {
    const char *at, *end;
    bool plain;
    bool filter;
    uint64_t ids[IDS_MAX];
    size_t count;
    unsigned depth;
};

static void skip_space(struct reference *ref)
{
    while (ref->at < ref->end && memchr(" \n\r\t", *ref->at, 4))
        ref->at++;
}

static bool next_is(struct reference *ref, char c)
{
    skip_space(ref);
    if (ref->at == ref->end || *ref->at != c)
        return false;
    ref->at++;
    return true;
}

static struct xf_slice read_string(struct reference *ref)
{
    const char *start = ref->at;
    while (ref->at < ref->end && *ref->at != '"') {
        if (*ref->at == '\\')
            ref->plain = false;
        ref->at++;
    }
    if (ref->at == ref->end) {
        ref->plain = false;
        return XF_SLICE("");
    }
    return xf_slice(start, (size_t)(ref->at++ - start));
}

static struct xf_slice read_word(struct reference *ref)
{
    const char *start = ref->at;
    while (ref->at < ref->end && !memchr(" \n\r\t,]}", *ref->at, 7))
        ref->at++;
    return xf_slice(start, (size_t)(ref->at - start));
}

static bool is_known_word(struct xf_slice word)
{
    struct xf_point_id id;
    return xf_slice_eq(word, XF_SLICE("null")) || xf_slice_eq(word, XF_SLICE("true")) ||
           xf_slice_eq(word, XF_SLICE("false")) || xf_point_id_of_number(word, &id) == XF_OK;
}

typedef void member_fn(struct reference *ref, struct xf_slice key);
static void skip_value(struct reference *ref);

static void read_object(struct reference *ref, member_fn *member)
{
    if (!next_is(ref, '{') || ++ref->depth > 100) {
        ref->plain = false;
        return;
    }
    if (!next_is(ref, '}')) {
        do {
            struct xf_slice key = next_is(ref, '"') ? read_string(ref) : XF_SLICE_NONE;
            if (!key.ptr || !next_is(ref, ':'))
                ref->plain = false;
            else
                member(ref, key);
        } while (ref->plain && next_is(ref, ','));
        ref->plain = ref->plain && next_is(ref, '}');
    }
    ref->depth--;
}

static void read_list(struct reference *ref, void (*element)(struct reference *ref))
{
    if (!next_is(ref, '[') || ++ref->depth > 100) {
        ref->plain = false;
        return;
    }
    if (!next_is(ref, ']')) {
        do
            element(ref);
        while (ref->plain && next_is(ref, ','));
        ref->plain = ref->plain && next_is(ref, ']');
    }
    ref->depth--;
}

static void skip_member(struct reference *ref, struct xf_slice key)
{
    (void)key;
    skip_value(ref);
}

static void skip_value(struct reference *ref)
{
    skip_space(ref);
    char c = ref->at < ref->end ? *ref->at : 0;
    if (c == '{')
        read_object(ref, skip_member);
    else if (c == '[')
        read_list(ref, skip_value);
    else if (next_is(ref, '"'))
        (void)read_string(ref);
    else
        ref->plain = ref->plain && is_known_word(read_word(ref));
}

static void read_id(struct reference *ref)
{
    skip_space(ref);
    struct xf_slice word = read_word(ref);
    uint64_t value = 0;
    if (word.len == 0 || word.len > 18 || (word.len > 1 && word.ptr[0] == '0') || ref->count == IDS_MAX) {
        ref->plain = false;
        return;
    }
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < '0' || word.ptr[i] > '9')
            ref->plain = false;
        value = value * 10 + (uint64_t)(word.ptr[i] - '0');
    }
    ref->ids[ref->count++] = value;
}

/* Selectors: `points` or `filter`, each once at most. */
static unsigned selectors;

static void selector_member(struct reference *ref, struct xf_slice key)
{
    if (xf_slice_eq(key, XF_SLICE("points"))) {
        selectors++;
        read_list(ref, read_id);
    } else if (xf_slice_eq(key, XF_SLICE("filter"))) {
        selectors++;
        ref->filter = true;
        skip_space(ref);
        ref->plain = ref->plain && ref->at < ref->end && *ref->at == '{';
        skip_value(ref);
    } else if (xf_slice_eq(key, XF_SLICE("keys"))) {
        skip_value(ref);
    } else {
        ref->plain = false;
    }
}

static void selector(struct reference *ref)
{
    selectors = 0;
    read_object(ref, selector_member);
    ref->plain = ref->plain && selectors == 1;
}

static unsigned operations;

static void operation_member(struct reference *ref, struct xf_slice key)
{
    operations++;
    if (xf_slice_eq(key, XF_SLICE("delete")) || xf_slice_eq(key, XF_SLICE("clear_payload")))
        selector(ref);
    else
        ref->plain = false;
}

static void operation(struct reference *ref)
{
    operations = 0;
    read_object(ref, operation_member);
    ref->plain = ref->plain && operations == 1;
}

static unsigned lists;

static void batch_member(struct reference *ref, struct xf_slice key)
{
    if (!xf_slice_eq(key, XF_SLICE("operations")) || ++lists > 1)
        ref->plain = false;
    else
        read_list(ref, operation);
}

static void read_body(struct reference *ref, enum xf_write_op op)
{
    lists = 0;
    if (op == XF_WRITE_BATCH)
        read_object(ref, batch_member);
    else
        selector(ref);
    skip_space(ref);
    ref->plain = ref->plain && ref->at == ref->end && (op != XF_WRITE_BATCH || lists == 1);
}

static bool has_id(const struct xf_write_verdict *verdict, uint64_t value)
{
    for (size_t i = 0; i < verdict->id_count; i++)
        if (!verdict->ids[i].is_uuid && verdict->ids[i].lo == value)
            return true;
    return false;
}

static void compare(struct xf_slice body, enum xf_write_op op, enum xf_err err, const struct xf_write_verdict *verdict)
{
    struct reference ref = {.at = body.ptr, .end = body.ptr + body.len, .plain = true};
    read_body(&ref, op);
    if (!ref.plain)
        return;
    if (err || verdict->is_odd || verdict->ids_unknown || verdict->has_filter != ref.filter)
        abort();
    for (size_t i = 0; i < ref.count; i++)
        if (!has_id(verdict, ref.ids[i]))
            abort();
    if (verdict->id_count > ref.count || (verdict->is_exact && verdict->has_filter))
        abort();
}

static enum xf_err scan_in_two(enum xf_write_op op, struct xf_slice body, size_t cut, struct xf_write_scan **scan,
                               struct xf_write_verdict *verdict)
{
    static const struct xf_slice slices[] = {{"", 0}, {"a", 1}};
    static const struct xf_vector_names names = {slices, 2};
    *verdict = (struct xf_write_verdict){.id_count = 0};
    char *first = malloc(cut + 1);
    if (!first || xf_write_scan_new(op, &names, IDS_MAX, scan) != XF_OK)
        abort();
    memcpy(first, body.ptr, cut);
    enum xf_err err = xf_write_scan_feed(*scan, xf_slice(first, cut));
    free(first);
    if (!err)
        err = xf_write_scan_feed(*scan, xf_slice_skip(body, cut));
    return err ? err : xf_write_scan_finish(*scan, verdict);
}

static bool is_same(const struct xf_write_verdict *a, const struct xf_write_verdict *b)
{
    if (a->id_count != b->id_count || a->odd_reason != b->odd_reason)
        return false;
    for (size_t i = 0; i < a->id_count; i++)
        if (!xf_point_id_eq(a->ids[i], b->ids[i]) || (i && xf_point_id_cmp(a->ids[i - 1], a->ids[i]) >= 0))
            return false;
    return a->ids_unknown == b->ids_unknown && a->has_filter == b->has_filter && a->has_condition == b->has_condition &&
           a->is_by_id_update == b->is_by_id_update && a->needs_inference == b->needs_inference &&
           a->has_field_test == b->has_field_test && a->has_text_match == b->has_text_match &&
           a->has_vector_test == b->has_vector_test && xf_slice_eq(a->filter, b->filter) &&
           xf_slice_eq(a->shard_key, b->shard_key) && a->has_shard_key == b->has_shard_key && a->is_exact == b->is_exact && a->is_odd == b->is_odd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum xf_write_op op = (enum xf_write_op)(data[0] % (XF_WRITE_BATCH + 1));
    struct xf_slice body = xf_slice((const char *)data + 2, size - 2);
    struct xf_write_scan *whole_scan, *cut_scan;
    struct xf_write_verdict whole, cut;
    enum xf_err err = scan_in_two(op, body, 0, &whole_scan, &whole);
    if (scan_in_two(op, body, data[1] % (body.len + 1), &cut_scan, &cut) != err || !is_same(&whole, &cut))
        abort();
    /* The filter is kept as it stands there. */
    if (whole.filter.len && !memmem(body.ptr, body.len, whole.filter.ptr, whole.filter.len))
        abort();
    if (whole.is_odd && (whole.is_exact || !whole.ids_unknown))
        abort();
    if (op != XF_WRITE_UPSERT && op != XF_WRITE_UPDATE_VECTORS && op != XF_WRITE_SET_PAYLOAD)
        compare(body, op, err, &whole);
    xf_write_scan_free(whole_scan);
    xf_write_scan_free(cut_scan);
    return 0;
}
