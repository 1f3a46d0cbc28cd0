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

static size_t head_end(const struct xf_http_head *head)
{
    size_t end = (size_t)head->target_off + head->target_len; /* the reason phrase */
    for (size_t i = 0; i < head->field_count; i++) {
        size_t field_end = (size_t)head->fields[i].value_off + head->fields[i].value_len;
        size_t name_end = (size_t)head->fields[i].name_off + head->fields[i].name_len;
        end = field_end > end ? field_end : end;
        end = name_end > end ? name_end : end;
    }
    return end;
}

enum xf_err xf_answer_take_head(struct xf_answer *answer, const struct xf_http_head *head, const char *base)
{
    answer->head = *head;
    return xf_buf_append(&answer->head_bytes, base, head_end(head));
}

enum xf_err xf_answer_take_body(struct xf_answer *answer, struct xf_slice bytes)
{
    return xf_buf_append_slice(&answer->body, bytes);
}

static bool contains(struct xf_slice text, struct xf_slice word)
{
    return text.len > 0 && memmem(text.ptr, text.len, word.ptr, word.len) != NULL;
}

enum xf_outcome xf_answer_outcome(const struct xf_answer *answer)
{
    struct xf_slice body = xf_buf_view(&answer->body);
    if (!xf_answer_is_success(answer))
        return XF_OUTCOME_REFUSED;
    if (contains(body, XF_SLICE("\"status\":\"wait_timeout\"")))
        return XF_OUTCOME_WAIT_TIMEOUT;
    if (contains(body, XF_SLICE("\"status\":\"acknowledged\"")))
        return XF_OUTCOME_ACKNOWLEDGED;
    /* An empty list of results (an empty batch) has done nothing, and so completed. */
    if (contains(body, XF_SLICE("\"status\":\"completed\"")) || contains(body, XF_SLICE("\"result\":[]")))
        return XF_OUTCOME_COMPLETED;
    return XF_OUTCOME_UNKNOWN;
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

/* What the server could not read, it did not begin to do. These are the words with which the readers of body and query
 * open, ahead of all that works on points (Qdrant 1.12.4 and 1.18.3). */
static bool was_unreadable(const struct xf_answer *answer)
{
    static const char *const openings[] = {
        "{\"status\":{\"error\":\"Format error in JSON body: ",
        "{\"status\":{\"error\":\"Validation error in JSON body: ",
        "{\"status\":{\"error\":\"Deserialize error in query parameters: ",
    };
    struct xf_slice body = xf_buf_view(&answer->body);
    if (answer->head.status != 400 && answer->head.status != 422)
        return false;
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        struct xf_slice opening = xf_slice_of(openings[i]);
        if (body.len >= opening.len && memcmp(body.ptr, opening.ptr, opening.len) == 0)
            return true;
    }
    return false;
}

bool xf_answer_proves_no_effect(const struct xf_answer *answer)
{
    return answer->is_whole && (answer->head.status == 401 || answer->head.status == 403 || was_unreadable(answer));
}

bool xf_answer_is_point_missing(const struct xf_answer *answer)
{
    return answer->is_whole && answer->head.status == 404 &&
           contains(xf_buf_view(&answer->body), XF_SLICE("No point with id"));
}
