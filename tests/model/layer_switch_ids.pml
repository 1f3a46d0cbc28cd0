/* The switch with two ids: an upsert to both that is not exact, and an exact one to one of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define SPACE 3
#define GOAL (acked == 3 && authority == NEW)
#define RESTS (authority == NEW)
#define CHOOSE(op) if :: op == 0 -> want[op] = 3; kind[op] = LOOSE :: op == 1 -> want[op] = 2 fi; waited[op] = 1
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        begin_filled();
        owner[1] = 1;
        ON(0, writer(0, 0));
        ON(1, writer(1, 1));
        ON(0, copier(0, 0));
        run switcher(1, 0);
        ON(0, control(0));
        ON(1, control(1))
    }
}
