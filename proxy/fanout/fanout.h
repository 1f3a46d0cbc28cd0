/* What happens to a request between the client's head and the answer's last byte: it is routed, and then either relayed to
 * one side (relay.c) or written to both (dual.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_FANOUT_H
#define XF_PROXY_FANOUT_FANOUT_H

#include "proxy/journal/journal.h"
#include "proxy/net/server.h"

struct xf_fanout_context {
    const struct xf_config *config;
    struct xf_journal *journal;
    void (*on_aliases_changed)(void *ctx); /* an alias change has passed through; any thread */
    /* A write of a migration that went to one side alone has an unknown outcome: it may still land. Any thread; NULL is
     * fine. */
    void (*on_unproven)(void *ctx, size_t migration);
    void *ctx;
};

/* The server's owner that does all this; `context` must outlive the server. */
struct xf_server_owner xf_fanout_owner(struct xf_fanout_context *context);

#endif
