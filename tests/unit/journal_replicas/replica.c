/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_replicas/replica.h"

#include "common/base/clock.h"
#include "proxy/journal/journal.h"

#include <ctype.h>
#include <event2/event.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { BOUND_MS = 30000, LINE = 4096, IDS = 512, MIGRATIONS = 512 };

/* --- The child --- */

struct child {
    struct xf_migration_conf migrations[MIGRATIONS];
    char names[MIGRATIONS][8];
    struct xf_config config;
    struct xf_journal *journal;
    struct event_base *base;
    struct xf_journal_link *link;
    struct xf_journal_op *ops[128];
    struct xf_journal_copy *copies[128];
    bool is_answered; /* of begin */
    enum xf_err begun;
    struct xf_journal_op *op;
    char answer[LINE];
    char copied[LINE];
};

struct list {
    struct xf_point_id ids[IDS];
    size_t count;
    bool is_all;
};

static void say(struct child *child, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct child *child, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(child->answer, sizeof child->answer, format, args);
    va_end(args);
}

static void say_err(struct child *child, enum xf_err err)
{
    say(child, "%s", xf_err_name(err));
}

static struct list read_list(const char *word)
{
    struct list list = {.is_all = strcmp(word, "all") == 0};
    for (const char *p = word; isdigit((unsigned char)*p); p += *p == ',')
        list.ids[list.count++] = (struct xf_point_id){.lo = strtoull(p, (char **)&p, 10)};
    return list;
}

static void say_state(struct child *child)
{
    struct xf_journal_state s;
    xf_journal_state(child->journal, 0, &s);
    say(child,
        "known=%d joined=%d dirty=%zu held=%zu flight=%zu copies=%zu whole=%d leads=%d dual=%d replicas=%zu lapsed=%zu "
        "leader=%s",
        !s.is_unknown, !s.is_cut_off, s.dirty, s.held, s.in_flight, s.copies, s.is_held_whole, s.is_leader, s.are_all_dual,
        s.replicas, s.lapsed, s.leader);
}

static void say_all(struct child *child)
{
    size_t leads = 0;
    for (size_t i = 0; i < child->config.migration_count; i++) {
        struct xf_journal_state state;
        xf_journal_state(child->journal, i, &state);
        leads += !state.is_cut_off && state.is_leader;
    }
    say(child, "leads=%zu", leads);
}

static void say_counts(struct child *child)
{
    struct xf_journal_counts c;
    xf_journal_counts(child->journal, &c);
    say(child, "rejoined=%d lapses=%d rolled=%" PRIu64 " emptied=%" PRIu64 " file=%d cut_off=%" PRIu64,
        c.rejoins > 0, c.lapses_seen > 0, c.rolled_back, c.emptied, c.file_bytes > 0, c.cut_off_writes);
}

static void say_replicas(struct child *child)
{
    struct xf_buf out;
    xf_buf_init(&out, LINE);
    enum xf_err err = xf_journal_print_replicas(child->journal, 0, &out);
    if (err)
        say_err(child, err);
    else
        say(child, "%.*s", XF_SLICE_ARG(xf_buf_view(&out)));
    xf_buf_fini(&out);
}

static void on_begun(void *ctx, struct xf_journal_op *op, enum xf_err err)
{
    struct child *child = ctx;
    child->is_answered = true;
    child->begun = err;
    child->op = op;
}

static void turn(struct child *child)
{
    struct timeval bound = {0, 5000};
    event_base_loopexit(child->base, &bound);
    event_base_dispatch(child->base);
}

static void begin(struct child *child, int slot, const char *ids)
{
    struct list list = read_list(ids);
    struct xf_journal_scope scope = {list.ids, list.count, list.is_all};
    child->is_answered = false;
    enum xf_err err = xf_journal_begin(child->link, 0, &scope, on_begun, child, &child->op);
    while (err == XF_ERR_BUSY && !child->is_answered)
        turn(child);
    if (err == XF_ERR_BUSY)
        err = child->begun;
    child->ops[slot] = err ? NULL : child->op;
    say(child, "%s%s", xf_err_name(err), !err && xf_journal_is_cut_off(child->op) ? " cut off" : "");
}

static void end(struct child *child, int slot, const char *outcome)
{
    enum xf_outcome what = strcmp(outcome, "completed") == 0 ? XF_OUTCOME_COMPLETED
                           : strcmp(outcome, "refused") == 0 ? XF_OUTCOME_REFUSED
                                                             : XF_OUTCOME_UNKNOWN;
    struct xf_verdict_input input = {{XF_OUTCOME_COMPLETED, what}, true, true};
    xf_journal_end(child->ops[slot], &input);
    say_err(child, XF_OK);
}

static void resolved(struct child *child, int slot, const char *ids)
{
    struct list list = read_list(ids);
    xf_journal_end_resolved(child->ops[slot], list.ids, list.count, false);
    say_err(child, XF_OK);
}

static void copy_begin(struct child *child, int slot, const struct xf_copy_scope *scope)
{
    say_err(child, xf_journal_copy_begin(child->journal, 0, scope, &child->copies[slot]));
}

static void copy_list(struct child *child, int slot, const char *ids, bool is_exclusive)
{
    struct list list = read_list(ids);
    copy_begin(child, slot,
               &(struct xf_copy_scope){.ids = list.ids, .id_count = list.count, .is_exclusive = is_exclusive});
}

static void copy_range(struct child *child, int slot, const char *from, const char *to)
{
    struct list a = read_list(from), b = read_list(to);
    copy_begin(child, slot,
               &(struct xf_copy_scope){
                   .is_range = true, .from = a.count ? a.ids : NULL, .to = b.count ? b.ids : NULL});
}

static void copy_end(struct child *child, int slot, const char *ids, enum xf_copy_end how)
{
    struct list list = read_list(ids);
    struct xf_copy_result_ids result;
    xf_journal_copy_end(child->copies[slot], list.ids, list.count, how, &result);
    say(child, "kept=%zu met_all=%d", result.kept, result.met_all);
}

static void take(struct child *child, const char *number)
{
    struct xf_point_id ids[IDS];
    size_t count, len = 0;
    enum xf_err err = xf_journal_take_dirty(child->journal, 0, ids, strtoul(number, NULL, 10), &count);
    if (err) {
        say_err(child, err);
        return;
    }
    len += (size_t)snprintf(child->answer, LINE, "ids=");
    for (size_t i = 0; i < count && len < LINE - 24; i++)
        len += (size_t)snprintf(child->answer + len, LINE - len, "%s%" PRIu64, i ? "," : "", ids[i].lo);
}

static void mark(struct child *child, const char *ids)
{
    struct list list = read_list(ids);
    struct xf_journal_scope scope = {list.ids, list.count, list.is_all};
    say_err(child, xf_journal_mark_dirty(child->journal, 0, &scope));
}

static struct xf_journal_moment now; /* the one told last */

static void moment(struct child *child)
{
    enum xf_err err = xf_journal_reconcile_begin(child->journal, 0, &now);
    if (err)
        say_err(child, err);
    else
        say(child, "%" PRIu64 " %d", now.number, now.is_early);
}

static void known(struct child *child, const char *number, const char *early)
{
    bool is_known = false;
    struct xf_journal_moment then = now;
    then.number = strtoull(number, NULL, 10);
    then.is_early = early[0] == '1';
    enum xf_err err = xf_journal_reconcile_end(child->journal, 0, then, &is_known);
    if (err)
        say_err(child, err);
    else
        say(child, "known=%d", is_known);
}

static void obey(struct child *child, char *line)
{
    char *rest, *word[5] = {0};
    int count = 0;
    for (char *w = strtok_r(line, " \n", &rest); w && count < 4; w = strtok_r(NULL, " \n", &rest))
        word[count++] = w;
    const char *verb = word[0] ? word[0] : "", *a = word[1] ? word[1] : "-", *b = word[2] ? word[2] : "-";
    int slot = a[0] & 127;
    say_err(child, XF_OK);
#define IS(name) (strcmp(verb, name) == 0)
    if (IS("all"))
        say_all(child);
    else if (IS("state"))
        say_state(child);
    else if (IS("counts"))
        say_counts(child);
    else if (IS("replicas"))
        say_replicas(child);
    else if (IS("id"))
        say(child, "%s", xf_journal_replica_id(child->journal));
    else if (IS("usable"))
        say(child, "%d", xf_journal_is_usable(child->journal, 0));
    else if (IS("dual"))
        xf_journal_set_dual(child->journal, 0, a[0] == '1');
    else if (IS("lose"))
        xf_journal_lose(child->journal, 0);
    else if (IS("mark"))
        mark(child, a);
    else if (IS("take"))
        take(child, a);
    else if (IS("moment"))
        moment(child);
    else if (IS("known"))
        known(child, a, b);
    else if (IS("forget"))
        say_err(child, xf_journal_forget(child->journal, 0, a));
    else if (IS("begin"))
        begin(child, slot, b);
    else if (IS("confirm"))
        say_err(child, xf_journal_confirm(child->ops[slot]));
    else if (IS("end"))
        end(child, slot, b);
    else if (IS("resolved"))
        resolved(child, slot, b);
    else if (IS("copy") || IS("hot"))
        copy_list(child, slot, b, IS("hot"));
    else if (IS("range"))
        copy_range(child, slot, b, word[3] ? word[3] : "-");
    else if (IS("may"))
        say(child, "%d", xf_journal_copy_may_write(child->copies[slot]));
    else if (IS("done") || IS("failed") || IS("unknown"))
        copy_end(child, slot, b, IS("done") ? XF_COPY_DONE : IS("failed") ? XF_COPY_FAILED : XF_COPY_UNKNOWN);
    else
        say(child, "what?");
#undef IS
}

static void answer_commands(struct child *child, int fd)
{
    char line[LINE];
    for (;;) {
        struct timeval bound = {0, 5000};
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(fd, &readable);
        if (select(fd + 1, &readable, NULL, NULL, &bound) > 0) {
            ssize_t n = recv(fd, line, sizeof line - 1, 0);
            if (n <= 0)
                return; /* the test wants it to end */
            line[n] = '\0';
            obey(child, line);
            if (send(fd, child->answer, strlen(child->answer) + 1, MSG_NOSIGNAL) < 0)
                return;
        }
        turn(child);
    }
}

static void run_child(const struct replica *replica, int fd)
{
    char dir[64];
    memcpy(dir, replica->dir, sizeof dir);
    struct child *child = calloc(1, sizeof *child);
    for (size_t i = 0; i < replica->migrations; i++) {
        snprintf(child->names[i], sizeof child->names[i], i ? "m%zu" : "m", i);
        child->migrations[i] = (struct xf_migration_conf){.name = child->names[i]};
    }
    child->config = (struct xf_config){
        .migrations = child->migrations,
        .migration_count = replica->migrations,
        .state_dir = dir,
        .redis = {.url = "redis://127.0.0.1", .host = "127.0.0.1", .port = replica->redis_port, .prefix = "crossfade"}};
    struct xf_journal_options options = {.config = &child->config, .link_count = 1, .hold_ms = replica->hold_ms};
    enum xf_err err = xf_journal_new(&options, &child->journal);
    child->base = event_base_new();
    if (!err)
        err = xf_journal_link_new(child->journal, child->base, &child->link);
    say_err(child, err);
    (void)!send(fd, child->answer, strlen(child->answer) + 1, MSG_NOSIGNAL);
    if (!err)
        answer_commands(child, fd);
    xf_journal_link_free(child->link);
    xf_journal_free(child->journal);
    event_base_free(child->base);
    free(child);
}

/* --- The test's side --- */

static void receive(struct replica *replica)
{
    ssize_t n = recv(replica->fd, replica->answer, sizeof replica->answer, 0);
    assert_true(n > 0);
    replica->answer[n - 1] = '\0';
}

void replica_again(struct replica *replica)
{
    int pair[2];
    assert_int_equal(replica->pid, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    fflush(NULL);
    replica->pid = fork();
    assert_true(replica->pid >= 0);
    if (replica->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nobody behind */
        for (int fd = 3; fd < 256; fd++) /* those of its sisters would keep them waiting for an end that does not come */
            if (fd != pair[1])
                close(fd);
        run_child(replica, pair[1]);
        exit(0); /* which looks for leaks, too */
    }
    close(pair[1]);
    replica->fd = pair[0];
    struct timeval bound = {BOUND_MS / 1000, 0};
    setsockopt(replica->fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    receive(replica);
}

void replica_start(struct replica *replica, uint16_t redis_port, uint64_t hold_ms)
{
    replica_start_many(replica, redis_port, hold_ms, 1);
}

void replica_start_many(struct replica *replica, uint16_t redis_port, uint64_t hold_ms, size_t migrations)
{
    assert_true(migrations <= MIGRATIONS);
    *replica = (struct replica){.redis_port = redis_port, .hold_ms = hold_ms, .migrations = migrations};
    snprintf(replica->dir, sizeof replica->dir, "/tmp/xf-replica-XXXXXX");
    assert_non_null(mkdtemp(replica->dir));
    replica_again(replica);
}

static void wait_end(struct replica *replica, bool is_clean)
{
    int status;
    assert_int_equal(waitpid(replica->pid, &status, 0), replica->pid);
    assert_true(!is_clean || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    close(replica->fd);
    replica->pid = 0;
}

void replica_stop(struct replica *replica)
{
    shutdown(replica->fd, SHUT_RDWR);
    wait_end(replica, true);
}

void replica_kill(struct replica *replica)
{
    kill(replica->pid, SIGKILL);
    wait_end(replica, false);
}

void replica_pause(const struct replica *replica)
{
    kill(replica->pid, SIGSTOP);
}

void replica_wake(const struct replica *replica)
{
    kill(replica->pid, SIGCONT);
}

void replica_fini(struct replica *replica)
{
    static const char *const files[] = {"replica", "replica-id", "replica.tmp", "journal.m"};
    char path[128];
    if (replica->pid)
        replica_kill(replica);
    for (size_t i = 1; i < replica->migrations; i++) {
        snprintf(path, sizeof path, "%s/journal.m%zu", replica->dir, i);
        unlink(path);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", replica->dir, files[i]);
        unlink(path);
    }
    rmdir(replica->dir);
}

void ask_ahead(struct replica *replica, const char *line)
{
    assert_true(send(replica->fd, line, strlen(line), MSG_NOSIGNAL) > 0);
}

const char *take_answer(struct replica *replica)
{
    receive(replica);
    return replica->answer;
}

const char *ask(struct replica *replica, const char *format, ...)
{
    char line[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ask_ahead(replica, line);
    return take_answer(replica);
}

static bool has_words(const char *answer, const char *words)
{
    char padded[LINE + 2], word[128];
    snprintf(padded, sizeof padded, " %s ", answer);
    while (*words) {
        size_t len = strcspn(words, " ");
        snprintf(word, sizeof word, " %.*s ", (int)len, words);
        if (!strstr(padded, word))
            return false;
        words += len + (words[len] == ' ');
    }
    return true;
}

void wait_for(struct replica *replica, const char *question, const char *words)
{
    uint64_t start_ms = xf_clock_now_ms();
    while (!has_words(ask(replica, "%s", question), words)) {
        if (xf_clock_now_ms() - start_ms >= BOUND_MS)
            fail_msg("%s: waited for %s, last answer %s", question, words, replica->answer);
        usleep(5000);
    }
}

void expect(struct replica *replica, const char *question, const char *words)
{
    uint64_t start_ms = xf_clock_now_ms();
    const char *answer = ask(replica, "%s", question);
    while (strcmp(answer, "IO") == 0 && strcmp(words, "IO") != 0 && xf_clock_now_ms() - start_ms < BOUND_MS) {
        usleep(5000);
        answer = ask(replica, "%s", question);
    }
    if (!has_words(answer, words))
        fail_msg("%s: expected %s, answer %s", question, words, answer);
}
