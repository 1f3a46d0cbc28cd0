/* The per-request pool: a list of blocks, each larger than the last.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/pool.h"

#include <stdlib.h>

struct xf_pool_block {
    struct xf_pool_block *next;
    size_t cap;
    _Alignas(16) char data[];
};

enum { BLOCK_BYTES = 4096 };

void xf_pool_init(struct xf_pool *pool, size_t bytes_max)
{
    pool->blocks = NULL;
    pool->used = 0;
    pool->total = 0;
    pool->max = bytes_max;
}

void xf_pool_reset(struct xf_pool *pool)
{
    while (pool->blocks) {
        struct xf_pool_block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
    pool->used = 0;
    pool->total = 0;
}

void xf_pool_fini(struct xf_pool *pool)
{
    xf_pool_reset(pool);
}

static struct xf_pool_block *add_block(struct xf_pool *pool, size_t bytes)
{
    size_t cap = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    if (cap > pool->max - pool->total)
        cap = bytes;
    if (cap > pool->max - pool->total)
        return NULL;
    struct xf_pool_block *block = malloc(sizeof *block + cap);
    if (!block)
        return NULL;
    block->cap = cap;
    block->next = pool->blocks;
    pool->blocks = block;
    pool->total += cap;
    pool->used = 0;
    return block;
}

void *xf_pool_alloc(struct xf_pool *pool, size_t bytes)
{
    size_t rounded;
    if (__builtin_add_overflow(bytes, (size_t)15, &rounded))
        return NULL;
    rounded &= ~(size_t)15;
    char *base = pool->blocks ? pool->blocks->data : pool->first;
    size_t cap = pool->blocks ? pool->blocks->cap : sizeof pool->first;
    if (rounded > cap - pool->used) {
        struct xf_pool_block *block = add_block(pool, rounded);
        if (!block)
            return NULL;
        base = block->data;
    }
    void *memory = base + pool->used;
    pool->used += rounded;
    return memory;
}

struct xf_slice xf_pool_copy(struct xf_pool *pool, struct xf_slice text)
{
    char *copy = xf_pool_alloc(pool, text.len + 1);
    if (!copy)
        return XF_SLICE_NONE;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return xf_slice(copy, text.len);
}
