/* Generated data: points as they stand in Qdrant's JSON, the same ones in every run (a fixed seed), so that two
 * measurements differ in nothing but what is measured. Floats have seven to nine digits, as f32 has when printed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_BENCH_GEN_H
#define XF_BENCH_GEN_H

#include <stddef.h>
#include <stdint.h>

struct xf_gen {
    uint64_t seed;
};

/* A text that grows; the owner frees `data`. Exhaustion ends the program. */
struct xf_gen_text {
    char *data;
    size_t len, cap;
};

void xf_gen_append(struct xf_gen_text *text, const char *data, size_t len);
void xf_gen_append_number(struct xf_gen_text *text, uint64_t number);
/* `,"payload":{...},"vector":[...]}`: a point without its beginning `{"id":N`. */
void xf_gen_append_point_rest(struct xf_gen *gen, struct xf_gen_text *text, unsigned dims, unsigned payload_bytes);
/* `{"points":[...]}` with ids first_id, first_id + 1, ... */
void xf_gen_append_upsert(struct xf_gen *gen, struct xf_gen_text *text, uint64_t first_id, unsigned points,
                          unsigned dims, unsigned payload_bytes);

#endif
