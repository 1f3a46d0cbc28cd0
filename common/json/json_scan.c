/* The token reader: a small state machine between tokens, and one resumable routine per kind of token. A token that
 * lies whole in the input and needs no decoding is handed out as a view of it; only what was cut or escaped is copied.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/json/json_scan.h"

enum state {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* behind [ */
    WANT_KEY,
    WANT_KEY_OR_END, /* behind { */
    WANT_COLON,
    WANT_COMMA_OR_END,
    WANT_NOTHING, /* the one value is complete */
    IN_STRING,
    IN_NUMBER,
    IN_LITERAL,
    IN_JUMP,
    FAILED
};

void xf_json_scan_init(struct xf_json_scan *scan)
{
    memset(scan, 0, offsetof(struct xf_json_scan, text));
    scan->state = WANT_VALUE;
}

static enum xf_err fail(struct xf_json_scan *scan, enum xf_err err)
{
    scan->state = FAILED;
    return err;
}

static void end_value(struct xf_json_scan *scan)
{
    scan->state = scan->depth == 0 ? WANT_NOTHING : WANT_COMMA_OR_END;
}

static bool is_in_object(const struct xf_json_scan *scan)
{
    uint32_t at = scan->depth - 1;
    return scan->depth > 0 && (scan->object_bits[at / 64] >> at % 64 & 1);
}

static enum xf_err open_container(struct xf_json_scan *scan, bool is_object, enum xf_json_event *event)
{
    if (scan->depth == XF_JSON_DEPTH_MAX)
        return fail(scan, XF_ERR_JSON_DEPTH);
    uint64_t bit = UINT64_C(1) << scan->depth % 64;
    uint64_t *bits = &scan->object_bits[scan->depth / 64];
    *bits = is_object ? *bits | bit : *bits & ~bit;
    scan->depth++;
    scan->state = is_object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    *event = is_object ? XF_JSON_OBJECT : XF_JSON_ARRAY;
    return XF_OK;
}

static enum xf_err close_container(struct xf_json_scan *scan, bool is_object, enum xf_json_event *event)
{
    if (scan->depth == 0 || is_in_object(scan) != is_object)
        return fail(scan, XF_ERR_JSON_SYNTAX);
    scan->depth--;
    end_value(scan);
    *event = is_object ? XF_JSON_OBJECT_END : XF_JSON_ARRAY_END;
    return XF_OK;
}

static void take(struct xf_slice *in, size_t n)
{
    *in = xf_slice_skip(*in, n);
}

static void end_string(struct xf_json_scan *scan, struct xf_slice token, bool is_whole, enum xf_json_event *event)
{
    scan->token = token;
    scan->token_is_whole = is_whole && token.len <= XF_JSON_TEXT_MAX;
    *event = scan->is_key ? XF_JSON_KEY : XF_JSON_STRING;
    if (scan->is_key)
        scan->state = WANT_COLON;
    else
        end_value(scan);
}

static enum xf_err resume_string(struct xf_json_scan *scan, struct xf_slice *in, enum xf_json_event *event)
{
    struct xf_json_text *text = &scan->text;
    while (in->len > 0) {
        if (text->escape_state != 0) {
            (void)xf_json_text_escape(text, in->ptr[0]); /* whether it goes on is seen by its state */
            if (text->is_bad)
                return fail(scan, XF_ERR_JSON_SYNTAX);
            take(in, 1);
            continue;
        }
        size_t plain = xf_json_find_quote(in->ptr, in->len);
        xf_json_text_add(text, in->ptr, plain);
        take(in, plain);
        if (in->len == 0)
            break;
        bool is_end = in->ptr[0] == '"';
        take(in, 1);
        if (is_end) {
            xf_json_text_end(text);
            end_string(scan, xf_slice(text->bytes, text->len), text->is_whole, event);
            return XF_OK;
        }
        (void)xf_json_text_escape(text, '\\'); /* always goes on */
    }
    *event = XF_JSON_MORE;
    return XF_OK;
}

/* Behind the opening quote. */
static enum xf_err start_string(struct xf_json_scan *scan, bool is_key, struct xf_slice *in, enum xf_json_event *event)
{
    scan->is_key = is_key;
    size_t plain = xf_json_find_quote(in->ptr, in->len);
    if (plain < in->len && in->ptr[plain] == '"') {
        struct xf_slice token = xf_slice(in->ptr, plain);
        take(in, plain + 1);
        end_string(scan, token, true, event);
        return XF_OK;
    }
    scan->state = IN_STRING;
    xf_json_text_start(&scan->text);
    return resume_string(scan, in, event);
}

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

static enum xf_err resume_number(struct xf_json_scan *scan, struct xf_slice *in, enum xf_json_event *event)
{
    size_t n = 0;
    while (n < in->len && is_number_byte(in->ptr[n]))
        n++;
    if (n < in->len && scan->text.len == 0 && scan->text.is_whole) {
        scan->token = xf_slice(in->ptr, n);
        scan->token_is_whole = true;
    } else {
        xf_json_text_add(&scan->text, in->ptr, n);
        scan->token = xf_slice(scan->text.bytes, scan->text.len);
        scan->token_is_whole = scan->text.is_whole;
    }
    bool is_cut = n == in->len;
    take(in, n);
    *event = is_cut ? XF_JSON_MORE : XF_JSON_NUMBER;
    if (!is_cut)
        end_value(scan);
    return XF_OK;
}

static enum xf_err resume_literal(struct xf_json_scan *scan, struct xf_slice *in, enum xf_json_event *event)
{
    while (in->len > 0 && scan->literal[scan->literal_at]) {
        if (in->ptr[0] != scan->literal[scan->literal_at])
            return fail(scan, XF_ERR_JSON_SYNTAX);
        scan->literal_at++;
        take(in, 1);
    }
    *event = XF_JSON_MORE;
    if (scan->literal[scan->literal_at])
        return XF_OK;
    *event = scan->literal[0] == 't' ? XF_JSON_TRUE : scan->literal[0] == 'f' ? XF_JSON_FALSE : XF_JSON_NULL;
    end_value(scan);
    return XF_OK;
}

static enum xf_err start_literal(struct xf_json_scan *scan, const char *literal, struct xf_slice *in,
                                 enum xf_json_event *event)
{
    scan->literal = literal;
    scan->literal_at = 0;
    scan->state = IN_LITERAL;
    return resume_literal(scan, in, event);
}

static enum xf_err start_value(struct xf_json_scan *scan, struct xf_slice *in, enum xf_json_event *event)
{
    char c = in->ptr[0];
    if (c == '-' || (c >= '0' && c <= '9')) {
        scan->state = IN_NUMBER;
        xf_json_text_start(&scan->text);
        return resume_number(scan, in, event);
    }
    if (c == 't' || c == 'f' || c == 'n')
        return start_literal(scan, c == 't' ? "true" : c == 'f' ? "false" : "null", in, event);
    take(in, 1);
    if (c == '"')
        return start_string(scan, false, in, event);
    if (c == '{' || c == '[')
        return open_container(scan, c == '{', event);
    return fail(scan, XF_ERR_JSON_SYNTAX);
}

void xf_json_scan_jump(struct xf_json_scan *scan)
{
    XF_ASSERT(scan->state == WANT_KEY_OR_END || scan->state == WANT_VALUE_OR_END);
    scan->jump = (struct xf_json_jump){.depth = 1, .depth_max = XF_JSON_DEPTH_MAX - scan->depth + 1};
    scan->state = IN_JUMP;
}

static enum xf_err resume_jump(struct xf_json_scan *scan, struct xf_slice *in, enum xf_json_event *event)
{
    take(in, xf_json_jump_run(&scan->jump, in->ptr, in->len));
    if (scan->jump.is_too_deep)
        return fail(scan, XF_ERR_JSON_DEPTH);
    *event = XF_JSON_MORE;
    if (scan->jump.depth == 0) {
        scan->depth--;
        end_value(scan);
        *event = XF_JSON_JUMPED;
    }
    return XF_OK;
}

/* One significant byte between tokens. `event` stays MORE where the byte alone means nothing yet. */
static enum xf_err between(struct xf_json_scan *scan, struct xf_slice *in, enum xf_json_event *event)
{
    char c = in->ptr[0];
    switch ((enum state)scan->state) {
    case WANT_VALUE_OR_END:
        if (c != ']')
            return start_value(scan, in, event);
        take(in, 1);
        return close_container(scan, false, event);
    case WANT_VALUE:
        return start_value(scan, in, event);
    case WANT_KEY_OR_END:
    case WANT_KEY:
        take(in, 1);
        if (c == '"')
            return start_string(scan, true, in, event);
        if (c == '}' && scan->state == WANT_KEY_OR_END)
            return close_container(scan, true, event);
        break;
    case WANT_COLON:
        take(in, 1);
        scan->state = WANT_VALUE;
        if (c == ':')
            return XF_OK;
        break;
    case WANT_COMMA_OR_END:
        take(in, 1);
        if (c == '}' || c == ']')
            return close_container(scan, c == '}', event);
        scan->state = is_in_object(scan) ? WANT_KEY : WANT_VALUE;
        if (c == ',')
            return XF_OK;
        break;
    default: /* WANT_NOTHING, and the states that `next` handles itself */
        break;
    }
    return fail(scan, XF_ERR_JSON_SYNTAX);
}

enum xf_err xf_json_scan_next(struct xf_json_scan *scan, struct xf_slice *in, enum xf_json_event *event)
{
    *event = XF_JSON_MORE;
    while (in->len > 0) {
        enum xf_err err = XF_OK;
        if (scan->state == IN_STRING) {
            err = resume_string(scan, in, event);
        } else if (scan->state == IN_NUMBER) {
            err = resume_number(scan, in, event);
        } else if (scan->state == IN_LITERAL) {
            err = resume_literal(scan, in, event);
        } else if (scan->state == IN_JUMP) {
            err = resume_jump(scan, in, event);
        } else if (in->ptr[0] == ' ' || in->ptr[0] == '\n' || in->ptr[0] == '\r' || in->ptr[0] == '\t') {
            take(in, 1);
        } else {
            err = between(scan, in, event);
        }
        if (err || *event != XF_JSON_MORE)
            return err;
    }
    return scan->state == FAILED ? XF_ERR_JSON_SYNTAX : XF_OK;
}

enum xf_err xf_json_scan_finish(const struct xf_json_scan *scan)
{
    bool is_bare_number = scan->state == IN_NUMBER && scan->depth == 0;
    return scan->state == WANT_NOTHING || is_bare_number ? XF_OK : XF_ERR_JSON_SYNTAX;
}
