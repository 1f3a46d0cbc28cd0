/* The switch and the way back, with a write of any kind and a copy whose own write may time out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define REFUSALS 1
#define PUT_TIMEOUTS 1
#define GOAL (acked == 1 && authority == LEGACY && refusals == 0 && put_timeouts == 0)
#define RESTS (authority == LEGACY)
#define CHOOSE(op) want[op] = SPACE; ANY_KIND(op); ANY_WAIT(op)
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        ON(0, writer(0, 0));
        ON(0, copier(0, 0));
        run switcher(2, 1);
        ON(0, control(0));
        ON(1, control(1))
    }
}
