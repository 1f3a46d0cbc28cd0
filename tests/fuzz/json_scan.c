/* The JSON reader: whatever the bytes, the events and the end must be the same whole and cut in two, by each
 * instruction set; and jumping over the outermost container must end where reading it token by token ends. The first
 * byte of the input says where to cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/json/json_scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum xf_err err;
    uint64_t digest; /* of the events and tokens */
};

static void mix(struct outcome *outcome, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        outcome->digest = (outcome->digest ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
}

static void run(struct xf_json_scan *scan, struct xf_slice in, struct outcome *outcome)
{
    while (!outcome->err) {
        enum xf_json_event event;
        outcome->err = xf_json_scan_next(scan, &in, &event);
        if (outcome->err || event == XF_JSON_MORE)
            return;
        char kind = (char)event;
        mix(outcome, &kind, 1);
        if ((event == XF_JSON_KEY || event == XF_JSON_STRING || event == XF_JSON_NUMBER) && scan->token_is_whole)
            mix(outcome, scan->token.ptr, scan->token.len);
    }
}

static struct outcome read_in_two(struct xf_slice text, size_t cut)
{
    struct outcome outcome = {XF_OK, 1};
    struct xf_json_scan scan;
    char *first = malloc(cut + 1); /* of its own, so that a view kept too long is seen */
    if (!first)
        abort();
    memcpy(first, text.ptr, cut);
    xf_json_scan_init(&scan);
    run(&scan, xf_slice(first, cut), &outcome);
    free(first);
    run(&scan, xf_slice_skip(text, cut), &outcome);
    if (!outcome.err)
        outcome.err = xf_json_scan_finish(&scan);
    return outcome;
}

static enum xf_err jump_over(struct xf_slice text)
{
    struct xf_json_scan scan;
    xf_json_scan_init(&scan);
    for (;;) {
        enum xf_json_event event;
        enum xf_err err = xf_json_scan_next(&scan, &text, &event);
        if (err)
            return err;
        if (event == XF_JSON_MORE)
            return xf_json_scan_finish(&scan);
        if (event == XF_JSON_OBJECT || event == XF_JSON_ARRAY)
            xf_json_scan_jump(&scan);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct xf_slice text = xf_slice((const char *)data + 1, size - 1);
    if (!xf_json_find_use(XF_JSON_FIND_PORTABLE))
        abort();
    struct outcome whole = read_in_two(text, 0);
    for (enum xf_json_finder finder = XF_JSON_FIND_PORTABLE; finder <= XF_JSON_FIND_AVX2; finder++) {
        if (!xf_json_find_use(finder))
            continue;
        struct outcome cut = read_in_two(text, data[0] % (text.len + 1));
        if (cut.err != whole.err || cut.digest != whole.digest)
            abort();
        enum xf_err jumped = jump_over(text);
        if (!whole.err && jumped)
            abort(); /* a jump takes all that reading takes */
    }
    return 0;
}
