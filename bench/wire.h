/* Just enough HTTP/1.1 for the two ends of a measurement, which speak to well-behaved peers. It shares no code with the
 * proxy on purpose: a mistake in the proxy's parser must not be hidden by the same mistake in the measuring kit.
 * Bytes in, values out; no memory, no I/O.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_BENCH_WIRE_H
#define XF_BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xf_wire_progress { XF_WIRE_MORE, XF_WIRE_DONE, XF_WIRE_BROKEN };

struct xf_wire_head {
    const char *method, *target; /* requests: views into the input */
    size_t method_len, target_len;
    int status; /* responses */
    size_t head_bytes;
    uint64_t content_length; /* 0 where none is stated */
    bool has_length;
    bool is_chunked;
    bool closes; /* Connection: close */
    bool expects_continue;
};

enum xf_wire_progress xf_wire_read_request(const char *in, size_t len, struct xf_wire_head *head);
enum xf_wire_progress xf_wire_read_response(const char *in, size_t len, struct xf_wire_head *head);

/* A chunked body, passed over. All zero is the start of a body. */
struct xf_wire_chunks {
    int state;
    bool has_digit;
    uint64_t left;
};

/* Takes bytes from the front of `in` until a run of data or the body ends: *taken says how many, *data and *data_len
 * are the run among them. DONE: the body has ended. Call again with the rest while MORE and not all is taken. */
enum xf_wire_progress xf_wire_chunks_next(struct xf_wire_chunks *chunks, const char *in, size_t len, size_t *taken,
                                          const char **data, size_t *data_len);

#endif
