/* A replica without a keeper, for tests of links: the journal's struct, its members and its file are stand-ins that can be
 * looked at, and joins are made by hand. Redis is a real one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_JOURNAL_LINK_REPLICA_H
#define XF_TESTS_UNIT_JOURNAL_LINK_REPLICA_H

#include "proxy/journal/member.h"
#include "proxy/journal/scripts.h"
#include "tests/unit/redis/redis_server.h"

enum { FILE_NUMBERS = 1024 };

struct xf_spill { /* the stand-in for the file */
    pthread_mutex_t lock;
    bool has[FILE_NUMBERS]; /* ids that are numbers below */
    size_t count, alls;     /* so many were added */
    _Atomic bool is_full;
};

struct xf_journal {
    const char *name;
    struct xf_journal_options options;
    struct xf_config config;
    struct xf_journal_tally tally;
    struct xf_member member;
    struct xf_spill file;
    unsigned links;
    uint64_t generations; /* so many joins */
    _Atomic unsigned losses; /* how often a generation was lost */
    _Atomic unsigned pictures;
};

void replica_init(struct xf_journal *replica, const char *name, const struct redis_server *server, size_t links);
void replica_fini(struct xf_journal *replica);
/* Waits for the script. `is_alive`: it was here before, as the same process. */
void replica_join(struct xf_journal *replica, struct redis_server *server, bool is_alive);
/* As the keeper does it: what is in flight goes to the file first. */
void replica_join_again(struct xf_journal *replica, struct redis_server *server);
/* A link whose writes do not lose their patience, however slow the machine. */
struct xf_journal_link *replica_link(struct xf_journal *replica, struct event_base *base);
/* Empties the file: Redis has taken it. */
void replica_give(struct xf_journal *replica);
bool file_has(struct xf_journal *replica, uint64_t number);

/* What Redis has of migration 0. */
size_t redis_in_flight(struct redis_server *server);
bool redis_dirty(struct redis_server *server, uint64_t number);
bool redis_held(struct redis_server *server, uint64_t number);
bool redis_is_in_flight(struct redis_server *server, uint64_t number);
void redis_roll_back_session(struct redis_server *server, const char *session); /* as if it had sent nothing yet */
bool redis_meta_is(struct redis_server *server, const char *field, const char *value); /* NULL: not there */

#endif
