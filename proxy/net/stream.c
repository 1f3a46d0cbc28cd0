/* The read event stays registered for as long as a connection wants to hear of input, over any number of requests, and
 * the write event exists only while output is stuck: a request that flows costs reads and writes and no epoll_ctl.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/stream.h"

#include "common/base/clock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SLICES_MAX = 3, OUT_KEPT_BYTES = 1024 };

#define OWNER_OF(member_ptr, member) ((struct xf_stream *)(void *)((char *)(member_ptr) - offsetof(struct xf_stream, member)))

static void on_read_event(evutil_socket_t fd, short what, void *arg)
{
    struct xf_stream *stream = arg;
    (void)fd;
    (void)what;
    stream->owner->on_readable(stream);
}

static void on_failure(struct xf_late *late)
{
    struct xf_stream *stream = OWNER_OF(late, failure);
    stream->owner->on_failed(stream, stream->error);
}

static void fail(struct xf_stream *stream, int error)
{
    stream->error = error;
    xf_buf_release(&stream->out);
    if (stream->is_stuck)
        event_del(&stream->write_event);
    stream->is_stuck = false;
    xf_loop_late(stream->loop, &stream->failure, on_failure);
}

static void on_write_event(evutil_socket_t fd, short what, void *arg)
{
    struct xf_stream *stream = arg;
    (void)fd;
    (void)what;
    xf_stream_flush(stream);
    if (!stream->error && !stream->is_stuck)
        stream->owner->on_drained(stream);
}

void xf_stream_init(struct xf_stream *stream, struct xf_loop *loop, int fd, const struct xf_stream_owner *owner)
{
    *stream = (struct xf_stream){.fd = fd, .loop = loop, .owner = owner};
    xf_buf_init(&stream->out, XF_STREAM_OUT_BYTES_MAX);
    event_assign(&stream->read_event, loop->base, fd, EV_READ | EV_PERSIST, on_read_event, stream);
    event_assign(&stream->write_event, loop->base, fd, EV_WRITE | EV_PERSIST, on_write_event, stream);
}

void xf_stream_fini(struct xf_stream *stream)
{
    xf_stream_read_off(stream);
    if (stream->is_stuck)
        event_del(&stream->write_event);
    stream->is_stuck = false;
    xf_loop_late_cancel(stream->loop, &stream->failure);
    xf_buf_fini(&stream->out);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

void xf_stream_read_on(struct xf_stream *stream)
{
    if (!stream->is_reading && event_add(&stream->read_event, NULL) == 0)
        stream->is_reading = true;
}

void xf_stream_read_off(struct xf_stream *stream)
{
    if (stream->is_reading)
        event_del(&stream->read_event);
    stream->is_reading = false;
}

void xf_stream_push(struct xf_stream *stream, struct xf_slice bytes)
{
    if (!stream->error && xf_buf_append_slice(&stream->out, bytes) != XF_OK)
        fail(stream, ENOMEM);
}

static void become_stuck(struct xf_stream *stream)
{
    if (stream->is_stuck)
        return;
    if (event_add(&stream->write_event, NULL) < 0)
        fail(stream, ENOMEM);
    else
        stream->is_stuck = true;
}

static void become_empty(struct xf_stream *stream)
{
    if (stream->out.cap > OUT_KEPT_BYTES)
        xf_buf_release(&stream->out);
    if (stream->is_stuck)
        event_del(&stream->write_event);
    stream->is_stuck = false;
}

/* Keeps what the kernel did not take: first of what was queued, then of the slices. */
static void keep_rest(struct xf_stream *stream, const struct xf_slice *slices, size_t count, size_t taken)
{
    size_t from_out = xf_buf_len(&stream->out) < taken ? xf_buf_len(&stream->out) : taken;
    xf_buf_consume(&stream->out, from_out);
    taken -= from_out;
    for (size_t i = 0; i < count && !stream->error; i++) {
        size_t skip = slices[i].len < taken ? slices[i].len : taken;
        taken -= skip;
        if (skip < slices[i].len)
            xf_stream_push(stream, xf_slice_skip(slices[i], skip));
    }
    if (stream->error)
        return;
    if (xf_stream_pending(stream))
        become_stuck(stream);
    else
        become_empty(stream);
}

void xf_stream_write(struct xf_stream *stream, const struct xf_slice *slices, size_t count)
{
    struct iovec parts[SLICES_MAX + 1];
    int part_count = 0;
    XF_ASSERT(count <= SLICES_MAX);
    if (stream->error)
        return;
    if (xf_stream_pending(stream)) {
        struct xf_slice queued = xf_buf_view(&stream->out);
        parts[part_count++] = (struct iovec){(void *)(uintptr_t)queued.ptr, queued.len};
    }
    for (size_t i = 0; i < count; i++)
        if (slices[i].len)
            parts[part_count++] = (struct iovec){(void *)(uintptr_t)slices[i].ptr, slices[i].len};
    if (part_count == 0)
        return;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)part_count};
    ssize_t taken;
    do
        taken = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
    while (taken < 0 && errno == EINTR);
    if (taken < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOTCONN) {
        fail(stream, errno);
        return;
    }
    if (taken > 0)
        stream->bytes_taken += (uint64_t)taken;
    keep_rest(stream, slices, count, taken > 0 ? (size_t)taken : 0);
}

ssize_t xf_stream_recv(struct xf_stream *stream, struct xf_slice *bytes)
{
    ssize_t got;
    do
        got = recv(stream->fd, stream->loop->scratch, XF_LOOP_SCRATCH_BYTES, 0);
    while (got < 0 && errno == EINTR);
    *bytes = xf_slice(stream->loop->scratch, got > 0 ? (size_t)got : 0);
    return got;
}
