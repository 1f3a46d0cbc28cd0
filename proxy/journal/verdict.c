/* What becomes of a write's points, by what the two sides said. docs/consistency.md has the table; the rows are these:
 *
 *   both not sent                                          no effect: nothing becomes dirty
 *   both completed, exact                                  clean
 *   both acknowledged, exact, the same vectors declared    clean: what one server declines later, the other does too
 *   all else                                               dirty: one side refused or was not asked, not exact
 *   one unknown or wait_timeout among them                 dirty and held: it may still land
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/journal.h"

static bool may_still_land(enum xf_outcome outcome)
{
    return outcome == XF_OUTCOME_UNKNOWN || outcome == XF_OUTCOME_WAIT_TIMEOUT;
}

struct xf_verdict xf_journal_judge(const struct xf_verdict_input *input)
{
    enum xf_outcome legacy = input->outcome[XF_LEGACY], new_side = input->outcome[XF_NEW];
    bool is_same = legacy == new_side;
    bool is_applied = is_same && (legacy == XF_OUTCOME_COMPLETED ||
                                  (legacy == XF_OUTCOME_ACKNOWLEDGED && input->vectors_match));
    bool is_no_effect = is_same && legacy == XF_OUTCOME_NOT_SENT;
    return (struct xf_verdict){
        .is_no_effect = is_no_effect,
        .is_dirty = !is_no_effect && !(is_applied && input->is_exact),
        .is_held = may_still_land(legacy) || may_still_land(new_side),
    };
}
