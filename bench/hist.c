/* The buckets of hist.h. A value below 64 has a bucket of its own; above, the position of its highest bit chooses the
 * power of two and the next six bits choose the bucket in it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/hist.h"

#include <string.h>

enum { SUB_COUNT = 1 << XF_HIST_SUB_BITS };

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB_COUNT)
        return (unsigned)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - XF_HIST_SUB_BITS;
    return ((shift + 1) << XF_HIST_SUB_BITS) + (unsigned)((value >> shift) - SUB_COUNT);
}

/* The middle of a bucket: its error is half the bucket's width either way. */
static uint64_t value_of(unsigned bucket)
{
    if (bucket < SUB_COUNT)
        return bucket;
    unsigned shift = (bucket >> XF_HIST_SUB_BITS) - 1;
    uint64_t low = (uint64_t)(SUB_COUNT + (bucket & (SUB_COUNT - 1))) << shift;
    return low + ((1ULL << shift) >> 1);
}

void xf_hist_init(struct xf_hist *hist)
{
    memset(hist, 0, sizeof(*hist));
}

void xf_hist_add(struct xf_hist *hist, uint64_t value_ns)
{
    hist->buckets[bucket_of(value_ns)]++;
    hist->count++;
    if (value_ns > hist->max_ns)
        hist->max_ns = value_ns;
}

uint64_t xf_hist_percentile_ns(const struct xf_hist *hist, unsigned per_100k)
{
    if (hist->count == 0)
        return 0;
    uint64_t rank = (uint64_t)(((unsigned __int128)hist->count * per_100k + 99999) / 100000);
    uint64_t seen = 0;
    for (unsigned i = 0; i < XF_HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= rank && seen > 0)
            return value_of(i) < hist->max_ns ? value_of(i) : hist->max_ns;
    }
    return hist->max_ns;
}
