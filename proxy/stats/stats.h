/* Counters. Every data thread has a block of its own and is the only writer of it, so that counting is a plain load and
 * store; readers add the blocks up. The rows stand in stats.def (whole program) and migration.def (per migration).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_STATS_STATS_H
#define XF_PROXY_STATS_STATS_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stdatomic.h>
#include <stdint.h>

enum xf_stat {
#define XF_STAT(id, name, type, help) XF_STAT_##id,
#include "proxy/stats/stats.def"
#undef XF_STAT
    XF_STAT_COUNT
};

enum xf_mstat {
#define XF_MSTAT(id, name, labels, type, help) XF_MSTAT_##id,
#include "proxy/stats/migration.def"
#undef XF_MSTAT
    XF_MSTAT_COUNT
};

/* Upper bounds in seconds: 0.5 ms to 10 s, then +Inf. */
enum { XF_HIST_BUCKETS = 14 };
struct xf_hist {
    _Atomic uint64_t buckets[XF_HIST_BUCKETS + 1];
    _Atomic uint64_t sum_us;
};

/* Per migration and thread. */
struct xf_mstats {
    _Atomic uint64_t counters[XF_MSTAT_COUNT];
    struct xf_hist legacy_write, new_write; /* what each side's answer to a dual write took */
};

struct xf_stats {
    _Atomic uint64_t counters[XF_STAT_COUNT];
    struct xf_hist request; /* first byte of the head to last byte of the answer */
    struct xf_mstats *migrations;
    size_t migration_count;
    struct xf_stats *next; /* all blocks of the process, for reading */
};

/* Makes a block and puts it on the process's list, where it stays. Any thread. */
XF_MUST_CHECK enum xf_err xf_stats_new(size_t migration_count, struct xf_stats **stats);
void xf_stats_free_all(void); /* at exit, when no thread counts any more */

/* Only the block's owner may call these. */
static inline void xf_counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline void xf_stat_add(struct xf_stats *stats, enum xf_stat id, uint64_t n)
{
    xf_counter_add(&stats->counters[id], n);
}
/* A gauge goes down by adding the two's complement: the sum over all blocks is what counts. */
static inline void xf_stat_sub(struct xf_stats *stats, enum xf_stat id, uint64_t n)
{
    xf_counter_add(&stats->counters[id], 0 - n);
}
static inline void xf_mstat_add(struct xf_stats *stats, size_t migration, enum xf_mstat id, uint64_t n)
{
    xf_counter_add(&stats->migrations[migration].counters[id], n);
}
void xf_hist_record_us(struct xf_hist *hist, uint64_t us);

uint64_t xf_stat_sum(enum xf_stat id);
uint64_t xf_mstat_sum(size_t migration, enum xf_mstat id);

/* Appends everything in Prometheus text format 0.0.4; `migration_names[i]` labels migration i. */
XF_MUST_CHECK enum xf_err xf_stats_print(struct xf_buf *out, const char *const *migration_names, size_t count);

#endif
