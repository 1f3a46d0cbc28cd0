/* Carries work from any thread to the thread of an event base: a queue of tasks and an eventfd there. Nobody
 * waits for a task.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_BRIDGE_BRIDGE_H
#define XF_COMMON_BRIDGE_BRIDGE_H

#include "common/base/error.h"
#include "common/base/slice.h"

struct event_base;
struct xf_bridge;

typedef void xf_task_fn(void *ctx, void *args);

XF_MUST_CHECK enum xf_err xf_bridge_new(struct event_base *base, struct xf_bridge **bridge);
/* No thread may post any more. Tasks that still wait are dropped; NULL is fine. */
void xf_bridge_free(struct xf_bridge *bridge);
/* `args` is copied (its first `args_bytes`) and freed after the task has run. */
XF_MUST_CHECK enum xf_err xf_bridge_post(struct xf_bridge *bridge, xf_task_fn *fn, void *ctx, const void *args,
                                         size_t args_bytes);
/* Runs what waits, without the event loop. The event base's thread. */
void xf_bridge_run(struct xf_bridge *bridge);

#endif
