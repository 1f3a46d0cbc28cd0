/* Looks for the words that tell the outcome of a write in an answer that streams by, cut at any byte.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_WORDS_H
#define XF_PROXY_FANOUT_WORDS_H

#include "common/base/slice.h"

enum { XF_WORD_BYTES_MAX = 32 };

struct xf_words { /* zeroed at first */
    bool has_wait_timeout;
    bool has_result; /* completed, acknowledged, or an empty batch's */
    char tail[2 * XF_WORD_BYTES_MAX]; /* what came last, where a word may have begun */
    size_t tail_len;
};

void xf_words_feed(struct xf_words *words, struct xf_slice bytes);

#endif
