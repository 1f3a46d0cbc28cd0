/* One slot for each migration: only the newest text counts, so there is no queue to grow behind a slow disk.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/state_writer.h"

#include "common/base/log.h"
#include "proxy/control/state_file.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct slot {
    char *text; /* NULL: nothing waits */
    size_t len;
    bool has_failed;
};

struct xf_state_writer {
    const struct xf_config *config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    uint64_t errors;
    struct slot *slots;
};

/* The lock is held; it is let go while the file is written. */
static void write_one(struct xf_state_writer *writer, size_t i)
{
    struct slot *slot = &writer->slots[i];
    const char *name = writer->config->migrations[i].name;
    struct slot taken = *slot;
    slot->text = NULL;
    pthread_mutex_unlock(&writer->lock);
    errno = 0;
    enum xf_err err = xf_state_write_file(writer->config->state_dir, name, xf_slice(taken.text, taken.len));
    if (err)
        xf_log(XF_LOG_ERROR, "state", "migration=%s directory=%s: not saved (%s), trying again with the next change", name,
               writer->config->state_dir, errno ? strerror(errno) : xf_err_sentence(err));
    free(taken.text);
    pthread_mutex_lock(&writer->lock);
    slot->has_failed = err != XF_OK;
    writer->errors += err != XF_OK;
}

/* The lock is held. False if nothing waits. */
static bool write_next(struct xf_state_writer *writer)
{
    for (size_t i = 0; i < writer->config->migration_count; i++) {
        if (writer->slots[i].text) {
            write_one(writer, i);
            return true;
        }
    }
    return false;
}

static void *run(void *ctx)
{
    struct xf_state_writer *writer = ctx;
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        if (write_next(writer))
            continue;
        if (writer->is_stopping)
            break;
        pthread_cond_wait(&writer->changed, &writer->lock);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

enum xf_err xf_state_writer_new(const struct xf_config *config, struct xf_state_writer **out)
{
    struct xf_state_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return XF_ERR_NOMEM;
    writer->config = config;
    writer->slots = calloc(config->migration_count + 1, sizeof *writer->slots);
    if (!writer->slots)
        goto err0;
    if (pthread_mutex_init(&writer->lock, NULL))
        goto err1;
    if (pthread_cond_init(&writer->changed, NULL))
        goto err2;
    if (pthread_create(&writer->thread, NULL, run, writer))
        goto err3;
    *out = writer;
    return XF_OK;
err3:
    pthread_cond_destroy(&writer->changed);
err2:
    pthread_mutex_destroy(&writer->lock);
err1:
    free(writer->slots);
err0:
    free(writer);
    return XF_ERR_NOMEM;
}

void xf_state_writer_free(struct xf_state_writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer->slots);
    free(writer);
}

enum xf_err xf_state_writer_put(struct xf_state_writer *writer, size_t migration, struct xf_slice text)
{
    char *copy = malloc(text.len + 1);
    if (!copy)
        return XF_ERR_NOMEM;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    pthread_mutex_lock(&writer->lock);
    struct slot *slot = &writer->slots[migration];
    free(slot->text);
    slot->text = copy;
    slot->len = text.len;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    return XF_OK;
}

bool xf_state_writer_has_failed(struct xf_state_writer *writer, size_t migration)
{
    pthread_mutex_lock(&writer->lock);
    bool has_failed = writer->slots[migration].has_failed;
    pthread_mutex_unlock(&writer->lock);
    return has_failed;
}

uint64_t xf_state_writer_errors(struct xf_state_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    uint64_t errors = writer->errors;
    pthread_mutex_unlock(&writer->lock);
    return errors;
}
