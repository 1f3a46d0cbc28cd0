/* A non-blocking socket with an output that waits its turn. Writing tries the socket at once and keeps what it did not
 * take; reading is the owner's, who is told when there is something. Failures are told late, never from inside a call.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_NET_STREAM_H
#define XF_PROXY_NET_STREAM_H

#include "common/base/buf.h"
#include "proxy/net/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct xf_stream;

struct xf_stream_owner {
    void (*on_readable)(struct xf_stream *stream);
    void (*on_drained)(struct xf_stream *stream); /* the output has gone out entirely, having been stuck before */
    void (*on_failed)(struct xf_stream *stream, int error); /* a write failed; the stream writes no more */
};

enum {
    XF_STREAM_HIGH_BYTES = 512 * 1024, /* pending output from which its source should pause */
    XF_STREAM_OUT_BYTES_MAX = 64 * 1024 * 1024
};

struct xf_stream {
    int fd;
    struct xf_loop *loop;
    const struct xf_stream_owner *owner;
    struct event read_event, write_event;
    struct xf_buf out;
    struct xf_late failure;
    uint64_t bytes_taken; /* by the kernel, since start */
    int error;            /* errno of the failed write, 0 if none */
    bool is_reading, is_stuck;
};

/* Takes the descriptor over; reading is off. */
void xf_stream_init(struct xf_stream *stream, struct xf_loop *loop, int fd, const struct xf_stream_owner *owner);
/* Closes; no callback comes any more. May be called from inside one. */
void xf_stream_fini(struct xf_stream *stream);

void xf_stream_read_on(struct xf_stream *stream);
void xf_stream_read_off(struct xf_stream *stream);

/* Queues bytes without touching the socket: they go out ahead of the next write, in one system call with it. */
void xf_stream_push(struct xf_stream *stream, struct xf_slice bytes);
/* Writes what was pushed and then these slices (at most three); what the socket does not take is kept. */
void xf_stream_write(struct xf_stream *stream, const struct xf_slice *slices, size_t count);
static inline void xf_stream_flush(struct xf_stream *stream)
{
    xf_stream_write(stream, NULL, 0);
}
static inline size_t xf_stream_pending(const struct xf_stream *stream)
{
    return xf_buf_len(&stream->out);
}
/* Reads once into the loop's scratch. Bytes read, 0 at the end of the stream, -1 with errno. */
ssize_t xf_stream_recv(struct xf_stream *stream, struct xf_slice *bytes);

#endif
