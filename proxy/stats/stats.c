/* Blocks, sums and histograms. A block is written by its owner alone; readers load each counter on its own, so that a
 * sum may mix moments a few microseconds apart, which is what counters allow.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/stats/stats_int.h"

#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE = 64 };

const struct xf_hist_bound xf_hist_bounds[XF_HIST_BUCKETS] = {
    {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},
    {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},   {10000000, "10"},
};

static _Atomic(struct xf_stats *) newest;

struct xf_stats *xf_stats_blocks(void)
{
    return atomic_load_explicit(&newest, memory_order_acquire);
}

/* Whole cache lines, so that no two threads' blocks share one. */
static void *alloc_lines(size_t bytes)
{
    bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *memory = aligned_alloc(CACHE_LINE, bytes ? bytes : CACHE_LINE);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

enum xf_err xf_stats_new(size_t migration_count, struct xf_stats **stats)
{
    size_t bytes;
    if (__builtin_mul_overflow(migration_count, sizeof(struct xf_mstats), &bytes))
        return XF_ERR_NOMEM;
    struct xf_stats *block = alloc_lines(sizeof *block);
    if (!block)
        return XF_ERR_NOMEM;
    block->migrations = alloc_lines(bytes);
    if (!block->migrations) {
        free(block);
        return XF_ERR_NOMEM;
    }
    block->migration_count = migration_count;
    block->next = xf_stats_blocks();
    while (!atomic_compare_exchange_weak_explicit(&newest, &block->next, block, memory_order_acq_rel,
                                                  memory_order_acquire))
        continue;
    *stats = block;
    return XF_OK;
}

void xf_stats_free_all(void)
{
    struct xf_stats *block = atomic_exchange(&newest, NULL);
    while (block) {
        struct xf_stats *next = block->next;
        free(block->migrations);
        free(block);
        block = next;
    }
}

void xf_hist_record_us(struct xf_hist *hist, uint64_t us)
{
    size_t bucket = 0;
    while (bucket < XF_HIST_BUCKETS && us > xf_hist_bounds[bucket].us)
        bucket++;
    xf_counter_add(&hist->buckets[bucket], 1);
    xf_counter_add(&hist->sum_us, us);
}

uint64_t xf_stat_sum(enum xf_stat id)
{
    uint64_t sum = 0;
    for (struct xf_stats *block = xf_stats_blocks(); block; block = block->next)
        sum += atomic_load_explicit(&block->counters[id], memory_order_relaxed);
    return sum;
}

uint64_t xf_mstat_sum(size_t migration, enum xf_mstat id)
{
    uint64_t sum = 0;
    for (struct xf_stats *block = xf_stats_blocks(); block; block = block->next)
        if (migration < block->migration_count)
            sum += atomic_load_explicit(&block->migrations[migration].counters[id], memory_order_relaxed);
    return sum;
}
