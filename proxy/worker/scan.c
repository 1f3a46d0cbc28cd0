/* The threads of a scan. Each plans the next range and compares it, until all ids are through, one of them fails, or the
 * scan has to end; the caller's thread waits, watches, and saves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "proxy/worker/scan_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WATCH_MS = 200 };

/* --- Ranges, one after the other --- */

/* False when there is none left, or no use in going on. */
static bool begin_range(struct scan_run *run, struct scanner *scanner, uint64_t *number)
{
    pthread_mutex_lock(&run->lock);
    while (run->ring_end - run->ring_first == SCAN_RING && !atomic_load(&run->is_ending))
        pthread_cond_wait(&run->changed, &run->lock);
    *number = run->ring_end;
    pthread_mutex_unlock(&run->lock);
    scanner->has_from = run->plan_has_from;
    scanner->from = run->plan_from;
    return !run->plan_is_through && !atomic_load(&run->is_ending);
}

static void add_range(struct scan_run *run, const struct scanner *scanner)
{
    run->plan_has_from = true;
    run->plan_from = scanner->to;
    run->plan_is_through = !scanner->has_to;
    pthread_mutex_lock(&run->lock);
    size_t at = run->ring_end++ % SCAN_RING;
    run->ring[at].is_over = false;
    run->ring[at].has_to = scanner->has_to;
    run->ring[at].to = scanner->to;
    pthread_mutex_unlock(&run->lock);
}

static bool take_range(struct scan_run *run, struct scanner *scanner, uint64_t *number, enum xf_err *err)
{
    pthread_mutex_lock(&run->plan_lock);
    bool has_range = begin_range(run, scanner, number);
    if (has_range)
        *err = xf_scan_plan_range(scanner);
    if (has_range && !*err)
        add_range(run, scanner);
    pthread_mutex_unlock(&run->plan_lock);
    return has_range;
}

/* The lock is held. */
static void account(struct scan_run *run)
{
    struct xf_scan_progress *progress = &run->scan->progress;
    while (run->ring_first != run->ring_end && run->ring[run->ring_first % SCAN_RING].is_over) {
        size_t at = run->ring_first++ % SCAN_RING;
        const struct scan_counts *counts = &run->ring[at].counts;
        progress->has_cursor = run->ring[at].has_to;
        progress->cursor = run->ring[at].to;
        progress->is_through = !run->ring[at].has_to;
        progress->compared += counts->compared;
        progress->differing += counts->differing;
        for (int side = 0; side < XF_SIDE_COUNT; side++) {
            progress->seen[side] += counts->seen[side];
            progress->only[side] += counts->only[side];
        }
        run->has_news = true;
    }
}

static void end_range(struct scan_run *run, const struct scanner *scanner, uint64_t number)
{
    atomic_fetch_add(run->scan->compared, scanner->counts.compared);
    pthread_mutex_lock(&run->lock);
    run->ring[number % SCAN_RING].counts = scanner->counts;
    run->ring[number % SCAN_RING].is_over = true;
    account(run);
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

static void *run_scanner(void *ctx)
{
    struct scanner *scanner = ctx;
    struct scan_run *run = scanner->run;
    uint64_t number = 0;
    enum xf_err err = XF_OK;
    while (!err && take_range(run, scanner, &number, &err)) {
        if (!err)
            err = xf_scan_compare_range(scanner);
        if (!err)
            end_range(run, scanner, number);
    }
    pthread_mutex_lock(&run->lock);
    if (err && !run->err && !atomic_load(&run->is_ending)) {
        run->err = err;
        (void)snprintf(run->why, sizeof run->why, "%s", scanner->why);
    }
    if (err)
        atomic_store(&run->is_ending, true);
    run->running--;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

/* --- The caller's thread --- */

static struct scanner *scanner_new(struct scan_run *run)
{
    struct scanner *scanner = calloc(1, sizeof *scanner);
    if (!scanner)
        return NULL;
    scanner->run = run;
    xf_answer_init(&scanner->answer);
    if (xf_wire_new(run->scan->track->config, run->scan->is_stopping, &scanner->wire)) {
        free(scanner);
        return NULL;
    }
    return scanner;
}

static void scanner_free(struct scanner *scanner)
{
    xf_wire_free(scanner->wire);
    xf_page_fini(&scanner->page);
    xf_buf_fini(&scanner->answer.body);
    free(scanner);
}

static size_t start_scanners(struct scan_run *run, struct scanner **scanners)
{
    size_t wanted = (size_t)run->scan->track->config->worker.parallel, count = 0;
    while (count < wanted && count < SCANNERS_MAX) {
        struct scanner *scanner = scanner_new(run);
        if (!scanner)
            break;
        pthread_mutex_lock(&run->lock);
        bool failed = pthread_create(&scanner->thread, NULL, run_scanner, scanner) != 0;
        run->running += !failed;
        pthread_mutex_unlock(&run->lock);
        if (failed) {
            scanner_free(scanner);
            break;
        }
        scanners[count++] = scanner;
    }
    return count;
}

/* The lock is held, and held again on return. */
static void save_news(struct scan_run *run)
{
    uint64_t now = xf_clock_now_ms();
    if (!run->has_news || (run->running && now - run->saved_ms < WATCH_MS))
        return;
    run->has_news = false;
    run->saved_ms = now;
    struct xf_scan_progress progress = run->scan->progress;
    pthread_mutex_unlock(&run->lock);
    run->scan->save(run->scan->ctx, &progress);
    pthread_mutex_lock(&run->lock);
}

static void wait_a_little(struct scan_run *run)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail for this clock */
    until.tv_nsec += WATCH_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_cond_timedwait(&run->changed, &run->lock, &until); /* either way we look again */
}

static void watch(struct scan_run *run, struct scanner **scanners, size_t count)
{
    pthread_mutex_lock(&run->lock);
    while (run->running) {
        wait_a_little(run);
        pthread_mutex_unlock(&run->lock);
        bool goes_on = run->scan->may_go_on(run->scan->ctx);
        pthread_mutex_lock(&run->lock);
        if (goes_on)
            save_news(run);
        else if (!atomic_exchange(&run->is_ending, true) && !run->err)
            run->err = XF_ERR_STATE;
        if (atomic_load(&run->is_ending))
            pthread_cond_broadcast(&run->changed);
        for (size_t i = 0; atomic_load(&run->is_ending) && i < count; i++)
            xf_wire_wake(scanners[i]->wire);
    }
    if (run->err != XF_ERR_STATE)
        save_news(run);
    pthread_mutex_unlock(&run->lock);
}

static enum xf_err run_scan(struct scan_run *run)
{
    struct scanner *scanners[SCANNERS_MAX];
    size_t count = start_scanners(run, scanners);
    if (!count)
        return XF_ERR_NOMEM;
    watch(run, scanners, count);
    for (size_t i = 0; i < count; i++) {
        pthread_join(scanners[i]->thread, NULL);
        scanner_free(scanners[i]);
    }
    return run->err;
}

enum xf_err xf_scan_run(struct xf_scan *scan, char *why)
{
    if (scan->progress.is_through)
        return XF_OK;
    struct scan_run *run = calloc(1, sizeof *run);
    if (!run)
        return XF_ERR_NOMEM;
    uint64_t points = 4 * scan->track->config->worker.batch_points;
    run->scan = scan;
    run->range_points = points && points < SCAN_RANGE_POINTS ? (size_t)points : SCAN_RANGE_POINTS;
    run->plan_has_from = scan->progress.has_cursor;
    run->plan_from = scan->progress.cursor;
    enum xf_err err = XF_ERR_NOMEM;
    if (pthread_mutex_init(&run->lock, NULL))
        goto out;
    if (pthread_mutex_init(&run->plan_lock, NULL))
        goto err1;
    if (pthread_cond_init(&run->changed, NULL))
        goto err2;
    err = run_scan(run);
    (void)snprintf(why, XF_WHY_MAX, "%s", run->why);
    pthread_cond_destroy(&run->changed);
err2:
    pthread_mutex_destroy(&run->plan_lock);
err1:
    pthread_mutex_destroy(&run->lock);
out:
    free(run);
    return err;
}
