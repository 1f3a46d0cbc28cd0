/* The switch while a replica sleeps past its lease at any step and goes on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define LAPSES 1
#define REFUSALS 1
#define GOAL (lapses == 0 && acked == 1 && refusals == 0)
#define RESTS (authority == NEW)
#define CHOOSE(op) want[op] = SPACE; ANY_KIND(op); waited[op] = 1
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        ON(0, writer(0, 0));
        ON(0, copier(0, 0));
        ON(1, copier(1, 1));
        run switcher(1, 1);
        ON(0, control(0));
        ON(1, control(1))
    }
}
