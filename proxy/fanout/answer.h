/* What one side said to a write, kept until both have spoken: its head, its body, and what that means for the points.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_ANSWER_H
#define XF_PROXY_FANOUT_ANSWER_H

#include "common/base/buf.h"
#include "common/http/head.h"
#include "proxy/journal/journal.h"

/* Qdrant's answer to a points/batch is at most about half as long again as the request; this bounds what one may cost. */
enum { XF_ANSWER_BYTES_MAX = 64 * 1024 * 1024 };

struct xf_answer {
    struct xf_http_head head;
    struct xf_buf head_bytes; /* the head's fields point in here */
    struct xf_buf body;
    bool is_whole;
};

/* How many bytes from a head's first one hold all that it points to. */
size_t xf_head_extent(const struct xf_http_head *head);

void xf_answer_init(struct xf_answer *answer);
void xf_answer_fini(struct xf_answer *answer);
XF_MUST_CHECK enum xf_err xf_answer_take_head(struct xf_answer *answer, const struct xf_http_head *head, const char *base);
XF_MUST_CHECK enum xf_err xf_answer_take_body(struct xf_answer *answer, struct xf_slice bytes);
static inline bool xf_answer_is_success(const struct xf_answer *answer)
{
    return answer->is_whole && answer->head.status >= 200 && answer->head.status < 300;
}
/* By the table answers.def; the worst status in a batch's answer counts. UNKNOWN for one that is not whole. */
enum xf_outcome xf_answer_outcome(const struct xf_answer *answer);
/* Qdrant's error text, or the plain body, at most `room` bytes, unescaped as far as quotes go. */
size_t xf_answer_error_text(const struct xf_answer *answer, char *out, size_t room);
/* A refusal that proves that nothing was applied, by the same table. */
bool xf_answer_proves_no_effect(const struct xf_answer *answer);
/* "No point with id X found" (Qdrant 1.18.3: lib/collection): a by-id update met a point that is not there. */
bool xf_answer_is_point_missing(const struct xf_answer *answer);

#endif
