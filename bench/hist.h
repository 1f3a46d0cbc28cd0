/* A latency recorder in the log-linear manner of HdrHistogram: every power of two is cut into 64 equal buckets, so
 * that any value from 1 ns to hours is kept within 1.6 % in a fixed amount of memory, and recording costs a few
 * instructions. Single-threaded.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_BENCH_HIST_H
#define XF_BENCH_HIST_H

#include <stdint.h>

enum { XF_HIST_SUB_BITS = 6, XF_HIST_BUCKETS = (64 - XF_HIST_SUB_BITS + 1) << XF_HIST_SUB_BITS };

struct xf_hist {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[XF_HIST_BUCKETS];
};

void xf_hist_init(struct xf_hist *hist);
void xf_hist_add(struct xf_hist *hist, uint64_t value_ns);
/* The value at or under which `per_100k` of 100,000 recordings lie (99,900 is p99.9); 0 when nothing was recorded. */
uint64_t xf_hist_percentile_ns(const struct xf_hist *hist, unsigned per_100k);

#endif
