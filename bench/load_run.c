/* The engine of load.h. A connection is in one of four states:
 *
 *   CONNECTING -> IDLE -> SENDING -> READING -> IDLE ...       any -> CONNECTING when the server closes
 *
 * Answers may come while the body is still being sent (a refusal): SENDING listens for them, and the connection is then
 * made anew. Bodies of answers are dropped in the kernel (MSG_TRUNC) where their length is known: the generator must be
 * cheaper than what it measures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"
#include "bench/sock.h"
#include "bench/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IN_BYTES = 32 * 1024, EVENTS_MAX = 512, ERRORS_HOPELESS = 10000 };

enum conn_state { CONNECTING, IDLE, SENDING, READING };

struct conn {
    int fd;
    enum conn_state state;
    unsigned index;
    unsigned next_request;
    bool in_body;          /* of the answer */
    bool listens_for_room; /* EPOLLOUT is asked for */
    const struct xf_load_request *request;
    uint64_t sent_bytes;
    uint64_t due_ns; /* when the request was meant to go out */
    struct xf_wire_head head;
    struct xf_wire_chunks chunks;
    uint64_t body_left;
    size_t in_len;
    char in[IN_BYTES];
    struct conn *next_idle;
};

struct run {
    const struct xf_load_plan *plan;
    struct xf_load_result *result;
    struct conn *conns;
    struct conn *idle; /* open loop: ready for what is due next */
    int epoll_fd, timer_fd;
    uint64_t start_ns, counted_ns, end_ns;
    uint64_t due_count; /* open loop: requests sent so far */
    uint64_t answered;
    uint64_t errors_in_row;
    bool is_over;
};

static void conn_open(struct run *run, struct conn *conn);
static void conn_next(struct run *run, struct conn *conn, uint64_t now_ns);

/* When request k of the open loop is due. */
static uint64_t due_ns_of(const struct run *run, uint64_t k)
{
    return run->start_ns + (uint64_t)((double)k * 1e9 / run->plan->rate);
}

static void note_answer(struct run *run, const struct conn *conn, bool is_good)
{
    uint64_t now_ns = xf_sock_now_ns();
    struct xf_load_result *result = run->result;
    bool is_counted = now_ns >= run->counted_ns;
    run->errors_in_row = is_good ? 0 : run->errors_in_row + 1;
    if (run->errors_in_row > ERRORS_HOPELESS) {
        errno = 0;
        xf_sock_die("load: %d errors in a row (first status %d): giving up", ERRORS_HOPELESS, result->first_bad_status);
    }
    if (is_good && is_counted) {
        result->requests++;
        xf_hist_add(&result->latency, now_ns - conn->due_ns);
    } else if (!is_good && is_counted) {
        result->errors++;
    } else if (!is_good) {
        result->errors_warmup++;
    }
    if (++run->answered == run->plan->requests_max)
        run->is_over = true;
}

static void listen_for(struct run *run, struct conn *conn, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    conn->listens_for_room = (events & EPOLLOUT) != 0;
    if (epoll_ctl(run->epoll_fd, operation, conn->fd, &event) != 0)
        xf_sock_die("load: epoll_ctl");
}

static void conn_reopen(struct run *run, struct conn *conn)
{
    close(conn->fd);
    conn_open(run, conn);
}

/* The request in hand is lost. */
static void conn_fail(struct run *run, struct conn *conn)
{
    if (conn->state == SENDING || conn->state == READING)
        note_answer(run, conn, false);
    else
        run->result->reconnects++;
    if (!run->is_over)
        conn_reopen(run, conn);
}

static void conn_open(struct run *run, struct conn *conn)
{
    conn->state = CONNECTING;
    conn->in_len = 0;
    conn->in_body = false;
    conn->fd = xf_sock_connect(&run->plan->address);
    if (conn->fd < 0)
        xf_sock_die("load: cannot connect");
    listen_for(run, conn, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

/* Sends what the socket takes of the head and of the repeated block. */
static ssize_t send_some(const struct conn *conn)
{
    const struct xf_load_request *request = conn->request;
    struct iovec pieces[4];
    size_t count = 0;
    uint64_t at = conn->sent_bytes;
    if (at < request->head_len) {
        pieces[count++] = (struct iovec){request->head + at, request->head_len - at};
        at = request->head_len;
    }
    uint64_t body_at = at - request->head_len;
    for (int i = 0; i < 2 && body_at < request->body_bytes; i++) {
        size_t in_block = (size_t)(body_at % request->block_len);
        uint64_t left = request->body_bytes - body_at;
        size_t run = request->block_len - in_block < left ? request->block_len - in_block : (size_t)left;
        pieces[count++] = (struct iovec){request->block + in_block, run};
        body_at += run;
    }
    size_t tail_len = strlen(request->tail);
    if (body_at >= request->body_bytes && tail_len) {
        size_t in_tail = (size_t)(body_at - request->body_bytes);
        pieces[count++] = (struct iovec){(char *)(uintptr_t)request->tail + in_tail, tail_len - in_tail};
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    return sendmsg(conn->fd, &message, MSG_NOSIGNAL);
}

static void conn_send(struct run *run, struct conn *conn)
{
    const struct xf_load_request *request = conn->request;
    uint64_t total = request->head_len + request->body_bytes + strlen(request->tail);
    while (conn->sent_bytes < total) {
        ssize_t n = send_some(conn);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!conn->listens_for_room)
                listen_for(run, conn, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        if (n < 0) {
            conn_fail(run, conn);
            return;
        }
        conn->sent_bytes += (uint64_t)n;
        run->result->bytes_out += (uint64_t)n;
    }
    conn->state = READING;
    if (conn->listens_for_room)
        listen_for(run, conn, EPOLLIN, EPOLL_CTL_MOD);
}

static void conn_start(struct run *run, struct conn *conn, uint64_t due_ns)
{
    const struct xf_load_plan *plan = run->plan;
    conn->request = &plan->requests[conn->next_request];
    conn->next_request += plan->connections;
    if (conn->next_request >= plan->request_count)
        conn->next_request = conn->index % plan->request_count;
    conn->sent_bytes = 0;
    conn->in_len = 0;
    conn->in_body = false;
    conn->due_ns = due_ns;
    conn->state = SENDING;
    conn_send(run, conn);
}

/* A connection has become free: the next request, or a place in the queue of the open loop. */
static void conn_next(struct run *run, struct conn *conn, uint64_t now_ns)
{
    conn->state = IDLE;
    if (run->is_over)
        return;
    if (run->plan->rate <= 0) {
        conn_start(run, conn, now_ns);
        return;
    }
    uint64_t due_ns = due_ns_of(run, run->due_count);
    if (due_ns <= now_ns && due_ns < run->end_ns) {
        run->due_count++;
        conn_start(run, conn, due_ns);
        return;
    }
    if (conn->listens_for_room)
        listen_for(run, conn, EPOLLIN, EPOLL_CTL_MOD);
    conn->next_idle = run->idle;
    run->idle = conn;
}

static void conn_answered(struct run *run, struct conn *conn)
{
    bool is_good = conn->head.status >= 200 && conn->head.status < 300;
    bool is_early = conn->state == SENDING;
    if (!is_good && !run->result->first_bad_status)
        run->result->first_bad_status = conn->head.status;
    note_answer(run, conn, is_good && !is_early);
    conn->state = IDLE;
    if (run->is_over)
        return;
    if (conn->head.closes || is_early) {
        run->result->reconnects++;
        conn_reopen(run, conn);
        return;
    }
    conn_next(run, conn, xf_sock_now_ns());
}

/* Takes the bytes that have come; true once the answer is whole. */
static enum xf_wire_progress take_body(struct conn *conn, const char *in, size_t len)
{
    if (!conn->head.is_chunked) {
        if (len > conn->body_left)
            return XF_WIRE_BROKEN;
        conn->body_left -= len;
        return conn->body_left ? XF_WIRE_MORE : XF_WIRE_DONE;
    }
    for (size_t at = 0; at < len;) {
        size_t taken, data_len;
        const char *data;
        enum xf_wire_progress progress =
            xf_wire_chunks_next(&conn->chunks, in + at, len - at, &taken, &data, &data_len);
        if (progress == XF_WIRE_DONE)
            return at + taken == len ? XF_WIRE_DONE : XF_WIRE_BROKEN;
        if (progress == XF_WIRE_BROKEN)
            return progress;
        at += taken;
    }
    return XF_WIRE_MORE;
}

static enum xf_wire_progress take_head(struct conn *conn)
{
    enum xf_wire_progress progress = xf_wire_read_response(conn->in, conn->in_len, &conn->head);
    if (progress == XF_WIRE_MORE)
        return conn->in_len == IN_BYTES ? XF_WIRE_BROKEN : XF_WIRE_MORE;
    if (progress == XF_WIRE_BROKEN)
        return progress;
    size_t rest = conn->in_len - conn->head.head_bytes;
    if (conn->head.status < 200) { /* interim: the answer proper follows */
        memmove(conn->in, conn->in + conn->head.head_bytes, rest);
        conn->in_len = rest;
        return rest ? take_head(conn) : XF_WIRE_MORE;
    }
    if (!conn->head.has_length && !conn->head.is_chunked && conn->head.status != 204)
        return XF_WIRE_BROKEN; /* a body until the close cannot be told from a broken one */
    conn->in_body = true;
    conn->body_left = conn->head.content_length;
    conn->chunks = (struct xf_wire_chunks){0};
    if (!conn->head.is_chunked && conn->body_left == 0)
        return rest ? XF_WIRE_BROKEN : XF_WIRE_DONE;
    return rest ? take_body(conn, conn->in + conn->head.head_bytes, rest) : XF_WIRE_MORE;
}

/* Bodies of known length are dropped in the kernel; all else comes to the connection's own buffer. */
static ssize_t receive(struct conn *conn)
{
    if (conn->in_body && !conn->head.is_chunked)
        return recv(conn->fd, NULL, conn->body_left < 1U << 30 ? (size_t)conn->body_left : 1U << 30, MSG_TRUNC);
    size_t at = conn->in_body ? 0 : conn->in_len;
    return recv(conn->fd, conn->in + at, IN_BYTES - at, 0);
}

static void conn_read(struct run *run, struct conn *conn)
{
    ssize_t n = receive(conn);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || conn->state == CONNECTING || conn->state == IDLE) { /* closed, or speaks unasked */
        conn_fail(run, conn);
        return;
    }
    run->result->bytes_in += (uint64_t)n;
    enum xf_wire_progress progress;
    if (conn->in_body) {
        progress = take_body(conn, conn->in, (size_t)n);
    } else {
        conn->in_len += (size_t)n;
        progress = take_head(conn);
    }
    if (progress == XF_WIRE_DONE)
        conn_answered(run, conn);
    else if (progress == XF_WIRE_BROKEN)
        conn_fail(run, conn);
}

static void drop_idle(struct run *run, const struct conn *conn)
{
    for (struct conn **at = &run->idle; *at; at = &(*at)->next_idle) {
        if (*at == conn) {
            *at = conn->next_idle;
            return;
        }
    }
}

static void check_connected(const struct conn *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
        return;
    errno = error;
    xf_sock_die("load: cannot connect");
}

static void on_conn(struct run *run, struct conn *conn, uint32_t events)
{
    if (conn->state == CONNECTING) {
        if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
            return;
        check_connected(conn);
        conn_next(run, conn, xf_sock_now_ns());
        return;
    }
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        if (conn->state == IDLE)
            drop_idle(run, conn);
        conn_read(run, conn);
        return; /* room is reported again, if the connection is still the same */
    }
    if ((events & EPOLLOUT) && conn->state == SENDING)
        conn_send(run, conn);
}

/* Open loop: starts what is due on idle connections and sets the timer for the next. */
static void start_due(struct run *run, uint64_t now_ns)
{
    while (run->idle && !run->is_over) {
        uint64_t due_ns = due_ns_of(run, run->due_count);
        if (due_ns > now_ns || due_ns >= run->end_ns)
            break;
        struct conn *conn = run->idle;
        run->idle = conn->next_idle;
        run->due_count++;
        conn_start(run, conn, due_ns);
    }
    uint64_t next_ns = due_ns_of(run, run->due_count);
    if (!run->idle || next_ns > run->end_ns)
        next_ns = run->end_ns;
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(next_ns / 1000000000ULL), .tv_nsec = (long)(next_ns % 1000000000ULL)}};
    if (timerfd_settime(run->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
        xf_sock_die("load: timerfd_settime");
}

static void run_start(struct run *run)
{
    const struct xf_load_plan *plan = run->plan;
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (run->epoll_fd < 0 || run->timer_fd < 0 || epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, run->timer_fd, &event) != 0)
        xf_sock_die("load: epoll");
    run->conns = xf_sock_must(calloc(plan->connections, sizeof(*run->conns)));
    run->start_ns = xf_sock_now_ns();
    run->counted_ns = run->start_ns + (uint64_t)(plan->warmup_s * 1e9);
    run->end_ns = run->counted_ns + (uint64_t)(plan->duration_s * 1e9);
    for (unsigned i = 0; i < plan->connections; i++) {
        run->conns[i].index = i;
        run->conns[i].next_request = i % plan->request_count;
        conn_open(run, &run->conns[i]);
    }
}

/* What was due and has no answer. In the open loop its age so far counts as its latency, which is too little, not too
 * much. */
static void note_unfinished(struct run *run, uint64_t now_ns)
{
    struct xf_load_result *result = run->result;
    for (unsigned i = 0; i < run->plan->connections; i++) {
        const struct conn *conn = &run->conns[i];
        if (conn->state != SENDING && conn->state != READING)
            continue;
        result->unfinished++;
        if (run->plan->rate > 0)
            xf_hist_add(&result->latency, now_ns - conn->due_ns);
    }
    if (run->plan->rate <= 0 || run->plan->requests_max)
        return;
    for (uint64_t k = run->due_count; due_ns_of(run, k) < run->end_ns; k++) {
        result->unfinished++;
        xf_hist_add(&result->latency, now_ns - due_ns_of(run, k));
    }
}

void xf_load_run(const struct xf_load_plan *plan, struct xf_load_result *result)
{
    struct run run = {.plan = plan, .result = result};
    *result = (struct xf_load_result){0};
    run_start(&run);
    uint64_t now_ns = run.start_ns;
    while (!run.is_over && now_ns < run.end_ns) {
        struct epoll_event events[EVENTS_MAX];
        if (plan->rate > 0)
            start_due(&run, now_ns);
        int wait_ms = (int)((run.end_ns - now_ns) / 1000000ULL) + 1;
        int count = epoll_wait(run.epoll_fd, events, EVENTS_MAX, wait_ms);
        if (count < 0 && errno != EINTR)
            xf_sock_die("load: epoll_wait");
        for (int i = 0; i < count && !run.is_over; i++) {
            if (events[i].data.ptr)
                on_conn(&run, events[i].data.ptr, events[i].events);
        }
        now_ns = xf_sock_now_ns();
    }
    note_unfinished(&run, now_ns);
    result->elapsed_s = (double)(now_ns - (now_ns > run.counted_ns ? run.counted_ns : run.start_ns)) / 1e9;
    for (unsigned i = 0; i < plan->connections; i++)
        close(run.conns[i].fd);
    close(run.epoll_fd);
    close(run.timer_fd);
    free(run.conns);
}
