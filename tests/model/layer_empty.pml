/* Redis is emptied at any moment.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EMPTIES 1
#define GOAL (empties == 0 && acked == 3)
#define CHOOSE(op) want[op] = SPACE; if :: op == 0 -> ANY_KIND(op); waited[op] = 1 :: op == 1 -> waited[op] = 1 fi
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
        run reconciler();
        ON(0, control(0));
        ON(1, control(1))
    }
}
