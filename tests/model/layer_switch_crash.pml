/* The switch while a replica dies at any step, the leader or the other one; an operator gives it up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define RANGES
#define CRASHES 1
#define GOAL (dead == 1 && acked == 1 && leader == 1 && authority == NEW)
#define RESTS (authority == NEW)
#define CHOOSE(op) want[op] = SPACE; waited[op] = 1; if :: kind[op] = UPSERT :: kind[op] = LOOSE :: kind[op] = FILTER fi
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
        run switcher(1, 0);
        ON(0, control(0));
        ON(1, control(1))
    }
}
