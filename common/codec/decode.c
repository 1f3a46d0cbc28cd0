/* Body decoding, one library behind one table row per coding. The ends of streams are taken as actix-web 4 takes them
 * (Qdrant 1.18.3): gzip, deflate and br are one stream each, and bytes behind it are an error, a second gzip member
 * too; zstd may go on with further frames. A stream that stops short is always an error here, also where actix-web
 * would make do with what it got (deflate without its checksum): the caller then knows nothing of the body, which is
 * the safe side.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/codec/decode.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { OUT_BYTES = 32 * 1024, ZLIB_WINDOW_BITS = 15, ZLIB_GZIP_ONLY = 16 };

struct xf_decoder {
    enum xf_coding coding;
    xf_decoded_fn *fn;
    void *ctx;
    uint64_t bytes_left;
    enum xf_err err;
    bool is_done; /* at the end of a stream, where finishing is fine */
    bool is_skippable;    /* zstd: the frame's magic number is one of those */
    unsigned magic_bytes; /* zstd: how many of the frame's four have come */
    union {
        z_stream zlib;
        BrotliDecoderState *brotli;
        ZSTD_DStream *zstd;
    } u;
    char out[OUT_BYTES];
};

enum xf_coding xf_coding_of(struct xf_slice content_encoding)
{
    static const struct {
        const char *name;
        enum xf_coding coding;
    } codings[] = {
        {"gzip", XF_CODING_GZIP},
        {"deflate", XF_CODING_DEFLATE},
        {"br", XF_CODING_BR},
        {"zstd", XF_CODING_ZSTD},
    };
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++)
        if (xf_slice_eq_nocase(content_encoding, xf_slice_of(codings[i].name)))
            return codings[i].coding;
    return XF_CODING_IDENTITY;
}

static bool start(struct xf_decoder *decoder)
{
    switch (decoder->coding) {
    case XF_CODING_GZIP:
        return inflateInit2(&decoder->u.zlib, ZLIB_WINDOW_BITS + ZLIB_GZIP_ONLY) == Z_OK;
    case XF_CODING_DEFLATE:
        return inflateInit2(&decoder->u.zlib, ZLIB_WINDOW_BITS) == Z_OK;
    case XF_CODING_BR:
        decoder->u.brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        return decoder->u.brotli != NULL;
    case XF_CODING_ZSTD:
        decoder->u.zstd = ZSTD_createDStream();
        return decoder->u.zstd != NULL;
    case XF_CODING_IDENTITY:
        break;
    }
    return false;
}

enum xf_err xf_decoder_new(enum xf_coding coding, uint64_t bytes_max, xf_decoded_fn *fn, void *ctx,
                           struct xf_decoder **decoder)
{
    XF_ASSERT(coding != XF_CODING_IDENTITY);
    struct xf_decoder *made = malloc(sizeof *made);
    if (!made)
        return XF_ERR_NOMEM;
    memset(made, 0, offsetof(struct xf_decoder, out));
    made->coding = coding;
    made->fn = fn;
    made->ctx = ctx;
    made->bytes_left = bytes_max;
    if (!start(made)) {
        free(made);
        return XF_ERR_NOMEM;
    }
    *decoder = made;
    return XF_OK;
}

void xf_decoder_free(struct xf_decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->coding == XF_CODING_BR)
        BrotliDecoderDestroyInstance(decoder->u.brotli);
    else if (decoder->coding == XF_CODING_ZSTD)
        (void)ZSTD_freeDStream(decoder->u.zstd); /* cannot fail */
    else
        (void)inflateEnd(&decoder->u.zlib); /* says only that the stream was not complete */
    free(decoder);
}

/* One step of each library: takes from the front of `in`, leaves what it made in `out`, sets `is_done` at the end of
 * the stream. */
static enum xf_err step_zlib(struct xf_decoder *decoder, struct xf_slice *in, size_t *made)
{
    z_stream *zlib = &decoder->u.zlib;
    uInt given = in->len > OUT_BYTES ? OUT_BYTES : (uInt)in->len;
    zlib->next_in = (Bytef *)(uintptr_t)in->ptr; /* zlib only reads it */
    zlib->avail_in = given;
    zlib->next_out = (Bytef *)decoder->out;
    zlib->avail_out = OUT_BYTES;
    int result = inflate(zlib, Z_NO_FLUSH);
    *in = xf_slice_skip(*in, given - zlib->avail_in);
    *made = OUT_BYTES - zlib->avail_out;
    decoder->is_done = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return XF_ERR_NOMEM;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? XF_OK : XF_ERR_CODEC;
}

static enum xf_err step_brotli(struct xf_decoder *decoder, struct xf_slice *in, size_t *made)
{
    const uint8_t *next_in = (const uint8_t *)in->ptr;
    uint8_t *next_out = (uint8_t *)decoder->out;
    size_t in_left = in->len, out_left = OUT_BYTES;
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(decoder->u.brotli, &in_left, &next_in, &out_left, &next_out, NULL);
    *in = xf_slice_skip(*in, in->len - in_left);
    *made = OUT_BYTES - out_left;
    decoder->is_done = result == BROTLI_DECODER_RESULT_SUCCESS;
    return result == BROTLI_DECODER_RESULT_ERROR ? XF_ERR_CODEC : XF_OK;
}

/* Debian's libzstd also takes the formats from before 1.0, and reads them differently whole and in parts. Only frames of
 * RFC 8878 (sections 3.1.1 and 3.1.2) are read here. */
static bool has_zstd_magic(struct xf_decoder *decoder, struct xf_slice in)
{
    static const unsigned char frame[4] = {0x28, 0xb5, 0x2f, 0xfd}, skippable[4] = {0x50, 0x2a, 0x4d, 0x18};
    for (size_t i = 0; i < in.len && decoder->magic_bytes + i < 4; i++) {
        size_t at = decoder->magic_bytes + i;
        unsigned char byte = (unsigned char)in.ptr[i];
        if (at == 0)
            decoder->is_skippable = (byte & 0xf0) == skippable[0];
        if (decoder->is_skippable ? at > 0 && byte != skippable[at] : byte != frame[at])
            return false;
    }
    return true;
}

static enum xf_err step_zstd(struct xf_decoder *decoder, struct xf_slice *in, size_t *made)
{
    if (!has_zstd_magic(decoder, *in))
        return XF_ERR_CODEC;
    ZSTD_inBuffer source = {in->ptr, in->len, 0};
    ZSTD_outBuffer target = {decoder->out, OUT_BYTES, 0};
    size_t result = ZSTD_decompressStream(decoder->u.zstd, &target, &source);
    *in = xf_slice_skip(*in, source.pos);
    *made = target.pos;
    decoder->is_done = result == 0;
    if (decoder->is_done)
        decoder->magic_bytes = 0;
    else if (decoder->magic_bytes < 4)
        decoder->magic_bytes = source.pos >= 4 - decoder->magic_bytes ? 4 : decoder->magic_bytes + (unsigned)source.pos;
    return ZSTD_isError(result) ? XF_ERR_CODEC : XF_OK;
}

static enum xf_err step(struct xf_decoder *decoder, struct xf_slice *in, size_t *made)
{
    if (decoder->coding == XF_CODING_BR)
        return step_brotli(decoder, in, made);
    return decoder->coding == XF_CODING_ZSTD ? step_zstd(decoder, in, made) : step_zlib(decoder, in, made);
}

static enum xf_err hand_out(struct xf_decoder *decoder, size_t made)
{
    if (made > decoder->bytes_left)
        return XF_ERR_CODEC_RATIO;
    decoder->bytes_left -= made;
    return made == 0 ? XF_OK : decoder->fn(decoder->ctx, xf_slice(decoder->out, made));
}

/* A full output block may mean that more is to come without further input. */
static enum xf_err decode(struct xf_decoder *decoder, struct xf_slice in)
{
    size_t made = 0;
    while (in.len > 0 || (made == OUT_BYTES && !decoder->is_done)) {
        if (decoder->is_done && decoder->coding != XF_CODING_ZSTD)
            return XF_ERR_CODEC;
        enum xf_err err = step(decoder, &in, &made);
        if (!err)
            err = hand_out(decoder, made);
        if (err)
            return err;
    }
    return XF_OK;
}

enum xf_err xf_decoder_feed(struct xf_decoder *decoder, struct xf_slice in)
{
    if (!decoder->err && in.len > 0)
        decoder->err = decode(decoder, in);
    return decoder->err;
}

enum xf_err xf_decoder_finish(struct xf_decoder *decoder)
{
    if (!decoder->err && !decoder->is_done)
        decoder->err = XF_ERR_CODEC;
    return decoder->err;
}
