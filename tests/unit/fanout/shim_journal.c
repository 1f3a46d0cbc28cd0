/* Stands between the fanout and the journal (linker option --wrap), and does what files in the folder SHIM_DIR say:
 *
 *   hold          begins are answered later: when the file has gone
 *   refuse        begins are answered with IO, later
 *   unconfirmed   ids cannot be recorded when they are asked for again
 *   cut_off       each op is cut off from Redis
 *
 * What it sees goes to the file SHIM_DIR/log, a line each: "begin ids=3", "held", and what the ends mean for the points:
 * "none", "clean", "dirty", "dirty held", behind it the number of ids, or "all".
 *
 * A write to one side alone that has no certain outcome gives the line "unproven".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fanout/fanout.h"

#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINKS_MAX = 64, POLL_MS = 2, LINE_MAX_BYTES = 256 };

struct waiting { /* a begin whose answer the test holds up */
    struct waiting *next;
    struct link *link;
    xf_journal_begun_fn *begun;
    void *ctx;
    struct xf_journal_op *op;
    enum xf_err err;
    size_t ids;
    bool is_all;
};

struct link {
    struct xf_journal_link *real;
    struct event *poll;
    struct waiting *waiting;
};

struct note { /* what an op touches, for its end */
    struct xf_journal_op *op;
    size_t ids;
    bool is_all;
};

static struct link links[LINKS_MAX];
static struct note notes[4096];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

enum xf_err __real_xf_journal_link_new(struct xf_journal *journal, struct event_base *base, struct xf_journal_link **link);
void __real_xf_journal_link_free(struct xf_journal_link *link);
enum xf_err __real_xf_journal_begin(struct xf_journal_link *link, size_t migration, const struct xf_journal_scope *scope,
                                    xf_journal_begun_fn *begun, void *ctx, struct xf_journal_op **op);
enum xf_err __real_xf_journal_confirm(struct xf_journal_op *op);
bool __real_xf_journal_is_cut_off(const struct xf_journal_op *op);
void __real_xf_journal_end(struct xf_journal_op *op, const struct xf_verdict_input *input);
void __real_xf_journal_end_resolved(struct xf_journal_op *op, const struct xf_point_id *ids, size_t id_count, bool is_held);
struct xf_server_owner __real_xf_fanout_owner(struct xf_fanout_context *context);
struct xf_server_owner __wrap_xf_fanout_owner(struct xf_fanout_context *context);
enum xf_err __wrap_xf_journal_link_new(struct xf_journal *journal, struct event_base *base, struct xf_journal_link **link);
void __wrap_xf_journal_link_free(struct xf_journal_link *link);
enum xf_err __wrap_xf_journal_begin(struct xf_journal_link *link, size_t migration, const struct xf_journal_scope *scope,
                                    xf_journal_begun_fn *begun, void *ctx, struct xf_journal_op **op);
enum xf_err __wrap_xf_journal_confirm(struct xf_journal_op *op);
bool __wrap_xf_journal_is_cut_off(const struct xf_journal_op *op);
void __wrap_xf_journal_end(struct xf_journal_op *op, const struct xf_verdict_input *input);
void __wrap_xf_journal_end_resolved(struct xf_journal_op *op, const struct xf_point_id *ids, size_t id_count, bool is_held);

static void path_of(const char *name, char *out, size_t room)
{
    const char *folder = getenv("SHIM_DIR");
    snprintf(out, room, "%s/%s", folder ? folder : "/nonexistent", name);
}

static bool is_told(const char *name)
{
    char path[512];
    path_of(name, path, sizeof path);
    return access(path, F_OK) == 0;
}

static void say(const char *format, ...) XF_PRINTF(1, 2);
static void say(const char *format, ...)
{
    char path[512], line[LINE_MAX_BYTES];
    va_list args;
    path_of("log", path, sizeof path);
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || len <= 0)
        return;
    ssize_t written = write(fd, line, (size_t)len);
    (void)written;
    close(fd);
}

static struct link *link_of(const struct xf_journal_link *real)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (links[i].real == real)
            return &links[i];
    abort();
}

/* ---- what is in flight ---- */

static void note_op(struct xf_journal_op *op, size_t ids, bool is_all)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        if (notes[i].op)
            continue;
        notes[i] = (struct note){op, ids, is_all};
        break;
    }
    pthread_mutex_unlock(&lock);
}

static struct note take_note(const struct xf_journal_op *op)
{
    struct note found = {0};
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        if (notes[i].op != op)
            continue;
        found = notes[i];
        notes[i].op = NULL;
        break;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

/* ---- begin ---- */

static void end_silently(struct xf_journal_op *op)
{
    struct xf_verdict_input nothing = {.outcome = {XF_OUTCOME_NOT_SENT, XF_OUTCOME_NOT_SENT}};
    if (op)
        __real_xf_journal_end(op, &nothing);
}

static void answer(struct waiting *waiting)
{
    struct waiting told = *waiting;
    free(waiting);
    if (is_told("refuse")) {
        end_silently(told.op);
        told.op = NULL;
        told.err = XF_ERR_IO;
    }
    told.begun(told.ctx, told.op, told.err);
}

static void on_poll(evutil_socket_t fd, short what, void *ctx)
{
    struct link *link = ctx;
    (void)fd;
    (void)what;
    if (is_told("hold"))
        return;
    event_del(link->poll);
    struct waiting *all = link->waiting, *next;
    for (link->waiting = NULL; all; all = next) {
        next = all->next;
        answer(all);
    }
}

static void wait_for_test(struct waiting *waiting)
{
    struct link *link = waiting->link;
    struct timeval period = {.tv_usec = POLL_MS * 1000};
    waiting->next = link->waiting;
    link->waiting = waiting;
    event_add(link->poll, &period);
    say("held\n");
}

static void on_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct waiting *waiting = ctx;
    waiting->op = op;
    waiting->err = err;
    if (op)
        note_op(op, waiting->ids, waiting->is_all);
    if (is_told("hold"))
        wait_for_test(waiting);
    else
        answer(waiting);
}

enum xf_err __wrap_xf_journal_begin(struct xf_journal_link *real, size_t migration, const struct xf_journal_scope *scope,
                                    xf_journal_begun_fn *begun, void *ctx, struct xf_journal_op **op)
{
    struct waiting *waiting = malloc(sizeof *waiting);
    struct xf_journal_op *made = NULL;
    if (!waiting)
        return XF_ERR_NOMEM;
    *waiting = (struct waiting){
        .link = link_of(real), .begun = begun, .ctx = ctx, .ids = scope->id_count, .is_all = scope->is_all};
    if (scope->is_all)
        say("begin all\n");
    else
        say("begin ids=%zu\n", scope->id_count);
    enum xf_err err = __real_xf_journal_begin(real, migration, scope, on_begun, waiting, &made);
    if (err == XF_ERR_BUSY)
        return err;
    if (!err)
        note_op(made, scope->id_count, scope->is_all);
    if (is_told("hold") || is_told("refuse")) {
        waiting->op = made;
        waiting->err = err;
        wait_for_test(waiting);
        return XF_ERR_BUSY;
    }
    free(waiting);
    *op = made;
    return err;
}

/* ---- the rest ---- */

enum xf_err __wrap_xf_journal_link_new(struct xf_journal *journal, struct event_base *base, struct xf_journal_link **out)
{
    enum xf_err err = __real_xf_journal_link_new(journal, base, out);
    if (err)
        return err;
    struct link *link = link_of(NULL);
    link->real = *out;
    link->poll = event_new(base, -1, EV_PERSIST, on_poll, link);
    return XF_OK;
}

/* Begins that are still waiting are forgotten, as the journal does it. */
void __wrap_xf_journal_link_free(struct xf_journal_link *real)
{
    struct link *link = link_of(real);
    for (struct waiting *waiting = link->waiting, *next; waiting; waiting = next) {
        next = waiting->next;
        end_silently(waiting->op);
        free(waiting);
    }
    event_free(link->poll);
    *link = (struct link){0};
    __real_xf_journal_link_free(real);
}

enum xf_err __wrap_xf_journal_confirm(struct xf_journal_op *op)
{
    return is_told("unconfirmed") ? XF_ERR_IO : __real_xf_journal_confirm(op);
}

bool __wrap_xf_journal_is_cut_off(const struct xf_journal_op *op)
{
    return is_told("cut_off") || __real_xf_journal_is_cut_off(op);
}

void __wrap_xf_journal_end(struct xf_journal_op *op, const struct xf_verdict_input *input)
{
    struct xf_verdict verdict = xf_journal_judge(input);
    struct note note = take_note(op);
    const char *what = verdict.is_no_effect ? "none" : verdict.is_dirty ? "dirty" : "clean";
    char scope[32];
    snprintf(scope, sizeof scope, note.is_all ? "all" : "%zu", note.ids);
    say("%s%s %s\n", what, verdict.is_held ? " held" : "", scope);
    __real_xf_journal_end(op, input);
}

void __wrap_xf_journal_end_resolved(struct xf_journal_op *op, const struct xf_point_id *ids, size_t id_count, bool is_held)
{
    (void)take_note(op);
    say("dirty%s %zu\n", is_held ? " held" : "", id_count);
    __real_xf_journal_end_resolved(op, ids, id_count, is_held);
}

/* ---- lone writes ---- */

static void (*told_unproven)(void *ctx, size_t migration);

static void on_unproven(void *ctx, size_t migration)
{
    say("unproven\n");
    if (told_unproven)
        told_unproven(ctx, migration);
}

struct xf_server_owner __wrap_xf_fanout_owner(struct xf_fanout_context *context)
{
    told_unproven = context->on_unproven;
    context->on_unproven = on_unproven;
    return __real_xf_fanout_owner(context);
}
