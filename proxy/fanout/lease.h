/* Which credentials the legacy side has accepted lately (G7). A credential is known by a keyed digest, never by its text. A
 * lease lasts XF_LEASE_MS from the acceptance; a refusal ends it. One table for each data thread, of fixed size: a new credential
 * may push out another one, which then is asked for again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_FANOUT_LEASE_H
#define XF_PROXY_FANOUT_LEASE_H

#include "common/http/head.h"

#include <stdint.h>

enum { XF_LEASE_MS = 30000 };

struct xf_leases;
struct xf_leases *xf_leases_new(void); /* NULL without memory */
void xf_leases_free(struct xf_leases *leases);

/* The digest of what Qdrant would look at: api-key, else Authorization (Qdrant 1.18.3: src/common/auth). Requests without
 * either share one digest. Salted with the migration. Never 0. */
uint64_t xf_credential_of(const struct xf_leases *leases, size_t migration, const struct xf_http_head *head, const char *base);

enum xf_lease_kind { XF_LEASE_READ, XF_LEASE_WRITE }; /* a right to write is one to read too */
bool xf_lease_holds(const struct xf_leases *leases, uint64_t credential, enum xf_lease_kind kind, uint64_t now_ms);
void xf_lease_grant(struct xf_leases *leases, uint64_t credential, enum xf_lease_kind kind, uint64_t now_ms);
void xf_lease_end(struct xf_leases *leases, uint64_t credential);

#endif
