/* A client that writes to one point, or by a filter, again and again; each write goes to both sides under the journal's
 * eyes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include "proxy/worker/wire.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct drive_writer {
    const struct xf_config *config;
    struct event_base *base;
    struct xf_journal_link *link;
    struct xf_wire *wire;
    pthread_t thread;
    atomic_bool is_stopping;
    atomic_bool never;
    char what[64]; /* an id, or "all" */
    unsigned pause_ms, count;
    bool has_begun;
    struct xf_journal_op *op;
};

static void on_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct drive_writer *writer = ctx;
    if (err)
        abort();
    writer->op = op;
    writer->has_begun = true;
}

static void begin(struct drive_writer *writer)
{
    struct xf_point_id id = {0};
    bool is_all = strcmp(writer->what, "all") == 0;
    if (!is_all && xf_point_id_of_json(xf_slice_of(writer->what), &id))
        abort();
    struct xf_journal_scope scope = {.ids = &id, .id_count = !is_all, .is_all = is_all};
    writer->has_begun = false;
    enum xf_err err = xf_journal_begin(writer->link, 0, &scope, on_begun, writer, &writer->op);
    if (err && err != XF_ERR_BUSY)
        abort();
    while (err == XF_ERR_BUSY && !writer->has_begun)
        if (event_base_loop(writer->base, EVLOOP_ONCE) < 0)
            abort();
}

static void write_to(struct drive_writer *writer, enum xf_side side)
{
    char body[256], why[XF_WHY_MAX];
    struct xf_answer answer;
    xf_answer_init(&answer);
    bool is_all = strcmp(writer->what, "all") == 0;
    if (is_all)
        (void)snprintf(body, sizeof body, "{\"payload\":{\"n\":%u},\"filter\":{\"must\":[{\"has_id\":[2]}]}}",
                       writer->count);
    else
        (void)snprintf(body, sizeof body, "{\"points\":[{\"id\":%s,\"vector\":{\"b\":[1,2]},\"payload\":{\"n\":%u}}]}",
                       writer->what, writer->count);
    struct xf_target target = xf_target(&writer->config->migrations[0].side[side],
                                        is_all ? "/points/payload?wait=true" : "/points?wait=true");
    if (xf_wire_call(writer->wire, is_all ? "POST" : "PUT", &target, xf_slice_of(body), &answer, why))
        abort();
    xf_buf_fini(&answer.body);
}

static void *run_writer(void *ctx)
{
    struct drive_writer *writer = ctx;
    const struct xf_verdict_input completed = {
        .outcome = {XF_OUTCOME_COMPLETED, XF_OUTCOME_COMPLETED}, .is_exact = true, .vectors_match = true};
    while (!atomic_load(&writer->is_stopping)) {
        begin(writer);
        writer->count++;
        write_to(writer, XF_LEGACY);
        write_to(writer, XF_NEW);
        xf_journal_end(writer->op, &completed);
        if (event_base_loop(writer->base, EVLOOP_NONBLOCK) < 0)
            abort();
        usleep(writer->pause_ms * 1000);
    }
    return NULL;
}

struct drive_writer *drive_writer_start(const struct xf_config *config, struct xf_journal *journal, const char *what,
                                        unsigned pause_ms)
{
    struct drive_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        abort();
    writer->config = config;
    writer->pause_ms = pause_ms;
    (void)snprintf(writer->what, sizeof writer->what, "%s", what);
    writer->base = event_base_new();
    if (!writer->base || xf_journal_link_new(journal, writer->base, &writer->link) ||
        xf_wire_new(config, &writer->never, &writer->wire) ||
        pthread_create(&writer->thread, NULL, run_writer, writer))
        abort();
    return writer;
}

unsigned drive_writer_stop(struct drive_writer *writer)
{
    atomic_store(&writer->is_stopping, true);
    pthread_join(writer->thread, NULL);
    unsigned count = writer->count;
    xf_journal_link_free(writer->link);
    event_base_free(writer->base);
    xf_wire_free(writer->wire);
    free(writer);
    return count;
}
