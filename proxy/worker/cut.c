/* The cursor over raw JSON. Most bytes of a scroll answer are digits of vectors, so skipping a container looks at
 * sixteen bytes at once for the five that matter (quotes and brackets) and only stops there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/cut.h"

enum { DEPTH_MAX = 128, DECODED_MAX = 64 << 20 };

typedef unsigned char lane __attribute__((vector_size(16)));
union lane_words {
    lane bytes;
    uint64_t words[2];
};

static lane splat(unsigned char byte)
{
    return (lane){byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte};
}

/* The first quote or bracket. Both braces differ from their square forms in the bit 0x20 alone. */
static const char *find_structure(const char *at, const char *end)
{
    while (end - at >= 16) {
        lane bytes;
        memcpy(&bytes, at, sizeof bytes);
        lane folded = bytes | splat(0x20);
        union lane_words hit = {(lane)(folded == splat('{')) | (lane)(folded == splat('}')) |
                                (lane)(bytes == splat('"'))};
        if (hit.words[0] | hit.words[1])
            break;
        at += 16;
    }
    while (at < end && *at != '"' && (*at | 0x20) != '{' && (*at | 0x20) != '}')
        at++;
    return at;
}

static const char *find_string_end(const char *at, const char *end)
{
    while (end - at >= 16) {
        lane bytes;
        memcpy(&bytes, at, sizeof bytes);
        union lane_words hit = {(lane)(bytes == splat('"')) | (lane)(bytes == splat('\\'))};
        if (hit.words[0] | hit.words[1])
            break;
        at += 16;
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* `at` stands behind the opening quote; returns the place behind the closing one, or NULL. */
static const char *skip_string(const char *at, const char *end)
{
    for (;;) {
        at = find_string_end(at, end);
        if (at == end)
            return NULL;
        if (*at == '"')
            return at + 1;
        if (end - at < 2)
            return NULL;
        at += 2;
    }
}

static const char *skip_container(const char *at, const char *end)
{
    char closers[DEPTH_MAX];
    size_t depth = 0;
    while (at < end) {
        char c = *at++;
        if (c == '"') {
            at = skip_string(at, end);
            if (!at)
                return NULL;
        } else if (c == '{' || c == '[') {
            if (depth == DEPTH_MAX)
                return NULL;
            closers[depth++] = c == '{' ? '}' : ']';
        } else {
            if (depth == 0 || closers[--depth] != c)
                return NULL;
            if (depth == 0)
                return at;
        }
        at = find_structure(at, end);
    }
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_scalar(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && *at != ',' && *at != ']' && *at != '}' && *at != ':' && *at != '"' && !is_blank(*at))
        at++;
    return at > start ? at : NULL;
}

struct xf_cut xf_cut(struct xf_slice text)
{
    return (struct xf_cut){.at = text.ptr, .end = text.len ? text.ptr + text.len : text.ptr};
}

static void fail(struct xf_cut *cut)
{
    cut->err = XF_ERR_JSON_SYNTAX;
    cut->at = cut->end;
}

char xf_cut_peek(struct xf_cut *cut)
{
    while (cut->at < cut->end && is_blank(*cut->at))
        cut->at++;
    return cut->at < cut->end ? *cut->at : '\0';
}

void xf_cut_enter(struct xf_cut *cut, char open)
{
    if (xf_cut_peek(cut) != open) {
        fail(cut);
        return;
    }
    cut->at++;
    cut->is_first = true;
}

bool xf_cut_more(struct xf_cut *cut, char close)
{
    if (cut->err)
        return false;
    char next = xf_cut_peek(cut);
    if (next == close) {
        cut->at++;
        cut->is_first = false;
        return false;
    }
    if (!cut->is_first) {
        if (next != ',') {
            fail(cut);
            return false;
        }
        cut->at++;
        next = xf_cut_peek(cut);
    }
    cut->is_first = false;
    if (next == '\0') {
        fail(cut);
        return false;
    }
    return true;
}

struct xf_slice xf_cut_key(struct xf_cut *cut)
{
    if (xf_cut_peek(cut) != '"') {
        fail(cut);
        return XF_SLICE_NONE;
    }
    const char *start = cut->at + 1;
    const char *behind = skip_string(start, cut->end);
    if (!behind) {
        fail(cut);
        return XF_SLICE_NONE;
    }
    cut->at = behind;
    if (xf_cut_peek(cut) != ':') {
        fail(cut);
        return XF_SLICE_NONE;
    }
    cut->at++;
    return xf_slice(start, (size_t)(behind - 1 - start));
}

struct xf_slice xf_cut_value(struct xf_cut *cut)
{
    char first = xf_cut_peek(cut);
    const char *start = cut->at;
    const char *behind = NULL;
    if (first == '{' || first == '[')
        behind = skip_container(start, cut->end);
    else if (first == '"')
        behind = skip_string(start + 1, cut->end);
    else if (first)
        behind = skip_scalar(start, cut->end);
    if (!behind) {
        fail(cut);
        return XF_SLICE_NONE;
    }
    cut->at = behind;
    return xf_slice(start, (size_t)(behind - start));
}

struct xf_slice xf_cut_member(struct xf_slice object, const char *key)
{
    struct xf_cut cut = xf_cut(object);
    struct xf_slice wanted = xf_slice_of(key);
    for (xf_cut_enter(&cut, '{'); xf_cut_more(&cut, '}');) {
        struct xf_slice name = xf_cut_key(&cut);
        struct xf_slice value = xf_cut_value(&cut);
        if (!cut.err && xf_slice_eq(name, wanted))
            return value;
    }
    return XF_SLICE_NONE;
}

struct xf_slice xf_cut_unquoted(struct xf_slice value)
{
    if (value.len < 2 || value.ptr[0] != '"')
        return XF_SLICE("");
    return xf_slice(value.ptr + 1, value.len - 2);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = xf_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(struct xf_slice text, size_t at, uint32_t *unit)
{
    if (text.len < 4 || at > text.len - 4)
        return false;
    *unit = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(text.ptr[at + i]);
        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

static size_t put_utf8(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    for (size_t i = extra; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[extra] | code);
    return extra + 1;
}

/* `at` stands behind `\u`; moves it behind the escape, surrogate pair included. */
static enum xf_err decode_unicode(struct xf_slice text, size_t *at, struct xf_buf *out)
{
    uint32_t code, low;
    if (!read_hex4(text, *at, &code))
        return XF_ERR_JSON_SYNTAX;
    *at += 4;
    if (code >= 0xd800 && code < 0xdc00) {
        if (text.len - *at < 6 || text.ptr[*at] != '\\' || text.ptr[*at + 1] != 'u' ||
            !read_hex4(text, *at + 2, &low) || low < 0xdc00 || low > 0xdfff)
            return XF_ERR_JSON_SYNTAX;
        *at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return XF_ERR_JSON_SYNTAX;
    }
    char bytes[4];
    return xf_buf_append(out, bytes, put_utf8(code, bytes));
}

static enum xf_err decode_escape(struct xf_slice text, size_t *at, struct xf_buf *out)
{
    static const char named[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    if (*at >= text.len)
        return XF_ERR_JSON_SYNTAX;
    char c = text.ptr[(*at)++];
    if (c == 'u')
        return decode_unicode(text, at, out);
    for (size_t i = 0; i < sizeof named - 1; i += 2)
        if (named[i] == c)
            return xf_buf_append(out, &named[i + 1], 1);
    return XF_ERR_JSON_SYNTAX;
}

enum xf_err xf_cut_decode(struct xf_slice text, struct xf_buf *out)
{
    size_t at = 0;
    while (at < text.len) {
        const char *escape = memchr(text.ptr + at, '\\', text.len - at);
        size_t plain = escape ? (size_t)(escape - text.ptr) - at : text.len - at;
        enum xf_err err = xf_buf_append(out, text.ptr + at, plain);
        if (err)
            return err;
        at += plain;
        if (escape) {
            at++;
            err = decode_escape(text, &at, out);
            if (err)
                return err;
        }
    }
    return XF_OK;
}

bool xf_cut_text_eq(struct xf_slice a, struct xf_slice b)
{
    if (xf_slice_eq(a, b))
        return true;
    bool escaped = (a.len && memchr(a.ptr, '\\', a.len)) || (b.len && memchr(b.ptr, '\\', b.len));
    if (!escaped)
        return false;
    struct xf_buf plain_a, plain_b;
    xf_buf_init(&plain_a, DECODED_MAX);
    xf_buf_init(&plain_b, DECODED_MAX);
    bool equal = xf_cut_decode(a, &plain_a) == XF_OK && xf_cut_decode(b, &plain_b) == XF_OK &&
                 xf_slice_eq(xf_buf_view(&plain_a), xf_buf_view(&plain_b));
    xf_buf_fini(&plain_a);
    xf_buf_fini(&plain_b);
    return equal;
}
