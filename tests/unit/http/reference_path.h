/* A slow, separate reading of targets by the rules of Qdrant's server, to compare with: the whole path is decoded once
 * with %25, %2F and %2B left, cut at slashes, and each piece decoded again. Written without a look at path.c's ways.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_HTTP_REFERENCE_PATH_H
#define XF_TESTS_UNIT_HTTP_REFERENCE_PATH_H

#include "common/base/slice.h"

#include <stdio.h>
#include <stdlib.h>

enum { REFERENCE_SEGMENTS_MAX = 512, REFERENCE_BYTES_MAX = 2048 };

struct reference_path {
    char text[REFERENCE_BYTES_MAX]; /* after the first round */
    size_t text_len;
    char segments[REFERENCE_SEGMENTS_MAX][128];
    size_t lens[REFERENCE_SEGMENTS_MAX];
    size_t count;
    bool is_too_long; /* for this reference, not for Qdrant */
};

static inline size_t reference_round(const char *in, size_t len, const char *kept, char *out)
{
    size_t n = 0, i = 0;
    while (i < len) {
        unsigned byte;
        char hex[3] = {0};
        if (in[i] == '%' && i + 2 < len && strspn(&in[i + 1], "0123456789abcdefABCDEF") >= 2) {
            memcpy(hex, in + i + 1, 2);
            if (sscanf(hex, "%2x", &byte) == 1 && !(byte && byte < 128 && strchr(kept, (int)byte))) {
                out[n++] = (char)byte;
                i += 3;
                continue;
            }
        }
        out[n++] = in[i++];
    }
    return n;
}

/* `path` is an origin-form path without a query, NUL behind it. */
static inline void reference_read(struct reference_path *ref, const char *path, size_t len)
{
    ref->count = 0;
    ref->is_too_long = len >= REFERENCE_BYTES_MAX;
    if (ref->is_too_long)
        return;
    ref->text_len = reference_round(path, len, "%/+", ref->text);
    size_t start = 0;
    for (size_t i = 0; i <= ref->text_len; i++) {
        if (i < ref->text_len && ref->text[i] != '/')
            continue;
        size_t n = i - start;
        if (n > 127 || ref->count == REFERENCE_SEGMENTS_MAX) {
            ref->is_too_long = true;
            return;
        }
        if (n > 0) {
            char piece[128] = {0};
            memcpy(piece, ref->text + start, n);
            ref->lens[ref->count] = reference_round(piece, n, "", ref->segments[ref->count]);
            ref->count++;
        }
        start = i + 1;
    }
}

#endif
