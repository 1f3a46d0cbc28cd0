/* A list: there are a handful of values for each migration, read at start and written once a second at most.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/shelf.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct item *next;
    size_t migration;
    char *name;
    char *value;
    size_t value_len;
};

struct xf_shelf {
    pthread_mutex_t lock;
    struct item *items;
};

struct xf_shelf *xf_shelf_new(void)
{
    struct xf_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf)
        pthread_mutex_init(&shelf->lock, NULL);
    return shelf;
}

void xf_shelf_free(struct xf_shelf *shelf)
{
    if (!shelf)
        return;
    while (shelf->items) {
        struct item *item = shelf->items;
        shelf->items = item->next;
        free(item->name);
        free(item->value);
        free(item);
    }
    pthread_mutex_destroy(&shelf->lock);
    free(shelf);
}

/* With the lock held. */
static struct item *find(const struct xf_shelf *shelf, size_t migration, const char *name)
{
    struct item *item = shelf->items;
    while (item && (item->migration != migration || strcmp(item->name, name) != 0))
        item = item->next;
    return item;
}

static struct item *add(struct xf_shelf *shelf, size_t migration, const char *name)
{
    struct item *item = calloc(1, sizeof *item);
    char *copy = strdup(name);
    if (!item || !copy) {
        free(item);
        free(copy);
        return NULL;
    }
    item->migration = migration;
    item->name = copy;
    item->next = shelf->items;
    shelf->items = item;
    return item;
}

enum xf_err xf_shelf_put(struct xf_shelf *shelf, size_t migration, const char *name, struct xf_slice value)
{
    char *copy = malloc(value.len + 1);
    if (!copy)
        return XF_ERR_NOMEM;
    if (value.len)
        memcpy(copy, value.ptr, value.len);
    pthread_mutex_lock(&shelf->lock);
    struct item *item = find(shelf, migration, name);
    if (!item)
        item = add(shelf, migration, name);
    if (item) {
        free(item->value);
        item->value = copy;
        item->value_len = value.len;
    }
    pthread_mutex_unlock(&shelf->lock);
    if (item)
        return XF_OK;
    free(copy);
    return XF_ERR_NOMEM;
}

enum xf_err xf_shelf_get(struct xf_shelf *shelf, size_t migration, const char *name, struct xf_buf *out)
{
    enum xf_err err = XF_ERR_NOT_FOUND;
    pthread_mutex_lock(&shelf->lock);
    struct item *item = find(shelf, migration, name);
    if (item)
        err = xf_buf_append(out, item->value, item->value_len);
    pthread_mutex_unlock(&shelf->lock);
    return err;
}
