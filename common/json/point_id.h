/* Point ids in their canonical form. Qdrant takes many spellings of one id (docs/architecture.md); as a key only
 * this form counts. Numbers come before UUIDs, numbers by value, UUIDs by bytes: Qdrant's own order (Qdrant 1.18.3).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_JSON_POINT_ID_H
#define XF_COMMON_JSON_POINT_ID_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

struct xf_point_id {
    uint64_t hi; /* UUID: first eight bytes, big-endian; number: 0 */
    uint64_t lo; /* UUID: last eight bytes; number: its value */
    bool is_uuid;
};

enum { XF_POINT_ID_TEXT_MAX = 38 };

int xf_point_id_cmp(struct xf_point_id a, struct xf_point_id b);
static inline bool xf_point_id_eq(struct xf_point_id a, struct xf_point_id b)
{
    return a.is_uuid == b.is_uuid && a.hi == b.hi && a.lo == b.lo;
}
uint64_t xf_point_id_hash(struct xf_point_id id);

/* From the text of a JSON number (INVALID unless a plain integer 0..2^64-1: not 1.0, 1e3, -0) and from the decoded text
 * of a JSON string (36-character, 32-character, urn:uuid: and braced UUIDs, any case of the hex digits). */
XF_MUST_CHECK enum xf_err xf_point_id_of_number(struct xf_slice digits, struct xf_point_id *id);
XF_MUST_CHECK enum xf_err xf_point_id_of_string(struct xf_slice text, struct xf_point_id *id);
/* From either JSON spelling as Qdrant prints it: 17 or "5c56c793-69f3-4fbf-87e6-c4bf54c28c26" with its quotes. */
XF_MUST_CHECK enum xf_err xf_point_id_of_json(struct xf_slice json, struct xf_point_id *id);
/* As JSON, UUIDs in quotes; at most XF_POINT_ID_TEXT_MAX bytes, no NUL; returns the length. */
size_t xf_point_id_print_json(struct xf_point_id id, char *out);

#endif
