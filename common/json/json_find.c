/* Structural bytes, 64 at a time. A block becomes two 64-bit masks: brackets and quotes for what lies outside of
 * strings, quotes and backslashes for the inside. A vector of floats has no bit set in either, so it costs its loads
 * and one test per block; everything else walks over the bits that are set. Finding the escaped quotes of a whole block
 * by arithmetic was declined: the bodies that matter are numbers, and this form can be read.
 *
 * The walk is written once and compiled for each instruction set, so that the mask functions are inlined into it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/json/json_find.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAS_X86 1
#else
#define HAS_X86 0
#endif

enum { BLOCK = 64 };

typedef uint64_t mask_fn(const char *block);
#define INLINE static inline __attribute__((always_inline))

/* Acts on the structural byte at `bit`; true when the jump is over. */
INLINE bool jump_step(struct xf_json_jump *jump, char c)
{
    if (c == '"') {
        jump->in_string = true;
        jump->saw_string = true;
    } else if (c == '[' || c == '{') {
        jump->saw_array |= c == '[';
        jump->saw_object |= c == '{';
        jump->is_too_deep = ++jump->depth > jump->depth_max;
        return jump->is_too_deep;
    } else {
        return --jump->depth == 0;
    }
    return false;
}

/* Walks one block; returns the bytes used, more than `n` only if all were. */
INLINE size_t jump_block(struct xf_json_jump *jump, const char *block, size_t n, mask_fn *brackets, mask_fn *quotes)
{
    uint64_t valid = n < BLOCK ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
    if (jump->is_escaped && n > 0) {
        jump->is_escaped = false;
        valid &= ~UINT64_C(1);
    }
    uint64_t outside = jump->in_string ? 0 : brackets(block) & valid;
    if (!jump->in_string && !outside)
        return n;
    uint64_t inside = quotes(block);
    if (jump->in_string)
        outside = brackets(block);
    for (;;) {
        uint64_t bits = (jump->in_string ? inside : outside) & valid;
        if (!bits)
            return n;
        unsigned at = (unsigned)__builtin_ctzll(bits);
        valid &= ~UINT64_C(1) << at; /* what lies behind it */
        if (!jump->in_string) {
            if (jump_step(jump, block[at]))
                return at + 1;
        } else if (block[at] == '"') {
            jump->in_string = false;
        } else if (at + 1 == n) {
            jump->is_escaped = true;
        } else {
            valid &= ~(UINT64_C(2) << at); /* the escaped byte */
        }
    }
}

INLINE size_t jump_with(struct xf_json_jump *jump, const char *bytes, size_t n, mask_fn *brackets, mask_fn *quotes)
{
    size_t at = 0;
    for (; n - at >= BLOCK; at += BLOCK) {
        size_t used = jump_block(jump, bytes + at, BLOCK, brackets, quotes);
        if (jump->depth == 0 || jump->is_too_deep)
            return at + used;
    }
    if (at == n)
        return n;
    char rest[BLOCK] = {0};
    memcpy(rest, bytes + at, n - at);
    return at + jump_block(jump, rest, n - at, brackets, quotes);
}

INLINE size_t find_with(const char *bytes, size_t n, mask_fn *quotes)
{
    size_t at = 0;
    for (; n - at >= BLOCK; at += BLOCK) {
        uint64_t bits = quotes(bytes + at);
        if (bits)
            return at + (size_t)__builtin_ctzll(bits);
    }
    for (; at < n; at++)
        if (bytes[at] == '"' || bytes[at] == '\\')
            return at;
    return n;
}

INLINE uint64_t portable_brackets(const char *block)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        char c = (char)(block[i] | 0x20); /* [ and { differ in this bit alone, as do ] and } */
        bits |= (uint64_t)(c == '{' || c == '}' || c == '"') << i;
    }
    /* The same bit makes a quote of 0x02, which is not one. */
    for (uint64_t left = bits; left; left &= left - 1)
        if (block[__builtin_ctzll(left)] == 0x02)
            bits &= ~(left & (0 - left));
    return bits;
}

INLINE uint64_t portable_quotes(const char *block)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        bits |= (uint64_t)(block[i] == '"' || block[i] == '\\') << i;
    return bits;
}

static size_t portable_jump(struct xf_json_jump *jump, const char *bytes, size_t n)
{
    return jump_with(jump, bytes, n, portable_brackets, portable_quotes);
}

static size_t portable_find(const char *bytes, size_t n)
{
    return find_with(bytes, n, portable_quotes);
}

struct finder {
    size_t (*jump)(struct xf_json_jump *jump, const char *bytes, size_t n);
    size_t (*find)(const char *bytes, size_t n);
};

#if HAS_X86

INLINE uint64_t sse2_part(__m128i bits, unsigned part)
{
    return (uint64_t)(uint32_t)_mm_movemask_epi8(bits) << (part * 16);
}

INLINE uint64_t sse2_brackets(const char *block)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(block + i * 16));
        __m128i folded = _mm_or_si128(v, _mm_set1_epi8(0x20));
        __m128i opens = _mm_cmpeq_epi8(folded, _mm_set1_epi8('{'));
        __m128i closes = _mm_cmpeq_epi8(folded, _mm_set1_epi8('}'));
        __m128i quotes = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
        bits |= sse2_part(_mm_or_si128(_mm_or_si128(opens, closes), quotes), i);
    }
    return bits;
}

INLINE uint64_t sse2_quotes(const char *block)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(block + i * 16));
        __m128i quotes = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
        bits |= sse2_part(_mm_or_si128(quotes, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))), i);
    }
    return bits;
}

static size_t sse2_jump(struct xf_json_jump *jump, const char *bytes, size_t n)
{
    return jump_with(jump, bytes, n, sse2_brackets, sse2_quotes);
}

static size_t sse2_find(const char *bytes, size_t n)
{
    return find_with(bytes, n, sse2_quotes);
}

#define AVX2 __attribute__((target("avx2")))

AVX2 INLINE uint64_t avx2_half(const char *bytes, __m256i first, __m256i second, int fold)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
    __m256i folded = _mm256_or_si256(v, _mm256_set1_epi8((char)fold));
    __m256i hits = _mm256_or_si256(_mm256_cmpeq_epi8(folded, first), _mm256_cmpeq_epi8(folded, second));
    hits = _mm256_or_si256(hits, _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')));
    return (uint32_t)_mm256_movemask_epi8(hits);
}

AVX2 INLINE uint64_t avx2_brackets(const char *block)
{
    __m256i open = _mm256_set1_epi8('{'), close = _mm256_set1_epi8('}');
    return avx2_half(block, open, close, 0x20) | avx2_half(block + 32, open, close, 0x20) << 32;
}

AVX2 INLINE uint64_t avx2_quotes(const char *block)
{
    __m256i slash = _mm256_set1_epi8('\\');
    return avx2_half(block, slash, slash, 0) | avx2_half(block + 32, slash, slash, 0) << 32;
}

AVX2 static size_t avx2_jump(struct xf_json_jump *jump, const char *bytes, size_t n)
{
    return jump_with(jump, bytes, n, avx2_brackets, avx2_quotes);
}

AVX2 static size_t avx2_find(const char *bytes, size_t n)
{
    return find_with(bytes, n, avx2_quotes);
}

#endif

static const struct finder finders[] = {
    [XF_JSON_FIND_PORTABLE] = {portable_jump, portable_find},
#if HAS_X86
    [XF_JSON_FIND_SSE2] = {sse2_jump, sse2_find},
    [XF_JSON_FIND_AVX2] = {avx2_jump, avx2_find},
#endif
};
static const struct finder *finder = &finders[XF_JSON_FIND_PORTABLE];

bool xf_json_find_use(enum xf_json_finder which)
{
    if (which >= sizeof finders / sizeof finders[0])
        return false;
#if HAS_X86
    __builtin_cpu_init();
    if (which == XF_JSON_FIND_AVX2 && !__builtin_cpu_supports("avx2"))
        return false;
#endif
    finder = &finders[which];
    return true;
}

/* Before main, so that no thread ever sees the pointer change. */
__attribute__((constructor)) static void choose_finder(void)
{
    if (!xf_json_find_use(XF_JSON_FIND_AVX2))
        (void)xf_json_find_use(XF_JSON_FIND_SSE2); /* refused off x86, where portable is what there is */
}

size_t xf_json_jump_run(struct xf_json_jump *jump, const char *bytes, size_t n)
{
    return finder->jump(jump, bytes, n);
}

size_t xf_json_find_quote(const char *bytes, size_t n)
{
    return finder->find(bytes, n);
}
