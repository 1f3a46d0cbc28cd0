/* Credential leases (G7): what legacy accepted holds for a while, for that credential and migration only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

static struct xf_leases *leases;

static int setup(void **state)
{
    (void)state;
    leases = xf_leases_new();
    return leases ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    xf_leases_free(leases);
    return 0;
}

static uint64_t credential(size_t migration, const char *field)
{
    char text[512];
    struct xf_http_head head;
    size_t head_len = 0;
    enum xf_err err = XF_OK;
    int len = snprintf(text, sizeof text, "PUT / HTTP/1.1\r\nHost: q\r\n%s\r\n", field);
    xf_http_head_init(&head);
    assert_int_equal(xf_http_parse_request(&head, xf_slice(text, (size_t)len), &head_len, &err), XF_HTTP_DONE);
    return xf_credential_of(leases, migration, &head, text);
}

static void tells_credentials_apart(void **state)
{
    uint64_t all[] = {
        credential(0, ""),
        credential(0, "api-key: a\r\n"),
        credential(0, "api-key: b\r\n"),
        credential(0, "Authorization: Bearer a\r\n"),
        credential(1, "api-key: a\r\n"),
    };
    (void)state;
    for (size_t i = 0; i < 5; i++)
        for (size_t j = i + 1; j < 5; j++)
            assert_true(all[i] != all[j]);
    assert_true(all[1] == credential(0, "api-key: a\r\nAuthorization: Bearer z\r\n"));
}

static void holds_until_it_lapses_or_ends(void **state)
{
    uint64_t key = credential(0, "api-key: a\r\n");
    (void)state;
    assert_false(xf_lease_holds(leases, key, XF_LEASE_WRITE, 1000));
    xf_lease_grant(leases, key, XF_LEASE_WRITE, 1000);
    assert_true(xf_lease_holds(leases, key, XF_LEASE_WRITE, 1000 + XF_LEASE_MS - 1));
    assert_false(xf_lease_holds(leases, key, XF_LEASE_WRITE, 1000 + XF_LEASE_MS));
    xf_lease_grant(leases, key, XF_LEASE_WRITE, 2000);
    xf_lease_end(leases, key);
    assert_false(xf_lease_holds(leases, key, XF_LEASE_WRITE, 2000));
}

static void reading_is_not_writing(void **state)
{
    uint64_t key = credential(0, "api-key: a\r\n");
    (void)state;
    xf_lease_grant(leases, key, XF_LEASE_READ, 1000);
    assert_true(xf_lease_holds(leases, key, XF_LEASE_READ, 1000));
    assert_false(xf_lease_holds(leases, key, XF_LEASE_WRITE, 1000));
    xf_lease_grant(leases, key, XF_LEASE_WRITE, 1000);
    assert_true(xf_lease_holds(leases, key, XF_LEASE_READ, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_credentials_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(holds_until_it_lapses_or_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_is_not_writing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
