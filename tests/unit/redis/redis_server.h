/* A private redis-server for tests: its own port, its own directory, ended by its pid. The commands here use a
 * connection of their own that blocks, as redis-cli's does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_REDIS_REDIS_SERVER_H
#define XF_TESTS_UNIT_REDIS_REDIS_SERVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid; /* 0: not running */
    uint16_t port;
    char dir[64];
    char unix_path[96];
    struct redisContext *cli;
};

void redis_server_start(struct redis_server *server); /* the first time it picks a port, later it takes the same */
void redis_server_kill(struct redis_server *server);  /* SIGKILL, and waits for its end; what it held is lost */
void redis_server_pause(const struct redis_server *server); /* SIGSTOP: it does not answer, and forgets nothing */
void redis_server_wake(const struct redis_server *server);
void redis_server_fini(struct redis_server *server);
/* A command without blanks inside its words; asserts that the answer is no error. */
void redis_do(struct redis_server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* True if GET says so; NULL asks for a key that is not there. */
bool redis_has(struct redis_server *server, const char *key, const char *value);

/* Runs the loop until the condition holds; fails the test after half a minute. */
typedef bool condition_fn(void *ctx);
void run_until(struct event_base *base, condition_fn *condition, void *ctx);
void run_for_ms(struct event_base *base, uint64_t ms);

#endif
