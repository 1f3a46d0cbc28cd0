/* What Qdrant says that a data thread must know: the aliases of an upstream, and what a collection declares.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONTROL_NAMES_H
#define XF_PROXY_CONTROL_NAMES_H

#include "common/base/error.h"
#include "common/base/slice.h"

/* Owned texts; in a list of aliases each alias is followed by the collection it stands for. */
struct xf_name_list {
    struct xf_slice *items;
    size_t count;
};
void xf_name_list_fini(struct xf_name_list *list);
bool xf_name_list_eq(const struct xf_name_list *a, const struct xf_name_list *b);

/* The answer to GET /aliases. JSON_SHAPE if it is none; `list` is then untouched, and otherwise new. */
XF_MUST_CHECK enum xf_err xf_names_of_aliases(struct xf_slice body, struct xf_name_list *list);

/* What a collection declares. `declared` and `indexed` are in an order and a spelling in which equal ones are equal. */
struct xf_facts {
    bool is_there;
    struct xf_name_list vectors;  /* dense and sparse names, "" for the unnamed vector */
    struct xf_name_list declared; /* of each vector what decides which writes are taken and what is stored */
    struct xf_name_list indexed;  /* of each payload index what may decide which points a filter matches */
};
void xf_facts_fini(struct xf_facts *facts);
bool xf_facts_eq(const struct xf_facts *a, const struct xf_facts *b);
/* The answer to GET /collections/{name}. JSON_SHAPE if it is none; `facts` is then untouched, and otherwise new. */
XF_MUST_CHECK enum xf_err xf_facts_of(struct xf_slice body, struct xf_facts *facts);
/* Both are there, and a write that the one takes is taken and stored alike by the other. */
bool xf_facts_vectors_match(const struct xf_facts *a, const struct xf_facts *b);
/* Both are there, and the same payload is indexed in the same way. */
bool xf_facts_filters_match(const struct xf_facts *a, const struct xf_facts *b);

#endif
