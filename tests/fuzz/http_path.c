/* Targets: what is accepted reads as the slow reading of the server's rules does, its canonical spelling reads back to
 * the same segments and is its own canonical spelling, and each segment can be spelled and put back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/path.h"
#include "tests/unit/http/reference_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xf_pool pool;

static void assert_reads(const struct xf_path *path, struct xf_slice text)
{
    static struct reference_path ref;
    char *copy = malloc(text.len + 1);
    XF_ASSERT(copy);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    reference_read(&ref, copy, text.len);
    free(copy);
    if (ref.is_too_long)
        return;
    XF_ASSERT(path->is_long ? ref.count > XF_PATH_SEGMENTS_MAX : ref.count == path->segment_count);
    for (size_t i = 0; i < path->segment_count; i++)
        XF_ASSERT(xf_slice_eq(path->segments[i], xf_slice(ref.segments[i], ref.lens[i])));
}

static void assert_same_path(const struct xf_path *a, const struct xf_path *b)
{
    XF_ASSERT(a->canonical.ptr && a->canonical.ptr[0] == '/' && b->canonical.ptr);
    XF_ASSERT(xf_slice_eq(a->canonical, b->canonical));
    XF_ASSERT(a->segment_count == b->segment_count && a->is_long == b->is_long);
    for (size_t i = 0; i < a->segment_count; i++)
        XF_ASSERT(xf_slice_eq(a->segments[i], b->segments[i]));
}

static void assert_replaceable(const struct xf_path *path, uint16_t index)
{
    struct xf_slice target;
    struct xf_path again;
    XF_ASSERT(xf_path_with_segment(path, &pool, index, path->segments[index], &target) == XF_OK);
    XF_ASSERT(xf_path_parse(&again, target, &pool) == XF_OK);
    assert_same_path(path, &again);
    if (path->query.ptr)
        XF_ASSERT(again.query.ptr && xf_slice_eq(path->query, again.query));
    else
        XF_ASSERT(!again.query.ptr);
}

static void assert_queryable(const struct xf_path *path)
{
    struct xf_slice value;
    enum xf_err err = xf_query_get(path, &pool, XF_SLICE("wait"), &value);
    XF_ASSERT(err == XF_OK || err == XF_ERR_NOT_FOUND || err == XF_ERR_INVALID);
    XF_ASSERT(err != XF_OK || value.len <= path->query.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xf_path path, again;
    struct xf_slice in = xf_slice((const char *)data, size);
    if (size == 0)
        return 0;
    xf_pool_init(&pool, 64 << 20);
    if (xf_path_parse(&path, in, &pool) == XF_OK) {
        if (in.ptr[0] == '/')
            assert_reads(&path, xf_slice(in.ptr, in.len - (path.query.ptr ? path.query.len + 1 : 0)));
        XF_ASSERT(xf_path_parse(&again, path.canonical, &pool) == XF_OK);
        assert_same_path(&path, &again);
        assert_reads(&path, path.canonical);
        for (uint16_t i = 0; i < path.segment_count; i++)
            assert_replaceable(&path, i);
        assert_queryable(&path);
    }
    xf_pool_fini(&pool);
    return 0;
}
