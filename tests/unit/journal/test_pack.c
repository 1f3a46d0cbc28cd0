/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(value) {.lo = (value)}
#define U(high, low) {.hi = (high), .lo = (low), .is_uuid = true}

/* In order. */
static const struct xf_point_id ids[] = {N(0),
                                         N(1),
                                         N(127),
                                         N(128),
                                         N(255),
                                         N(256),
                                         N(UINT64_C(0x7fffffffffffffff)),
                                         N(UINT64_C(0x8000000000000000)),
                                         N(UINT64_MAX),
                                         U(0, 0),
                                         U(0, 1),
                                         U(1, 0),
                                         U(UINT64_C(0x7fffffffffffffff), UINT64_MAX),
                                         U(UINT64_C(0x8000000000000000), 0),
                                         U(UINT64_MAX, UINT64_MAX)};
enum { COUNT = sizeof ids / sizeof *ids };

static void test_bytes_of_a_number_and_a_uuid(void **state)
{
    (void)state;
    const struct xf_point_id two[] = {N(UINT64_C(0x0102030405060708)),
                                      U(UINT64_C(0x1112131415161718), UINT64_C(0x2122232425262728))};
    char out[2 * XF_PACKED_ID_MAX];
    assert_int_equal(xf_pack_size(two, 2), 9 + 17);
    assert_int_equal(xf_pack_ids(two, 2, out), 9 + 17);
    assert_memory_equal(out, "n\x01\x02\x03\x04\x05\x06\x07\x08"
                             "u\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24\x25\x26\x27\x28", 9 + 17);
}

static void test_order_of_bytes_is_order_of_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < COUNT; i++) {
        char a[XF_PACKED_ID_MAX], b[XF_PACKED_ID_MAX];
        size_t a_len = xf_pack_ids(&ids[i], 1, a), b_len = xf_pack_ids(&ids[i + 1], 1, b);
        assert_true(xf_point_id_cmp(ids[i], ids[i + 1]) < 0);
        assert_true(memcmp(a, b, a_len < b_len ? a_len : b_len) < 0);
    }
}

static void test_lists_come_back_in_pieces_of_any_size(void **state)
{
    (void)state;
    char packed[COUNT * XF_PACKED_ID_MAX];
    size_t bytes = xf_pack_ids(ids, COUNT, packed);
    assert_int_equal(bytes, xf_pack_size(ids, COUNT));
    for (size_t max = 1; max <= COUNT + 1; max++) {
        struct xf_slice rest = {packed, bytes};
        size_t seen = 0;
        while (rest.len > 0) {
            struct xf_point_id back[COUNT + 1];
            size_t count = 0;
            assert_int_equal(xf_unpack_ids(&rest, back, max, &count), XF_OK);
            assert_true(count > 0 && count <= max);
            for (size_t i = 0; i < count; i++)
                assert_true(xf_point_id_eq(back[i], ids[seen + i]));
            seen += count;
        }
        assert_int_equal(seen, COUNT);
    }
}

/* The packed bytes stand in memory of exactly their size, so that a sanitizer sees a read past their end. */
static void test_what_is_cut_off_or_no_id_is_not_valid(void **state)
{
    (void)state;
    char whole[COUNT * XF_PACKED_ID_MAX];
    size_t bytes = xf_pack_ids(ids, COUNT, whole), valid = 0;
    for (size_t len = 0; len <= bytes; len++) {
        char *packed = malloc(len + 1);
        assert_non_null(packed);
        char *exact = packed + 1; /* unaligned, too */
        memcpy(exact, whole, len);
        struct xf_point_id back[COUNT];
        struct xf_slice rest = {exact, len};
        size_t count = 0;
        enum xf_err err = xf_unpack_ids(&rest, back, COUNT, &count);
        assert_int_equal(err, rest.len == 0 ? XF_OK : XF_ERR_INVALID);
        valid += err == XF_OK;
        free(packed);
    }
    assert_int_equal(valid, COUNT + 1);
    struct xf_point_id back[1];
    struct xf_slice wrong = XF_SLICE("x12345678");
    size_t count = 9;
    assert_int_equal(xf_unpack_ids(&wrong, back, 1, &count), XF_ERR_INVALID);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_a_number_and_a_uuid),
        cmocka_unit_test(test_order_of_bytes_is_order_of_ids),
        cmocka_unit_test(test_lists_come_back_in_pieces_of_any_size),
        cmocka_unit_test(test_what_is_cut_off_or_no_id_is_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
