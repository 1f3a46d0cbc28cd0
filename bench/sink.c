/* sink: a server that plays Qdrant's answers at full speed on one thread, so that a measurement of a proxy is not one
 * of its backend. What it says is in sink_answer.c; here are the connections.
 *
 * Each connection goes round: head, body, answer. Bodies nobody reads are dropped in the kernel (MSG_TRUNC). While an
 * answer waits for room nothing more is read, so a pipelining client is slowed down, not buffered.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/sink_answer.h"
#include "bench/sock.h"
#include "bench/wire.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const char usage[] = "usage: sink --port PORT [options]\n"
                            "  --answer-bytes N    body of an ordinary GET (default 1200)\n"
                            "  --collection NAME   a collection that is there from the start (may be repeated)\n"
                            "  --points N          points in it (default 100000)\n"
                            "  --dims N            of their vectors (default 384)\n"
                            "  --payload-bytes N   text in their payload (default 1000)\n"
                            "  --pin CPU           stay on this CPU\n";

enum { IN_BYTES = 32 * 1024, KEPT_BYTES_MAX = 4 << 20, SCRATCH_BYTES = 256 * 1024, EVENTS_MAX = 512 };

struct conn {
    int fd;
    bool in_body;
    bool listens_for_room;
    struct xf_wire_head head; /* views into `in`, which stays as it is until the answer is made */
    size_t in_len, in_used;
    struct xf_wire_chunks chunks;
    uint64_t body_left, body_bytes;
    bool keeps_body;
    char *kept;
    size_t kept_len;
    struct xf_sink_reply reply;
    size_t reply_sent;
    char in[IN_BYTES];
};

static struct xf_sink *sink;
static int epoll_fd;
static char scratch[SCRATCH_BYTES]; /* chunked bodies come here; also the filler of large answers */
static volatile sig_atomic_t is_stopping;

static void on_stop(int signal_number)
{
    (void)signal_number;
    is_stopping = 1;
}

static void conn_close(struct conn *conn)
{
    close(conn->fd);
    free(conn->kept);
    free(conn->reply.owned);
    free(conn);
}

static void conn_listen(struct conn *conn, bool for_room)
{
    struct epoll_event event = {.events = for_room ? EPOLLOUT : EPOLLIN, .data.ptr = conn};
    if (conn->listens_for_room == for_room)
        return;
    conn->listens_for_room = for_room;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) != 0)
        xf_sock_die("sink: epoll_ctl");
}

/* Sends what there is room for. DONE: all is sent. */
static enum xf_wire_progress conn_send(struct conn *conn)
{
    struct xf_sink_reply *reply = &conn->reply;
    while (conn->reply_sent < reply->len || reply->filler_bytes) {
        size_t filler = reply->filler_bytes < SCRATCH_BYTES ? (size_t)reply->filler_bytes : SCRATCH_BYTES;
        struct iovec pieces[2] = {{(char *)(uintptr_t)reply->data + conn->reply_sent, reply->len - conn->reply_sent},
                                  {scratch, filler}};
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = filler ? 2 : 1};
        ssize_t n = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            conn_listen(conn, true);
            return XF_WIRE_MORE;
        }
        if (n < 0)
            return XF_WIRE_BROKEN;
        size_t from_data = (size_t)n < pieces[0].iov_len ? (size_t)n : pieces[0].iov_len;
        conn->reply_sent += from_data;
        reply->filler_bytes -= (size_t)n - from_data;
    }
    free(reply->owned);
    *reply = (struct xf_sink_reply){0};
    conn->reply_sent = 0;
    conn_listen(conn, false);
    return XF_WIRE_DONE;
}

static bool keep_body(struct conn *conn, const char *data, size_t len)
{
    if (!conn->keeps_body || len == 0)
        return true;
    if (len > KEPT_BYTES_MAX - conn->kept_len)
        return false;
    conn->kept = xf_sock_must(realloc(conn->kept, conn->kept_len + len));
    memcpy(conn->kept + conn->kept_len, data, len);
    conn->kept_len += len;
    return true;
}

/* Takes body bytes from the front of `in`; *taken says how many. */
static enum xf_wire_progress take_body(struct conn *conn, const char *in, size_t len, size_t *taken)
{
    if (!conn->head.is_chunked) {
        *taken = len < conn->body_left ? len : (size_t)conn->body_left;
        conn->body_left -= *taken;
        conn->body_bytes += *taken;
        if (!keep_body(conn, in, *taken))
            return XF_WIRE_BROKEN;
        return conn->body_left ? XF_WIRE_MORE : XF_WIRE_DONE;
    }
    *taken = 0;
    while (*taken < len) {
        size_t used, data_len;
        const char *data;
        enum xf_wire_progress progress =
            xf_wire_chunks_next(&conn->chunks, in + *taken, len - *taken, &used, &data, &data_len);
        if (progress == XF_WIRE_BROKEN || !keep_body(conn, data, data_len))
            return XF_WIRE_BROKEN;
        *taken += used;
        conn->body_bytes += data_len;
        if (progress == XF_WIRE_DONE)
            return XF_WIRE_DONE;
    }
    return XF_WIRE_MORE;
}

static enum xf_wire_progress conn_answer(struct conn *conn)
{
    xf_sink_answer(sink, &conn->head, conn->kept, conn->kept_len, conn->body_bytes, &conn->reply);
    bool closes = conn->head.closes;
    free(conn->kept);
    conn->kept = NULL;
    conn->kept_len = 0;
    conn->in_body = false;
    memmove(conn->in, conn->in + conn->in_used, conn->in_len - conn->in_used);
    conn->in_len -= conn->in_used;
    conn->in_used = 0;
    enum xf_wire_progress progress = conn_send(conn);
    return progress == XF_WIRE_DONE && closes ? XF_WIRE_BROKEN : progress;
}

static bool start_body(struct conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    conn->in_body = true;
    conn->in_used = conn->head.head_bytes;
    conn->body_left = conn->head.content_length;
    conn->body_bytes = 0;
    conn->chunks = (struct xf_wire_chunks){0};
    conn->keeps_body = xf_sink_reads_body(&conn->head);
    if (!conn->head.expects_continue)
        return true;
    return send(conn->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(go_on) - 1;
}

/* Works off what is in `in`. MORE: bytes or room are missing. */
static enum xf_wire_progress conn_work(struct conn *conn)
{
    for (;;) {
        enum xf_wire_progress progress = XF_WIRE_DONE;
        size_t taken;
        if (!conn->in_body) {
            if (conn->in_len == 0)
                return XF_WIRE_MORE;
            progress = xf_wire_read_request(conn->in, conn->in_len, &conn->head);
            if (progress != XF_WIRE_DONE)
                return progress == XF_WIRE_MORE && conn->in_len == IN_BYTES ? XF_WIRE_BROKEN : progress;
            if (!start_body(conn))
                return XF_WIRE_BROKEN;
        }
        progress = take_body(conn, conn->in + conn->in_used, conn->in_len - conn->in_used, &taken);
        conn->in_used += taken;
        if (progress == XF_WIRE_DONE)
            progress = conn_answer(conn);
        if (progress != XF_WIRE_DONE)
            return progress;
    }
}

/* The body goes on past what fits beside the head. */
static enum xf_wire_progress read_body(struct conn *conn)
{
    bool is_dropped = !conn->head.is_chunked && !conn->keeps_body;
    size_t want = !conn->head.is_chunked && conn->body_left < SCRATCH_BYTES ? (size_t)conn->body_left : SCRATCH_BYTES;
    if (is_dropped)
        want = conn->body_left < 1U << 30 ? (size_t)conn->body_left : 1U << 30;
    ssize_t n = recv(conn->fd, is_dropped ? NULL : scratch, want, is_dropped ? MSG_TRUNC : 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return XF_WIRE_MORE;
    if (n <= 0)
        return XF_WIRE_BROKEN;
    size_t taken;
    enum xf_wire_progress progress = take_body(conn, scratch, (size_t)n, &taken);
    if (progress != XF_WIRE_DONE)
        return progress;
    size_t rest = (size_t)n - taken; /* of a pipelined request behind a chunked body */
    if (rest > IN_BYTES - conn->in_len)
        return XF_WIRE_BROKEN;
    memcpy(conn->in + conn->in_len, scratch + taken, rest);
    conn->in_len += rest;
    progress = conn_answer(conn);
    return progress == XF_WIRE_DONE ? conn_work(conn) : progress;
}

static enum xf_wire_progress conn_read(struct conn *conn)
{
    if (conn->in_body)
        return read_body(conn);
    ssize_t n = recv(conn->fd, conn->in + conn->in_len, IN_BYTES - conn->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return XF_WIRE_MORE;
    if (n <= 0)
        return XF_WIRE_BROKEN;
    conn->in_len += (size_t)n;
    return conn_work(conn);
}

static enum xf_wire_progress conn_resume(struct conn *conn)
{
    bool closes = conn->head.closes;
    enum xf_wire_progress progress = conn_send(conn);
    if (progress != XF_WIRE_DONE)
        return progress;
    return closes ? XF_WIRE_BROKEN : conn_work(conn);
}

static void on_conn(struct conn *conn)
{
    enum xf_wire_progress progress = conn->listens_for_room ? conn_resume(conn) : conn_read(conn);
    if (progress == XF_WIRE_BROKEN)
        conn_close(conn);
}

static void on_listener(int listen_fd)
{
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        xf_sock_no_delay(fd);
        struct conn *conn = xf_sock_must(calloc(1, sizeof(*conn)));
        conn->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            xf_sock_die("sink: epoll_ctl");
    }
}

static void serve(int listen_fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) != 0)
        xf_sock_die("sink: epoll");
    while (!is_stopping) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        if (count < 0 && errno != EINTR)
            xf_sock_die("sink: epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_conn(events[i].data.ptr);
            else
                on_listener(listen_fd);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'o'},   {"answer-bytes", required_argument, NULL, 'a'},
        {"points", required_argument, NULL, 'n'}, {"collection", required_argument, NULL, 'c'},
        {"dims", required_argument, NULL, 'd'},   {"payload-bytes", required_argument, NULL, 'y'},
        {"pin", required_argument, NULL, 'p'},    {NULL, 0, NULL, 0}};
    struct xf_sink_setup setup = {.answer_bytes = 1200, .points = 100000, .dims = 384, .payload_bytes = 1000};
    const char *collections[16];
    unsigned collection_count = 0;
    uint16_t port = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'o':
            port = (uint16_t)xf_sock_number("--port", optarg, 65535);
            break;
        case 'a':
            setup.answer_bytes = xf_sock_number("--answer-bytes", optarg, 1 << 30);
            break;
        case 'n':
            setup.points = xf_sock_number("--points", optarg, UINT64_MAX - 1);
            break;
        case 'd':
            setup.dims = (unsigned)xf_sock_number("--dims", optarg, 65536);
            break;
        case 'y':
            setup.payload_bytes = (unsigned)xf_sock_number("--payload-bytes", optarg, 1 << 24);
            break;
        case 'p':
            xf_sock_pin((int)xf_sock_number("--pin", optarg, 4095));
            break;
        case 'c':
            if (collection_count < sizeof(collections) / sizeof(*collections)) {
                collections[collection_count++] = optarg;
                break;
            }
            /* fall through */
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (port == 0 || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    struct sigaction stop = {.sa_handler = on_stop};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    /* Pages of megabytes come and go: their memory stays with the process, or most of the time goes into page faults.
     */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    sink = xf_sink_new(&setup);
    for (unsigned i = 0; i < collection_count; i++)
        xf_sink_add_collection(sink, collections[i]);
    serve(xf_sock_listen(port));
    xf_sink_free(sink);
    return 0;
}
