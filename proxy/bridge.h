/* Carries work from any thread to the control thread: a queue of tasks and an eventfd on the control thread's event base. A
 * task is either posted (done later, nobody waits) or called (the caller waits for it).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_BRIDGE_H
#define XF_PROXY_BRIDGE_H

#include "common/base/error.h"
#include "common/base/slice.h"

struct event_base;
struct xf_bridge;

typedef enum xf_err xf_task_fn(void *ctx, void *args);

XF_MUST_CHECK enum xf_err xf_bridge_new(struct event_base *base, struct xf_bridge **bridge);
/* No thread may call or post any more. Tasks that still wait are dropped. */
void xf_bridge_free(struct xf_bridge *bridge);
/* `args` is copied (its first `args_bytes`) and freed after the task has run. */
XF_MUST_CHECK enum xf_err xf_bridge_post(struct xf_bridge *bridge, xf_task_fn *fn, void *ctx, const void *args,
                                         size_t args_bytes);
/* Waits for the task and returns its result; never from the control thread. STATE once the bridge is closed. */
XF_MUST_CHECK enum xf_err xf_bridge_call(struct xf_bridge *bridge, xf_task_fn *fn, void *ctx, void *args);
/* Runs what waits and answers every later post and call with STATE, so that nobody is left waiting at shutdown. Control thread. */
void xf_bridge_close(struct xf_bridge *bridge);

#endif
