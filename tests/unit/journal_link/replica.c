/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/journal_link/replica.h"

#include "common/base/clock.h"
#include "proxy/journal/link_int.h"
#include "proxy/journal/pack.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE "crossfade:{m}:j:"

/* ---- what the link finds instead of the keeper ---- */

struct xf_member *xf_journal_member(struct xf_journal *journal, size_t migration)
{
    assert_int_equal(migration, 0);
    return &journal->member;
}

const struct xf_journal_options *xf_journal_options(const struct xf_journal *journal)
{
    return &journal->options;
}

unsigned xf_journal_next_link(struct xf_journal *journal)
{
    return journal->links < journal->options.link_count ? ++journal->links : 0;
}

struct xf_journal_tally *xf_journal_tally(struct xf_journal *journal)
{
    return &journal->tally;
}

const char *xf_journal_replica_id(const struct xf_journal *journal)
{
    return journal->name;
}

bool xf_member_holds(const struct xf_member *member)
{
    return atomic_load(&member->generation) != 0 && xf_clock_boot_ms() < atomic_load(&member->lease_until_ms);
}

void xf_member_lost(struct xf_member *member, uint64_t generation)
{
    if (generation && atomic_compare_exchange_strong(&member->generation, &generation, 0))
        atomic_fetch_add(&member->journal->losses, 1);
}

void xf_member_saw(struct xf_member *member, uint64_t generation, const struct xf_picture *picture)
{
    pthread_mutex_lock(&member->lock);
    if (generation == atomic_load(&member->generation) && picture->seq >= member->picture.seq)
        member->picture = *picture;
    pthread_mutex_unlock(&member->lock);
    atomic_fetch_add(&member->journal->pictures, 1);
}

/* ---- and instead of the file ---- */

enum xf_err xf_spill_add(struct xf_spill *spill, const struct xf_point_id *ids, size_t id_count)
{
    if (atomic_load(&spill->is_full))
        return XF_ERR_IO;
    pthread_mutex_lock(&spill->lock);
    spill->count += id_count;
    for (size_t i = 0; i < id_count; i++)
        if (!ids[i].is_uuid && ids[i].lo < FILE_NUMBERS)
            spill->has[ids[i].lo] = true;
    pthread_mutex_unlock(&spill->lock);
    return XF_OK;
}

enum xf_err xf_spill_add_all(struct xf_spill *spill)
{
    if (atomic_load(&spill->is_full))
        return XF_ERR_IO;
    pthread_mutex_lock(&spill->lock);
    spill->alls++;
    pthread_mutex_unlock(&spill->lock);
    return XF_OK;
}

bool file_has(struct xf_journal *replica, uint64_t number)
{
    assert_true(number < FILE_NUMBERS);
    pthread_mutex_lock(&replica->file.lock);
    bool has = replica->file.has[number];
    pthread_mutex_unlock(&replica->file.lock);
    return has;
}

void replica_give(struct xf_journal *replica)
{
    atomic_fetch_add(&replica->member.given, 1);
    pthread_mutex_lock(&replica->file.lock);
    replica->file.count = replica->file.alls = 0;
    memset(replica->file.has, 0, sizeof replica->file.has);
    pthread_mutex_unlock(&replica->file.lock);
    atomic_store(&replica->member.is_spill_held, false);
}

/* ---- life ---- */

void replica_init(struct xf_journal *replica, const char *name, const struct redis_server *server, size_t links)
{
    static char host[] = "127.0.0.1", base[] = BASE, migration[] = "m";
    static struct xf_migration_conf migrations[] = {{.name = migration}};
    memset(replica, 0, sizeof *replica);
    replica->name = name;
    replica->config.redis.host = host;
    replica->config.redis.port = server->port;
    replica->config.migrations = migrations;
    replica->config.migration_count = 1;
    replica->options = (struct xf_journal_options){.config = &replica->config, .link_count = links};
    replica->member.journal = replica;
    replica->member.base = base;
    replica->member.spill = &replica->file;
    pthread_mutex_init(&replica->member.lock, NULL);
    pthread_mutex_init(&replica->file.lock, NULL);
    xf_queue_init(&replica->member.queue);
}

void replica_fini(struct xf_journal *replica)
{
    assert_int_equal(replica->member.queue.admitted.count + replica->member.queue.waiting.count, 0);
    assert_int_equal(atomic_load(&replica->member.cut_off_ops), 0);
    assert_int_equal(atomic_load(&replica->member.unacknowledged), 0);
    xf_queue_fini(&replica->member.queue);
    pthread_mutex_destroy(&replica->member.lock);
    pthread_mutex_destroy(&replica->file.lock);
}

void replica_join(struct xf_journal *replica, struct redis_server *server, bool is_alive)
{
    struct xf_slice text = xf_script_text(XF_SCRIPT_JOIN);
    char links[16];
    snprintf(links, sizeof links, "%zu", replica->options.link_count);
    const char *inc = replica->member.inc;
    redisReply *reply = redisCommand(server->cli, "EVAL %b 1 %s %s %s %s %s %s %s %s %s %s %s %s", text.ptr, text.len, BASE,
                                     replica->name, links, "incarnation", inc, "0", "0", "0", is_alive ? "1" : "0", "",
                                     "0", "0");
    assert_non_null(reply);
    if (reply->type != REDIS_REPLY_ARRAY)
        fail_msg("join: %s", reply->str ? reply->str : "no list");
    assert_true(reply->elements > 10);
    pthread_mutex_lock(&replica->member.lock);
    snprintf(replica->member.inc, sizeof replica->member.inc, "%s", reply->element[8]->str);
    replica->member.boot = (uint64_t)reply->element[9]->integer;
    atomic_store(&replica->member.lease_until_ms, xf_clock_boot_ms() + 3600000);
    atomic_store(&replica->member.generation, ++replica->generations);
    pthread_mutex_unlock(&replica->member.lock);
    freeReplyObject(reply);
}

void replica_join_again(struct xf_journal *replica, struct redis_server *server)
{
    assert_int_equal(atomic_load(&replica->member.generation), 0);
    xf_ops_cut_off(&replica->member);
    replica_join(replica, server, true);
}

struct xf_journal_link *replica_link(struct xf_journal *replica, struct event_base *base)
{
    struct xf_journal_link *link;
    assert_int_equal(xf_journal_link_new(replica, base, &link), XF_OK);
    link->patience_ms = 600000;
    return link;
}

/* ---- looking into Redis ---- */

static int type_of(struct redis_server *server, const char *command, const char *suffix, const void *member, size_t len)
{
    redisReply *reply = redisCommand(server->cli, "%s %s%s %b", command, BASE, suffix, member, len);
    assert_non_null(reply);
    int type = reply->type;
    bool is_zero = type == REDIS_REPLY_INTEGER && reply->integer == 0;
    freeReplyObject(reply);
    assert_int_not_equal(type, REDIS_REPLY_ERROR);
    return is_zero ? REDIS_REPLY_NIL : type;
}

static bool has_id(struct redis_server *server, const char *command, const char *suffix, uint64_t number)
{
    struct xf_point_id id = {.lo = number};
    char packed[XF_PACKED_ID_MAX];
    size_t len = xf_pack_ids(&id, 1, packed);
    return type_of(server, command, suffix, packed, len) != REDIS_REPLY_NIL;
}

bool redis_dirty(struct redis_server *server, uint64_t number)
{
    return has_id(server, "ZSCORE", "dirty", number);
}

bool redis_held(struct redis_server *server, uint64_t number)
{
    return has_id(server, "ZSCORE", "held", number);
}

bool redis_is_in_flight(struct redis_server *server, uint64_t number)
{
    return has_id(server, "SISMEMBER", "fl", number);
}

size_t redis_in_flight(struct redis_server *server)
{
    redisReply *reply = redisCommand(server->cli, "HLEN %s", BASE "ops");
    assert_true(reply && reply->type == REDIS_REPLY_INTEGER);
    size_t count = (size_t)reply->integer;
    freeReplyObject(reply);
    return count;
}

void redis_roll_back_session(struct redis_server *server, const char *session)
{
    redisReply *reply = redisCommand(server->cli, "HSET %s %s %s", BASE "sess", session, "0 0");
    assert_true(reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == 0);
    freeReplyObject(reply);
}

bool redis_meta_is(struct redis_server *server, const char *field, const char *value)
{
    redisReply *reply = redisCommand(server->cli, "HGET %s %s", BASE "meta", field);
    assert_non_null(reply);
    bool is = value ? reply->type == REDIS_REPLY_STRING && strcmp(reply->str, value) == 0 : reply->type == REDIS_REPLY_NIL;
    freeReplyObject(reply);
    return is;
}
