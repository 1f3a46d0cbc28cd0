/* The switch with requests that time out or are refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EAGER 1
#define TIMEOUTS 1
#define REFUSALS 1
#define GOAL (timeouts == 0 && refusals == 0 && authority == NEW)
#define RESTS (authority == NEW)
#define CHOOSE(op) want[op] = SPACE; ANY_KIND(op); ANY_WAIT(op)
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        ON(0, writer(0, 0));
        ON(0, copier(0, 0));
        run switcher(1, 1);
        ON(0, control(0));
        ON(1, control(1))
    }
}
