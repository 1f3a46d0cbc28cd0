/* Between the parts of the head parser: head.c splits lines, field.c says what a field means for the proxy.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_HTTP_HEAD_INT_H
#define XF_COMMON_HTTP_HEAD_INT_H

#include "common/http/head.h"

/* Expect is not hop-by-hop, but the proxy answers it itself, so it counts as such. */
enum xf_http_field_id xf_http_field_lookup(struct xf_slice name);
bool xf_http_field_is_hop(enum xf_http_field_id id);
/* Takes up a field that has just been added at `index`: framing, Host, credentials. The error that it makes, if any. */
enum xf_err xf_http_field_note(struct xf_http_head *head, const char *base, unsigned index, bool is_response);
/* When the head is complete: reads the Connection fields, sets keep_alive and marks what they name. */
enum xf_err xf_http_connection_apply(struct xf_http_head *head, const char *base);
/* host [":" port], with a non-empty host: a name, an IPv4 address or an IP literal in brackets. */
bool xf_http_is_authority(struct xf_slice text);

/* Splits off the next element of a comma-separated list, white space around it cut; false at the end. Elements may be
 * empty. Start with a non-empty or empty *list alike. */
bool xf_http_list_next(struct xf_slice *list, struct xf_slice *element);

#endif
