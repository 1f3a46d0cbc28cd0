/* A growable byte buffer with a maximum. Bytes are appended at the end and consumed from the front; what lies between
 * is one contiguous block, so that a parser can look at it as a slice.
 *
 *   data ....[ consumed | readable bytes | room ]
 *            0          head             tail    cap
 *
 * Pointers into the buffer hold until the next append, reserve or fini. Not for use by two threads at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_BASE_BUF_H
#define XF_COMMON_BASE_BUF_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdarg.h>
#include <stdint.h>

struct xf_buf {
    char *data;
    size_t head;
    size_t tail;
    size_t cap;
    size_t max; /* readable bytes it may hold at most */
};

/* No memory is taken until the first byte comes. */
void xf_buf_init(struct xf_buf *buf, size_t bytes_max);
void xf_buf_fini(struct xf_buf *buf);

static inline size_t xf_buf_len(const struct xf_buf *buf)
{
    return buf->tail - buf->head;
}

static inline struct xf_slice xf_buf_view(const struct xf_buf *buf)
{
    return (struct xf_slice){buf->data ? buf->data + buf->head : "", buf->tail - buf->head};
}

/* Makes room for at least `want` bytes at the end, moving or growing the block. FULL past the maximum. */
XF_MUST_CHECK enum xf_err xf_buf_reserve(struct xf_buf *buf, size_t want);
/* The room that reserve made: write there, then commit what was written. */
static inline char *xf_buf_room(struct xf_buf *buf, size_t *room)
{
    *room = buf->cap - buf->tail;
    return buf->data + buf->tail;
}
void xf_buf_commit(struct xf_buf *buf, size_t written);
void xf_buf_consume(struct xf_buf *buf, size_t n);
/* Empties the buffer and keeps its memory; release also gives the memory back. */
void xf_buf_clear(struct xf_buf *buf);
void xf_buf_release(struct xf_buf *buf);

/* Each either appends the whole or, on NOMEM and FULL, nothing. */
XF_MUST_CHECK enum xf_err xf_buf_append(struct xf_buf *buf, const void *bytes, size_t n);
XF_MUST_CHECK enum xf_err xf_buf_append_slice(struct xf_buf *buf, struct xf_slice s);
XF_MUST_CHECK enum xf_err xf_buf_append_u64(struct xf_buf *buf, uint64_t value);
XF_MUST_CHECK enum xf_err xf_buf_printf(struct xf_buf *buf, const char *format, ...) XF_PRINTF(2, 3);
/* The text as the inside of a JSON string: quotes, backslashes and control characters escaped. */
XF_MUST_CHECK enum xf_err xf_buf_append_json_escaped(struct xf_buf *buf, struct xf_slice text);

#endif
