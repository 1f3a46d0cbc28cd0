/* The map of ids beside a plain array: random adding and removing, ids that collide, order of arrival.
 *
 * SPDX-License-Identifier: Apache-2.0 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "proxy/journal/idmap.h"

#include <stdlib.h>

enum { IDS = 700 };

struct reference {
    uint64_t order[IDS];
    size_t count;
};

static struct xf_point_id id_of(uint64_t n)
{
    return (struct xf_point_id){.lo = n / 2, .hi = n % 2 ? n : 0, .is_uuid = n % 2};
}

static void reference_remove(struct reference *reference, size_t at)
{
    for (size_t i = at + 1; i < reference->count; i++)
        reference->order[i - 1] = reference->order[i];
    reference->count--;
}

static void compare(const struct xf_idmap *map, const struct reference *reference)
{
    assert_int_equal(map->count, reference->count);
    const struct xf_idmap_node *node = xf_idmap_first(map);
    for (size_t i = 0; i < reference->count; i++, node = xf_idmap_next(map, node)) {
        assert_non_null(node);
        assert_true(xf_point_id_eq(node->id, id_of(reference->order[i])));
        assert_ptr_equal(xf_idmap_find(map, node->id), node);
    }
    assert_null(node);
}

static size_t position(const struct reference *reference, uint64_t n)
{
    size_t at = 0;
    while (at < reference->count && reference->order[at] != n)
        at++;
    return at;
}

static void same_as_a_plain_array(void **state)
{
    (void)state;
    struct xf_idmap map;
    struct reference reference = {.count = 0};
    xf_idmap_init(&map);
    assert_null(xf_idmap_find(&map, id_of(1)));
    assert_null(xf_idmap_first(&map));
    uint64_t random = 42;
    for (int step = 0; step < 20000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t n = (random >> 33) % IDS;
        size_t at = position(&reference, n);
        struct xf_idmap_node *node = xf_idmap_find(&map, id_of(n));
        assert_int_equal(node != NULL, at < reference.count);
        if (node && (random >> 20) % 2) {
            xf_idmap_remove(&map, node);
            reference_remove(&reference, at);
        } else if (!node) {
            assert_int_equal(xf_idmap_reserve(&map, 1), XF_OK);
            node = xf_idmap_add(&map, id_of(n));
            assert_int_equal(node->writes, 0);
            node->writes = 7;
            reference.order[reference.count++] = n;
        }
        if (step % 97 == 0)
            compare(&map, &reference);
    }
    compare(&map, &reference);
    xf_idmap_fini(&map);
}

static void large_sets_come_and_go(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct xf_idmap map;
    xf_idmap_init(&map);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(xf_idmap_reserve(&map, MANY), XF_OK);
        for (uint64_t i = 0; i < MANY; i++)
            (void)xf_idmap_add(&map, id_of(i));
        assert_int_equal(map.count, MANY);
        for (uint64_t i = 0; i < MANY; i++)
            xf_idmap_remove(&map, xf_idmap_find(&map, id_of(i)));
        assert_int_equal(map.count, 0);
        assert_null(map.nodes); /* given back */
    }
    assert_int_equal(xf_idmap_reserve(&map, SIZE_MAX), XF_ERR_FULL);
    xf_idmap_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_a_plain_array),
        cmocka_unit_test(large_sets_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
