/* The load generator's engine: many keep-alive connections on one thread and one epoll set. One request at a time per
 * connection, no pipelining, as Qdrant's clients do.
 *
 * Closed loop (rate 0): each connection sends its next request as soon as it has the answer. It finds the highest
 * throughput, and its latencies flatter a server that stalls, since nothing is sent meanwhile.
 * Open loop: request k is due at start + k / rate whatever the server does, and its latency counts from then, waiting
 * for a free connection included. What was due but not answered at the end is recorded with its age, so that a stall
 * cannot hide in what was never sent (coordinated omission).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_BENCH_LOAD_H
#define XF_BENCH_LOAD_H

#include "bench/hist.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One request as it goes over the wire: a head, then `body_bytes` bytes made of `block` over and over. */
struct xf_load_request {
    char *head;
    size_t head_len;
    char *block;
    size_t block_len;
    uint64_t body_bytes; /* with is_chunked: rounded to whole blocks, framing in the block */
    const char *tail;    /* what ends a chunked body; "" otherwise */
};

struct xf_load_plan {
    struct sockaddr_in address;
    struct xf_load_request *requests; /* connection i sends i, i + connections, ... and begins anew */
    unsigned request_count;           /* a multiple of `connections` where bodies differ, else 1 */
    unsigned connections;
    double rate;           /* requests per second; 0 is closed loop */
    double warmup_s;       /* answers in this time are not counted */
    double duration_s;     /* counted time */
    uint64_t requests_max; /* stop after so many; 0: by time alone */
};

struct xf_load_result {
    struct xf_hist latency;
    uint64_t requests;      /* answered with 2xx in the counted time */
    uint64_t errors;        /* other statuses, broken or missing answers, in the counted time */
    uint64_t errors_warmup; /* the same in the warm-up */
    uint64_t reconnects;    /* the server closed an idle connection or said that it would */
    uint64_t unfinished;    /* due but not answered at the end (recorded in `latency` in the open loop) */
    uint64_t bytes_in, bytes_out;
    int first_bad_status; /* 0: none */
    double elapsed_s;
};

/* Runs the plan to its end. Ends the program when nothing can be reached at all. */
void xf_load_run(const struct xf_load_plan *plan, struct xf_load_result *result);

#endif
