/* Answers of writes are small and of one shape; looking for the few words that matter is exact here, because the server
 * writes them without white space and no text of a client's stands in them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/answer.h"

void xf_answer_init(struct xf_answer *answer)
{
    xf_buf_init(&answer->head_bytes, XF_HTTP_HEAD_BYTES_MAX);
    xf_buf_init(&answer->body, XF_ANSWER_BYTES_MAX);
    answer->is_whole = false;
}

void xf_answer_fini(struct xf_answer *answer)
{
    xf_buf_fini(&answer->head_bytes);
    xf_buf_fini(&answer->body);
}

size_t xf_head_extent(const struct xf_http_head *head)
{
    size_t end = (size_t)head->target_off + head->target_len; /* of an answer, the reason phrase */
    for (size_t i = 0; i < head->field_count; i++) {
        size_t field_end = (size_t)head->fields[i].value_off + head->fields[i].value_len;
        size_t name_end = (size_t)head->fields[i].name_off + head->fields[i].name_len;
        end = field_end > end ? field_end : end;
        end = name_end > end ? name_end : end;
    }
    return end + 2; /* the line's end is looked at when it is written anew; every head has it */
}

enum xf_err xf_answer_take_head(struct xf_answer *answer, const struct xf_http_head *head, const char *base)
{
    answer->head = *head;
    return xf_buf_append(&answer->head_bytes, base, xf_head_extent(head));
}

enum xf_err xf_answer_take_body(struct xf_answer *answer, struct xf_slice bytes)
{
    return xf_buf_append_slice(&answer->body, bytes);
}

static bool contains(struct xf_slice text, struct xf_slice word)
{
    return text.len > 0 && memmem(text.ptr, text.len, word.ptr, word.len) != NULL;
}

enum where { ANY, HAS, OPENS, EMPTY };

static const struct row {
    int from, to;
    enum where where;
    struct xf_slice text;
    enum xf_outcome outcome;
    bool proves_no_effect;
} rows[] = {
#define XF_ANSWER(from, to, where, text, outcome, proves, meaning)                                                     \
    {from, to, where, {text, sizeof(text) - 1}, XF_OUTCOME_##outcome, proves},
#include "proxy/fanout/answers.def"
#undef XF_ANSWER
};

static bool fits(const struct row *row, int status, struct xf_slice body)
{
    if (status < row->from || status > row->to)
        return false;
    switch (row->where) {
    case ANY:
        return true;
    case HAS:
        return contains(body, row->text);
    case OPENS:
        return body.len >= row->text.len && memcmp(body.ptr, row->text.ptr, row->text.len) == 0;
    case EMPTY:
        return body.len == 0;
    }
    return false;
}

/* NULL for an answer that was cut off, which says nothing. */
static const struct row *find_row(const struct xf_answer *answer)
{
    for (size_t i = 0; answer->is_whole && i < sizeof rows / sizeof *rows; i++)
        if (fits(&rows[i], answer->head.status, xf_buf_view(&answer->body)))
            return &rows[i];
    return NULL;
}

enum xf_outcome xf_answer_outcome(const struct xf_answer *answer)
{
    const struct row *row = find_row(answer);
    return row ? row->outcome : XF_OUTCOME_UNKNOWN;
}

bool xf_answer_proves_no_effect(const struct xf_answer *answer)
{
    const struct row *row = find_row(answer);
    return row && row->proves_no_effect;
}

static size_t copy_text(char *out, size_t room, struct xf_slice text, bool stops_at_quote)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < room; i++) {
        char c = text.ptr[i];
        if (stops_at_quote && c == '"')
            break;
        if (stops_at_quote && c == '\\' && i + 1 < text.len && (text.ptr[i + 1] == '"' || text.ptr[i + 1] == '\\'))
            c = text.ptr[++i];
        out[len++] = c;
    }
    return len;
}

size_t xf_answer_error_text(const struct xf_answer *answer, char *out, size_t room)
{
    struct xf_slice body = xf_buf_view(&answer->body), mark = XF_SLICE("{\"error\":\"");
    const char *at = body.len ? memmem(body.ptr, body.len, mark.ptr, mark.len) : NULL;
    if (!at)
        return copy_text(out, room, body, false);
    return copy_text(out, room, xf_slice_skip(body, (size_t)(at - body.ptr) + mark.len), true);
}

bool xf_answer_is_point_missing(const struct xf_answer *answer)
{
    return answer->is_whole && answer->head.status == 404 &&
           contains(xf_buf_view(&answer->body), XF_SLICE("No point with id"));
}
