/* One leg with one answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/ask.h"

static struct xf_ask *of_leg(struct xf_leg *leg)
{
    return (struct xf_ask *)(void *)((char *)leg - offsetof(struct xf_ask, leg));
}

static void fail(struct xf_ask *ask, enum xf_err err)
{
    ask->err = err;
    ask->done(ask->ctx);
}

static void on_head(struct xf_leg *leg, const struct xf_http_head *head, const char *base)
{
    struct xf_ask *ask = of_leg(leg);
    if (xf_answer_take_head(&ask->answer, head, base) == XF_OK)
        return;
    xf_leg_cancel(leg);
    fail(ask, XF_ERR_NOMEM);
}

static void on_body(struct xf_leg *leg, struct xf_slice bytes)
{
    struct xf_ask *ask = of_leg(leg);
    if (xf_answer_take_body(&ask->answer, bytes) == XF_OK)
        return;
    xf_leg_cancel(leg);
    fail(ask, XF_ERR_FULL);
}

static void on_end(struct xf_leg *leg)
{
    struct xf_ask *ask = of_leg(leg);
    ask->answer.is_whole = true;
    ask->done(ask->ctx);
}

static void on_failed(struct xf_leg *leg, enum xf_err err, bool may_have_effect)
{
    (void)may_have_effect; /* what is asked this way changes nothing */
    fail(of_leg(leg), err);
}

static const struct xf_leg_owner leg_owner = {NULL, on_head, on_body, on_end, on_failed, NULL};

void xf_ask_init(struct xf_ask *ask, void (*done)(void *ctx), void *ctx)
{
    *ask = (struct xf_ask){.done = done, .ctx = ctx};
    xf_answer_init(&ask->answer);
}

void xf_ask_fini(struct xf_ask *ask)
{
    xf_leg_fini(&ask->leg);
    xf_answer_fini(&ask->answer);
}

enum xf_err xf_ask_send(struct xf_ask *ask, struct xf_request *request, enum xf_side side, bool is_trusted,
                        const struct xf_kept_head *kept, const char *suffix, struct xf_slice body)
{
    xf_leg_fini(&ask->leg);
    xf_answer_fini(&ask->answer);
    xf_answer_init(&ask->answer);
    ask->err = XF_OK;
    enum xf_err err =
        xf_request_own_leg(request, &ask->leg, &leg_owner, side, is_trusted, kept, suffix, body.len);
    if (!err)
        xf_leg_send(&ask->leg, body, true);
    return err;
}
