/* SPDX-License-Identifier: Apache-2.0
 * See wire.h. */
#include "bench/wire.h"

#include <string.h>
#include <strings.h>

static bool name_is(const char *line, const char *colon, const char *name)
{
    size_t len = strlen(name);
    return (size_t)(colon - line) == len && strncasecmp(line, name, len) == 0;
}

static bool value_starts(const char *value, const char *end, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(end - value) >= len && strncasecmp(value, text, len) == 0;
}

static bool read_length(const char *value, const char *end, uint64_t *length)
{
    *length = 0;
    if (value == end)
        return false;
    for (; value < end; value++) {
        if (*value < '0' || *value > '9' || *length > UINT64_MAX / 10 - 1)
            return false;
        *length = *length * 10 + (uint64_t)(*value - '0');
    }
    return true;
}

static bool read_field(const char *line, const char *end, struct xf_wire_head *head)
{
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (!colon)
        return false;
    const char *value = colon + 1;
    while (value < end && *value == ' ')
        value++;
    if (name_is(line, colon, "content-length")) {
        head->has_length = true;
        return read_length(value, end, &head->content_length);
    }
    if (name_is(line, colon, "transfer-encoding"))
        head->is_chunked = value_starts(value, end, "chunked");
    else if (name_is(line, colon, "connection"))
        head->closes = value_starts(value, end, "close");
    else if (name_is(line, colon, "expect"))
        head->expects_continue = value_starts(value, end, "100-continue");
    return true;
}

/* Finds the head's end, and its first line's; reads every field. */
static enum xf_wire_progress read_fields(const char *in, size_t len, struct xf_wire_head *head, const char **line_end)
{
    const char *end = memmem(in, len, "\r\n\r\n", 4);
    if (!end)
        return XF_WIRE_MORE;
    head->head_bytes = (size_t)(end - in) + 4;
    const char *line = memmem(in, head->head_bytes, "\r\n", 2);
    *line_end = line;
    for (line += 2; line < end;) {
        const char *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        if (!next || !read_field(line, next, head))
            return XF_WIRE_BROKEN;
        line = next + 2;
    }
    return XF_WIRE_DONE;
}

enum xf_wire_progress xf_wire_read_request(const char *in, size_t len, struct xf_wire_head *head)
{
    const char *line_end;
    *head = (struct xf_wire_head){.method = in};
    enum xf_wire_progress progress = read_fields(in, len, head, &line_end);
    if (progress != XF_WIRE_DONE)
        return progress;
    const char *space = memchr(in, ' ', (size_t)(line_end - in));
    if (!space)
        return XF_WIRE_BROKEN;
    head->method_len = (size_t)(space - in);
    head->target = space + 1;
    const char *target_end = memchr(head->target, ' ', (size_t)(line_end - head->target));
    if (!target_end)
        return XF_WIRE_BROKEN;
    head->target_len = (size_t)(target_end - head->target);
    return XF_WIRE_DONE;
}

enum xf_wire_progress xf_wire_read_response(const char *in, size_t len, struct xf_wire_head *head)
{
    const char *line_end;
    *head = (struct xf_wire_head){0};
    enum xf_wire_progress progress = read_fields(in, len, head, &line_end);
    if (progress != XF_WIRE_DONE)
        return progress;
    if (line_end - in < 12 || strncmp(in, "HTTP/1.", 7) != 0)
        return XF_WIRE_BROKEN;
    for (int i = 9; i < 12; i++) {
        if (in[i] < '0' || in[i] > '9')
            return XF_WIRE_BROKEN;
        head->status = head->status * 10 + (in[i] - '0');
    }
    return XF_WIRE_DONE;
}

enum chunk_state { SIZE, EXTENSION, DATA, DATA_END, TRAILER, TRAILER_LINE };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The end of a size line: data follows, or after the size 0 the trailers. */
static bool end_size_line(struct xf_wire_chunks *chunks)
{
    if (!chunks->has_digit)
        return false;
    chunks->has_digit = false;
    chunks->state = chunks->left ? DATA : TRAILER;
    return true;
}

/* One byte of framing; false if it cannot stand there. TRAILER with `left` set to 1 is the end of the body. */
static bool take_framing(struct xf_wire_chunks *chunks, char c)
{
    int digit = hex_digit(c);
    switch ((enum chunk_state)chunks->state) {
    case SIZE:
        if (c == '\n')
            return end_size_line(chunks);
        if (digit >= 0) {
            chunks->has_digit = true;
            chunks->left = chunks->left * 16 + (uint64_t)digit;
            return chunks->left < 1ULL << 52;
        }
        if (c == ';' || c == ' ')
            chunks->state = EXTENSION;
        return c == ';' || c == ' ' || c == '\r';
    case EXTENSION:
        return c != '\n' || end_size_line(chunks);
    case DATA_END:
        if (c == '\n')
            chunks->state = SIZE;
        return c == '\r' || c == '\n';
    case TRAILER:
        if (c == '\n')
            chunks->left = 1;
        else if (c != '\r')
            chunks->state = TRAILER_LINE;
        return true;
    case TRAILER_LINE:
        if (c == '\n')
            chunks->state = TRAILER;
        return true;
    case DATA:
        break;
    }
    return false;
}

enum xf_wire_progress xf_wire_chunks_next(struct xf_wire_chunks *chunks, const char *in, size_t len, size_t *taken,
                                          const char **data, size_t *data_len)
{
    size_t i = 0;
    *data_len = 0;
    *data = in;
    while (i < len) {
        if (chunks->state == DATA) {
            size_t run = len - i < chunks->left ? len - i : (size_t)chunks->left;
            chunks->left -= run;
            if (chunks->left == 0)
                chunks->state = DATA_END;
            *data = in + i;
            *data_len = run;
            *taken = i + run;
            return XF_WIRE_MORE;
        }
        if (!take_framing(chunks, in[i++]))
            return XF_WIRE_BROKEN;
        if (chunks->state == TRAILER && chunks->left == 1) {
            *taken = i;
            return XF_WIRE_DONE;
        }
    }
    *taken = i;
    return XF_WIRE_MORE;
}
