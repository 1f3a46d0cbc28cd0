/* Memory that lives as long as one request: many small allocations, one free. The first block is part of the pool, so a
 * small request takes no memory of its own. Pointers hold until reset or fini.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_BASE_POOL_H
#define XF_COMMON_BASE_POOL_H

#include "common/base/slice.h"

#include <stdint.h>

enum { XF_POOL_INLINE_BYTES = 1024 };

struct xf_pool_block;

struct xf_pool {
    struct xf_pool_block *blocks;
    size_t used;  /* of the newest block, or of the inline one */
    size_t total; /* bytes in all blocks beside the inline one */
    size_t max;
    _Alignas(16) char first[XF_POOL_INLINE_BYTES];
};

void xf_pool_init(struct xf_pool *pool, size_t bytes_max);
void xf_pool_reset(struct xf_pool *pool); /* frees everything but the inline block; the pool is ready again */
void xf_pool_fini(struct xf_pool *pool);
/* 16-byte aligned; NULL past the maximum or without memory. */
void *xf_pool_alloc(struct xf_pool *pool, size_t bytes);
/* A copy of the text with a terminating NUL behind it; ptr is NULL on failure. */
struct xf_slice xf_pool_copy(struct xf_pool *pool, struct xf_slice text);

#endif
