/* What the counting half and the printing half of stats share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_STATS_STATS_INT_H
#define XF_PROXY_STATS_STATS_INT_H

#include "proxy/stats/stats.h"

/* The newest block; the others follow by `next`. Blocks are only ever added while threads run. */
struct xf_stats *xf_stats_blocks(void);

/* The upper bound of a bucket: in microseconds, and as the label says it in seconds. */
struct xf_hist_bound {
    uint64_t us;
    const char *text;
};
extern const struct xf_hist_bound xf_hist_bounds[XF_HIST_BUCKETS];

#endif
