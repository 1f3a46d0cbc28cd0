/* What the sink says: answers in the shape of Qdrant 1.18.3, prepared in memory so that they cost next to nothing. It
 * keeps no points: writes are counted by collection and forgotten, and a collection's points are computed from
 * their ids. A collection that was made by a request is empty until the first write reaches it, and then as full as
 * the ones that were there from the start; that is enough for a backfill to run its course.
 *
 * GET /sink/stats tells what arrived where: a measurement of two copies can prove that there were two.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_BENCH_SINK_ANSWER_H
#define XF_BENCH_SINK_ANSWER_H

#include "bench/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xf_sink_setup {
    size_t answer_bytes; /* of the body of an ordinary GET */
    uint64_t points;     /* ids 1 to points */
    unsigned dims, payload_bytes;
};

/* Bytes to send: `len` bytes of `data`, then `filler_bytes` of anything. `owned` is freed by the caller. */
struct xf_sink_reply {
    const char *data;
    size_t len;
    char *owned;
    uint64_t filler_bytes;
};

struct xf_sink;

struct xf_sink *xf_sink_new(const struct xf_sink_setup *setup);
void xf_sink_free(struct xf_sink *sink);
/* A collection that is there, and full, from the start. */
void xf_sink_add_collection(struct xf_sink *sink, const char *name);
/* Whether the answer depends on the body; if not, the caller may throw it away unread. */
bool xf_sink_reads_body(const struct xf_wire_head *head);
/* `body` as far as xf_sink_reads_body asked for it; `body_bytes` is its whole length in any case. */
void xf_sink_answer(struct xf_sink *sink, const struct xf_wire_head *head, const char *body, size_t body_len,
                    uint64_t body_bytes, struct xf_sink_reply *reply);

#endif
