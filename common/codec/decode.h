/* Content codings of request bodies, decoded as a stream for whoever must read the body, as Qdrant does it (actix-web):
 * exactly one of gzip, br, deflate (zlib) and zstd in any letter case; every other value means identity.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_CODEC_DECODE_H
#define XF_COMMON_CODEC_DECODE_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

enum xf_coding { XF_CODING_IDENTITY, XF_CODING_GZIP, XF_CODING_DEFLATE, XF_CODING_BR, XF_CODING_ZSTD };

/* Of the first Content-Encoding value. */
enum xf_coding xf_coding_of(struct xf_slice content_encoding);

struct xf_decoder;
/* Gets each run of decoded bytes, a view that holds during the call. A failure it returns ends the feed with that
 * error. */
typedef enum xf_err xf_decoded_fn(void *ctx, struct xf_slice data);

/* Not for IDENTITY. `bytes_max`: decoded bytes in all, CODEC_RATIO past it. */
XF_MUST_CHECK enum xf_err xf_decoder_new(enum xf_coding coding, uint64_t bytes_max, xf_decoded_fn *fn, void *ctx,
                                         struct xf_decoder **decoder);
XF_MUST_CHECK enum xf_err xf_decoder_feed(struct xf_decoder *decoder, struct xf_slice in);
/* After the last byte: CODEC if the stream is not complete. */
XF_MUST_CHECK enum xf_err xf_decoder_finish(struct xf_decoder *decoder);
void xf_decoder_free(struct xf_decoder *decoder); /* NULL is fine */

#endif
