/* The tree is built from libyaml's events rather than from its documents: so every limit is checked before memory is
 * taken, and an alias is refused before it could be resolved. The open containers lie on a stack as high as the depth
 * limit.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/yaml/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

enum { DEPTH_CEILING = 64 };

struct builder {
    const struct xf_yaml_limits *limits;
    struct xf_yaml_problem *problem;
    struct xf_yaml_node *root;
    struct xf_yaml_node *open[DEPTH_CEILING];
    size_t depth;
    size_t nodes;
    size_t documents;
    struct { /* the key that waits for its value */
        char *text;
        struct xf_yaml_place place;
    } key;
};

static struct xf_yaml_place place_of(yaml_mark_t mark)
{
    return (struct xf_yaml_place){mark.line + 1, mark.column + 1};
}

static enum xf_err refuse(struct builder *b, enum xf_err err, struct xf_yaml_place place, const char *text)
{
    b->problem->place = place;
    snprintf(b->problem->text, sizeof b->problem->text, "%s", text);
    return err;
}

static char *copy_text(const void *bytes, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy) {
        memcpy(copy, bytes, len);
        copy[len] = 0;
    }
    return copy;
}

/* Hangs a new node into the container that is open, under the key that waits. */
static enum xf_err add_node(struct builder *b, enum xf_yaml_kind kind, struct xf_yaml_place place,
                            struct xf_yaml_node **added)
{
    if (b->nodes == b->limits->nodes_max)
        return refuse(b, XF_ERR_FULL, place, "the file has too many values");
    struct xf_yaml_node *node = calloc(1, sizeof *node);
    if (!node)
        return refuse(b, XF_ERR_NOMEM, place, "out of memory");
    b->nodes++;
    node->kind = kind;
    node->place = place;
    node->key = b->key.text;
    node->key_place = b->key.place;
    b->key.text = NULL;
    if (!b->depth) {
        b->root = node;
    } else {
        struct xf_yaml_node *parent = b->open[b->depth - 1];
        if (parent->last)
            parent->last->next = node;
        else
            parent->first = node;
        parent->last = node;
        parent->count++;
    }
    *added = node;
    return XF_OK;
}

static bool wants_key(const struct builder *b)
{
    return b->depth && b->open[b->depth - 1]->kind == XF_YAML_MAP && !b->key.text;
}

static enum xf_err take_key(struct builder *b, const yaml_event_t *event)
{
    struct xf_yaml_place place = place_of(event->start_mark);
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (memchr(text, 0, len))
        return refuse(b, XF_ERR_INVALID, place, "found a NUL in a key");
    const struct xf_yaml_node *twin = xf_yaml_get(b->open[b->depth - 1], text);
    if (twin) {
        b->problem->place = place;
        snprintf(b->problem->text, sizeof b->problem->text, "found the key \"%.100s\" twice, first in line %zu", text,
                 twin->key_place.line);
        return XF_ERR_INVALID;
    }
    b->key.text = copy_text(text, len);
    b->key.place = place;
    return b->key.text ? XF_OK : refuse(b, XF_ERR_NOMEM, place, "out of memory");
}

static enum xf_err on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct xf_yaml_place place = place_of(event->start_mark);
    if (event->data.scalar.anchor)
        return refuse(b, XF_ERR_INVALID, place, "found an anchor (&), which is not supported: write the value out");
    if (event->data.scalar.tag)
        return refuse(b, XF_ERR_INVALID, place, "found a tag (!), which is not supported: write the value without it");
    if (wants_key(b))
        return take_key(b, event);
    struct xf_yaml_node *node;
    enum xf_err err = add_node(b, XF_YAML_SCALAR, place, &node);
    if (err)
        return err;
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = copy_text(event->data.scalar.value, event->data.scalar.length);
    node->text_len = event->data.scalar.length;
    return node->text ? XF_OK : refuse(b, XF_ERR_NOMEM, place, "out of memory");
}

static enum xf_err on_container(struct builder *b, enum xf_yaml_kind kind, const yaml_event_t *event,
                                const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct xf_yaml_place place = place_of(event->start_mark);
    if (anchor)
        return refuse(b, XF_ERR_INVALID, place, "found an anchor (&), which is not supported: write the value out");
    if (tag)
        return refuse(b, XF_ERR_INVALID, place, "found a tag (!), which is not supported: write the value without it");
    if (wants_key(b))
        return refuse(b, XF_ERR_INVALID, place, "found a list or a map where a key was expected");
    if (b->depth == b->limits->depth_max || b->depth == DEPTH_CEILING)
        return refuse(b, XF_ERR_FULL, place, "the file is nested too deeply");
    struct xf_yaml_node *node;
    enum xf_err err = add_node(b, kind, place, &node);
    if (!err)
        b->open[b->depth++] = node;
    return err;
}

static enum xf_err on_event(struct builder *b, const yaml_event_t *event)
{
    struct xf_yaml_place place = place_of(event->start_mark);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_container(b, XF_YAML_LIST, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_container(b, XF_YAML_MAP, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return XF_OK;
    case YAML_ALIAS_EVENT:
        return refuse(b, XF_ERR_INVALID, place, "found an alias (*), which is not supported: write the value out");
    case YAML_DOCUMENT_START_EVENT:
        if (b->documents++)
            return refuse(b, XF_ERR_INVALID, place, "found a second document (---), expected one");
        return XF_OK;
    case YAML_STREAM_END_EVENT:
        return b->root ? XF_OK : refuse(b, XF_ERR_INVALID, place, "the file is empty");
    default: /* stream start and document end carry nothing */
        return XF_OK;
    }
}

static enum xf_err parser_failed(struct builder *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return refuse(b, XF_ERR_NOMEM, (struct xf_yaml_place){0, 0}, "out of memory");
    bool is_encoding = parser->error == YAML_READER_ERROR; /* has an offset, but no mark */
    b->problem->place = place_of(is_encoding ? parser->mark : parser->problem_mark);
    snprintf(b->problem->text, sizeof b->problem->text, "not valid YAML: %s%s%s",
             parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
             parser->context ? parser->context : "");
    return XF_ERR_INVALID;
}

static enum xf_err build(struct builder *b, yaml_parser_t *parser)
{
    for (bool is_done = false; !is_done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return parser_failed(b, parser);
        is_done = event.type == YAML_STREAM_END_EVENT;
        enum xf_err err = on_event(b, &event);
        yaml_event_delete(&event);
        if (err)
            return err;
    }
    return XF_OK;
}

enum xf_err xf_yaml_parse(struct xf_slice text, const struct xf_yaml_limits *limits, struct xf_yaml_problem *problem,
                          struct xf_yaml_node **root)
{
    struct builder b = {.limits = limits, .problem = problem};
    yaml_parser_t parser;
    if (text.len > limits->bytes_max)
        return refuse(&b, XF_ERR_FULL, (struct xf_yaml_place){0, 0}, "the file is too large");
    if (!yaml_parser_initialize(&parser))
        return refuse(&b, XF_ERR_NOMEM, (struct xf_yaml_place){0, 0}, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
    enum xf_err err = build(&b, &parser);
    yaml_parser_delete(&parser);
    free(b.key.text);
    if (err)
        xf_yaml_free(b.root);
    else
        *root = b.root;
    return err;
}

/* Without recursion: a container's children are moved in front of what is still to be freed. */
void xf_yaml_free(struct xf_yaml_node *root)
{
    for (struct xf_yaml_node *node = root, *next; node; node = next) {
        if (node->last) {
            node->last->next = node->next;
            next = node->first;
        } else {
            next = node->next;
        }
        if (node->text)
            explicit_bzero(node->text, node->text_len);
        free(node->text);
        free(node->key);
        free(node);
    }
}

const struct xf_yaml_node *xf_yaml_get(const struct xf_yaml_node *map, const char *key)
{
    if (!map || map->kind != XF_YAML_MAP)
        return NULL;
    const struct xf_yaml_node *node = map->first;
    while (node && strcmp(node->key, key) != 0)
        node = node->next;
    return node;
}

const struct xf_yaml_node *xf_yaml_item(const struct xf_yaml_node *list, size_t index)
{
    if (!list || list->kind != XF_YAML_LIST)
        return NULL;
    const struct xf_yaml_node *node = list->first;
    for (; node && index; index--)
        node = node->next;
    return node;
}

bool xf_yaml_is_null(const struct xf_yaml_node *node)
{
    if (node->kind != XF_YAML_SCALAR || !node->is_plain)
        return false;
    return !node->text_len || !strcmp(node->text, "~") || !strcmp(node->text, "null");
}
