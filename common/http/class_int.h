/* Byte classes, and the scans of the hot path built on them. Each scan returns the first byte that is not of its class,
 * or `end`. Sixteen bytes at a time where the machine has SSE2; the table decides the rest.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_HTTP_CLASS_INT_H
#define XF_COMMON_HTTP_CLASS_INT_H

#include <stdbool.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    XF_CHAR_TOKEN = 1,  /* RFC 9110 section 5.6.2 */
    XF_CHAR_VALUE = 2,  /* inside of a field value: HTAB, SP, VCHAR, obs-text */
    XF_CHAR_TARGET = 4, /* request target: printable ASCII without # < > ` (which Qdrant's server refuses or cuts at) */
    XF_CHAR_PATH_PLAIN = 8, /* pchar without '%': stands for itself in a canonical path segment */
    XF_CHAR_HOST = 16       /* letters, digits, - . _ ~ */
};

extern const uint8_t xf_http_class[256];

static inline bool xf_http_is(char c, unsigned class_)
{
    return (xf_http_class[(uint8_t)c] & class_) != 0;
}

static inline const char *xf_http_skip(const char *p, const char *end, unsigned class_)
{
    while (p < end && xf_http_is(*p, class_))
        p++;
    return p;
}

#ifdef __SSE2__
static inline __m128i xf_http_load16(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i xf_http_eq16(__m128i bytes, char c)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}
#endif

static inline const char *xf_http_skip_value(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i bytes = xf_http_load16(p);
        __m128i is_low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        __m128i is_bad = _mm_or_si128(_mm_andnot_si128(xf_http_eq16(bytes, '\t'), is_low), xf_http_eq16(bytes, 0x7f));
        unsigned mask = (unsigned)_mm_movemask_epi8(is_bad);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    return xf_http_skip(p, end, XF_CHAR_VALUE);
}

/* Names are nearly always letters and hyphens: those go fast, other token bytes by the table. */
static inline const char *xf_http_skip_token(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i bytes = xf_http_load16(p);
        __m128i letter = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
        __m128i is_good = _mm_or_si128(is_letter, xf_http_eq16(bytes, '-'));
        unsigned mask = ~(unsigned)_mm_movemask_epi8(is_good) & 0xffffU;
        if (mask) {
            p += __builtin_ctz(mask);
            break;
        }
    }
#endif
    return xf_http_skip(p, end, XF_CHAR_TOKEN);
}

static inline const char *xf_http_skip_target(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i bytes = xf_http_load16(p);
        /* A signed comparison: bytes from 0x80 on are negative, and so not above the blank either. */
        __m128i is_high = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20));
        __m128i is_angle = _mm_or_si128(xf_http_eq16(bytes, '<'), xf_http_eq16(bytes, '>'));
        __m128i is_mark = _mm_or_si128(xf_http_eq16(bytes, '#'), xf_http_eq16(bytes, '`'));
        __m128i is_out = _mm_or_si128(_mm_or_si128(is_angle, is_mark), xf_http_eq16(bytes, 0x7f));
        unsigned mask = ~(unsigned)_mm_movemask_epi8(_mm_andnot_si128(is_out, is_high)) & 0xffffU;
        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    return xf_http_skip(p, end, XF_CHAR_TARGET);
}

/* The value of a hexadecimal digit, or -1. */
static inline int xf_http_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
