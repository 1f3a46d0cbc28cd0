/* The bounded buffer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/buf.h"

#include "common/base/num.h"

#include <stdio.h>
#include <stdlib.h>

enum { CAP_MIN = 256 };

void xf_buf_init(struct xf_buf *buf, size_t bytes_max)
{
    *buf = (struct xf_buf){.max = bytes_max};
}

void xf_buf_fini(struct xf_buf *buf)
{
    free(buf->data);
    *buf = (struct xf_buf){.max = buf->max};
}

static enum xf_err grow(struct xf_buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : CAP_MIN;
    while (cap < need)
        cap *= 2;
    if (cap > buf->max && need <= buf->max)
        cap = buf->max;
    char *data = malloc(cap);
    if (!data)
        return XF_ERR_NOMEM;
    size_t len = xf_buf_len(buf);
    if (buf->data)
        memcpy(data, buf->data + buf->head, len);
    free(buf->data);
    buf->data = data;
    buf->cap = cap;
    buf->head = 0;
    buf->tail = len;
    return XF_OK;
}

enum xf_err xf_buf_reserve(struct xf_buf *buf, size_t want)
{
    size_t len = xf_buf_len(buf);
    if (want > buf->max || len > buf->max - want)
        return XF_ERR_FULL;
    if (want <= buf->cap - buf->tail && buf->data)
        return XF_OK;
    if (len + want > buf->cap)
        return grow(buf, len + want);
    if (buf->data)
        memmove(buf->data, buf->data + buf->head, len);
    buf->head = 0;
    buf->tail = len;
    return XF_OK;
}

void xf_buf_commit(struct xf_buf *buf, size_t written)
{
    XF_ASSERT(written <= buf->cap - buf->tail);
    buf->tail += written;
}

void xf_buf_consume(struct xf_buf *buf, size_t n)
{
    XF_ASSERT(n <= xf_buf_len(buf));
    buf->head += n;
    if (buf->head == buf->tail)
        buf->head = buf->tail = 0;
}

void xf_buf_clear(struct xf_buf *buf)
{
    buf->head = buf->tail = 0;
}

void xf_buf_release(struct xf_buf *buf)
{
    xf_buf_fini(buf);
}

enum xf_err xf_buf_append(struct xf_buf *buf, const void *bytes, size_t n)
{
    enum xf_err err = xf_buf_reserve(buf, n);
    if (err)
        return err;
    if (n)
        memcpy(buf->data + buf->tail, bytes, n);
    buf->tail += n;
    return XF_OK;
}

enum xf_err xf_buf_append_slice(struct xf_buf *buf, struct xf_slice s)
{
    return xf_buf_append(buf, s.ptr, s.len);
}

enum xf_err xf_buf_append_u64(struct xf_buf *buf, uint64_t value)
{
    char text[XF_U64_TEXT_MAX];
    return xf_buf_append(buf, text, xf_u64_print(value, text));
}

enum xf_err xf_buf_printf(struct xf_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    enum xf_err err = need < 0 ? XF_ERR_INVALID : xf_buf_reserve(buf, (size_t)need + 1);
    if (!err)
        buf->tail += (size_t)vsnprintf(buf->data + buf->tail, (size_t)need + 1, format, again);
    va_end(again);
    return err;
}

static size_t escape_byte(unsigned char c, char out[7])
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i < sizeof named - 1; i += 2) {
        if ((unsigned char)named[i] == c) {
            out[0] = '\\';
            out[1] = named[i + 1];
            return 2;
        }
    }
    if (c >= 0x20) {
        out[0] = (char)c;
        return 1;
    }
    return (size_t)snprintf(out, 7, "\\u%04x", c);
}

enum xf_err xf_buf_append_json_escaped(struct xf_buf *buf, struct xf_slice text)
{
    size_t len_before = xf_buf_len(buf);
    for (size_t i = 0; i < text.len; i++) {
        char out[7];
        enum xf_err err = xf_buf_append(buf, out, escape_byte((unsigned char)text.ptr[i], out));
        if (err) {
            buf->tail = buf->head + len_before;
            return err;
        }
    }
    return XF_OK;
}
