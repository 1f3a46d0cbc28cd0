/* Content codings: rubbish ends in an error and no coding expands past the limit; whole and cut in two agree.
 * The first byte chooses the coding, the second the cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/codec/decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1 << 18 };

struct sum {
    uint64_t digest;
    uint64_t len;
};

static enum xf_err collect(void *ctx, struct xf_slice data)
{
    struct sum *sum = ctx;
    for (size_t i = 0; i < data.len; i++)
        sum->digest = (sum->digest ^ (unsigned char)data.ptr[i]) * UINT64_C(1099511628211);
    sum->len += data.len;
    if (sum->len > BYTES_MAX)
        abort();
    return XF_OK;
}

static enum xf_err decode(enum xf_coding coding, struct xf_slice in, size_t cut, struct sum *sum)
{
    struct xf_decoder *decoder;
    *sum = (struct sum){1, 0};
    if (xf_decoder_new(coding, BYTES_MAX, collect, sum, &decoder) != XF_OK)
        abort();
    enum xf_err err = xf_decoder_feed(decoder, xf_slice(in.ptr, cut));
    if (!err)
        err = xf_decoder_feed(decoder, xf_slice_skip(in, cut));
    if (!err)
        err = xf_decoder_finish(decoder);
    xf_decoder_free(decoder);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    static const enum xf_coding codings[] = {XF_CODING_GZIP, XF_CODING_DEFLATE, XF_CODING_BR, XF_CODING_ZSTD};
    enum xf_coding coding = codings[data[0] % 4];
    struct xf_slice in = xf_slice((const char *)data + 2, size - 2);
    struct sum whole, cut;
    enum xf_err err = decode(coding, in, 0, &whole);
    enum xf_err cut_err = decode(coding, in, data[1] % (in.len + 1), &cut);
    if ((err == XF_OK) != (cut_err == XF_OK))
        abort();
    if (!err && (whole.digest != cut.digest || whole.len != cut.len))
        abort();
    return 0;
}
