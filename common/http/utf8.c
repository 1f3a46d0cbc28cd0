/* Strict UTF-8, as Rust's strings are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/path_int.h"

#include <stdint.h>

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the sequence that begins at p, or 0; the second byte's range shuts out overlong forms and surrogates.
 */
static size_t sequence_len(const uint8_t *p, size_t room)
{
    uint8_t first = p[0];
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first < 0xe0)
        return room >= 2 && is_continuation(p[1]) ? 2 : 0;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t len = first < 0xf0 ? 3 : 4;
    if (room < len || p[1] < low || p[1] > high || !is_continuation(p[2]))
        return 0;
    return len == 3 || is_continuation(p[3]) ? len : 0;
}

bool xf_http_is_utf8(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + len;
    while (p < end) {
        size_t n = sequence_len(p, (size_t)(end - p));
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}
