/* What is said to Redis about an op. SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/link_int.h"

static struct xf_slice digit(bool is)
{
    return is ? XF_SLICE("1") : XF_SLICE("0");
}

static struct xf_slice name_of(const struct xf_journal_op *op)
{
    return xf_slice(op->name, op->name_len);
}

static enum xf_err send(struct xf_journal_op *op, enum xf_script script, const struct xf_slice *args, size_t count,
                        xf_redis_reply_fn *reply)
{
    struct xf_session *session = &op->link->sessions[op->member->migration];
    enum xf_err err = xf_session_send(session, op->link->redis, script, args, count, reply, op);
    if (err)
        return err;
    op->generation = session->generation;
    atomic_fetch_add(&op->member->unacknowledged, 1);
    return XF_OK;
}

static enum xf_err send_last(struct xf_journal_op *op, enum xf_script script, const struct xf_slice *args, size_t count)
{
    enum xf_err err = send(op, script, args, count, xf_op_on_end);
    op->answers_due += err == XF_OK;
    return err;
}

enum xf_err xf_op_send_begin(struct xf_journal_op *op)
{
    const struct xf_op_list *scope = &op->scope;
    struct xf_slice args[] = {name_of(op), digit(op->is_forced), digit(scope->is_all), scope->packed};
    return send(op, XF_SCRIPT_BEGIN, args, sizeof args / sizeof *args, xf_op_on_begin);
}

enum xf_err xf_op_send_end(struct xf_journal_op *op, bool is_dirty, bool is_held)
{
    const struct xf_op_list *scope = &op->scope;
    struct xf_slice args[] = {name_of(op), digit(is_dirty), digit(is_held), scope->packed, digit(scope->is_all)};
    return send_last(op, XF_SCRIPT_END, args, sizeof args / sizeof *args);
}

enum xf_err xf_op_send_end_resolved(struct xf_journal_op *op)
{
    struct xf_slice args[] = {name_of(op), digit(op->verdict.is_held), op->said.packed, digit(op->scope.is_all)};
    return send_last(op, XF_SCRIPT_END_RESOLVED, args, sizeof args / sizeof *args);
}

enum xf_err xf_op_send_mark(struct xf_journal_op *op)
{
    struct xf_slice args[] = {digit(op->said.is_all), digit(op->verdict.is_held), op->said.packed};
    return send_last(op, XF_SCRIPT_MARK, args, sizeof args / sizeof *args);
}
