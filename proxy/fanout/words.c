/* What came last is kept and looked at again together with what comes next.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/words.h"

static bool has(struct xf_slice text, const char *word)
{
    return text.len > 0 && memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

static void look(struct xf_words *words, struct xf_slice text)
{
    words->has_wait_timeout = words->has_wait_timeout || has(text, "\"status\":\"wait_timeout\"");
    words->has_result = words->has_result || has(text, "\"status\":\"completed\"") ||
                        has(text, "\"status\":\"acknowledged\"") || has(text, "\"result\":[]");
}

void xf_words_feed(struct xf_words *words, struct xf_slice bytes)
{
    if (bytes.len == 0)
        return;
    size_t keep = XF_WORD_BYTES_MAX, head = bytes.len < keep ? bytes.len : keep;
    memcpy(words->tail + words->tail_len, bytes.ptr, head);
    words->tail_len += head;
    look(words, xf_slice(words->tail, words->tail_len));
    if (bytes.len > head) {
        look(words, bytes);
        memcpy(words->tail, bytes.ptr + bytes.len - keep, keep);
        words->tail_len = keep;
    } else if (words->tail_len > keep) {
        memmove(words->tail, words->tail + words->tail_len - keep, keep);
        words->tail_len = keep;
    }
}
