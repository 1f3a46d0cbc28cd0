/* What the threads of a scan share (scan.c), and what each has for its range (scan_range.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_SCAN_INT_H
#define XF_PROXY_WORKER_SCAN_INT_H

#include "proxy/worker/merge.h"
#include "proxy/worker/scan.h"

enum { SCAN_RANGE_POINTS = 4096, SUSPECTS_MAX = 2048, SCANNERS_MAX = 64, SCAN_RING = 256 };

struct scan_counts {
    uint64_t compared, differing, seen[XF_SIDE_COUNT], only[XF_SIDE_COUNT];
};

struct suspect {
    struct xf_point_id id;
    bool was_in[XF_SIDE_COUNT]; /* counts as seen there */
};

struct scanner {
    struct scan_run *run;
    pthread_t thread;
    struct xf_wire *wire;
    char why[XF_WHY_MAX];
    struct xf_answer answer;
    struct xf_page page;

    /* The range in hand. */
    bool has_from, has_to;
    struct xf_point_id from, to;
    struct xf_point_id ids[XF_SIDE_COUNT][SCAN_RANGE_POINTS];
    size_t id_count[XF_SIDE_COUNT];
    struct scan_counts counts;
    struct suspect suspects[SUSPECTS_MAX];
    size_t suspect_count;
    struct xf_point_id differing[SUSPECTS_MAX];
    size_t differing_count;
};

struct scan_run {
    struct xf_scan *scan;
    atomic_bool is_ending;
    size_t range_points;
    pthread_mutex_t plan_lock; /* one plans at a time; taken before `lock` */
    bool plan_has_from, plan_is_through;
    struct xf_point_id plan_from;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Ranges in ascending order, handed out and not yet accounted for. */
    struct {
        bool is_over, has_to;
        struct xf_point_id to;
        struct scan_counts counts;
    } ring[SCAN_RING];
    uint64_t ring_first, ring_end; /* numbers of ranges */
    size_t running;
    bool has_news;
    uint64_t saved_ms;
    enum xf_err err; /* the first one */
    char why[XF_WHY_MAX];
};

/* Plans the scanner's range from `from` on: at most range_points ids of either side are in it. */
XF_MUST_CHECK enum xf_err xf_scan_plan_range(struct scanner *scanner);
/* Compares it and marks what differs. */
XF_MUST_CHECK enum xf_err xf_scan_compare_range(struct scanner *scanner);

#endif
