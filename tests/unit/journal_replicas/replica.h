/* Replicas for tests: each is a process of its own with one journal, so that it can be stopped, woken and killed. It takes
 * commands as lines and answers with a line each; journals are met only through proxy/journal/journal.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_JOURNAL_REPLICAS_REPLICA_H
#define XF_TESTS_UNIT_JOURNAL_REPLICAS_REPLICA_H

#include "tests/unit/redis/redis_server.h"

#include <stdint.h>
#include <sys/types.h>

struct replica {
    pid_t pid; /* 0: not running */
    int fd;
    uint16_t redis_port;
    uint64_t hold_ms;
    size_t migrations;   /* m, m1, m2, ..; the commands are about the first */
    char dir[64];        /* its state_dir, made by the first start, removed by fini */
    char answer[4096];
};

/* Starts the process; returns when its journal is there, or failed to start (then ask() says so). */
void replica_start(struct replica *replica, uint16_t redis_port, uint64_t hold_ms);
/* The same with so many migrations. */
void replica_start_many(struct replica *replica, uint16_t redis_port, uint64_t hold_ms, size_t migrations);
void replica_again(struct replica *replica); /* the same once more: same dir, redis and hold */
void replica_stop(struct replica *replica);  /* frees the journal, waits for the end */
void replica_kill(struct replica *replica);  /* SIGKILL */
void replica_pause(const struct replica *replica);
void replica_wake(const struct replica *replica);
void replica_fini(struct replica *replica);

/* Sends a command and gives back the answer, which holds until the next one. The commands:
 *
 *   all (of how many migrations this replica is joined and leads) | state | counts | replicas | id | usable | dual 0|1 | lose
 *   mark IDS | take N | moment | known NUMBER EARLY | forget ID
 *   begin SLOT IDS | confirm SLOT | end SLOT OUTCOME | resolved SLOT IDS
 *   copy SLOT IDS | range SLOT FROM TO | hot SLOT IDS | may SLOT | done|failed|unknown SLOT IDS
 *
 * IDS are numbers with commas between, `all`, or `-` for none; a SLOT is a letter that stands for the op or copy. Calls that
 * fail answer with the error's name. */
const char *ask(struct replica *replica, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For commands that wait: the answer is taken later. */
void ask_ahead(struct replica *replica, const char *line);
const char *take_answer(struct replica *replica);
/* Asks until the answer has all of these words, for half a minute at most. */
void wait_for(struct replica *replica, const char *question, const char *words);
/* Asks once; again where the lease was over for a moment (IO), as it may be on a machine that has too much to do. */
void expect(struct replica *replica, const char *question, const char *words);

#endif
