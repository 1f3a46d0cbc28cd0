/* Point ids: the many spellings in, one out. Qdrant 1.18.3 reads a string as a UUID in four forms: plain 36 characters,
 * 32 without hyphens, 36 in braces, 36 behind a lower-case "urn:uuid:".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/json/point_id.h"

#include "common/base/num.h"
#include "common/json/json_scan.h"

enum { UUID_DIGITS = 32, UUID_HYPHENATED = 36 };

int xf_point_id_cmp(struct xf_point_id a, struct xf_point_id b)
{
    if (a.is_uuid != b.is_uuid)
        return a.is_uuid ? 1 : -1;
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    return x ^ x >> 32;
}

uint64_t xf_point_id_hash(struct xf_point_id id)
{
    return mix(id.lo + mix(id.hi + (id.is_uuid ? UINT64_C(0x9E3779B97F4A7C15) : 0)));
}

enum xf_err xf_point_id_of_number(struct xf_slice digits, struct xf_point_id *id)
{
    uint64_t value;
    if (digits.len > 1 && digits.ptr[0] == '0')
        return XF_ERR_INVALID;
    if (xf_u64_parse(digits, &value) != XF_OK)
        return XF_ERR_INVALID;
    *id = (struct xf_point_id){.lo = value};
    return XF_OK;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = xf_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hyphen_place(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

/* Takes off what may stand around the hyphenated form; false if a wrapping is begun but not right. */
static bool unwrap(struct xf_slice *text)
{
    if (text->len == UUID_HYPHENATED + 2 && text->ptr[0] == '{' && text->ptr[text->len - 1] == '}')
        *text = xf_slice(text->ptr + 1, UUID_HYPHENATED);
    else if (text->len == UUID_HYPHENATED + 9 && memcmp(text->ptr, "urn:uuid:", 9) == 0)
        *text = xf_slice_skip(*text, 9);
    return text->len == UUID_HYPHENATED || text->len == UUID_DIGITS;
}

enum xf_err xf_point_id_of_string(struct xf_slice text, struct xf_point_id *id)
{
    uint64_t halves[2] = {0, 0};
    size_t digits = 0;
    if (!unwrap(&text))
        return XF_ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        if (text.len == UUID_HYPHENATED && is_hyphen_place(i)) {
            if (text.ptr[i] != '-')
                return XF_ERR_INVALID;
            continue;
        }
        int value = hex_value(text.ptr[i]);
        if (value < 0)
            return XF_ERR_INVALID;
        uint64_t *half = &halves[digits++ / (UUID_DIGITS / 2)];
        *half = *half << 4 | (uint64_t)value;
    }
    *id = (struct xf_point_id){.hi = halves[0], .lo = halves[1], .is_uuid = true};
    return XF_OK;
}

enum xf_err xf_point_id_of_json(struct xf_slice json, struct xf_point_id *id)
{
    if (json.len == 0 || json.ptr[0] != '"')
        return xf_point_id_of_number(json, id);
    struct xf_json_scan scan;
    enum xf_json_event event;
    xf_json_scan_init(&scan);
    enum xf_err err = xf_json_scan_next(&scan, &json, &event);
    if (err || event != XF_JSON_STRING || json.len > 0 || !scan.token_is_whole)
        return XF_ERR_INVALID;
    return xf_point_id_of_string(scan.token, id);
}

size_t xf_point_id_print_json(struct xf_point_id id, char *out)
{
    static const char hex[] = "0123456789abcdef";
    if (!id.is_uuid)
        return xf_u64_print(id.lo, out);
    size_t n = 0;
    out[n++] = '"';
    for (unsigned digit = 0; digit < UUID_DIGITS; digit++) {
        if (is_hyphen_place(n - 1))
            out[n++] = '-';
        uint64_t half = digit < 16 ? id.hi : id.lo;
        out[n++] = hex[half >> (60 - 4 * (digit % 16)) & 15];
    }
    out[n++] = '"';
    return n;
}
