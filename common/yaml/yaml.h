/* A YAML file as a small tree that knows where everything stood, for configuration and schema files. What such a file
 * has no need of is refused with a sentence instead of being guessed at: anchors and aliases (which can grow without
 * bound), tags, keys given twice, more than one document. Depth, nodes and bytes are bounded.
 *
 * Scalars stay text: what they mean is for the caller to say. Trees are immutable; the texts are wiped when freed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_YAML_YAML_H
#define XF_COMMON_YAML_YAML_H

#include "common/base/error.h"
#include "common/base/slice.h"

enum xf_yaml_kind { XF_YAML_SCALAR, XF_YAML_LIST, XF_YAML_MAP };

struct xf_yaml_place { /* both count from 1; 0: the file as a whole */
    size_t line, column;
};

struct xf_yaml_node {
    enum xf_yaml_kind kind;
    bool is_plain;              /* a scalar without quotes: null, true and 5 mean themselves only then */
    struct xf_yaml_place place; /* of the value */
    struct xf_yaml_place key_place;
    char *key;  /* inside a map: NUL behind it and none within; else NULL */
    char *text; /* scalar: NUL behind it, maybe some within; else NULL */
    size_t text_len;
    size_t count; /* children */
    struct xf_yaml_node *first, *last, *next;
};

struct xf_yaml_limits {
    size_t bytes_max, depth_max, nodes_max;
};
#define XF_YAML_LIMITS_DEFAULT ((struct xf_yaml_limits){1 << 20, 32, 20000})

struct xf_yaml_problem {
    struct xf_yaml_place place;
    char text[256];
};

/* The caller owns the root. On failure `problem` says what is wrong and where, and there is no tree: IO (the file
 * cannot be read), INVALID, FULL (a limit) or NOMEM. */
XF_MUST_CHECK enum xf_err xf_yaml_parse(struct xf_slice text, const struct xf_yaml_limits *limits,
                                        struct xf_yaml_problem *problem, struct xf_yaml_node **root);
XF_MUST_CHECK enum xf_err xf_yaml_load(const char *path, const struct xf_yaml_limits *limits,
                                       struct xf_yaml_problem *problem, struct xf_yaml_node **root);
void xf_yaml_free(struct xf_yaml_node *root);

/* NULL where there is no such key or item, and for a node of another kind. */
const struct xf_yaml_node *xf_yaml_get(const struct xf_yaml_node *map, const char *key);
const struct xf_yaml_node *xf_yaml_item(const struct xf_yaml_node *list, size_t index);
/* Nothing stands there: `key:` or a plain null or ~. */
bool xf_yaml_is_null(const struct xf_yaml_node *node);

#endif
