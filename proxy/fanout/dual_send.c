/* The last bytes of a dual write, on their way to the sides.
 *
 * G7: a client's write takes effect on the new side only if the legacy side has accepted the client's credential. Where that is
 * not known from a moment ago, new's last bytes stay here until legacy's answer has come: its request is incomplete
 * meanwhile, which no server applies.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/dual_int.h"

#include "common/base/clock.h"

static void send_last(struct dual_side *side, struct xf_slice bytes)
{
    side->sent_ns = xf_clock_now_ns();
    xf_leg_send(&side->leg, bytes, true);
}

bool xf_dual_is_trusted(const struct dual *dual)
{
    const struct xf_request *request = &dual->request;
    return dual->has_legacy_key || xf_lease_holds(request->fanout->leases, request->credential, XF_LEASE_WRITE,
                                                  request->fanout->thread->loop.now_ms);
}

void xf_dual_hold(struct dual *dual, struct xf_slice last)
{
    if (xf_buf_len(&dual->held) == 0 && xf_buf_append_slice(&dual->held, last) != XF_OK)
        dual->lost_held = true;
}

/* It has begun to answer a request that is not whole: it gets no more of it, and what it says is waited for. */
static bool is_answering(const struct dual_side *side)
{
    return side->answer.head_bytes.tail > 0;
}

/* New's last bytes go out now, or wait for legacy's word on the credential. */
static void release_new(struct dual *dual, struct xf_slice last)
{
    struct dual_side *new_side = &dual->sides[XF_NEW];
    bool is_legacy_done = dual->sides[XF_LEGACY].is_done;
    if (xf_dual_is_trusted(dual)) {
        send_last(new_side, last);
        return;
    }
    if (!is_legacy_done)
        xf_dual_hold(dual, last);
    if (!is_legacy_done && !dual->lost_held)
        new_side->waits_for_legacy = true;
    else
        xf_dual_drop_side(new_side, dual->is_unreadable ? XF_ERR_JSON_SYNTAX
                                    : is_legacy_done    ? XF_ERR_UPSTREAM_CLOSED
                                                        : XF_ERR_NOMEM);
}

/* The intent is written down: the held-back bytes go out. */
void xf_dual_release(struct dual *dual, struct xf_slice last)
{
    struct dual_side *legacy = &dual->sides[XF_LEGACY], *new_side = &dual->sides[XF_NEW];
    dual->state = SENT;
    xf_dual_count(dual, XF_MSTAT_WRITES_DUAL);
    if (!legacy->is_done && !is_answering(legacy))
        send_last(legacy, last);
    if (!new_side->is_done && !is_answering(new_side))
        release_new(dual, last);
    if (!new_side->waits_for_legacy)
        xf_buf_release(&dual->held);
}

void xf_dual_release_to_authority(struct dual *dual, struct xf_slice last)
{
    dual->state = SENT;
    dual->is_resolved = true;
    xf_dual_count(dual, XF_MSTAT_WRITES_SINGLE);
    xf_dual_drop_side(xf_dual_follower(dual), XF_OK);
    send_last(&dual->sides[dual->authority], last);
    xf_buf_release(&dual->held);
}

/* New's last bytes have waited, so that the journal is asked again whether the intent still stands. */
static void send_waiting(struct dual *dual)
{
    struct dual_side *new_side = &dual->sides[XF_NEW];
    enum xf_err err = dual->op ? xf_journal_confirm(dual->op) : XF_OK;
    if (err)
        xf_dual_drop_side(new_side, err);
    else
        send_last(new_side, xf_buf_view(&dual->held));
}

/* Legacy has spoken on the client's credential. */
void xf_dual_legacy_spoke(struct dual *dual, int status)
{
    struct xf_request *request = &dual->request;
    struct dual_side *new_side = &dual->sides[XF_NEW];
    bool is_accepted = status >= 200 && status < 300;
    if (is_accepted)
        xf_lease_grant(request->fanout->leases, request->credential, XF_LEASE_WRITE, request->fanout->thread->loop.now_ms);
    else if (status == 401 || status == 403)
        xf_lease_end(request->fanout->leases, request->credential);
    if (!new_side->waits_for_legacy)
        return;
    new_side->waits_for_legacy = false;
    if (is_accepted)
        send_waiting(dual);
    else
        xf_dual_drop_side(new_side, dual->sides[XF_LEGACY].err ? dual->sides[XF_LEGACY].err : XF_ERR_STATE);
    xf_buf_release(&dual->held);
}
