/* The rewriter: with nobody renaming, what comes out is what went in, JSON or not; with every name replaced
 * whole and cut bodies come out the same. The first byte says where to cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/rewrite.h"

#include "common/base/buf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 24 };

struct sink {
    struct xf_buf out;
    bool renames;
};

static bool rename_all(void *ctx, struct xf_slice name, struct xf_slice *replacement)
{
    const struct sink *sink = ctx;
    (void)name;
    *replacement = XF_SLICE("new \"name\"");
    return sink->renames;
}

static enum xf_err collect(void *ctx, struct xf_slice bytes)
{
    struct sink *sink = ctx;
    if (bytes.len == 0)
        abort(); /* an empty run is a wasted call */
    return xf_buf_append_slice(&sink->out, bytes);
}

static bool run(struct xf_slice in, size_t cut, struct sink *sink)
{
    struct xf_rewrite *rewrite;
    char *first = malloc(cut + 1);
    if (!first || xf_rewrite_new(rename_all, collect, sink, &rewrite) != XF_OK)
        abort();
    memcpy(first, in.ptr, cut);
    if (xf_rewrite_feed(rewrite, xf_slice(first, cut)) != XF_OK)
        abort();
    free(first);
    if (xf_rewrite_feed(rewrite, xf_slice_skip(in, cut)) != XF_OK || xf_rewrite_finish(rewrite) != XF_OK)
        abort();
    bool has_changed = xf_rewrite_has_changed(rewrite);
    xf_rewrite_free(rewrite);
    return has_changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct xf_slice in = xf_slice((const char *)data + 1, size - 1);
    size_t cut = data[0] % (in.len + 1);
    struct sink kept = {.renames = false}, whole = {.renames = true}, pieces = {.renames = true};
    xf_buf_init(&kept.out, OUT_MAX);
    xf_buf_init(&whole.out, OUT_MAX);
    xf_buf_init(&pieces.out, OUT_MAX);
    if (run(in, cut, &kept) || !xf_slice_eq(xf_buf_view(&kept.out), in))
        abort();
    if (run(in, 0, &whole) != run(in, cut, &pieces) || !xf_slice_eq(xf_buf_view(&whole.out), xf_buf_view(&pieces.out)))
        abort();
    xf_buf_fini(&kept.out);
    xf_buf_fini(&whole.out);
    xf_buf_fini(&pieces.out);
    return 0;
}
