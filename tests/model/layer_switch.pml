/* The switch with a write of any kind and an upsert.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define GOAL (acked == 3 && authority == NEW)
#define RESTS (authority == NEW)
#define CHOOSE(op) want[op] = SPACE; if :: op == 0 -> ANY_KIND(op); ANY_WAIT(op) :: op == 1 -> waited[op] = 1 fi
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        owner[1] = 1;
        ON(0, writer(0, 0));
        ON(1, writer(1, 1));
        ON(0, copier(0, 0));
        run switcher(1, 0);
        ON(0, control(0));
        ON(1, control(1))
    }
}
