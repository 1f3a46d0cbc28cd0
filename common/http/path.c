/* Paths. Nearly every path that a client library sends is in its canonical spelling already: one pass over it finds the
 * segments and nothing is copied. The rest is decoded in the two rounds of Qdrant's server and encoded anew.
 *
 * In the canonical spelling '%' is %25 and '/' is %2F, which the first round leaves alone and the second decodes; any
 * other byte that does not stand for itself is decoded by the first round, and the second finds no escape in it. Text
 * that is not UTF-8 after either round has no canonical spelling: the server would put U+FFFD in its place, so that
 * different paths would mean the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/path.h"

#include "common/http/class_int.h"
#include "common/http/head_int.h"
#include "common/http/path_int.h"

static void add_segment(struct xf_path *path, const char *ptr, size_t len)
{
    if (path->segment_count == XF_PATH_SEGMENTS_MAX) {
        path->is_long = true;
        return;
    }
    path->segments[path->segment_count++] = xf_slice(ptr, len);
}

/* Cuts "http://authority" off; the server ignores it. */
static enum xf_err to_origin_form(struct xf_slice *target)
{
    size_t scheme = 0;
    if (target->len > 7 && xf_slice_eq_nocase(xf_slice(target->ptr, 7), XF_SLICE("http://")))
        scheme = 7;
    else if (target->len > 8 && xf_slice_eq_nocase(xf_slice(target->ptr, 8), XF_SLICE("https://")))
        scheme = 8;
    if (!scheme)
        return target->len > 0 && target->ptr[0] == '/' ? XF_OK : XF_ERR_HTTP_TARGET;
    struct xf_slice rest = xf_slice_skip(*target, scheme);
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    *target = xf_slice_skip(rest, len);
    return xf_http_is_authority(xf_slice(rest.ptr, len)) ? XF_OK : XF_ERR_HTTP_TARGET;
}

/* True if `text` is a canonical path as it stands; its segments are then views into it. */
static bool parse_plain(struct xf_path *path, struct xf_slice text)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    if (text.len == 1) {
        path->canonical = text;
        return true;
    }
    while (p < end) {
        const char *segment = p + 1;
        p = xf_http_skip(segment, end, XF_CHAR_PATH_PLAIN);
        if (p == segment || (p < end && *p != '/'))
            return false;
        add_segment(path, segment, (size_t)(p - segment));
    }
    path->canonical = text;
    return text.len > 0;
}

/* One round of decoding into `out`, which may be `in` itself. Malformed escapes pass as they are. */
static size_t decode(const char *in, size_t len, bool is_first_round, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int high = in[i] == '%' && len - i > 2 ? xf_http_hex(in[i + 1]) : -1;
        int low = high >= 0 ? xf_http_hex(in[i + 2]) : -1;
        char c = (char)(low < 0 ? in[i] : high << 4 | low);
        bool is_kept = low < 0 || (is_first_round && (c == '%' || c == '/' || c == '+'));
        out[n++] = is_kept ? in[i] : c;
        i += is_kept ? 0 : 2;
    }
    return n;
}

/* Decodes one segment and appends it to `out`; what is not UTF-8 or has a NUL is refused. */
static enum xf_err decode_segment(struct xf_slice raw, char *out, size_t *len)
{
    size_t n = decode(raw.ptr, raw.len, true, out);
    if (!xf_http_is_utf8(out, n))
        return XF_ERR_HTTP_TARGET;
    n = decode(out, n, false, out);
    if (!xf_http_is_utf8(out, n) || memchr(out, '\0', n))
        return XF_ERR_HTTP_TARGET;
    *len = n;
    return XF_OK;
}

static size_t encoded_len(struct xf_slice segment)
{
    size_t len = 0;
    for (size_t i = 0; i < segment.len; i++)
        len += xf_http_is(segment.ptr[i], XF_CHAR_PATH_PLAIN) ? 1 : 3;
    return len;
}

static char *encode(struct xf_slice segment, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < segment.len; i++) {
        char c = segment.ptr[i];
        if (xf_http_is(c, XF_CHAR_PATH_PLAIN)) {
            *out++ = c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[(uint8_t)c >> 4];
        *out++ = digits[(uint8_t)c & 15];
    }
    return out;
}

static enum xf_err parse_encoded(struct xf_path *path, struct xf_slice text, struct xf_pool *pool)
{
    /* Decoding never lengthens, and encoding at most triples. */
    char *decoded = xf_pool_alloc(pool, text.len + 1);
    char *canonical = xf_pool_alloc(pool, 3 * text.len + 1);
    if (!decoded || !canonical)
        return XF_ERR_NOMEM;
    char *out = canonical;
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p < end) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        struct xf_slice raw = xf_slice(p, (size_t)((slash ? slash : end) - p));
        p = slash ? slash + 1 : end;
        if (raw.len == 0)
            continue;
        size_t len;
        enum xf_err err = decode_segment(raw, decoded, &len);
        if (err)
            return err;
        add_segment(path, decoded, len);
        *out++ = '/';
        out = encode(xf_slice(decoded, len), out);
        decoded += len;
    }
    if (out == canonical)
        *out++ = '/';
    path->canonical = xf_slice(canonical, (size_t)(out - canonical));
    return XF_OK;
}

enum xf_err xf_path_parse(struct xf_path *path, struct xf_slice target, struct xf_pool *pool)
{
    if (xf_http_skip_target(target.ptr, target.ptr + target.len) != target.ptr + target.len)
        return XF_ERR_HTTP_TARGET;
    enum xf_err err = to_origin_form(&target);
    if (err)
        return err;
    path->segment_count = 0;
    path->is_long = false;
    path->query = XF_SLICE_NONE;
    const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;
    if (mark) {
        path->query = xf_slice_skip(target, (size_t)(mark + 1 - target.ptr));
        target.len = (size_t)(mark - target.ptr);
    }
    if (parse_plain(path, target))
        return XF_OK;
    path->segment_count = 0;
    path->is_long = false;
    return parse_encoded(path, target, pool);
}

static bool is_encodable(struct xf_slice segment)
{
    return segment.len > 0 && !memchr(segment.ptr, '\0', segment.len) && xf_http_is_utf8(segment.ptr, segment.len);
}

enum xf_err xf_path_encode_segment(struct xf_pool *pool, struct xf_slice segment, struct xf_slice *out)
{
    if (!is_encodable(segment))
        return XF_ERR_INVALID;
    char *text = xf_pool_alloc(pool, encoded_len(segment));
    if (!text)
        return XF_ERR_NOMEM;
    *out = xf_slice(text, (size_t)(encode(segment, text) - text));
    return XF_OK;
}

/* Segment `index` of a canonical path, where each '/' begins one; false if there are not so many. */
static bool find_segment(struct xf_slice canonical, uint16_t index, struct xf_slice *segment)
{
    const char *p = canonical.ptr, *end = canonical.ptr + canonical.len;
    for (;;) {
        const char *start = p + 1;
        const char *slash = memchr(start, '/', (size_t)(end - start));
        p = slash ? slash : end;
        *segment = xf_slice(start, (size_t)(p - start));
        if (index-- == 0)
            return segment->len > 0;
        if (!slash)
            return false;
    }
}

enum xf_err xf_path_with_segment(const struct xf_path *path, struct xf_pool *pool, uint16_t index,
                                 struct xf_slice replacement, struct xf_slice *target)
{
    struct xf_slice segment;
    if (!is_encodable(replacement) || !find_segment(path->canonical, index, &segment))
        return XF_ERR_INVALID;
    size_t before = (size_t)(segment.ptr - path->canonical.ptr);
    size_t after = path->canonical.len - before - segment.len;
    size_t query = path->query.ptr ? path->query.len + 1 : 0;
    char *text = xf_pool_alloc(pool, before + encoded_len(replacement) + after + query);
    if (!text)
        return XF_ERR_NOMEM;
    memcpy(text, path->canonical.ptr, before);
    char *out = encode(replacement, text + before);
    memcpy(out, segment.ptr + segment.len, after);
    out += after;
    if (query) {
        *out++ = '?';
        memcpy(out, path->query.ptr, path->query.len);
        out += path->query.len;
    }
    *target = xf_slice(text, (size_t)(out - text));
    return XF_OK;
}
