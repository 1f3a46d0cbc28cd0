/* Strict decimal numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/num.h"

enum xf_err xf_u64_parse(struct xf_slice text, uint64_t *value)
{
    uint64_t sum = 0;
    if (text.len == 0)
        return XF_ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (digit > 9)
            return XF_ERR_INVALID;
        if (__builtin_mul_overflow(sum, (uint64_t)10, &sum) || __builtin_add_overflow(sum, (uint64_t)digit, &sum))
            return XF_ERR_RANGE;
    }
    *value = sum;
    return XF_OK;
}

size_t xf_u64_print(uint64_t value, char *text)
{
    char reversed[XF_U64_TEXT_MAX];
    size_t len = 0;
    do {
        reversed[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < len; i++)
        text[i] = reversed[len - 1 - i];
    return len;
}
