/* What the client hears of a dual write. The authority's answer is relayed as it is; what only the proxy knows (one side has
 * failed, or has not answered) is said in Qdrant's error shape, with what to do about it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/dual_int.h"

#include <stdio.h>

static size_t print_timing(const struct dual *dual, char *out, size_t room)
{
    unsigned long long us[XF_SIDE_COUNT];
    for (int i = 0; i < XF_SIDE_COUNT; i++)
        us[i] = xf_dual_spent_us(dual->sides[i].sent_ns, dual->sides[i].done_ns);
    unsigned long long journal_us = dual->journal_ns / 1000;
    int len = snprintf(out, room, "legacy;dur=%llu.%03llu, new;dur=%llu.%03llu, journal;dur=%llu.%03llu", us[0] / 1000,
                       us[0] % 1000, us[1] / 1000, us[1] % 1000, journal_us / 1000, journal_us % 1000);
    return len > 0 && (size_t)len < room ? (size_t)len : 0;
}

static void relay_answer(struct dual *dual, const struct xf_answer *answer)
{
    struct xf_conn *conn = dual->request.conn;
    struct xf_slice body = xf_buf_view(&answer->body);
    char timing[160];
    struct xf_buf out;
    struct xf_http_emit_response emit = {
        .body = XF_BODY_LENGTH,
        .content_length = body.len,
        .has_content_length = true,
        .keep_alive = xf_conn_keeps_alive(conn),
        .client_minor = dual->request.client_minor,
        .server_timing = xf_slice(timing, print_timing(dual, timing, sizeof timing)),
    };
    if (!emit.keep_alive)
        xf_conn_set_close(conn);
    dual->request.conn = NULL;
    xf_buf_init(&out, XF_HTTP_HEAD_BYTES_MAX * 2);
    if (xf_http_emit_response(&out, &emit, &answer->head, xf_buf_view(&answer->head_bytes).ptr) != XF_OK) {
        xf_buf_fini(&out);
        xf_conn_cut(conn, false);
        return;
    }
    struct xf_slice slices[2] = {xf_buf_view(&out), body};
    xf_conn_write(conn, slices, 2);
    xf_buf_fini(&out);
    xf_conn_finish(conn);
}

/* What the follower said, if that tells anything. */
static struct xf_slice said_by(const struct dual *dual, const struct dual_side *side, char *room, size_t size)
{
    if (xf_dual_is_success(dual, side))
        return XF_SLICE("it has not said that it is applied");
    if (side->answer.is_whole && side->answer.head.status >= 400)
        return xf_slice(room, xf_answer_error_text(&side->answer, room, size));
    return side->answer.is_whole ? XF_SLICE("its answer is not one to a write") : xf_slice_of(xf_err_sentence(side->err));
}

/* A success or a redirection of the follower's is no status for a failure; nor is its "not found" one where the client has
 * to know that the write took place elsewhere. */
static int failure_status(const struct dual *dual, const struct dual_side *side)
{
    if (xf_dual_is_success(dual, side) || side->err == XF_ERR_IO || (dual->op && xf_journal_is_cut_off(dual->op)))
        return 503;
    if (side->answer.is_whole && side->answer.head.status >= 400)
        return side->answer.head.status;
    return xf_err_status(side->err ? side->err : XF_ERR_UPSTREAM_CLOSED);
}

/* The side that failed was the only one that did: the client is told which, and that repeating the write is the remedy. */
static void answer_follower_failure(struct dual *dual)
{
    const struct xf_migration_conf *conf = dual->request.plan.migration->conf;
    enum xf_side which = xf_dual_other(dual);
    const struct dual_side *side = &dual->sides[which];
    char room[512], text[1024];
    struct xf_slice said = said_by(dual, side, room, sizeof room);
    int status = failure_status(dual, side);
    snprintf(text, sizeof text,
             "the write was applied to the %s collection '%s' but not to the %s collection '%s': %.*s. %sSending the same "
             "write again is safe",
             xf_dual_side_name(dual->authority), conf->side[dual->authority].collection, xf_dual_side_name(which),
             conf->side[which].collection, XF_SLICE_ARG(said),
             dual->op ? "Its points are noted as dirty and will be repaired. " : "");
    struct xf_conn *conn = dual->request.conn;
    dual->request.conn = NULL;
    xf_refuse(conn, status, text);
}

static void answer_authority_failure(struct dual *dual)
{
    struct dual_side *side = &dual->sides[dual->authority];
    const struct xf_migration_conf *conf = dual->request.plan.migration->conf;
    enum xf_err err = side->err ? side->err : XF_ERR_UPSTREAM_CLOSED;
    char text[512];
    const char *effect = side->outcome == XF_OUTCOME_NOT_SENT
                             ? "it was not applied there; send it again"
                             : "it may or may not have been applied, and the points are noted as dirty";
    snprintf(text, sizeof text, "the %s collection '%s' did not answer the write: %s; %s", xf_dual_side_name(dual->authority),
             conf->side[dual->authority].collection, xf_err_sentence(err), effect);
    struct xf_conn *conn = dual->request.conn;
    dual->request.conn = NULL;
    xf_refuse(conn, xf_err_status(err), text);
}

static void answer_unconfirmed(struct dual *dual)
{
    struct xf_conn *conn = dual->request.conn;
    dual->request.conn = NULL;
    xf_refuse(conn, 503, "the write may have been applied, but which points it touched could not be kept on record; sending "
                         "the same write again is safe");
}

void xf_dual_relay_refusal(struct dual *dual, const struct xf_answer *answer)
{
    relay_answer(dual, answer);
    xf_dual_give_up(dual);
}

/* Who is cut off from Redis does not know which side the authority is by now. */
static bool wants_both(const struct dual *dual)
{
    return dual->op && xf_journal_is_cut_off(dual->op);
}

static bool is_failed_by_follower(struct dual *dual)
{
    if (wants_both(dual))
        return !xf_dual_is_with_both(dual);
    return xf_dual_follower(dual)->is_done && !dual->is_unreadable && !dual->is_resolved &&
           dual->request.plan.migration->conf->ack == XF_ACK_BOTH && xf_dual_follower_failure_counts(dual);
}

void xf_dual_answer_client(struct dual *dual)
{
    struct dual_side *authority = &dual->sides[dual->authority], *legacy = &dual->sides[XF_LEGACY];
    if (!authority->answer.is_whole && legacy->answer.is_whole && !xf_answer_is_success(&legacy->answer))
        relay_answer(dual, &legacy->answer); /* it did not accept the client's credential, so new was not asked */
    else if (!authority->answer.is_whole)
        answer_authority_failure(dual);
    else if (!xf_answer_is_success(&authority->answer))
        relay_answer(dual, &authority->answer);
    else if (dual->op && xf_journal_confirm(dual->op) != XF_OK)
        answer_unconfirmed(dual);
    else if (is_failed_by_follower(dual))
        answer_follower_failure(dual);
    else
        relay_answer(dual, &authority->answer);
}
