/* One thread's HTTP connections to the upstreams: straight-line requests over a libcurl multi handle, which keeps
 * connections alive and can be woken from another thread. Plain http only, redirects never followed, no proxy from the
 * environment.
 *
 * A wire belongs to one thread; only wake may be called from others.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_WORKER_WIRE_H
#define XF_PROXY_WORKER_WIRE_H

#include "common/base/buf.h"
#include "proxy/config/config.h"

#include <stdatomic.h>

struct xf_wire;

enum { XF_ANSWER_BYTES_MAX = 1 << 30, XF_WHY_MAX = 400 };

struct xf_answer {
    int status;
    uint64_t retry_after_ms; /* 0: not said */
    struct xf_buf body;
};
static inline void xf_answer_init(struct xf_answer *answer)
{
    *answer = (struct xf_answer){0};
    xf_buf_init(&answer->body, XF_ANSWER_BYTES_MAX);
}

/* `is_stopping` is looked at while waiting; wake after setting it. */
XF_MUST_CHECK enum xf_err xf_wire_new(const struct xf_config *config, const atomic_bool *is_stopping,
                                      struct xf_wire **wire);
void xf_wire_free(struct xf_wire *wire);
void xf_wire_wake(struct xf_wire *wire);

/* A last look before a request is whole: its last bytes are handed over only after `may_end` has said yes. Until then it
 * has no effect, because a server does not act on half a body. */
struct xf_gate {
    bool (*may_end)(void *ctx);
    void *ctx;
    bool has_ended; /* set by the call: the last bytes were handed over */
};

/* /collections/<name, percent-encoded><suffix>; an empty `collection` leaves the suffix alone. */
struct xf_target {
    size_t upstream;
    const char *collection;
    const char *suffix;
    bool once; /* must not be sent again by itself when a kept connection breaks: it may have been taken already */
    struct xf_gate *gate; /* for requests with a body, NULL: none; only with `once` */
};
static inline struct xf_target xf_target(const struct xf_side_conf *side, const char *suffix)
{
    return (struct xf_target){.upstream = side->upstream, .collection = side->collection, .suffix = suffix};
}
XF_MUST_CHECK enum xf_err xf_target_print(const struct xf_target *target, struct xf_buf *out);

/* Sends and waits. OK: an answer with a 2xx status. Else `answer->status` is the server's status or 0, `why` (of
 * XF_WHY_MAX bytes) says what the server or the network said, and the code says what to do: BUSY              429, 408
 * or 5xx: an answer, may be tried again NOT_FOUND         404 INVALID           any other refusal: trying again does
 * not help UPSTREAM_CONNECT  never sent UPSTREAM_TIMEOUT, UPSTREAM_CLOSED  sent perhaps; a write may still land STATE
 * the worker is stopping; as above, or the gate is shut NOMEM, FULL */
XF_MUST_CHECK enum xf_err xf_wire_call(struct xf_wire *wire, const char *method, const struct xf_target *target,
                                       struct xf_slice body, struct xf_answer *answer, char *why);
/* Waits; STATE if the worker is stopping. */
XF_MUST_CHECK enum xf_err xf_wire_sleep(struct xf_wire *wire, uint64_t ms);
/* Whether a gated write that failed so may still take effect. */
static inline bool xf_wire_may_land(enum xf_err err, const struct xf_gate *gate)
{
    return gate->has_ended &&
           (err == XF_ERR_UPSTREAM_TIMEOUT || err == XF_ERR_UPSTREAM_CLOSED || err == XF_ERR_STATE);
}

#endif
