/* What Qdrant says about names: the aliases of an upstream, and the vectors of a collection.
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
/* The answer to GET /collections/{name}: dense and sparse names, "" for the unnamed vector. */
XF_MUST_CHECK enum xf_err xf_names_of_vectors(struct xf_slice body, struct xf_name_list *list);

#endif
