/* Chunked bodies: whole and in pieces alike, down to the byte at which they end or fail; and the data that came out,
 * chunked again, comes out again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/chunked.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct decoded {
    char *data;
    size_t len, taken;
    bool is_end, has_failed;
};

static void decode(struct decoded *out, struct xf_slice in, size_t piece)
{
    struct xf_chunked chunked;
    *out = (struct decoded){.data = malloc(in.len + 1)};
    XF_ASSERT(out->data);
    xf_chunked_init(&chunked);
    while (out->taken < in.len && !out->is_end) {
        size_t len = in.len - out->taken < piece ? in.len - out->taken : piece, taken;
        struct xf_slice run;
        out->has_failed =
            xf_chunked_feed(&chunked, xf_slice(in.ptr + out->taken, len), &taken, &run, &out->is_end) != XF_OK;
        if (out->has_failed)
            return;
        XF_ASSERT(taken > 0 && taken <= len && run.len <= taken);
        if (run.len)
            memcpy(out->data + out->len, run.ptr, run.len);
        out->len += run.len;
        out->taken += taken;
    }
}

static char *put(char *to, struct xf_slice bytes)
{
    if (bytes.len)
        memcpy(to, bytes.ptr, bytes.len);
    return to + bytes.len;
}

static void assert_round_trip(const struct decoded *first)
{
    struct decoded second;
    char *text = malloc(first->len + 32), *end = text;
    XF_ASSERT(text);
    if (first->len) {
        end += xf_chunk_header_print(first->len, text);
        end = put(end, xf_slice(first->data, first->len));
        end = put(end, XF_SLICE("\r\n"));
    }
    end = put(end, XF_SLICE("0\r\n\r\n"));
    size_t len = (size_t)(end - text);
    decode(&second, xf_slice(text, len), len);
    XF_ASSERT(second.is_end && second.taken == len && second.len == first->len);
    XF_ASSERT(memcmp(second.data, first->data, first->len) == 0);
    free(second.data);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct xf_slice in = xf_slice((const char *)data + 1, size - 1);
    struct decoded whole, pieces;
    decode(&whole, in, in.len);
    decode(&pieces, in, (size_t)data[0] + 1);
    XF_ASSERT(whole.has_failed == pieces.has_failed && whole.is_end == pieces.is_end && whole.len == pieces.len);
    XF_ASSERT(whole.has_failed || whole.taken == pieces.taken);
    XF_ASSERT(memcmp(whole.data, pieces.data, whole.len) == 0);
    if (whole.is_end)
        assert_round_trip(&whole);
    free(whole.data);
    free(pieces.data);
    return 0;
}
