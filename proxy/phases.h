/* What is in force for each migration, as the journal and the worker have to know it: when this replica writes both sides
 * and nothing older is left, when it leads and with whose values, when it knows enough to serve at all. The control thread
 * notes each snapshot here before the data threads get it, and looks now and then at what time alone brings about.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_PHASES_H
#define XF_PROXY_PHASES_H

#include "proxy/control/control.h"
#include "proxy/journal/journal.h"
#include "proxy/worker/worker.h"

struct event_base;
struct xf_phases;

struct xf_phases_parts {
    const struct xf_config *config;
    struct xf_control *control;
    struct xf_journal *journal;
    /* The oldest snapshot that a request still rests on; 0 before there are data threads. */
    uint64_t (*oldest_generation)(void *ctx);
    /* Control has read the migration's saved values anew: before this replica leads with them, and about once a second
     * while it does not lead. */
    void (*on_values)(void *ctx, size_t migration);
    void *ctx;
};
/* Holds back migrations of which the journal knows nothing (xf_control_hold_back). All calls but those marked are made on
 * the control thread. */
XF_MUST_CHECK enum xf_err xf_phases_new(const struct xf_phases_parts *parts, struct event_base *base,
                                        struct xf_phases **phases);
/* After xf_control_free, which may still call back; NULL is fine. */
void xf_phases_free(struct xf_phases *phases);
/* To be called before data threads use the snapshot: tells the journal that everything may differ before the first write
 * to one side alone. */
void xf_phases_note(struct xf_phases *phases, const struct xf_snapshot *snapshot);

/* Any thread. */
void xf_phases_get(struct xf_phases *phases, size_t migration, struct xf_worker_phase *phase);
/* A write that went to one side alone has an unknown outcome, and may land for as long as a request may take. */
void xf_phases_unproven(struct xf_phases *phases, size_t migration);
/* Dual writes are on, and have been since `period` began. */
bool xf_phases_is_now(const struct xf_phases *phases, size_t migration, uint64_t period);
/* Each migration has a leader that takes commands, as far as Redis can be asked: what a start waits for before it says
 * that it is ready. */
bool xf_phases_are_led(struct xf_phases *phases);
/* This replica leads, and has read the saved values since it does. */
bool xf_phases_is_leader(struct xf_phases *phases, size_t migration);

#endif
