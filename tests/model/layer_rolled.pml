/* Redis is rolled back, at any moment to any earlier one, with a request that times out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define ROLLS 1
#define LEADERS 1
#define TIMEOUTS 1
#define GOAL (rolls == 0 && acked == 1 && timeouts == 0)
#define CHOOSE(op) want[op] = SPACE; ANY_KIND(op); waited[op] = 1
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        owner[0] = 1;
        ON(1, writer(0, 1));
        ON(0, copier(0, 0));
        run reconciler();
        ON(0, control(0));
        ON(1, control(1))
    }
}
