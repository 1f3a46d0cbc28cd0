/* Chunked bodies (RFC 9112 section 7.1), strictly: no bare LF or CR, sizes of at most 13 hex digits, extensions read and
 * dropped within a limit, trailers read by the rules of fields, limited and dropped, data followed by CRLF. Resumable at
 * every byte; hands out views into the input, copies nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_HTTP_CHUNKED_H
#define XF_COMMON_HTTP_CHUNKED_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

struct xf_chunked {
    uint64_t left;        /* bytes of the current chunk still to come */
    uint32_t line_bytes;  /* of the current size line */
    uint32_t trailer_bytes;
    uint64_t overhead_bytes; /* size lines in proportion to data: a flood of one-byte chunks is refused */
    uint64_t data_bytes;
    uint8_t state;
    uint8_t digits;
};

void xf_chunked_init(struct xf_chunked *chunked);
/* Takes bytes from the front of `in` until it has one run of data, or the input or the body ends. *taken: how many bytes it
 * used (data and framing); *data: the run of data, a view into `in`, empty if there was none; *is_end: the last byte
 * of the body (trailers included) was taken. Call again with the rest while *taken < in.len and not *is_end.
 * HTTP_CHUNK on a violation. */
XF_MUST_CHECK enum xf_err xf_chunked_feed(struct xf_chunked *chunked, struct xf_slice in, size_t *taken,
                                          struct xf_slice *data, bool *is_end);
/* Writes "<hex>\r\n" for a chunk of n bytes into out (at least 18 bytes) and returns the length. */
size_t xf_chunk_header_print(uint64_t n, char *out);

#endif
