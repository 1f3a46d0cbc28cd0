/* SPDX-License-Identifier: Apache-2.0
 * See gen.h. */
#include "bench/gen.h"
#include "bench/sock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next_random(struct xf_gen *gen)
{
    gen->seed += 0x9e3779b97f4a7c15ULL; /* splitmix64 */
    uint64_t z = gen->seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void xf_gen_append(struct xf_gen_text *text, const char *data, size_t len)
{
    if (text->cap - text->len < len) {
        size_t cap = text->cap ? text->cap : 4096;
        while (cap - text->len < len)
            cap *= 2;
        text->data = xf_sock_must(realloc(text->data, cap));
        text->cap = cap;
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
}

static void append_string(struct xf_gen_text *text, const char *string)
{
    xf_gen_append(text, string, strlen(string));
}

void xf_gen_append_number(struct xf_gen_text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    xf_gen_append(text, digits + at, sizeof(digits) - at);
}

static void append_vector(struct xf_gen *gen, struct xf_gen_text *text, unsigned dims)
{
    append_string(text, "[");
    for (unsigned i = 0; i < dims; i++) {
        char number[32];
        uint64_t random = next_random(gen);
        int len = snprintf(number, sizeof(number), "%s%s0.%0*u", i ? "," : "", random & 1 ? "-" : "",
                           (int)(6 + random / 2 % 3), (unsigned)(random >> 32) % 1000000U);
        xf_gen_append(text, number, (size_t)len);
    }
    append_string(text, "]");
}

static void append_words(struct xf_gen *gen, struct xf_gen_text *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char letter = i % 7 == 6 ? ' ' : (char)('a' + next_random(gen) % 26);
        xf_gen_append(text, &letter, 1);
    }
}

void xf_gen_append_point_rest(struct xf_gen *gen, struct xf_gen_text *text, unsigned dims, unsigned payload_bytes)
{
    append_string(text, ",\"payload\":{\"text\":\"");
    append_words(gen, text, payload_bytes);
    append_string(text, "\",\"n\":");
    xf_gen_append_number(text, next_random(gen) % 100000);
    append_string(text, ",\"path\":[\"src\",\"main.c\"]},\"vector\":");
    append_vector(gen, text, dims);
    append_string(text, "}");
}

void xf_gen_append_upsert(struct xf_gen *gen, struct xf_gen_text *text, uint64_t first_id, unsigned points,
                          unsigned dims, unsigned payload_bytes)
{
    append_string(text, "{\"points\":[");
    for (unsigned i = 0; i < points; i++) {
        append_string(text, i ? ",{\"id\":" : "{\"id\":");
        xf_gen_append_number(text, first_id + i);
        xf_gen_append_point_rest(gen, text, dims, payload_bytes);
    }
    append_string(text, "]}");
}
