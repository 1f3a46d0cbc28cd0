/* Query parameters by the rules of HTML forms, which Qdrant's server follows: '&' alone separates, '+' is a blank, keys
 * may be encoded, malformed escapes stand for themselves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/class_int.h"
#include "common/http/path.h"

/* Takes the next byte of encoded text off its front. */
static char next_byte(struct xf_slice *text)
{
    char c = text->ptr[0];
    int high = c == '%' && text->len > 2 ? xf_http_hex(text->ptr[1]) : -1;
    int low = high >= 0 ? xf_http_hex(text->ptr[2]) : -1;
    *text = xf_slice_skip(*text, low >= 0 ? 3 : 1);
    if (low >= 0)
        return (char)(high << 4 | low);
    return c == '+' ? ' ' : c;
}

static bool is_key(struct xf_slice encoded, struct xf_slice key)
{
    while (encoded.len && key.len) {
        if (next_byte(&encoded) != key.ptr[0])
            return false;
        key = xf_slice_skip(key, 1);
    }
    return encoded.len == 0 && key.len == 0;
}

static enum xf_err decode_value(struct xf_slice encoded, struct xf_pool *pool, struct xf_slice *value)
{
    if (encoded.len == 0 || (!memchr(encoded.ptr, '%', encoded.len) && !memchr(encoded.ptr, '+', encoded.len))) {
        *value = encoded;
        return XF_OK;
    }
    char *text = xf_pool_alloc(pool, encoded.len);
    if (!text)
        return XF_ERR_NOMEM;
    size_t len = 0;
    while (encoded.len)
        text[len++] = next_byte(&encoded);
    *value = xf_slice(text, len);
    return XF_OK;
}

/* Splits the text at the first `mark`: what comes before it is returned, what comes behind it stays in *text. */
static struct xf_slice split(struct xf_slice *text, char mark)
{
    const char *at = text->len ? memchr(text->ptr, mark, text->len) : NULL;
    struct xf_slice before = at ? xf_slice(text->ptr, (size_t)(at - text->ptr)) : *text;
    *text = xf_slice_skip(*text, at ? before.len + 1 : before.len);
    return before;
}

enum xf_err xf_query_get(const struct xf_path *path, struct xf_pool *pool, struct xf_slice key, struct xf_slice *value)
{
    struct xf_slice rest = path->query.ptr ? path->query : XF_SLICE(""), found = XF_SLICE_NONE;
    while (rest.len) {
        struct xf_slice pair = split(&rest, '&');
        struct xf_slice name = split(&pair, '=');
        if ((name.len == 0 && pair.len == 0) || !is_key(name, key))
            continue;
        if (found.ptr)
            return XF_ERR_INVALID;
        found = pair;
    }
    return found.ptr ? decode_value(found, pool, value) : XF_ERR_NOT_FOUND;
}
