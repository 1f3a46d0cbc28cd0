/* A direct-mapped table of digests. The digest is 64 bits of HMAC-SHA-256 under a key drawn at start, so that nobody outside can
 * make two credentials meet in it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/lease.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>

enum { SLOTS = 1024, KEY_BYTES = 32 };

struct lease {
    uint64_t credential; /* 0: empty */
    uint64_t until_ms[2]; /* by enum xf_lease_kind */
};

struct xf_leases {
    unsigned char key[KEY_BYTES];
    struct lease slots[SLOTS];
};

struct xf_leases *xf_leases_new(void)
{
    struct xf_leases *leases = calloc(1, sizeof *leases);
    if (leases && getrandom(leases->key, KEY_BYTES, 0) != KEY_BYTES) {
        free(leases);
        return NULL;
    }
    return leases;
}

void xf_leases_free(struct xf_leases *leases)
{
    free(leases);
}

uint64_t xf_credential_of(const struct xf_leases *leases, size_t migration, const struct xf_http_head *head, const char *base)
{
    struct xf_slice text = xf_http_value(head, base, head->api_key >= 0 ? head->api_key : head->authorization);
    unsigned char key[KEY_BYTES], digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    uint64_t credential = 0;
    memcpy(key, leases->key, KEY_BYTES);
    for (size_t i = 0; i < sizeof migration; i++)
        key[i] ^= (unsigned char)(migration >> (8 * i));
    key[KEY_BYTES - 1] ^= head->api_key >= 0 ? 1 : head->authorization >= 0 ? 2 : 0;
    if (HMAC(EVP_sha256(), key, KEY_BYTES, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len, digest, &digest_len))
        memcpy(&credential, digest, sizeof credential);
    /* Without a digest there is no lease to find: 1 is granted to nobody (xf_lease_grant). */
    return credential > 1 ? credential : 1;
}

bool xf_lease_holds(const struct xf_leases *leases, uint64_t credential, enum xf_lease_kind kind, uint64_t now_ms)
{
    const struct lease *lease = &leases->slots[credential % SLOTS];
    return lease->credential == credential && lease->until_ms[kind] > now_ms;
}

void xf_lease_grant(struct xf_leases *leases, uint64_t credential, enum xf_lease_kind kind, uint64_t now_ms)
{
    struct lease *lease = &leases->slots[credential % SLOTS];
    if (credential <= 1)
        return;
    if (lease->credential != credential)
        *lease = (struct lease){.credential = credential};
    lease->until_ms[XF_LEASE_READ] = now_ms + XF_LEASE_MS;
    if (kind == XF_LEASE_WRITE)
        lease->until_ms[XF_LEASE_WRITE] = now_ms + XF_LEASE_MS;
}

void xf_lease_end(struct xf_leases *leases, uint64_t credential)
{
    struct lease *lease = &leases->slots[credential % SLOTS];
    if (lease->credential == credential)
        *lease = (struct lease){0};
}
