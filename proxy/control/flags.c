/* Precedence, bad values and the emptied Redis.
 *
 * A key that is missing means "off", which is how an operator takes a flag back. After FLUSHALL, after a restart
 * without its data file, or when a name now leads to another server, every key is missing too, and reading that as
 * "off" would take a switched migration back to a legacy collection that may be stale (G6). The incarnation tells the
 * two apart: a key that the proxies write once and nobody else touches. When it is gone or changed, a flag that is
 * missing is held at its last value until it is set again, each flag for itself, so that setting one of them does not
 * let the other fall.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/flags.h"

#include "common/base/num.h"

#include <stdio.h>

static const char *const key_names[XF_FLAG_COUNT] = {"ENABLE_DUAL_WRITE", "ENABLE_NEW_READS"};

const char *xf_flag_key(enum xf_flag flag)
{
    return key_names[flag];
}

const char *xf_flag_from_name(enum xf_flag_from from)
{
    static const char *const names[] = {"default", "global", "migration", "state_dir"};
    return names[from];
}

static enum xf_err parse_percent(struct xf_slice text, uint8_t *percent)
{
    uint64_t number;
    if (text.len < 2 || text.len > 4 || text.ptr[text.len - 1] != '%')
        return XF_ERR_INVALID;
    if (xf_u64_parse(xf_slice(text.ptr, text.len - 1), &number) || number > 100)
        return XF_ERR_INVALID;
    *percent = (uint8_t)number;
    return XF_OK;
}

enum xf_err xf_flag_parse(enum xf_flag flag, struct xf_slice text, uint8_t *percent)
{
    static const struct {
        const char *word;
        uint8_t percent;
    } words[] = {{"0", 0}, {"1", 100}, {"false", 0}, {"true", 100}, {"off", 0}, {"on", 100}, {"no", 0}, {"yes", 100}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (xf_slice_eq_nocase(text, xf_slice_of(words[i].word))) {
            *percent = words[i].percent;
            return XF_OK;
        }
    }
    return flag == XF_FLAG_NEW_READS ? parse_percent(text, percent) : XF_ERR_INVALID;
}

static bool is_set(const struct xf_flag_reading *reading, enum xf_flag flag)
{
    return reading->own[flag].ptr || reading->global[flag].ptr || reading->is_own_odd[flag] ||
           reading->is_global_odd[flag];
}

static void remember_incarnation(struct xf_flags *flags, struct xf_slice incarnation)
{
    size_t len = incarnation.len < XF_INCARNATION_MAX ? incarnation.len : XF_INCARNATION_MAX;
    memcpy(flags->incarnation, incarnation.ptr, len);
    flags->incarnation[len] = '\0';
    flags->is_adopting = false;
}

/* True if the Redis that answers now is not the one that held the flags before. */
static bool is_other_redis(struct xf_flags *flags, struct xf_slice seen)
{
    bool is_known = flags->incarnation[0] != '\0';
    if (!seen.ptr) {
        bool is_news = is_known && !flags->is_adopting;
        flags->is_adopting = true;
        return is_news;
    }
    size_t len = seen.len < XF_INCARNATION_MAX ? seen.len : XF_INCARNATION_MAX;
    bool is_same = is_known && xf_slice_eq(xf_slice(seen.ptr, len), xf_slice_of(flags->incarnation));
    bool is_news = is_known && !is_same && !flags->is_adopting;
    if (!is_same || flags->is_adopting)
        remember_incarnation(flags, seen);
    return is_news;
}

static void hold_missing(struct xf_flags *flags, const struct xf_flag_reading *reading)
{
    for (enum xf_flag flag = 0; flag < XF_FLAG_COUNT; flag++)
        if (!is_set(reading, flag) && flags->wanted[flag] != 0)
            flags->is_held[flag] = true;
}

static void say_bad_value(struct xf_flags *flags, enum xf_flag flag, bool is_own, struct xf_slice text)
{
    static const char *const expected[] = {"0 1 true false on off yes no", "0 1 true false on off yes no 0%..100%"};
    if (flags->error[0] == '\0')
        snprintf(flags->error, sizeof flags->error,
                 "the %s %s is \"%.*s\", which is none of %s; the last good value stays",
                 is_own ? "migration's" : "global", key_names[flag], (int)(text.len < 64 ? text.len : 64), text.ptr,
                 expected[flag]);
}

static void say_odd_value(struct xf_flags *flags, enum xf_flag flag, bool is_own)
{
    if (flags->error[0] == '\0')
        snprintf(flags->error, sizeof flags->error,
                 "the %s %s is not a text (a list or a hash, for instance); the last good value stays",
                 is_own ? "migration's" : "global", key_names[flag]);
}

static void read_flag(struct xf_flags *flags, const struct xf_flag_reading *reading, enum xf_flag flag)
{
    bool is_own = reading->own[flag].ptr || reading->is_own_odd[flag];
    struct xf_slice text = is_own ? reading->own[flag] : reading->global[flag];
    if (is_own ? reading->is_own_odd[flag] : reading->is_global_odd[flag]) {
        say_odd_value(flags, flag, is_own);
    } else if (!text.ptr) {
        if (flags->is_held[flag])
            return;
        flags->wanted[flag] = 0;
        flags->from[flag] = XF_FROM_DEFAULT;
    } else if (xf_flag_parse(flag, text, &flags->wanted[flag])) {
        say_bad_value(flags, flag, is_own, text);
    } else {
        flags->from[flag] = is_own ? XF_FROM_MIGRATION : XF_FROM_GLOBAL;
        flags->is_held[flag] = false;
    }
}

const char *xf_flags_obstacle(enum xf_phase from, enum xf_phase to, bool is_complete)
{
    if (from == XF_PHASE_NEW_ONLY && to != XF_PHASE_NEW_ONLY && to != XF_PHASE_SWITCHED)
        return "the legacy collection misses what was written since dual writes were turned off: turn them on with "
               "new_reads on, reconcile, and roll back then";
    if (to == XF_PHASE_NEW_ONLY && from != XF_PHASE_NEW_ONLY && from != XF_PHASE_SWITCHED && !is_complete)
        return "the backfill has not been through, so the new collection misses points: turn dual_write on, backfill, "
               "and switch first";
    return NULL;
}

/* A first reading has nothing to step from. If a backfill was through once, another process may have been in new_only. */
static const char *obstacle(const struct xf_flags *flags, const struct xf_flag_reading *reading, enum xf_phase to)
{
    if (flags->may_jump)
        return NULL;
    return xf_flags_obstacle(flags->phase, to,
                             reading->is_complete || (!flags->has_history && reading->has_backfilled));
}

static void put_in_force(struct xf_flags *flags, const struct xf_flag_reading *reading)
{
    bool dual_write = flags->wanted[XF_FLAG_DUAL_WRITE] != 0;
    uint8_t percent = flags->wanted[XF_FLAG_NEW_READS];
    enum xf_phase phase;
    if (!xf_phase_of_flags(dual_write, percent, &phase)) {
        const char *why = obstacle(flags, reading, phase);
        if (why) {
            snprintf(flags->error, sizeof flags->error, "%s cannot become %s: %s", xf_phase_name(flags->phase),
                     xf_phase_name(phase), why);
            return;
        }
        flags->dual_write = dual_write;
        flags->new_reads_percent = percent;
        flags->phase = phase;
        flags->has_history = true;
    } else if (flags->error[0] == '\0') {
        snprintf(flags->error, sizeof flags->error,
                 "new_reads is %u%% while dual_write is off, which is no phase; %s stays", percent,
                 xf_phase_name(flags->phase));
    }
}

struct xf_flag_change xf_flags_apply(struct xf_flags *flags, const struct xf_flag_reading *reading)
{
    struct xf_flags before = *flags;
    struct xf_flag_change change = {.was_emptied = is_other_redis(flags, reading->incarnation)};
    flags->error[0] = '\0';
    flags->is_known = true;
    if (change.was_emptied)
        hold_missing(flags, reading);
    for (enum xf_flag flag = 0; flag < XF_FLAG_COUNT; flag++)
        read_flag(flags, reading, flag);
    put_in_force(flags, reading);
    bool is_held = flags->is_held[XF_FLAG_DUAL_WRITE] || flags->is_held[XF_FLAG_NEW_READS];
    if (is_held && flags->error[0] == '\0')
        snprintf(flags->error, sizeof flags->error, "redis was emptied; set the flags again (%s stays until then)",
                 xf_phase_name(flags->phase));
    change.is_error_new = flags->error[0] != '\0' && strcmp(flags->error, before.error) != 0;
    change.is_in_force_changed =
        flags->dual_write != before.dual_write || flags->new_reads_percent != before.new_reads_percent;
    change.is_state_changed = change.is_in_force_changed || !before.is_known || strcmp(flags->incarnation, before.incarnation) != 0 ||
                              memcmp(flags->is_held, before.is_held, sizeof flags->is_held) != 0;
    return change;
}

enum xf_err xf_flags_restore(struct xf_flags *flags, uint8_t dual_write, uint8_t new_reads)
{
    enum xf_phase phase;
    if (dual_write > 100 || new_reads > 100 || xf_phase_of_flags(dual_write != 0, new_reads, &phase))
        return XF_ERR_INVALID;
    flags->wanted[XF_FLAG_DUAL_WRITE] = dual_write ? 100 : 0;
    flags->wanted[XF_FLAG_NEW_READS] = new_reads;
    flags->from[XF_FLAG_DUAL_WRITE] = flags->from[XF_FLAG_NEW_READS] = XF_FROM_STATE_DIR;
    flags->dual_write = dual_write != 0;
    flags->new_reads_percent = new_reads;
    flags->phase = phase;
    flags->is_known = flags->has_history = true;
    return XF_OK;
}
