/* Three things that no single event brings about, looked for by a timer, often while one of them is due:
 *
 *   usable   the journal has reached Redis, or has a file of an earlier run: the migration is no longer held back
 *   dual     no request rests on a snapshot from before dual writes, and none of theirs may still land: set_dual(true)
 *   lead     the values that the last leader has saved are here: what the worker goes on from
 *
 * Whatever ends one of them ends it at once: dual in xf_phases_note, before the first write to one side alone, lead in the
 * journal's own state, which is asked for each time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/phases.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    LOOK_MS = 200,
    LOOK_SOON_MS = 20,
    REFRESH_MS = 1000,
    READ_AGAIN_MS = 200,
    /* What others say of themselves is as old as their last beat. Three of them: a replica that has not noticed yet that
     * dual writes were off for a moment is given the time to. */
    SETTLE_MS = 1500
};

struct xf_phase_now {
    struct xf_phases *phases;
    size_t migration;

    _Atomic bool is_on; /* dual writes, in the snapshot */
    _Atomic int authority;
    _Atomic bool is_complete;             /* a backfill has filled the new side */
    _Atomic uint64_t since_generation;    /* of the snapshot with which dual writing began; 0: not yet */
    _Atomic uint64_t unproven_until_ms;   /* a write to one side alone may still land */
    _Atomic bool is_dual;                 /* the journal has been told */
    _Atomic uint64_t all_dual_since_ms;   /* all replicas, as far as was seen; 0: they are not */
    _Atomic uint64_t values_of;           /* the lead for which the values were read; 0: none */

    /* control thread */
    bool is_held_back, is_one_sided;
    uint64_t lead; /* the leader's token and one; 0: this replica does not lead */
    bool is_reading, has_waited;
    uint64_t reading_for, read_next_ms;
};

struct xf_phases {
    struct xf_phases_parts parts;
    struct event *look;
    uint64_t hold_ms;
    struct xf_phase_now migrations[];
};

static uint64_t lead_of(const struct xf_journal_state *state)
{
    return state->is_leader ? state->token + 1 : 0;
}

/* ---- lead ---- */

/* Redis may have been emptied: other replicas put back what they know, and this one may have to lead with it. */
static bool must_wait(struct xf_phase_now *now)
{
    struct xf_journal_state state;
    xf_journal_state(now->phases->parts.journal, now->migration, &state);
    if (!now->lead || now->has_waited || state.replicas <= 1)
        return false;
    now->has_waited = true;
    now->read_next_ms = xf_clock_now_ms() + SETTLE_MS;
    return true;
}

static void on_read(void *ctx, enum xf_err err)
{
    struct xf_phase_now *now = ctx;
    const struct xf_phases_parts *parts = &now->phases->parts;
    now->is_reading = false;
    if (err == XF_ERR_STATE)
        return; /* control is being freed */
    bool is_there = !err || err == XF_ERR_NOT_FOUND;
    now->read_next_ms = xf_clock_now_ms() + (is_there ? REFRESH_MS : READ_AGAIN_MS);
    if (!is_there || (err && must_wait(now)))
        return;
    parts->on_values(parts->ctx, now->migration);
    if (!now->lead || now->reading_for != now->lead)
        return;
    xf_control_write_values(parts->control, now->migration, true);
    atomic_store(&now->values_of, now->lead);
    xf_log(XF_LOG_INFO, "serve", "migration=%s: this replica leads now", parts->config->migrations[now->migration].name);
}

static void read_values(struct xf_phase_now *now)
{
    const struct xf_phases_parts *parts = &now->phases->parts;
    if (now->is_reading || !xf_control_redis_is_up(parts->control) || xf_clock_now_ms() < now->read_next_ms)
        return;
    now->reading_for = now->lead;
    now->is_reading = xf_control_read_values(parts->control, now->migration, on_read, now) == XF_OK;
    if (!now->is_reading)
        now->read_next_ms = xf_clock_now_ms() + READ_AGAIN_MS;
}

static bool look_at_lead(struct xf_phase_now *now, const struct xf_journal_state *state)
{
    const struct xf_phases_parts *parts = &now->phases->parts;
    uint64_t lead = lead_of(state);
    if (lead != now->lead) {
        if (atomic_load(&now->values_of))
            xf_log(XF_LOG_INFO, "serve", "migration=%s: this replica does not lead any more",
                   parts->config->migrations[now->migration].name);
        now->lead = lead;
        now->read_next_ms = 0;
        now->has_waited = false;
        atomic_store(&now->values_of, 0);
        xf_control_write_values(parts->control, now->migration, false);
    }
    bool is_due = lead && atomic_load(&now->values_of) != lead;
    if (is_due || !lead)
        read_values(now);
    return is_due;
}

bool xf_phases_is_leader(struct xf_phases *phases, size_t migration)
{
    struct xf_journal_state state;
    xf_journal_state(phases->parts.journal, migration, &state);
    return state.is_leader && atomic_load(&phases->migrations[migration].values_of) == lead_of(&state);
}

bool xf_phases_are_led(struct xf_phases *phases)
{
    for (size_t i = 0; i < phases->parts.config->migration_count; i++) {
        struct xf_journal_state state;
        xf_journal_state(phases->parts.journal, i, &state);
        bool is_unread = state.is_leader && atomic_load(&phases->migrations[i].values_of) != lead_of(&state);
        if (!state.is_cut_off && (!state.leader[0] || is_unread))
            return false;
    }
    return true;
}

/* ---- dual ---- */

void xf_phases_unproven(struct xf_phases *phases, size_t migration)
{
    atomic_store(&phases->migrations[migration].unproven_until_ms, xf_clock_now_ms() + phases->hold_ms);
}

/* In this order: a request says that its outcome is not proven before it lets go of its snapshot. */
static bool has_drained(const struct xf_phase_now *now)
{
    const struct xf_phases_parts *parts = &now->phases->parts;
    return parts->oldest_generation(parts->ctx) >= atomic_load(&now->since_generation) &&
           xf_clock_now_ms() >= atomic_load(&now->unproven_until_ms);
}

static bool look_at_dual(struct xf_phase_now *now, const struct xf_journal_state *state)
{
    bool is_on = atomic_load(&now->is_on);
    if (is_on && !atomic_load(&now->is_dual) && has_drained(now)) {
        xf_journal_set_dual(now->phases->parts.journal, now->migration, true);
        atomic_store(&now->is_dual, true);
        return true;
    }
    bool are_all = is_on && atomic_load(&now->is_dual) && state->are_all_dual;
    if (!are_all)
        atomic_store(&now->all_dual_since_ms, 0);
    else if (!atomic_load(&now->all_dual_since_ms))
        atomic_store(&now->all_dual_since_ms, xf_clock_now_ms());
    return is_on && !are_all;
}

static bool has_settled(const struct xf_phase_now *now, const struct xf_journal_state *state)
{
    uint64_t since_ms = atomic_load(&now->all_dual_since_ms);
    return state->replicas <= 1 || (since_ms && xf_clock_now_ms() >= since_ms + SETTLE_MS);
}

void xf_phases_get(struct xf_phases *phases, size_t migration, struct xf_worker_phase *phase)
{
    const struct xf_phase_now *now = &phases->migrations[migration];
    struct xf_journal_state state;
    bool is_on = atomic_load(&now->is_on);
    xf_journal_state(phases->parts.journal, migration, &state);
    phase->authority = (enum xf_side)atomic_load(&now->authority);
    phase->period = atomic_load(&now->since_generation);
    phase->is_off = !is_on;
    phase->is_leader = state.is_leader && atomic_load(&now->values_of) == lead_of(&state);
    /* A new side that was never filled must not be copied over legacy: that would delete what it lacks. */
    phase->is_unfilled = phase->authority == XF_NEW && !atomic_load(&now->is_complete);
    phase->is_dual_writing = is_on && !phase->is_unfilled && atomic_load(&now->is_dual) && state.are_all_dual &&
                             has_settled(now, &state);
}

bool xf_phases_is_now(const struct xf_phases *phases, size_t migration, uint64_t period)
{
    const struct xf_phase_now *now = &phases->migrations[migration];
    return atomic_load(&now->is_on) && atomic_load(&now->since_generation) == period;
}

/* ---- snapshots ---- */

static void look_soon(struct xf_phases *phases, bool is_due)
{
    const struct timeval wait = {.tv_usec = (is_due ? LOOK_SOON_MS : LOOK_MS) * 1000};
    XF_ASSERT(evtimer_add(phases->look, &wait) == 0);
}

static void note(struct xf_phase_now *now, const struct xf_migration_view *view, uint64_t generation)
{
    bool is_one_sided = !view->dual_write && !view->is_refused; /* nothing is written to a migration that is refused */
    if (view->dual_write && !atomic_load(&now->is_on))
        atomic_store(&now->since_generation, generation);
    atomic_store(&now->is_complete, view->follower_is_complete);
    atomic_store(&now->authority, (int)xf_authority(view));
    atomic_store(&now->is_on, view->dual_write);
    if (is_one_sided && !now->is_one_sided) { /* before the first write that goes to one side alone */
        atomic_store(&now->is_dual, false);
        atomic_store(&now->all_dual_since_ms, 0);
        xf_journal_set_dual(now->phases->parts.journal, now->migration, false);
        xf_journal_lose(now->phases->parts.journal, now->migration);
    }
    now->is_one_sided = is_one_sided;
}

void xf_phases_note(struct xf_phases *phases, const struct xf_snapshot *snapshot)
{
    for (size_t i = 0; i < phases->parts.config->migration_count; i++)
        note(&phases->migrations[i], &snapshot->migrations[i], snapshot->generation);
    look_soon(phases, true);
}

/* ---- looking ---- */

static bool look_at_use(struct xf_phase_now *now)
{
    const struct xf_phases_parts *parts = &now->phases->parts;
    if (now->is_held_back && xf_journal_is_usable(parts->journal, now->migration)) {
        now->is_held_back = false;
        xf_control_hold_back(parts->control, now->migration, false);
    }
    return now->is_held_back;
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
    struct xf_phases *phases = ctx;
    bool is_due = false;
    (void)fd;
    (void)what;
    for (size_t i = 0; i < phases->parts.config->migration_count; i++) {
        struct xf_phase_now *now = &phases->migrations[i];
        struct xf_journal_state state;
        xf_journal_state(phases->parts.journal, i, &state);
        is_due |= look_at_use(now);
        is_due |= look_at_lead(now, &state);
        is_due |= look_at_dual(now, &state);
        is_due |= !state.leader[0]; /* somebody will lead soon */
    }
    look_soon(phases, is_due);
}

static void init(struct xf_phases *phases, size_t i)
{
    const struct xf_phases_parts *parts = &phases->parts;
    struct xf_phase_now *now = &phases->migrations[i];
    now->phases = phases;
    now->migration = i;
    /* An earlier process has written to one side alone, and has died with a request on its way for all we know. */
    if (xf_control_was_one_sided(parts->control, i))
        xf_phases_unproven(phases, i);
    now->is_held_back = !xf_journal_is_usable(parts->journal, i);
    if (!now->is_held_back)
        return;
    xf_log(XF_LOG_WARN, "serve", "migration=%s: Redis has never been reached and there is no file of an earlier run: "
           "requests are refused until it is", parts->config->migrations[i].name);
    xf_control_hold_back(parts->control, i, true);
}

enum xf_err xf_phases_new(const struct xf_phases_parts *parts, struct event_base *base, struct xf_phases **phases)
{
    size_t count = parts->config->migration_count;
    struct xf_phases *made = calloc(1, sizeof *made + count * sizeof made->migrations[0]);
    if (!made)
        return XF_ERR_NOMEM;
    made->parts = *parts;
    made->hold_ms = parts->config->timeouts.answer_ms + parts->config->timeouts.body_ms;
    made->look = evtimer_new(base, on_look, made);
    if (!made->look) {
        free(made);
        return XF_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++)
        init(made, i);
    look_soon(made, true);
    *phases = made;
    return XF_OK;
}

void xf_phases_free(struct xf_phases *phases)
{
    if (!phases)
        return;
    event_free(phases->look);
    free(phases);
}
