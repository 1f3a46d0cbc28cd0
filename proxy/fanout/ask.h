/* A request of the proxy's own on one side, made for the sake of a client's write and with that client's credentials; its
 * answer is kept whole. One at a time, any number after one another.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_ASK_H
#define XF_PROXY_FANOUT_ASK_H

#include "proxy/fanout/answer.h"
#include "proxy/fanout/fanout_int.h"

/* A write that every server takes from whom it lets write, that reaches all shards, and that changes nothing: no key is
 * deleted from no point (Qdrant 1.12.4 to 1.18.3). Waited for, it is a barrier. */
#define XF_ASK_NOTHING "{\"keys\":[],\"filter\":{\"must\":[{\"has_id\":[]}]}"

struct xf_ask {
    struct xf_leg leg;
    struct xf_answer answer; /* until the next send; not whole: `err` says why */
    enum xf_err err;
    void (*done)(void *ctx); /* never from inside send; the ask may be sent again, or freed, in it */
    void *ctx;
};

void xf_ask_init(struct xf_ask *ask, void (*done)(void *ctx), void *ctx);
/* No call of `done` any more. */
void xf_ask_fini(struct xf_ask *ask);
/* POST of `body` to the side's collection. Nothing is under way after an error. */
XF_MUST_CHECK enum xf_err xf_ask_send(struct xf_ask *ask, struct xf_request *request, enum xf_side side, bool is_trusted,
                                      const struct xf_kept_head *kept, const char *suffix, struct xf_slice body);

#endif
