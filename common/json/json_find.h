/* The fast half of the JSON reader: jumps over strings and over whole arrays and objects by looking at their
 * structural bytes alone, 64 at a time, with AVX2 or SSE2 where the machine has them. Nothing between the structural
 * bytes is checked. Any thread may call; only xf_json_find_use must come before there are threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_JSON_JSON_FIND_H
#define XF_COMMON_JSON_JSON_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xf_json_finder { XF_JSON_FIND_PORTABLE, XF_JSON_FIND_SSE2, XF_JSON_FIND_AVX2 };

/* A container being jumped over. Start with `depth` 1 behind its opening bracket and the rest zero; it ends when
 * `depth` is 0 again. */
struct xf_json_jump {
    uint32_t depth;
    uint32_t depth_max;
    bool in_string;
    bool is_escaped; /* the next byte follows a backslash */
    bool is_too_deep;
    bool saw_string;
    bool saw_array;
    bool saw_object;
};

/* Goes on jumping; returns the bytes used: all of them, or fewer once the container has closed or is too deep. */
size_t xf_json_jump_run(struct xf_json_jump *jump, const char *bytes, size_t n);
/* Where the first quote or backslash is; n if there is none. */
size_t xf_json_find_quote(const char *bytes, size_t n);

/* For tests: use this implementation from now on. False, and no change, if the machine does not have it. */
bool xf_json_find_use(enum xf_json_finder finder);

#endif
