/* The small durable values of one migration in memory: what control.h's save and load speak of, and the complete
 * marker, which is the value named "complete".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONTROL_VALUES_H
#define XF_PROXY_CONTROL_VALUES_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

enum { XF_VALUES_MAX = 64, XF_VALUE_NAME_MAX = 64, XF_VALUE_BYTES_MAX = 4 << 20 };

struct xf_value {
    struct xf_value *next;
    char *name;
    char *bytes; /* owned, of `len` */
    size_t len;
    uint64_t version;  /* grows with each change */
    bool is_pending;   /* Redis has not confirmed this version */
    bool is_under_way; /* and has been sent it */
};

struct xf_values {
    struct xf_value *first;
    size_t count;
};

/* Letters, digits, `_`, `-` and `.`, and none of the names that stand for something else in Redis. */
bool xf_value_name_is_good(struct xf_slice name);
struct xf_value *xf_values_find(const struct xf_values *values, struct xf_slice name);
/* Copies name and bytes; pending as said. INVALID, FULL or NOMEM leave the old value. */
XF_MUST_CHECK enum xf_err xf_values_set(struct xf_values *values, struct xf_slice name, struct xf_slice bytes,
                                        bool is_pending);
void xf_values_fini(struct xf_values *values);

#endif
