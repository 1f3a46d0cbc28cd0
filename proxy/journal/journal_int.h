/* The journal as a whole: its members, and the keeper, which is the one thread that speaks to Redis about anything but
 * writes. Each member has a ward around it: what the keeper has to remember of it between two answers.
 *
 *   keeper.c   the thread and its connection
 *   presence.c joining, beating, saying goodbye
 *   duty.c     what the answers to beats ask for: watching the other replicas, leading, ending holds
 *   give.c     giving Redis what stands in the local file, and that everything is unknown
 *   calls.c    the worker's waiting calls;  copy.c  those about copies
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_JOURNAL_INT_H
#define XF_PROXY_JOURNAL_JOURNAL_INT_H

#include "common/bridge/bridge.h"
#include "common/redis/redis.h"
#include "proxy/journal/member.h"
#include "proxy/journal/replica_file.h"
#include "proxy/journal/session.h"

#include <pthread.h>

struct event;
struct event_base;

enum {
    XF_PEER_MAX = 63,   /* a replica's id */
    XF_MARKS = 256,     /* points in time by which holds are measured */
    XF_GIVE_IDS = 1000, /* ids told in one step */
    XF_OUTSTANDING_MAX = 65536
};

/* A command under way, at most one of each kind for a member. Answers come in the order of the commands, so what was sent
 * before a join is answered before it. */
struct xf_errand {
    struct xf_ward *ward;
    uint64_t generation, sent_ms; /* CLOCK_BOOTTIME, from before it was sent */
    bool is_out;
};

struct xf_peer {
    char id[XF_PEER_MAX + 1];
    bool is_in, is_dual;
    uint64_t beat, since_ms; /* the beat, and since when it has been that */
};

struct xf_mark {
    uint64_t seq, ms; /* CLOCK_MONOTONIC: a request does not travel while this machine sleeps */
};

struct xf_ward {
    struct xf_member member; /* first: a member is a ward */
    struct xf_session session;
    struct xf_replica_record *record;

    /* The keeper's. */
    uint64_t generations; /* given so far */
    uint64_t join_ms, beat_ms, note_ms; /* when they are due */
    uint64_t seen_ms;     /* when Redis last said who is there */
    bool has_joined;      /* in this process */
    bool was_dual;        /* when an earlier process last said so */
    bool has_complained;  /* that it cannot join */
    bool is_last_beat, is_goodbye_said;
    struct xf_errand join, beat, lapse, claim, release, give, tell;
    struct xf_mark marks[XF_MARKS]; /* a ring; the leader's, since it leads by marks_token */
    size_t mark_first, mark_count;
    uint64_t marks_token, releasing, released;
    struct xf_spill_take take;
    bool gives_held, gives_all, gives_last, tells_held;

    _Atomic bool wants_beat;        /* before it is due: there is news */
    _Atomic bool is_telling;        /* that everything is unknown is on its way to Redis */
    _Atomic size_t copies_in_hand;  /* begun here and not ended: until then nothing joins again */

    /* The member's lock. */
    struct xf_peer *peers; /* as of the last beat; this replica is one of them */
    size_t peer_count;
};

struct xf_journal {
    struct xf_journal_options options;
    struct xf_journal_tally tally;
    _Atomic uint64_t rejoins, lapses_seen, emptied, copies_begun;
    _Atomic unsigned links;
    char nonce[17]; /* of this process: ids of copies */
    struct xf_replica_file file;

    pthread_t thread;
    bool has_thread;
    struct event_base *base;
    struct event *timer;
    struct xf_bridge *bridge;
    struct xf_redis *redis;
    char run_id[XF_RUN_ID_MAX + 1]; /* of the Redis at the other end */
    bool wants_scripts; /* they may not be there (any more) */
    bool is_ready;      /* connected, and the run id is known */
    bool is_stopping;
    uint64_t stop_ms, save_ms;

    pthread_mutex_t lock; /* for xf_journal_new, which waits */
    pthread_cond_t changed;
    bool is_settled;

    size_t ward_count;
    struct xf_ward *wards;
};

/* keeper.c */
XF_MUST_CHECK enum xf_err xf_keeper_start(struct xf_journal *journal);
void xf_keeper_stop(struct xf_journal *journal); /* with goodbyes; waits for the thread */
void xf_keeper_poke(struct xf_journal *journal); /* has it look at everything again; any thread */
void xf_keeper_joined(struct xf_journal *journal); /* xf_journal_new waits until all have; the keeper's thread */
bool xf_random_hex(char *out, size_t bytes);       /* two digits each, and a NUL */

/* presence.c: the keeper's thread */
/* Does what is due; answers when to come again. */
uint64_t xf_presence_look_after(struct xf_ward *ward, uint64_t now_ms);
bool xf_presence_is_over(const struct xf_ward *ward); /* it has said goodbye, or has nobody to say it to */
/* Sends on behalf of the ward's session unless the errand is out already or the member is not joined. */
void xf_errand_send(struct xf_errand *errand, enum xf_script script, const struct xf_slice *args, size_t count,
                    xf_redis_reply_fn *reply);
/* The answer; false: it is of no use any more (out, or another join has come in between). */
bool xf_errand_read(struct xf_errand *errand, enum xf_err err, const struct xf_redis_reply *reply,
                    struct xf_script_reply *out);

/* duty.c: the keeper's thread */
/* Takes in what beats and joins say from element `at` on. INVALID: it is not what it should be. */
XF_MUST_CHECK enum xf_err xf_duty_see(struct xf_ward *ward, const struct xf_script_reply *reply, size_t at);
/* Declares lapsed who was silent until `sent_ms`, when the beat was sent; claims an empty chair. */
void xf_duty_lapses(struct xf_ward *ward, uint64_t sent_ms);
void xf_duty_lead(struct xf_ward *ward);                     /* notes the time, ends holds */

/* give.c: the keeper's thread */
void xf_give(struct xf_ward *ward);
bool xf_give_is_due(const struct xf_ward *ward);
bool xf_ward_says_dual(const struct xf_ward *ward); /* what beats tell the others; any thread */

/* calls.c */
struct xf_call;
typedef enum xf_err xf_call_read_fn(struct xf_call *call, const struct xf_script_reply *reply); /* the keeper's thread */
struct xf_call {
    struct xf_ward *ward;
    enum xf_script script;
    const struct xf_slice *args;
    size_t arg_count;
    xf_call_read_fn *read; /* of an answer that is OK; NULL: there is nothing to read */
    void *result;
    /* Nobody else's business. */
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    enum xf_err err;
    uint64_t generation;
};
/* Waits for the answer: the connection's watchdog bounds how long. OK, BUSY, STATE (FENCED), IO, NOMEM. */
XF_MUST_CHECK enum xf_err xf_call_run(struct xf_call *call);
uint64_t xf_reply_number(const struct xf_script_reply *reply, size_t i); /* the verb's own element i; 0 where there is none */

static inline struct xf_ward *xf_ward_of(struct xf_member *member)
{
    return (struct xf_ward *)(void *)member;
}

static inline void xf_lock(pthread_mutex_t *lock)
{
    int failed = pthread_mutex_lock(lock);
    XF_ASSERT(!failed);
}

static inline void xf_unlock(pthread_mutex_t *lock)
{
    int failed = pthread_mutex_unlock(lock);
    XF_ASSERT(!failed);
}

#endif
