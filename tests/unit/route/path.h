/* Paths for tests: plain segments, cut at the slashes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_ROUTE_PATH_H
#define XF_TESTS_ROUTE_PATH_H

#include "common/http/path.h"

static inline struct xf_path path_of(const char *text)
{
    struct xf_path path = {.canonical = xf_slice_of(text)};
    while (*text == '/' && text[1]) {
        size_t len = strcspn(++text, "/");
        if (path.segment_count == XF_PATH_SEGMENTS_MAX) {
            path.is_long = true;
            break;
        }
        path.segments[path.segment_count++] = xf_slice(text, len);
        text += len;
    }
    return path;
}

#endif
