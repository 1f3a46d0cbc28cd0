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

static void relay_answer(struct dual *dual, struct dual_side *side)
{
    struct xf_conn *conn = dual->request.conn;
    struct xf_slice body = xf_buf_view(&side->answer.body);
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
    if (xf_http_emit_response(&out, &emit, &side->answer.head, xf_buf_view(&side->answer.head_bytes).ptr) != XF_OK) {
        xf_buf_fini(&out);
        xf_conn_cut(conn, false);
        return;
    }
    struct xf_slice slices[2] = {xf_buf_view(&out), body};
    xf_conn_write(conn, slices, 2);
    xf_buf_fini(&out);
    xf_conn_finish(conn);
}

/* The side that failed was the only one that did: the client is told which, and that repeating the write is the remedy. */
static void answer_follower_failure(struct dual *dual)
{
    struct dual_side *side = xf_dual_follower(dual);
    const struct xf_migration_conf *conf = dual->request.plan.migration->conf;
    enum xf_side which = side == &dual->sides[XF_NEW] ? XF_NEW : XF_LEGACY;
    char said[512], text[1024];
    size_t said_len = side->answer.is_whole ? xf_answer_error_text(&side->answer, said, sizeof said) : 0;
    const char *why = xf_err_sentence(side->err);
    int status = side->answer.is_whole ? side->answer.head.status : xf_err_status(side->err ? side->err : XF_ERR_UPSTREAM_CLOSED);
    if (status < 400)
        status = xf_err_status(XF_ERR_UPSTREAM_CLOSED); /* a redirection is no answer to a write */
    snprintf(text, sizeof text,
             "the write was applied to the %s collection '%s' but not to the %s collection '%s': %.*s. %sSending the same "
             "write again is safe",
             xf_dual_side_name(dual->authority), conf->side[dual->authority].collection, xf_dual_side_name(which),
             conf->side[which].collection, side->answer.is_whole ? (int)said_len : (int)strlen(why),
             side->answer.is_whole ? said : why,
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

/* A follower that lacks the point because it is still being filled has not failed: the backfill brings the point. */
bool xf_dual_follower_failure_counts(struct dual *dual)
{
    struct dual_side *side = xf_dual_follower(dual);
    if (xf_answer_is_success(&side->answer))
        return false;
    bool is_filling = !dual->request.plan.migration->follower_is_complete;
    return !(is_filling && xf_answer_is_point_missing(&side->answer));
}

void xf_dual_answer_client(struct dual *dual)
{
    struct dual_side *authority = &dual->sides[dual->authority], *legacy = &dual->sides[XF_LEGACY];
    if (!authority->answer.is_whole && legacy->answer.is_whole && !xf_answer_is_success(&legacy->answer))
        relay_answer(dual, legacy); /* it did not accept the client's credential, so new was not asked */
    else if (!authority->answer.is_whole)
        answer_authority_failure(dual);
    else if (xf_answer_is_success(&authority->answer) && xf_dual_follower(dual)->is_done && !dual->is_unreadable &&
             dual->request.plan.migration->conf->ack == XF_ACK_BOTH && xf_dual_follower_failure_counts(dual))
        answer_follower_failure(dual);
    else
        relay_answer(dual, authority);
}
