/* A view of bytes that somebody else owns: pointer and length, no terminating NUL.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_BASE_SLICE_H
#define XF_COMMON_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct xf_slice {
    const char *ptr;
    size_t len;
};

#define XF_SLICE(literal) ((struct xf_slice){"" literal, sizeof(literal) - 1})
#define XF_SLICE_NONE ((struct xf_slice){NULL, 0})
/* For printf: "%.*s" takes XF_SLICE_ARG(slice). */
#define XF_SLICE_ARG(slice) (int)(slice).len, (slice).ptr

static inline struct xf_slice xf_slice(const char *ptr, size_t len)
{
    return (struct xf_slice){ptr, len};
}

static inline struct xf_slice xf_slice_of(const char *text)
{
    return (struct xf_slice){text, strlen(text)};
}

static inline bool xf_slice_eq(struct xf_slice a, struct xf_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline char xf_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool xf_slice_eq_nocase(struct xf_slice a, struct xf_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (xf_ascii_lower(a.ptr[i]) != xf_ascii_lower(b.ptr[i]))
            return false;
    return true;
}

/* The rest of the slice after its first n bytes; n must not exceed the length. */
static inline struct xf_slice xf_slice_skip(struct xf_slice s, size_t n)
{
    return (struct xf_slice){s.ptr + n, s.len - n};
}

#endif
