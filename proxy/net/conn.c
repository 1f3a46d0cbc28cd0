/* Bytes are read into the loop's scratch and handled there; only what must wait is copied into the connection's own buffer:
 * a head in parts, a pipelined request, a body whose owner has paused. An idle connection holds no buffer.
 *
 * A client that half-closes after its request still gets its answer. One that answers nothing of a body it announced, or
 * trickles its head, meets a deadline: head_ms for the whole head, body_ms without progress.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/conn.h"

#include "common/http/chunked.h"
#include "common/http/emit.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

enum conn_state { IDLE, HEAD, BODY, ANSWER, LINGER, CLOSED };

enum {
    IN_BYTES_MAX = XF_HTTP_HEAD_BYTES_MAX + 2 * XF_LOOP_SCRATCH_BYTES,
    PIPELINE_BYTES_MAX = 64 * 1024, /* of later requests that wait */
    LINGER_MS = 2000                /* how long a refused client may go on sending before the reset */
};

struct xf_conn {
    struct xf_stream stream;
    struct xf_conns *conns;
    struct xf_conn *prev, *next;
    struct xf_timer timer;
    struct xf_late death, resumption, flush;
    enum conn_state state;
    struct xf_http_head *head; /* NULL while idle */
    void *ctx;
    struct xf_buf in;
    struct xf_chunked chunked;
    uint64_t body_left;
    uint64_t taken_at_arm; /* output that had gone out when the deadline was set */
    bool is_chunked;
    bool has_body_left;   /* of the request under way */
    bool is_paused, is_feeding, has_eof, closes, waits_for_continue, answers_head, has_answered;
};

#define OF_STREAM(s) ((struct xf_conn *)(void *)((char *)(s) - offsetof(struct xf_conn, stream)))
#define OF_TIMER(t) ((struct xf_conn *)(void *)((char *)(t) - offsetof(struct xf_conn, timer)))
#define OF_DEATH(l) ((struct xf_conn *)(void *)((char *)(l) - offsetof(struct xf_conn, death)))
#define OF_FLUSH(l) ((struct xf_conn *)(void *)((char *)(l) - offsetof(struct xf_conn, flush)))
#define OF_RESUMPTION(l) ((struct xf_conn *)(void *)((char *)(l) - offsetof(struct xf_conn, resumption)))

static void process(struct xf_conn *conn);

static bool has_request(const struct xf_conn *conn)
{
    return conn->state == BODY || conn->state == ANSWER;
}

static void arm(struct xf_conn *conn, uint64_t after_ms)
{
    conn->taken_at_arm = conn->stream.bytes_taken;
    xf_loop_arm(conn->conns->loop, &conn->timer, after_ms);
}

static void on_death(struct xf_late *late)
{
    free(OF_DEATH(late));
}

static void close_conn(struct xf_conn *conn)
{
    struct xf_conns *conns = conn->conns;
    if (conn->state == CLOSED)
        return;
    conn->state = CLOSED;
    xf_timer_cancel(&conn->timer);
    xf_loop_late_cancel(conns->loop, &conn->resumption);
    xf_loop_late_cancel(conns->loop, &conn->flush);
    xf_stream_fini(&conn->stream);
    xf_buf_fini(&conn->in);
    free(conn->head);
    conn->head = NULL;
    *(conn->prev ? &conn->prev->next : &conns->all) = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    conns->count--;
    xf_stat_sub(conns->loop->stats, XF_STAT_CLIENT_OPEN, 1);
    xf_loop_late(conns->loop, &conn->death, on_death);
}

/* Ends the connection and tells the owner of a request under way. */
static void abort_conn(struct xf_conn *conn, enum xf_err err)
{
    void *ctx = has_request(conn) ? conn->ctx : NULL;
    close_conn(conn);
    if (!ctx)
        return;
    xf_stat_add(conn->conns->loop->stats, XF_STAT_CLIENT_ABORTS, 1);
    conn->conns->owner->on_abort(ctx, err);
}

/* Sends what is queued, says goodbye and reads away what still comes, so that the client sees the answer and no reset. */
static void linger(struct xf_conn *conn)
{
    conn->state = LINGER;
    xf_buf_release(&conn->in);
    if (!conn->has_eof)
        xf_stream_read_on(&conn->stream); /* a client that reads only when it has sent all would wait for ever */
    if (xf_stream_pending(&conn->stream) > 0) {
        arm(conn, conn->conns->write_ms);
        return;
    }
    if (conn->has_eof) {
        close_conn(conn);
        return;
    }
    shutdown(conn->stream.fd, SHUT_WR);
    arm(conn, LINGER_MS);
}

/* The fault is in the request's own bytes, and where the next request begins is not known: an error and the end. */
static void refuse_bytes(struct xf_conn *conn, enum xf_err err)
{
    struct xf_slice text = xf_slice_of(xf_err_sentence(err));
    struct xf_stats *stats = conn->conns->loop->stats;
    struct xf_buf out;
    xf_stat_add(stats, err == XF_ERR_HTTP_TIMEOUT ? XF_STAT_CLIENT_TIMEOUTS : XF_STAT_BAD_REQUESTS, 1);
    xf_buf_init(&out, 4096);
    if (xf_http_emit_error(&out, xf_err_status(err), text, false, false, 0) == XF_OK) {
        struct xf_slice bytes = xf_buf_view(&out);
        xf_stream_write(&conn->stream, &bytes, 1);
    }
    xf_buf_fini(&out);
    linger(conn);
}

/* The body is too slow or not framed rightly. The owner gives up first; then the client hears why, unless an answer has begun. */
static void fail_body(struct xf_conn *conn, enum xf_err err)
{
    if (conn->has_answered) {
        abort_conn(conn, err);
        return;
    }
    conn->state = LINGER;
    conn->conns->owner->on_abort(conn->ctx, err);
    refuse_bytes(conn, err);
}

static void on_timer(struct xf_timer *timer)
{
    struct xf_conn *conn = OF_TIMER(timer);
    if (xf_stream_pending(&conn->stream) > 0 && conn->stream.bytes_taken > conn->taken_at_arm)
        arm(conn, conn->conns->write_ms);
    else if (conn->state == HEAD)
        refuse_bytes(conn, XF_ERR_HTTP_TIMEOUT);
    else if (conn->state == BODY)
        fail_body(conn, XF_ERR_HTTP_TIMEOUT);
    else
        abort_conn(conn, XF_ERR_HTTP_TIMEOUT);
}

static void start_request(struct xf_conn *conn, const char *base)
{
    const struct xf_http_head *head = conn->head;
    conn->is_chunked = head->body == XF_BODY_CHUNKED;
    conn->body_left = head->content_length;
    conn->has_body_left = conn->is_chunked || (head->body == XF_BODY_LENGTH && head->content_length > 0);
    conn->answers_head = head->method == XF_HTTP_HEAD;
    conn->closes = !head->keep_alive || conn->conns->is_draining;
    conn->is_paused = conn->has_answered = false;
    if (conn->is_chunked)
        xf_chunked_init(&conn->chunked);
    conn->state = conn->has_body_left ? BODY : ANSWER;
    if (conn->has_body_left)
        arm(conn, conn->conns->body_ms);
    else
        xf_timer_cancel(&conn->timer);
    xf_stat_add(conn->conns->loop->stats, XF_STAT_REQUESTS, 1);
    conn->conns->owner->on_head(conn->conns->owner_ctx, conn, head, base, &conn->ctx);
}

static bool begin_head(struct xf_conn *conn)
{
    conn->head = malloc(sizeof *conn->head);
    if (!conn->head)
        return false;
    xf_http_head_init(conn->head);
    conn->state = HEAD;
    arm(conn, conn->conns->head_ms);
    return true;
}

static size_t feed_head(struct xf_conn *conn, struct xf_slice in)
{
    size_t head_len = 0;
    enum xf_err err = XF_OK;
    if (conn->state == IDLE && !begin_head(conn)) {
        close_conn(conn);
        return 0;
    }
    switch (xf_http_parse_request(conn->head, in, &head_len, &err)) {
    case XF_HTTP_MORE:
        return 0;
    case XF_HTTP_FAILED:
        refuse_bytes(conn, err);
        return 0;
    case XF_HTTP_DONE:
        break;
    }
    conn->waits_for_continue = conn->head->expects_continue && in.len == head_len;
    start_request(conn, in.ptr);
    return head_len;
}

static void end_body(struct xf_conn *conn)
{
    conn->has_body_left = false;
    if (conn->state == BODY) {
        conn->state = ANSWER;
        xf_timer_cancel(&conn->timer);
    }
}

static size_t feed_length(struct xf_conn *conn, struct xf_slice in)
{
    if (in.len > conn->body_left)
        in.len = (size_t)conn->body_left;
    conn->body_left -= in.len;
    if (conn->body_left == 0)
        end_body(conn);
    conn->conns->owner->on_body(conn->ctx, in, !conn->has_body_left);
    return in.len;
}

static size_t feed_chunked(struct xf_conn *conn, struct xf_slice in)
{
    size_t taken = 0;
    struct xf_slice data = XF_SLICE_NONE;
    bool is_end = false;
    enum xf_err err = xf_chunked_feed(&conn->chunked, in, &taken, &data, &is_end);
    if (err) {
        fail_body(conn, err);
        return 0;
    }
    if (is_end)
        end_body(conn);
    if (data.len || is_end)
        conn->conns->owner->on_body(conn->ctx, data, is_end);
    return taken;
}

static size_t feed_step(struct xf_conn *conn, struct xf_slice in)
{
    switch (conn->state) {
    case IDLE:
    case HEAD:
        return feed_head(conn, in);
    case BODY:
        if (conn->is_paused)
            return 0;
        return conn->is_chunked ? feed_chunked(conn, in) : feed_length(conn, in);
    case ANSWER: /* a pipelined request waits */
        return 0;
    case LINGER:
    case CLOSED:
        break;
    }
    return in.len;
}

static size_t feed_some(struct xf_conn *conn, struct xf_slice in)
{
    size_t taken = 0;
    conn->is_feeding = true;
    while (taken < in.len && conn->state != CLOSED) {
        size_t step = feed_step(conn, xf_slice_skip(in, taken));
        if (step == 0)
            break;
        taken += step;
    }
    conn->is_feeding = false;
    return taken;
}

/* Reads no more while enough waits; finish and resume turn reading on again. */
static void limit_input(struct xf_conn *conn)
{
    bool is_full = conn->state == ANSWER ? xf_buf_len(&conn->in) >= PIPELINE_BYTES_MAX : conn->state == BODY && conn->is_paused;
    if (is_full)
        xf_stream_read_off(&conn->stream);
}

static void keep(struct xf_conn *conn, struct xf_slice rest)
{
    if (rest.len == 0)
        return;
    if (xf_buf_append_slice(&conn->in, rest) != XF_OK) {
        abort_conn(conn, XF_ERR_NOMEM);
        return;
    }
    limit_input(conn);
}

/* The client has said that nothing more comes: what waits for more of it ends here. Answers still on their way go out. */
static void end_if_starved(struct xf_conn *conn)
{
    if (!conn->has_eof)
        return;
    if (conn->state == BODY && !conn->is_paused)
        abort_conn(conn, XF_ERR_EOF);
    else if (conn->state == IDLE || conn->state == HEAD)
        linger(conn);
}

/* Handles what waits in the buffer. */
static void process(struct xf_conn *conn)
{
    if (conn->is_feeding || conn->state == CLOSED)
        return;
    size_t taken = feed_some(conn, xf_buf_view(&conn->in));
    if (conn->state == CLOSED || conn->state == LINGER)
        return;
    xf_buf_consume(&conn->in, taken);
    if (xf_buf_len(&conn->in) == 0)
        xf_buf_release(&conn->in);
    limit_input(conn);
    end_if_starved(conn);
}

static void take_eof(struct xf_conn *conn)
{
    bool has_output = xf_stream_pending(&conn->stream) > 0;
    bool has_input = (conn->state == IDLE || conn->state == BODY) && xf_buf_len(&conn->in) > 0; /* handled late */
    conn->has_eof = true;
    xf_stream_read_off(&conn->stream);
    /* Half-closed behind a whole request: the answer still goes out. */
    if (conn->state == ANSWER || has_input || (conn->state == LINGER && has_output))
        return;
    if (has_output && !has_request(conn))
        linger(conn);
    else
        abort_conn(conn, XF_ERR_EOF);
}

static void take_bytes(struct xf_conn *conn, struct xf_slice bytes)
{
    if (conn->state == LINGER)
        return;
    if (conn->state == BODY)
        arm(conn, conn->conns->body_ms);
    if (xf_buf_len(&conn->in) > 0) {
        keep(conn, bytes);
        process(conn);
        return;
    }
    size_t taken = feed_some(conn, bytes);
    if (conn->state != CLOSED && conn->state != LINGER)
        keep(conn, xf_slice_skip(bytes, taken));
}

static void on_readable(struct xf_stream *stream)
{
    struct xf_conn *conn = OF_STREAM(stream);
    struct xf_slice bytes;
    ssize_t got = xf_stream_recv(stream, &bytes);
    if (got > 0) {
        xf_stat_add(conn->conns->loop->stats, XF_STAT_BYTES_IN, (uint64_t)got);
        take_bytes(conn, bytes);
    } else if (got == 0) {
        take_eof(conn);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        abort_conn(conn, XF_ERR_EOF);
    }
}

static void on_drained(struct xf_stream *stream)
{
    struct xf_conn *conn = OF_STREAM(stream);
    if (conn->state == LINGER) {
        linger(conn);
        return;
    }
    if (conn->state == ANSWER)
        xf_timer_cancel(&conn->timer);
    if (has_request(conn))
        conn->conns->owner->on_drained(conn->ctx);
}

static void on_failed(struct xf_stream *stream, int error)
{
    (void)error;
    abort_conn(OF_STREAM(stream), XF_ERR_EOF);
}

static const struct xf_stream_owner stream_owner = {on_readable, on_drained, on_failed};

enum xf_err xf_conn_new(struct xf_conns *conns, int fd)
{
    struct xf_conn *conn = calloc(1, sizeof *conn);
    int one = 1;
    xf_stat_add(conns->loop->stats, XF_STAT_CLIENT_ACCEPTED, 1);
    if (!conn) {
        struct xf_stream doomed = {.fd = fd, .loop = conns->loop};
        xf_stream_fini(&doomed);
        return XF_ERR_NOMEM;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    conn->conns = conns;
    xf_stream_init(&conn->stream, conns->loop, fd, &stream_owner);
    xf_buf_init(&conn->in, IN_BYTES_MAX);
    xf_timer_init(&conn->timer, on_timer);
    conn->next = conns->all;
    if (conns->all)
        conns->all->prev = conn;
    conns->all = conn;
    conns->count++;
    xf_stat_add(conns->loop->stats, XF_STAT_CLIENT_OPEN, 1);
    xf_stream_read_on(&conn->stream);
    arm(conn, conns->idle_ms);
    return XF_OK;
}

void xf_conns_drain(struct xf_conns *conns)
{
    conns->is_draining = true;
    for (struct xf_conn *conn = conns->all, *next; conn; conn = next) {
        next = conn->next;
        conn->closes = true;
        if (conn->state == IDLE && xf_stream_pending(&conn->stream) > 0)
            linger(conn); /* its last answer has been handed over, but is not out yet */
        else if (conn->state == IDLE)
            close_conn(conn);
    }
}

void xf_conns_close(struct xf_conns *conns)
{
    while (conns->all)
        abort_conn(conns->all, XF_ERR_EOF);
}

struct xf_loop *xf_conn_loop(const struct xf_conn *conn)
{
    return conn->conns->loop;
}

bool xf_conn_keeps_alive(const struct xf_conn *conn)
{
    bool is_last = conn->has_eof && xf_buf_len(&conn->in) == 0;
    return !conn->closes && !is_last && !conn->has_body_left;
}

void xf_conn_set_close(struct xf_conn *conn)
{
    conn->closes = true;
}

void xf_conn_pause_body(struct xf_conn *conn)
{
    conn->is_paused = true;
    xf_timer_cancel(&conn->timer); /* it is not the client that is slow */
    if (conn->state == BODY)
        xf_stream_read_off(&conn->stream);
}

static void on_resumption(struct xf_late *late)
{
    struct xf_conn *conn = OF_RESUMPTION(late);
    if (!conn->is_paused)
        process(conn);
}

void xf_conn_resume_body(struct xf_conn *conn)
{
    if (!conn->is_paused)
        return;
    conn->is_paused = false;
    if (conn->state != BODY)
        return;
    arm(conn, conn->conns->body_ms);
    if (!conn->has_eof)
        xf_stream_read_on(&conn->stream);
    if (!conn->resumption.fn)
        xf_loop_late(conn->conns->loop, &conn->resumption, on_resumption);
}

void xf_conn_send_continue(struct xf_conn *conn)
{
    struct xf_slice text = XF_SLICE("HTTP/1.1 100 Continue\r\n\r\n");
    if (conn->waits_for_continue && conn->state == BODY)
        xf_stream_write(&conn->stream, &text, 1);
    conn->waits_for_continue = false;
}

/* A reader that takes nothing for so long is gone; one that has taken all is owed time for the rest of the answer. */
static void note_output(struct xf_conn *conn)
{
    if (xf_stream_pending(&conn->stream) > 0)
        arm(conn, conn->conns->write_ms);
    else if (conn->state == ANSWER)
        xf_timer_cancel(&conn->timer);
}

static void on_flush(struct xf_late *late)
{
    struct xf_conn *conn = OF_FLUSH(late);
    uint64_t before = conn->stream.bytes_taken;
    if (conn->stream.is_stuck || xf_stream_pending(&conn->stream) == 0)
        return;
    xf_stream_flush(&conn->stream);
    xf_stat_add(conn->conns->loop->stats, XF_STAT_BYTES_OUT, conn->stream.bytes_taken - before);
    if (has_request(conn))
        note_output(conn);
}

void xf_conn_push(struct xf_conn *conn, struct xf_slice bytes)
{
    conn->has_answered = true;
    xf_stream_push(&conn->stream, bytes);
    if (!conn->flush.fn)
        xf_loop_late(conn->conns->loop, &conn->flush, on_flush);
}

void xf_conn_write(struct xf_conn *conn, const struct xf_slice *slices, size_t count)
{
    uint64_t before = conn->stream.bytes_taken;
    conn->has_answered = true;
    xf_stream_write(&conn->stream, slices, count);
    xf_stat_add(conn->conns->loop->stats, XF_STAT_BYTES_OUT, conn->stream.bytes_taken - before);
    note_output(conn);
}

size_t xf_conn_pending(const struct xf_conn *conn)
{
    return xf_stream_pending(&conn->stream);
}

void xf_conn_finish(struct xf_conn *conn)
{
    conn->ctx = NULL;
    if (!xf_conn_keeps_alive(conn) || conn->stream.error) {
        linger(conn);
        return;
    }
    conn->state = IDLE;
    free(conn->head);
    conn->head = NULL;
    arm(conn, conn->conns->idle_ms);
    if (conn->is_feeding)
        return; /* the feed under way goes on with what comes next */
    if (!conn->has_eof)
        xf_stream_read_on(&conn->stream);
    if (xf_buf_len(&conn->in) > 0 && !conn->resumption.fn)
        xf_loop_late(conn->conns->loop, &conn->resumption, on_resumption);
}

void xf_conn_cut(struct xf_conn *conn, bool ends_with_close)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    conn->ctx = NULL;
    if (!ends_with_close) { /* its framing says that it is not whole; a reset could take earlier answers with it */
        linger(conn);
        return;
    }
    setsockopt(conn->stream.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close_conn(conn);
}

void xf_conn_refuse(struct xf_conn *conn, int status, struct xf_slice text, unsigned retry_after_s)
{
    struct xf_buf out;
    bool keep_alive = xf_conn_keeps_alive(conn);
    xf_buf_init(&out, 64 * 1024);
    xf_stat_add(conn->conns->loop->stats, XF_STAT_REFUSED, 1);
    if (xf_http_emit_error(&out, status, text, keep_alive, conn->answers_head, retry_after_s) == XF_OK) {
        struct xf_slice bytes = xf_buf_view(&out);
        xf_conn_write(conn, &bytes, 1);
        xf_buf_fini(&out);
        xf_conn_finish(conn);
        return;
    }
    xf_buf_fini(&out);
    xf_conn_cut(conn, false);
}
