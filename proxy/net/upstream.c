/* One object is both the connection and the exchange on it: there is never more than one exchange at a time.
 *
 * An answer may come before the request has gone out (Qdrant answers a body over its limit at once). It is relayed, and
 * the connection is not used again: servers before actix-http 3.11.2 hang on it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum exchange_state { CONNECTING, BUSY, IDLE, CLOSED };
enum answer_state { ANSWER_HEAD, ANSWER_BODY, ANSWER_END };

struct xf_exchange {
    struct xf_stream stream;
    struct xf_upstream_pool *pool;
    struct xf_exchange *next_idle, *prev_all, *next_all;
    struct xf_timer timer;
    struct xf_late death, resumption;
    enum exchange_state state;
    enum answer_state answer;
    const struct xf_exchange_owner *owner;
    void *ctx;
    enum xf_http_method method;
    struct xf_http_head head;
    struct xf_chunked chunked;
    struct xf_buf in; /* what could not be handled at once: a head in parts, or anything while paused */
    uint64_t body_left;
    uint64_t taken_at_start;
    bool is_reused, is_paused, has_sent_last, was_early, had_answer_byte;
};

#define OF_STREAM(s) ((struct xf_exchange *)(void *)((char *)(s) - offsetof(struct xf_exchange, stream)))
#define OF_TIMER(t) ((struct xf_exchange *)(void *)((char *)(t) - offsetof(struct xf_exchange, timer)))
#define OF_DEATH(l) ((struct xf_exchange *)(void *)((char *)(l) - offsetof(struct xf_exchange, death)))
#define OF_RESUMPTION(l) ((struct xf_exchange *)(void *)((char *)(l) - offsetof(struct xf_exchange, resumption)))

static void feed(struct xf_exchange *exchange, struct xf_slice bytes);

static void on_death(struct xf_late *late)
{
    free(OF_DEATH(late));
}

static void leave_idle(struct xf_exchange *exchange)
{
    struct xf_exchange **link = &exchange->pool->idle;
    while (*link != exchange)
        link = &(*link)->next_idle;
    *link = exchange->next_idle;
}

static void close_exchange(struct xf_exchange *exchange)
{
    struct xf_upstream_pool *pool = exchange->pool;
    if (exchange->state == CLOSED)
        return;
    if (exchange->state == IDLE)
        leave_idle(exchange);
    exchange->state = CLOSED;
    xf_timer_cancel(&exchange->timer);
    xf_loop_late_cancel(pool->loop, &exchange->resumption);
    xf_stream_fini(&exchange->stream);
    xf_buf_fini(&exchange->in);
    *(exchange->prev_all ? &exchange->prev_all->next_all : &pool->all) = exchange->next_all;
    if (exchange->next_all)
        exchange->next_all->prev_all = exchange->prev_all;
    xf_stat_sub(pool->loop->stats, XF_STAT_UPSTREAM_OPEN, 1);
    xf_loop_late(pool->loop, &exchange->death, on_death);
}

static void fail(struct xf_exchange *exchange, enum xf_err err)
{
    struct xf_exchange_failure failure = {
        .err = err,
        .was_reused = exchange->is_reused,
        .was_taken = xf_exchange_was_taken(exchange),
        .had_answer_byte = exchange->had_answer_byte,
    };
    bool is_idle = exchange->state == IDLE;
    const struct xf_exchange_owner *owner = exchange->owner;
    void *ctx = exchange->ctx;
    close_exchange(exchange);
    if (is_idle)
        return;
    xf_stat_add(exchange->pool->loop->stats, XF_STAT_UPSTREAM_ERRORS, 1);
    owner->on_failed(ctx, &failure);
}

/* Request bytes that went out prove that the connection stands. */
static void note_connected(struct xf_exchange *exchange)
{
    if (exchange->state != CONNECTING || exchange->stream.bytes_taken == 0)
        return;
    exchange->state = BUSY;
    xf_loop_arm(exchange->pool->loop, &exchange->timer, exchange->pool->answer_ms);
}

static void on_timer(struct xf_timer *timer)
{
    struct xf_exchange *exchange = OF_TIMER(timer);
    note_connected(exchange); /* some bytes went out since, but not all: nobody has said so yet */
    if (xf_timer_is_armed(timer))
        return;
    fail(exchange, exchange->state == CONNECTING ? XF_ERR_UPSTREAM_CONNECT : XF_ERR_UPSTREAM_TIMEOUT);
}

static void go_idle(struct xf_exchange *exchange)
{
    struct xf_upstream_pool *pool = exchange->pool;
    exchange->state = IDLE;
    exchange->is_reused = true;
    exchange->owner = NULL;
    exchange->ctx = NULL;
    exchange->next_idle = pool->idle;
    pool->idle = exchange;
    xf_loop_arm(pool->loop, &exchange->timer, pool->idle_ms);
}

static void end_exchange(struct xf_exchange *exchange, bool may_be_kept)
{
    const struct xf_exchange_owner *owner = exchange->owner;
    void *ctx = exchange->ctx;
    if (may_be_kept && exchange->head.keep_alive && exchange->has_sent_last && !exchange->was_early &&
        !exchange->stream.error && xf_stream_pending(&exchange->stream) == 0)
        go_idle(exchange);
    else
        close_exchange(exchange);
    owner->on_end(ctx);
}

static void take_final_head(struct xf_exchange *exchange, const char *base)
{
    const struct xf_http_head *head = &exchange->head;
    exchange->was_early = !exchange->has_sent_last || xf_stream_pending(&exchange->stream) > 0;
    exchange->answer = ANSWER_BODY;
    exchange->body_left = head->content_length;
    if (head->body == XF_BODY_CHUNKED)
        xf_chunked_init(&exchange->chunked);
    if (head->body == XF_BODY_NONE || (head->body == XF_BODY_LENGTH && head->content_length == 0))
        exchange->answer = ANSWER_END;
    xf_loop_arm(exchange->pool->loop, &exchange->timer, exchange->pool->body_ms);
    exchange->owner->on_head(exchange->ctx, head, base);
}

/* Returns how many bytes it took, 0 when more are needed; on failure the exchange is closed. */
static size_t feed_head(struct xf_exchange *exchange, struct xf_slice in)
{
    size_t head_len = 0;
    enum xf_err err = XF_OK;
    enum xf_http_progress progress =
        xf_http_parse_response(&exchange->head, exchange->method, in, &head_len, &err);
    if (progress == XF_HTTP_MORE)
        return 0;
    if (progress == XF_HTTP_FAILED) {
        fail(exchange, XF_ERR_UPSTREAM_FRAMING);
        return 0;
    }
    if (exchange->head.status >= 200) {
        take_final_head(exchange, in.ptr);
        return head_len;
    }
    if (exchange->owner->on_interim)
        exchange->owner->on_interim(exchange->ctx, &exchange->head, in.ptr);
    if (exchange->state == BUSY)
        xf_http_head_init(&exchange->head);
    return head_len;
}

static size_t feed_chunked(struct xf_exchange *exchange, struct xf_slice in)
{
    size_t taken = 0;
    struct xf_slice data = XF_SLICE_NONE;
    bool is_end = false;
    if (xf_chunked_feed(&exchange->chunked, in, &taken, &data, &is_end) != XF_OK) {
        fail(exchange, XF_ERR_UPSTREAM_FRAMING);
        return 0;
    }
    if (is_end)
        exchange->answer = ANSWER_END;
    if (data.len)
        exchange->owner->on_body(exchange->ctx, data);
    return taken;
}

static size_t feed_body(struct xf_exchange *exchange, struct xf_slice in)
{
    if (exchange->head.body == XF_BODY_CHUNKED)
        return feed_chunked(exchange, in);
    if (exchange->head.body == XF_BODY_LENGTH) {
        if (in.len > exchange->body_left)
            in.len = (size_t)exchange->body_left;
        exchange->body_left -= in.len;
        if (exchange->body_left == 0)
            exchange->answer = ANSWER_END;
    }
    exchange->owner->on_body(exchange->ctx, in);
    return in.len;
}

/* Takes from `in` what can be handled now. */
static size_t feed_some(struct xf_exchange *exchange, struct xf_slice in)
{
    size_t taken = 0;
    while (taken < in.len && exchange->state == BUSY && !exchange->is_paused && exchange->answer != ANSWER_END) {
        struct xf_slice rest = xf_slice_skip(in, taken);
        size_t step = exchange->answer == ANSWER_HEAD ? feed_head(exchange, rest) : feed_body(exchange, rest);
        if (step == 0)
            break;
        taken += step;
    }
    return taken;
}

static void keep(struct xf_exchange *exchange, struct xf_slice rest)
{
    if (rest.len && xf_buf_append_slice(&exchange->in, rest) != XF_OK)
        fail(exchange, XF_ERR_NOMEM);
}

static void feed(struct xf_exchange *exchange, struct xf_slice bytes)
{
    bool is_buffered = xf_buf_len(&exchange->in) > 0;
    if (is_buffered) {
        keep(exchange, bytes);
        if (exchange->state != BUSY)
            return;
        bytes = xf_buf_view(&exchange->in);
    }
    size_t taken = feed_some(exchange, bytes);
    if (exchange->state != BUSY)
        return;
    if (exchange->answer == ANSWER_END && !exchange->is_paused) {
        bool has_extra = taken < bytes.len;
        xf_buf_release(&exchange->in);
        end_exchange(exchange, !has_extra);
        return;
    }
    if (!is_buffered)
        keep(exchange, xf_slice_skip(bytes, taken));
    else
        xf_buf_consume(&exchange->in, taken);
}

static void take_eof(struct xf_exchange *exchange)
{
    bool ends_body = exchange->state == BUSY && exchange->answer == ANSWER_BODY &&
                     exchange->head.body == XF_BODY_UNTIL_EOF && xf_buf_len(&exchange->in) == 0;
    note_connected(exchange);
    if (ends_body)
        end_exchange(exchange, false);
    else
        fail(exchange, exchange->state == CONNECTING ? XF_ERR_UPSTREAM_CONNECT : XF_ERR_UPSTREAM_CLOSED);
}

static void on_readable(struct xf_stream *stream)
{
    struct xf_exchange *exchange = OF_STREAM(stream);
    struct xf_slice bytes;
    ssize_t got = xf_stream_recv(stream, &bytes);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (got < 0) {
        note_connected(exchange);
        fail(exchange, exchange->state == CONNECTING ? XF_ERR_UPSTREAM_CONNECT : XF_ERR_UPSTREAM_CLOSED);
        return;
    }
    if (got == 0) {
        take_eof(exchange);
        return;
    }
    note_connected(exchange);
    if (exchange->state != BUSY) { /* octets that nobody asked for */
        fail(exchange, XF_ERR_UPSTREAM_FRAMING);
        return;
    }
    if (exchange->answer != ANSWER_HEAD)
        xf_loop_arm(exchange->pool->loop, &exchange->timer, exchange->pool->body_ms);
    exchange->had_answer_byte = true;
    feed(exchange, bytes);
}

static void on_drained(struct xf_stream *stream)
{
    struct xf_exchange *exchange = OF_STREAM(stream);
    note_connected(exchange);
    if (exchange->state == BUSY && exchange->owner->on_drained)
        exchange->owner->on_drained(exchange->ctx);
}

static void on_failed(struct xf_stream *stream, int error)
{
    struct xf_exchange *exchange = OF_STREAM(stream);
    (void)error;
    note_connected(exchange);
    if (exchange->state == CONNECTING) {
        fail(exchange, XF_ERR_UPSTREAM_CONNECT);
        return;
    }
    /* A server that refuses a large body answers and then resets: what it said may still be there to read. */
    struct xf_slice bytes;
    ssize_t got = exchange->is_paused ? -1 : xf_stream_recv(stream, &bytes);
    if (got <= 0) {
        fail(exchange, XF_ERR_UPSTREAM_CLOSED);
        return;
    }
    exchange->had_answer_byte = true;
    feed(exchange, bytes);
}

static const struct xf_stream_owner stream_owner = {on_readable, on_drained, on_failed};

static enum xf_err resolve(struct xf_upstream_pool *pool)
{
    char port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    snprintf(port, sizeof port, "%u", (unsigned)pool->conf->port);
    if (getaddrinfo(pool->conf->host, port, &hints, &found) != 0)
        return XF_ERR_UPSTREAM_CONNECT;
    pool->address_len = found->ai_addrlen;
    memcpy(&pool->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return XF_OK;
}

enum xf_err xf_upstream_pool_init(struct xf_upstream_pool *pool, struct xf_loop *loop, const struct xf_config *config,
                                  size_t upstream)
{
    *pool = (struct xf_upstream_pool){
        .loop = loop,
        .conf = &config->upstreams[upstream],
        .connect_ms = config->timeouts.connect_ms,
        .answer_ms = config->timeouts.answer_ms,
        .body_ms = config->timeouts.body_ms,
        .idle_ms = config->timeouts.upstream_idle_ms,
    };
    return resolve(pool);
}

void xf_upstream_pool_fini(struct xf_upstream_pool *pool)
{
    while (pool->all)
        close_exchange(pool->all);
}

static bool peer_has_gone(const struct xf_exchange *exchange)
{
    char byte;
    ssize_t got = recv(exchange->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static struct xf_exchange *take_idle(struct xf_upstream_pool *pool, bool checks_peer)
{
    while (pool->idle) {
        struct xf_exchange *exchange = pool->idle;
        if (checks_peer && peer_has_gone(exchange)) {
            close_exchange(exchange);
            continue;
        }
        pool->idle = exchange->next_idle;
        exchange->state = BUSY;
        xf_loop_arm(pool->loop, &exchange->timer, pool->answer_ms);
        xf_stat_add(pool->loop->stats, XF_STAT_UPSTREAM_REUSES, 1);
        return exchange;
    }
    return NULL;
}

static int open_socket(const struct xf_upstream_pool *pool)
{
    int one = 1;
    int fd = socket(pool->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* A refusal that is known at once is told late, like one that comes later: the write finds it. */
    (void)!connect(fd, (const struct sockaddr *)&pool->address, pool->address_len);
    return fd;
}

static struct xf_exchange *open_new(struct xf_upstream_pool *pool)
{
    struct xf_exchange *exchange = calloc(1, sizeof *exchange);
    int fd = exchange ? open_socket(pool) : -1;
    if (fd < 0) {
        free(exchange);
        return NULL;
    }
    exchange->pool = pool;
    exchange->state = CONNECTING;
    xf_stream_init(&exchange->stream, pool->loop, fd, &stream_owner);
    xf_buf_init(&exchange->in, XF_HTTP_HEAD_BYTES_MAX + 2 * XF_LOOP_SCRATCH_BYTES);
    xf_timer_init(&exchange->timer, on_timer);
    xf_loop_arm(pool->loop, &exchange->timer, pool->connect_ms);
    exchange->next_all = pool->all;
    if (pool->all)
        pool->all->prev_all = exchange;
    pool->all = exchange;
    xf_stream_read_on(&exchange->stream);
    xf_stat_add(pool->loop->stats, XF_STAT_UPSTREAM_CONNECTS, 1);
    xf_stat_add(pool->loop->stats, XF_STAT_UPSTREAM_OPEN, 1);
    return exchange;
}

enum xf_err xf_exchange_start(struct xf_upstream_pool *pool, enum xf_http_method method, bool is_fresh, bool checks_peer,
                              const struct xf_exchange_owner *owner, void *ctx, struct xf_exchange **out)
{
    struct xf_exchange *exchange = is_fresh ? NULL : take_idle(pool, checks_peer);
    if (!exchange)
        exchange = open_new(pool);
    if (!exchange)
        return XF_ERR_UPSTREAM_CONNECT;
    exchange->owner = owner;
    exchange->ctx = ctx;
    exchange->method = method;
    exchange->answer = ANSWER_HEAD;
    exchange->taken_at_start = exchange->stream.bytes_taken;
    exchange->is_paused = exchange->has_sent_last = exchange->was_early = exchange->had_answer_byte = false;
    xf_http_head_init(&exchange->head);
    *out = exchange;
    return XF_OK;
}

void xf_exchange_send(struct xf_exchange *exchange, const struct xf_slice *slices, size_t count)
{
    xf_stream_write(&exchange->stream, slices, count);
    note_connected(exchange);
    if (exchange->state == BUSY && exchange->answer == ANSWER_HEAD)
        xf_loop_arm(exchange->pool->loop, &exchange->timer, exchange->pool->answer_ms);
}

void xf_exchange_sends_last(struct xf_exchange *exchange)
{
    exchange->has_sent_last = true;
}

size_t xf_exchange_pending(const struct xf_exchange *exchange)
{
    return xf_stream_pending(&exchange->stream);
}

bool xf_exchange_is_reused(const struct xf_exchange *exchange)
{
    return exchange->is_reused;
}

bool xf_exchange_was_taken(const struct xf_exchange *exchange)
{
    return exchange->stream.bytes_taken > exchange->taken_at_start;
}

void xf_exchange_pause(struct xf_exchange *exchange)
{
    exchange->is_paused = true;
    xf_stream_read_off(&exchange->stream);
    xf_timer_cancel(&exchange->timer); /* the client is slow, not the server */
}

static void on_resumption(struct xf_late *late)
{
    struct xf_exchange *exchange = OF_RESUMPTION(late);
    if (exchange->state == BUSY && !exchange->is_paused)
        feed(exchange, XF_SLICE_NONE);
}

void xf_exchange_resume(struct xf_exchange *exchange)
{
    if (!exchange->is_paused)
        return;
    exchange->is_paused = false;
    xf_stream_read_on(&exchange->stream);
    xf_loop_arm(exchange->pool->loop, &exchange->timer, exchange->pool->body_ms);
    if (!exchange->resumption.fn)
        xf_loop_late(exchange->pool->loop, &exchange->resumption, on_resumption);
}

void xf_exchange_cancel(struct xf_exchange *exchange)
{
    close_exchange(exchange);
}
