/* The keeper's thread: its connection, and the tick that looks after everybody. Redis says with each connection which
 * process it is: another one than before may have lost what the last one acknowledged, and links that were quiet would not
 * notice, so everybody joins again, saying the newest that any of its threads has heard.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/journal_int.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { SAVE_MS = 1000, GOODBYE_MS = 1000, TICK_MIN_MS = 5, TICK_MAX_MS = 500 };

bool xf_random_hex(char *out, size_t bytes)
{
    unsigned char raw[32];
    XF_ASSERT(bytes <= sizeof raw);
    if (getrandom(raw, bytes, 0) != (ssize_t)bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", raw[i]);
    return true;
}

static void settle(struct xf_journal *journal)
{
    xf_lock(&journal->lock);
    journal->is_settled = true;
    pthread_cond_broadcast(&journal->changed);
    xf_unlock(&journal->lock);
}

void xf_keeper_joined(struct xf_journal *journal)
{
    for (size_t i = 0; i < journal->ward_count; i++)
        if (!journal->wards[i].has_joined)
            return;
    settle(journal);
}

static void save(struct xf_journal *journal)
{
    for (size_t i = 0; i < journal->ward_count; i++)
        if (journal->wards[i].has_joined)
            journal->wards[i].record->was_dual = atomic_load(&journal->wards[i].member.is_dual);
    (void)!xf_replica_file_save(&journal->file); /* it has said so itself, and tries again next time */
}

static void tick(struct xf_journal *journal)
{
    uint64_t now_ms = xf_clock_boot_ms(), next_ms = now_ms + TICK_MAX_MS;
    bool are_done = true;
    for (size_t i = 0; i < journal->ward_count; i++) {
        uint64_t due_ms = xf_presence_look_after(&journal->wards[i], now_ms);
        next_ms = due_ms < next_ms ? due_ms : next_ms;
        are_done = are_done && xf_presence_is_over(&journal->wards[i]);
    }
    if (now_ms >= journal->save_ms) {
        journal->save_ms = now_ms + SAVE_MS;
        save(journal);
    }
    if (journal->is_stopping && (are_done || now_ms >= journal->stop_ms)) {
        (void)event_base_loopbreak(journal->base);
        return;
    }
    uint64_t wait_ms = journal->is_stopping || next_ms < now_ms + TICK_MIN_MS ? TICK_MIN_MS : next_ms - now_ms;
    struct timeval delay = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
    XF_ASSERT(evtimer_add(journal->timer, &delay) == 0);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    tick(ctx);
}

static void on_poke(void *ctx, void *args)
{
    (void)args;
    tick(ctx);
}

void xf_keeper_poke(struct xf_journal *journal)
{
    if (journal->bridge)
        (void)!xf_bridge_post(journal->bridge, on_poke, journal, NULL, 0); /* else the timer's turn is soon */
}

/* --- The connection --- */

static struct xf_slice find_run_id(struct xf_slice info)
{
    static const char key[] = "run_id:";
    const char *at = memmem(info.ptr, info.len, key, sizeof key - 1);
    if (!at)
        return XF_SLICE("");
    struct xf_slice rest = xf_slice_skip(info, (size_t)(at - info.ptr) + sizeof key - 1);
    size_t len = 0;
    while (len < rest.len && len < XF_RUN_ID_MAX && rest.ptr[len] > ' ')
        len++;
    return xf_slice(rest.ptr, len);
}

/* A server that does not tell who it is counts as another one each time. */
static void on_info(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    struct xf_journal *journal = ctx;
    char before[XF_RUN_ID_MAX + 1];
    if (err)
        return;
    memcpy(before, journal->run_id, sizeof before);
    struct xf_slice run_id = find_run_id(xf_redis_reply_text(reply));
    if (run_id.len) {
        memcpy(journal->run_id, run_id.ptr, run_id.len);
        journal->run_id[run_id.len] = '\0';
    } else if (xf_random_hex(journal->run_id, 16)) {
        xf_log(XF_LOG_WARN, "journal", "redis does not say its run id: with each new connection a reconcile is needed");
    }
    for (size_t i = 0; i < journal->ward_count && before[0] && strcmp(before, journal->run_id) != 0; i++)
        xf_member_lost(&journal->wards[i].member, atomic_load(&journal->wards[i].member.generation));
    journal->is_ready = true;
    tick(journal);
}

static void on_up(void *ctx)
{
    struct xf_journal *journal = ctx;
    struct xf_slice info[] = {XF_SLICE("INFO"), XF_SLICE("server")};
    journal->wants_scripts = xf_scripts_load(journal->redis) != XF_OK;
    if (xf_redis_command(journal->redis, info, 2, on_info, journal))
        xf_log(XF_LOG_ERROR, "journal", "redis cannot be asked who it is, waiting for the next connection");
}

static void on_down(void *ctx)
{
    struct xf_journal *journal = ctx;
    journal->is_ready = false;
    settle(journal);
}

static enum xf_err connect_redis(struct xf_journal *journal)
{
    const struct xf_config *config = journal->options.config;
    struct xf_redis_options options = {.name = "keeper",
                                       .host = config->redis.host,
                                       .port = config->redis.port,
                                       .unix_path = config->redis.unix_path,
                                       .database = config->redis.database,
                                       .user = config->redis.user,
                                       .password = config->redis.password,
                                       .outstanding_max = XF_OUTSTANDING_MAX,
                                       .backoff_max_ms = 1000};
    struct xf_redis_events events = {on_up, on_down, journal};
    return xf_redis_new(journal->base, &options, &events, &journal->redis);
}

/* --- The thread --- */

static void *run(void *ctx)
{
    struct xf_journal *journal = ctx;
    pthread_setname_np(pthread_self(), "xf-keeper");
    tick(journal);
    event_base_dispatch(journal->base);
    xf_redis_free(journal->redis); /* whoever waits for an answer is told */
    journal->redis = NULL;
    save(journal);
    return NULL;
}

/* Signals are the main thread's. */
static enum xf_err start_thread(struct xf_journal *journal)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    journal->has_thread = pthread_create(&journal->thread, NULL, run, journal) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return journal->has_thread ? XF_OK : XF_ERR_NOMEM;
}

enum xf_err xf_keeper_start(struct xf_journal *journal)
{
    journal->base = event_base_new();
    journal->timer = journal->base ? evtimer_new(journal->base, on_timer, journal) : NULL;
    if (!journal->timer || !xf_random_hex(journal->nonce, 8))
        return XF_ERR_NOMEM;
    uint64_t now_ms = xf_clock_boot_ms();
    for (size_t i = 0; i < journal->ward_count; i++) /* so that many migrations do not beat all at once */
        journal->wards[i].beat_ms = now_ms + i * XF_BEAT_MS / journal->ward_count;
    enum xf_err err = xf_bridge_new(journal->base, &journal->bridge);
    if (!err)
        err = connect_redis(journal);
    if (!err && !journal->ward_count)
        journal->is_settled = true;
    return err ? err : start_thread(journal);
}

static void on_stop(void *ctx, void *args)
{
    struct xf_journal *journal = ctx;
    (void)args;
    journal->is_stopping = true;
    journal->stop_ms = xf_clock_boot_ms() + GOODBYE_MS;
    tick(journal);
}

void xf_keeper_stop(struct xf_journal *journal)
{
    if (journal->has_thread) {
        while (xf_bridge_post(journal->bridge, on_stop, journal, NULL, 0))
            (void)sched_yield(); /* out of memory for a few bytes: it will not be for long */
        pthread_join(journal->thread, NULL);
    }
    xf_redis_free(journal->redis);
    xf_bridge_free(journal->bridge);
    if (journal->timer)
        event_free(journal->timer);
    if (journal->base)
        event_base_free(journal->base);
}
