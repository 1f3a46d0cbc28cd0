/* A link's life, its one timer, and its inbox.
 *
 * Ops wait for two things. In the replica's queue each has the same patience, so they stand in order of their deadlines.
 * Pauses before asking Redis again are of different lengths; they are looked through whole when the timer fires, which is
 * at most every other millisecond and only while another replica is in the way.
 *
 * Whoever makes room in the replica's queue puts those that it admits into the inboxes of their links, and wakes these: itself
 * without a system call, another thread by its bridge. Should there be no memory for that, the op is found at the latest
 * when its patience ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/link_int.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/bridge/bridge.h"

#include <event2/event.h>
#include <stdlib.h>

enum { OUTSTANDING_MAX = 1 << 20 /* clients bound it */, BACKOFF_MAX_MS = 1000 };

/* ---- the timer ---- */

static void arm(struct xf_journal_link *link, uint64_t due_ms)
{
    uint64_t now_ms = xf_clock_now_ms();
    if (link->timer_ms && link->timer_ms <= due_ms)
        return;
    uint64_t after_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    struct timeval delay = {(time_t)(after_ms / 1000), (suseconds_t)(after_ms % 1000 * 1000)};
    XF_ASSERT(evtimer_add(link->timer, &delay) == 0);
    link->timer_ms = due_ms;
}

static void wait_in(struct xf_op_waiters *waiters, struct xf_journal_op *op, uint64_t due_ms)
{
    XF_ASSERT(!op->waits_in);
    op->waits_in = waiters;
    op->due_ms = due_ms;
    op->next = NULL;
    op->previous = waiters->last;
    if (waiters->last)
        waiters->last->next = op;
    else
        waiters->first = op;
    waiters->last = op;
    arm(op->link, due_ms);
}

void xf_link_wait_in_queue(struct xf_journal_op *op)
{
    wait_in(&op->link->queued, op, op->deadline_ms);
}

void xf_link_pause(struct xf_journal_op *op, uint64_t ms)
{
    wait_in(&op->link->pausing, op, xf_clock_now_ms() + ms);
}

void xf_link_stop_waiting(struct xf_journal_op *op)
{
    struct xf_op_waiters *waiters = op->waits_in;
    if (!waiters)
        return;
    if (op->previous)
        op->previous->next = op->next;
    else
        waiters->first = op->next;
    if (op->next)
        op->next->previous = op->previous;
    else
        waiters->last = op->previous;
    op->waits_in = NULL;
}

/* ---- the inbox ---- */

static struct xf_journal_op *take_from_inbox(struct xf_journal_link *link)
{
    pthread_mutex_lock(&link->inbox_lock);
    struct xf_journal_op *op = link->inbox_first;
    if (op)
        link->inbox_first = op->inbox_next;
    if (!link->inbox_first) {
        link->inbox_last = NULL;
        link->is_woken = false;
    }
    pthread_mutex_unlock(&link->inbox_lock);
    return op;
}

static void empty_inbox(struct xf_journal_link *link)
{
    for (struct xf_journal_op *op; (op = take_from_inbox(link));) {
        xf_link_stop_waiting(op);
        xf_op_go_on(op);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    empty_inbox(ctx);
}

static void on_bridge(void *ctx, void *args)
{
    (void)args;
    empty_inbox(ctx);
}

static bool wake(struct xf_journal_link *from, struct xf_journal_link *link)
{
    if (link != from)
        return xf_bridge_post(link->bridge, on_bridge, link, NULL, 0) == XF_OK;
    event_active(link->wake, EV_TIMEOUT, 0);
    return true;
}

void xf_link_deliver(struct xf_journal_link *from, struct xf_journal_op *op)
{
    struct xf_journal_link *link = op->link;
    pthread_mutex_lock(&link->inbox_lock);
    op->inbox_next = NULL;
    if (link->inbox_last)
        link->inbox_last->inbox_next = op;
    else
        link->inbox_first = op;
    link->inbox_last = op;
    if (!link->is_woken)
        link->is_woken = wake(from, link);
    pthread_mutex_unlock(&link->inbox_lock);
}

/* ---- what the timer finds ---- */

static void end_patience(struct xf_journal_link *link, uint64_t now_ms)
{
    for (struct xf_journal_op *op; (op = link->queued.first) && op->due_ms <= now_ms;) {
        if (!xf_op_force(op)) {
            empty_inbox(link); /* it is there */
            continue;
        }
        xf_link_stop_waiting(op);
        xf_op_go_on(op);
    }
}

/* What is added meanwhile stands at the end and is not due. */
static void end_pauses(struct xf_journal_link *link, uint64_t now_ms)
{
    for (struct xf_journal_op *op = link->pausing.first, *next; op; op = next) {
        next = op->next;
        if (op->due_ms > now_ms)
            continue;
        xf_link_stop_waiting(op);
        xf_op_go_on(op);
    }
}

static void arm_for_the_next(struct xf_journal_link *link)
{
    if (link->queued.first)
        arm(link, link->queued.first->due_ms);
    for (const struct xf_journal_op *op = link->pausing.first; op; op = op->next)
        arm(link, op->due_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct xf_journal_link *link = ctx;
    uint64_t now_ms = xf_clock_now_ms();
    (void)fd;
    (void)what;
    link->timer_ms = 0;
    empty_inbox(link);
    end_patience(link, now_ms);
    end_pauses(link, now_ms);
    arm_for_the_next(link);
}

/* ---- life ---- */

static void on_up(void *ctx)
{
    struct xf_journal_link *link = ctx;
    link->has_tried = true;
    /* The scripts stay loaded in the server; this is for one that has just started. */
    if (xf_scripts_load(link->redis) != XF_OK)
        xf_log(XF_LOG_WARN, "journal", "connection=journal: the scripts could not be sent");
}

static void on_down(void *ctx)
{
    struct xf_journal_link *link = ctx;
    link->has_tried = true; /* what was under way has been told; what is open finds out when it ends */
}

static enum xf_err connect_link(struct xf_journal_link *link, const struct xf_config *config)
{
    struct xf_redis_options options = {.name = "journal",
                                       .host = config->redis.host,
                                       .port = config->redis.port,
                                       .unix_path = config->redis.unix_path,
                                       .database = config->redis.database,
                                       .user = config->redis.user,
                                       .password = config->redis.password,
                                       .outstanding_max = OUTSTANDING_MAX,
                                       .backoff_max_ms = BACKOFF_MAX_MS};
    struct xf_redis_events events = {on_up, on_down, link};
    return xf_redis_new(link->base, &options, &events, &link->redis);
}

static enum xf_err make_sessions(struct xf_journal_link *link, size_t migration_count)
{
    unsigned number = xf_journal_next_link(link->journal);
    if (number == 0)
        return XF_ERR_STATE;
    link->sessions = calloc(migration_count + 1, sizeof *link->sessions);
    if (!link->sessions)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < migration_count; i++) {
        link->sessions[i].member = xf_journal_member(link->journal, i);
        link->sessions[i].number = number;
    }
    return XF_OK;
}

static enum xf_err make_events(struct xf_journal_link *link)
{
    link->timer = evtimer_new(link->base, on_timer, link);
    link->wake = evtimer_new(link->base, on_wake, link);
    if (!link->timer || !link->wake)
        return XF_ERR_NOMEM;
    return xf_bridge_new(link->base, &link->bridge);
}

enum xf_err xf_journal_link_new(struct xf_journal *journal, struct event_base *base, struct xf_journal_link **out)
{
    const struct xf_journal_options *options = xf_journal_options(journal);
    struct xf_journal_link *link = calloc(1, sizeof *link);
    if (!link)
        return XF_ERR_NOMEM;
    link->journal = journal;
    link->tally = xf_journal_tally(journal);
    link->is_off = options->is_off;
    link->base = base;
    link->patience_ms = XF_PATIENCE_MS;
    pthread_mutex_init(&link->inbox_lock, NULL);
    arc4random_buf(&link->random, sizeof link->random);
    enum xf_err err = link->is_off ? XF_OK : make_sessions(link, options->config->migration_count);
    if (!err && !link->is_off)
        err = make_events(link);
    if (!err && !link->is_off)
        err = connect_link(link, options->config);
    if (err) {
        xf_journal_link_free(link);
        return err;
    }
    *out = link;
    return XF_OK;
}

void xf_journal_link_free(struct xf_journal_link *link)
{
    if (!link)
        return;
    link->is_closing = true;
    while (link->queued.first)
        xf_op_abandon(link->queued.first);
    while (link->pausing.first)
        xf_op_abandon(link->pausing.first);
    link->inbox_first = link->inbox_last = NULL; /* these were among them */
    /* What it asked for and was not answered: ends go to the file, begins are given up. */
    xf_redis_free(link->redis);
    XF_ASSERT(link->op_count == 0);
    xf_bridge_free(link->bridge);
    if (link->wake)
        event_free(link->wake);
    if (link->timer)
        event_free(link->timer);
    pthread_mutex_destroy(&link->inbox_lock);
    free(link->sessions);
    free(link);
}

bool xf_journal_link_is_busy(const struct xf_journal_link *link)
{
    return link->op_count > 0;
}
