/* A replica dies at any step, the leader or the other one; its writes may still land. An operator gives it up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define RANGES
#define EAGER 1
#define CRASHES 1
#define GOAL (dead == 1 && acked == 1 && leader == 1)
#define CHOOSE(op) want[op] = SPACE; if :: op == 0 -> ANY_KIND(op); waited[op] = 1 :: op == 1 -> waited[op] = 1 fi
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        owner[0] = 1;
        ON(1, writer(0, 1));
        ON(0, copier(0, 0));
        ON(1, copier(1, 1));
        run reconciler();
        ON(0, control(0));
        ON(1, control(1))
    }
}
