/* Body decoding: each coding whole and byte by byte, cut short, followed by rubbish, flipped, and blown up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/codec/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <brotli/encode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

enum { TEXT_BYTES = 200000, ROOM = 400000 };

struct sink {
    char bytes[ROOM];
    size_t len;
    enum xf_err err; /* to return once something came */
};

static char text[TEXT_BYTES];
static struct sink sink;

static enum xf_err collect(void *ctx, struct xf_slice data)
{
    struct sink *to = ctx;
    assert_true(data.len <= ROOM - to->len);
    memcpy(to->bytes + to->len, data.ptr, data.len);
    to->len += data.len;
    return to->err;
}

static size_t encode_zlib(int window_bits, struct xf_slice in, char *out)
{
    z_stream zlib = {0};
    assert_int_equal(deflateInit2(&zlib, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zlib.next_in = (Bytef *)(uintptr_t)in.ptr;
    zlib.avail_in = (uInt)in.len;
    zlib.next_out = (Bytef *)out;
    zlib.avail_out = ROOM;
    assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    size_t made = ROOM - zlib.avail_out;
    assert_int_equal(deflateEnd(&zlib), Z_OK);
    return made;
}

static size_t encode(enum xf_coding coding, struct xf_slice in, char *out)
{
    size_t made = ROOM;
    if (coding == XF_CODING_GZIP)
        return encode_zlib(15 + 16, in, out);
    if (coding == XF_CODING_DEFLATE)
        return encode_zlib(15, in, out);
    if (coding == XF_CODING_ZSTD) {
        made = ZSTD_compress(out, ROOM, in.ptr, in.len, 3);
        assert_false(ZSTD_isError(made));
        return made;
    }
    assert_true(
        BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, in.len, (const uint8_t *)in.ptr, &made, (uint8_t *)out));
    return made;
}

static enum xf_err decode(enum xf_coding coding, struct xf_slice in, size_t step, uint64_t bytes_max)
{
    struct xf_decoder *decoder;
    sink.len = 0;
    assert_int_equal(xf_decoder_new(coding, bytes_max, collect, &sink, &decoder), XF_OK);
    enum xf_err err = XF_OK;
    for (size_t at = 0; !err && at < in.len; at += step)
        err = xf_decoder_feed(decoder, xf_slice(in.ptr + at, in.len - at < step ? in.len - at : step));
    enum xf_err end = xf_decoder_finish(decoder);
    if (err)
        assert_int_equal(end, err); /* an error stays */
    xf_decoder_free(decoder);
    return end;
}

static int make_text(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (size_t i = 0; i < sizeof text; i++) {
        seed = seed * 1103515245 + 12345;
        text[i] = "0123456789.,[]{}\""[(seed >> 16) % 17];
    }
    return 0;
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(xf_coding_of(XF_SLICE("gzip")), XF_CODING_GZIP);
    assert_int_equal(xf_coding_of(XF_SLICE("GZip")), XF_CODING_GZIP);
    assert_int_equal(xf_coding_of(XF_SLICE("deflate")), XF_CODING_DEFLATE);
    assert_int_equal(xf_coding_of(XF_SLICE("BR")), XF_CODING_BR);
    assert_int_equal(xf_coding_of(XF_SLICE("zstd")), XF_CODING_ZSTD);
    static const char *const others[] = {"",          "identity", "x-gzip", "gzip, identity",
                                         "gzip,gzip", "foo",      "gzi",    "zst d"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(xf_coding_of(xf_slice_of(others[i])), XF_CODING_IDENTITY);
}

static void test_each_coding(void **state)
{
    (void)state;
    static char coded[ROOM + 16];
    for (enum xf_coding coding = XF_CODING_GZIP; coding <= XF_CODING_ZSTD; coding++) {
        size_t len = encode(coding, xf_slice(text, sizeof text), coded);
        for (size_t step = 1; step <= len; step = step * 7 + 1) {
            assert_int_equal(decode(coding, xf_slice(coded, len), step, sizeof text), XF_OK);
            assert_int_equal(sink.len, sizeof text);
            assert_memory_equal(sink.bytes, text, sizeof text);
        }
        assert_int_equal(decode(coding, xf_slice(coded, len), len, sizeof text - 1), XF_ERR_CODEC_RATIO);
        assert_int_equal(decode(coding, xf_slice(coded, len - 1), len, sizeof text), XF_ERR_CODEC);
        assert_int_equal(decode(coding, xf_slice(coded, 0), 1, sizeof text), XF_ERR_CODEC);
        memcpy(coded + len, "rubbish", 7);
        assert_int_equal(decode(coding, xf_slice(coded, len + 7), len + 7, sizeof text), XF_ERR_CODEC);
        assert_int_equal(decode(coding, xf_slice(coded, len + 7), 1, sizeof text), XF_ERR_CODEC);
        assert_int_equal(decode(coding, XF_SLICE("{\"points\":[1]}"), 100, sizeof text), XF_ERR_CODEC);
    }
}

/* A second gzip member is an error, as it is to the server; a second zstd frame goes on. */
static void test_two_in_a_row(void **state)
{
    (void)state;
    static char coded[ROOM];
    for (enum xf_coding coding = XF_CODING_GZIP; coding <= XF_CODING_ZSTD; coding++) {
        size_t first = encode(coding, XF_SLICE("[1,"), coded);
        char second[100];
        memcpy(second, coded, first);
        size_t len = encode(coding, XF_SLICE("2]"), coded + 200);
        memmove(coded + first, coded + 200, len);
        enum xf_err want = coding == XF_CODING_ZSTD ? XF_OK : XF_ERR_CODEC;
        assert_int_equal(decode(coding, xf_slice(coded, first + len), first + len, 100), want);
        assert_int_equal(decode(coding, xf_slice(coded, first + len), 1, 100), want);
        if (want == XF_OK)
            assert_memory_equal(sink.bytes, "[1,2]", 5);
    }
}

static void test_flipped_checksum(void **state)
{
    (void)state;
    static char coded[ROOM];
    for (enum xf_coding coding = XF_CODING_GZIP; coding <= XF_CODING_DEFLATE; coding++) {
        size_t len = encode(coding, xf_slice(text, 1000), coded);
        coded[len - (coding == XF_CODING_GZIP ? 8 : 1)] ^= 1;
        assert_int_equal(decode(coding, xf_slice(coded, len), len, 1000), XF_ERR_CODEC);
    }
}

static void test_bomb_stops_early(void **state)
{
    (void)state;
    static char zeros[TEXT_BYTES], coded[ROOM];
    for (enum xf_coding coding = XF_CODING_GZIP; coding <= XF_CODING_ZSTD; coding++) {
        size_t len = encode(coding, xf_slice(zeros, sizeof zeros), coded);
        assert_true(len < 1000);
        assert_int_equal(decode(coding, xf_slice(coded, len), len, 100000), XF_ERR_CODEC_RATIO);
        assert_true(sink.len <= 100000);
    }
}

static void test_the_receivers_error_comes_back(void **state)
{
    (void)state;
    static char coded[ROOM];
    size_t len = encode(XF_CODING_BR, xf_slice(text, sizeof text), coded);
    sink.err = XF_ERR_JSON_SYNTAX;
    assert_int_equal(decode(XF_CODING_BR, xf_slice(coded, len), len, sizeof text), XF_ERR_JSON_SYNTAX);
    assert_true(sink.len < sizeof text);
    sink.err = XF_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_each_coding),
        cmocka_unit_test(test_two_in_a_row),
        cmocka_unit_test(test_flipped_checksum),
        cmocka_unit_test(test_bomb_stops_early),
        cmocka_unit_test(test_the_receivers_error_comes_back),
    };
    return cmocka_run_group_tests(tests, make_text, NULL);
}
