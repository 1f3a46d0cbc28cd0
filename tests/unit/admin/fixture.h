/* An admin port on loopback with a stand-in for the control thread and the worker, and a client for it. Server and
 * client share one thread: the client turns the event loop until its answer is there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_ADMIN_FIXTURE_H
#define XF_TESTS_ADMIN_FIXTURE_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "proxy/admin/admin.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the fakes say, and what they were asked. */
struct xf_control {
    struct xf_flag_state flags;
    enum xf_phase phase;
    bool redis_is_up, is_complete, is_refused;
    enum xf_err set_result; /* of xf_control_set_flags itself */
    char dual_write[32], new_reads[32];
    xf_control_done_fn *done; /* waits for fixture_flags_done */
    void *done_ctx;
};
struct xf_worker {
    const char *status;
    enum xf_err result;
    const char *why;
    int commands; /* so far */
    enum xf_command command;
    struct xf_command_options options;
    xf_dry_run_done_fn *dry_run; /* waits for fixture_dry_run_done */
    void *dry_run_ctx;
};

struct xf_journal { /* at first: known, clean, led by this replica */
    struct xf_journal_state state;
    struct xf_journal_counts counts;
    const char *replicas;
    _Atomic bool is_forget_held;
    enum xf_err forget_result;
    char forgotten[64];
};
struct task { /* for the control thread, which is the one that turns the loop */
    struct task *next;
    xf_admin_task_fn *fn;
    void *ctx;
    char args[];
};

struct fixture {
    struct xf_migration_conf migration;
    struct xf_upstream_conf upstream;
    struct xf_config config;
    struct xf_control control;
    struct xf_worker worker;
    struct xf_journal journal;
    pthread_mutex_t lock;
    struct task *tasks;
    struct event_base *base;
    struct xf_admin *admin;
    bool is_ready;
};

void fixture_init(struct fixture *fixture, const char *token);
void fixture_fini(struct fixture *fixture);
void fixture_dry_run_done(struct fixture *fixture, enum xf_err err, const char *text);
void fixture_flags_done(struct fixture *fixture, enum xf_err err);

int client_connect(const struct fixture *fixture);
void client_send(int fd, const char *text);
/* Turns the loop until what came from `fd` contains `text`, or the other side has closed. */
void client_read_until(struct fixture *fixture, int fd, char *answer, size_t room, const char *text);
void turn(struct fixture *fixture); /* the event loop and the posted tasks, once, without waiting */

/* One request on a connection of its own, whole answer in `answer`; returns the status. `fields` are whole lines. */
enum { ANSWER_MAX = 1 << 18 };
int ask(struct fixture *fixture, const char *method, const char *path, const char *fields, const char *body,
        char *answer);
const char *body_of(const char *answer);

#define HOST "Host: localhost\r\n"
#define JSON HOST "Content-Type: application/json\r\n"

#endif
