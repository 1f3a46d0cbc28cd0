/* The layout of the spill file: header, records, packed ids (spill.c has the picture). Internal to spill.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_SPILL_RECORD_H
#define XF_PROXY_JOURNAL_SPILL_RECORD_H

#include "common/base/error.h"
#include "common/json/point_id.h"

#include <stdint.h>

enum {
    XF_SPILL_HEADER_BYTES = 16,
    XF_SPILL_HEAD_BYTES = 13,
    XF_SPILL_ALL_BYTES = XF_SPILL_HEAD_BYTES, /* a record that says "all" */
    XF_SPILL_NUMBER_BYTES = 9,
    XF_SPILL_UUID_BYTES = 17,
    XF_SPILL_BODY_BYTES_MAX = 8192 /* more ids than fit go into several records */
};

void xf_spill_make_header(unsigned char to[XF_SPILL_HEADER_BYTES]);
void xf_spill_make_head(unsigned char to[XF_SPILL_HEAD_BYTES], char type, const unsigned char *body, size_t length);
size_t xf_spill_pack(struct xf_point_id id, unsigned char *to);
/* The length of the id that stands there; 0: none does. */
size_t xf_spill_unpack(const unsigned char *from, size_t length, struct xf_point_id *id);

enum xf_spill_found {
    XF_SPILL_IDS,
    XF_SPILL_ALL,
    XF_SPILL_END,
    XF_SPILL_TORN,  /* the file ends within the record */
    XF_SPILL_DAMAGE
};
struct xf_spill_record {
    unsigned char body[XF_SPILL_BODY_BYTES_MAX];
    size_t length;
};
/* The record that begins at `at`, its ids checked. IO. */
XF_MUST_CHECK enum xf_err xf_spill_read_record(int fd, uint64_t at, struct xf_spill_record *record,
                                               enum xf_spill_found *found);

/* The whole, however many calls it takes. IO: nothing, or a part of it. */
XF_MUST_CHECK enum xf_err xf_spill_write_at(int fd, const unsigned char *bytes, size_t count, uint64_t at);
/* Reads up to `room` bytes; less only where the file ends. */
XF_MUST_CHECK enum xf_err xf_spill_read_at(int fd, unsigned char *to, size_t room, uint64_t at, size_t *count);

#endif
