/* The chunked decoder: one byte at a time through the framing, whole runs through the data.
 *
 *   SIZE -> [EXTENSION] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                              \ (size 0)
 *                               -> FIELD -> [NAME -> VALUE -> VALUE_LF -> FIELD]... -> END_LF -> END
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/chunked.h"

#include "common/http/class_int.h"

enum {
    DIGITS_MAX = 13,
    SIZE_LINE_BYTES_MAX = 8 * 1024,
    TRAILER_BYTES_MAX = 8 * 1024,
    OVERHEAD_BYTES_FREE = 100 * 1024, /* beyond these, framing may be ... */
    OVERHEAD_PER_DATA = 3             /* ... this many times the data */
};

enum state {
    STATE_SIZE,
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_FIELD, /* at the start of a trailer line */
    STATE_NAME,
    STATE_VALUE,
    STATE_VALUE_LF,
    STATE_END_LF,
    STATE_END,
    STATE_FAILED
};

void xf_chunked_init(struct xf_chunked *chunked)
{
    *chunked = (struct xf_chunked){.state = STATE_SIZE};
}

static enum state on_size(struct xf_chunked *chunked, char c)
{
    int digit = xf_http_hex(c);
    if (digit >= 0) {
        if (chunked->digits == DIGITS_MAX)
            return STATE_FAILED;
        chunked->digits++;
        chunked->left = chunked->left << 4 | (unsigned)digit;
        return STATE_SIZE;
    }
    if (chunked->digits == 0)
        return STATE_FAILED;
    if (c == ';')
        return STATE_EXTENSION;
    return c == '\r' ? STATE_SIZE_LF : STATE_FAILED;
}

static enum state on_extension(char c)
{
    if (c == '\r')
        return STATE_SIZE_LF;
    return xf_http_is(c, XF_CHAR_VALUE) ? STATE_EXTENSION : STATE_FAILED;
}

/* A chunk's header is complete. Its line and the CRLF behind its data are set against the data it brings. */
static enum state on_size_line(struct xf_chunked *chunked)
{
    chunked->overhead_bytes += chunked->line_bytes + 2;
    chunked->data_bytes += chunked->left;
    chunked->line_bytes = 0;
    chunked->digits = 0;
    if (chunked->overhead_bytes > OVERHEAD_BYTES_FREE &&
        (chunked->overhead_bytes - OVERHEAD_BYTES_FREE) / OVERHEAD_PER_DATA > chunked->data_bytes)
        return STATE_FAILED;
    return chunked->left ? STATE_DATA : STATE_FIELD;
}

static enum state on_field(char c)
{
    if (c == '\r')
        return STATE_END_LF;
    return xf_http_is(c, XF_CHAR_TOKEN) ? STATE_NAME : STATE_FAILED;
}

static enum state on_name(char c)
{
    if (c == ':')
        return STATE_VALUE;
    return xf_http_is(c, XF_CHAR_TOKEN) ? STATE_NAME : STATE_FAILED;
}

static enum state on_value(char c)
{
    if (c == '\r')
        return STATE_VALUE_LF;
    return xf_http_is(c, XF_CHAR_VALUE) ? STATE_VALUE : STATE_FAILED;
}

static enum state on_framing(struct xf_chunked *chunked, char c)
{
    switch ((enum state)chunked->state) {
    case STATE_SIZE:
        return on_size(chunked, c);
    case STATE_EXTENSION:
        return on_extension(c);
    case STATE_SIZE_LF:
        return c == '\n' ? on_size_line(chunked) : STATE_FAILED;
    case STATE_DATA_CR:
        return c == '\r' ? STATE_DATA_LF : STATE_FAILED;
    case STATE_DATA_LF:
        return c == '\n' ? STATE_SIZE : STATE_FAILED;
    case STATE_FIELD:
        return on_field(c);
    case STATE_NAME:
        return on_name(c);
    case STATE_VALUE:
        return on_value(c);
    case STATE_VALUE_LF:
        return c == '\n' ? STATE_FIELD : STATE_FAILED;
    case STATE_END_LF:
        return c == '\n' ? STATE_END : STATE_FAILED;
    case STATE_DATA:
    case STATE_END:
    case STATE_FAILED:
        break;
    }
    return STATE_FAILED;
}

static bool is_in_size_line(unsigned state)
{
    return state <= STATE_SIZE_LF;
}

static bool is_in_trailer(unsigned state)
{
    return state >= STATE_FIELD && state <= STATE_END_LF;
}

static void take_framing_byte(struct xf_chunked *chunked, char c)
{
    if (is_in_size_line(chunked->state) && ++chunked->line_bytes > SIZE_LINE_BYTES_MAX)
        chunked->state = STATE_FAILED;
    else if (is_in_trailer(chunked->state) && ++chunked->trailer_bytes > TRAILER_BYTES_MAX)
        chunked->state = STATE_FAILED;
    else
        chunked->state = (uint8_t)on_framing(chunked, c);
}

enum xf_err xf_chunked_feed(struct xf_chunked *chunked, struct xf_slice in, size_t *taken, struct xf_slice *data,
                            bool *is_end)
{
    size_t at = 0;
    *data = XF_SLICE_NONE;
    while (at < in.len && chunked->state != STATE_END) {
        if (chunked->state == STATE_DATA) {
            size_t run = chunked->left < in.len - at ? (size_t)chunked->left : in.len - at;
            *data = xf_slice(in.ptr + at, run);
            at += run;
            chunked->left -= run;
            if (chunked->left == 0)
                chunked->state = STATE_DATA_CR;
            break;
        }
        take_framing_byte(chunked, in.ptr[at++]);
        if (chunked->state == STATE_FAILED)
            return XF_ERR_HTTP_CHUNK;
    }
    if (chunked->state == STATE_FAILED)
        return XF_ERR_HTTP_CHUNK;
    *taken = at;
    *is_end = chunked->state == STATE_END;
    return XF_OK;
}

size_t xf_chunk_header_print(uint64_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 1;
    while (len < 16 && n >> (4 * len))
        len++;
    for (size_t i = 0; i < len; i++)
        out[i] = digits[n >> (4 * (len - 1 - i)) & 15];
    out[len] = '\r';
    out[len + 1] = '\n';
    return len + 2;
}
