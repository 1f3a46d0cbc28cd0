/* Strict decimal numbers: digits only, no sign, no blank, no overflow. Nothing here ever goes through a double.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_BASE_NUM_H
#define XF_COMMON_BASE_NUM_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

#define XF_U64_TEXT_MAX 20

/* INVALID for anything but 1*DIGIT; RANGE past 2^64-1. Leading zeros are taken. */
XF_MUST_CHECK enum xf_err xf_u64_parse(struct xf_slice text, uint64_t *value);
/* Writes at most XF_U64_TEXT_MAX bytes without NUL and returns how many. */
size_t xf_u64_print(uint64_t value, char *text);

#endif
