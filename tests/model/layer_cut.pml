/* A replica is cut off from Redis, writes on with its local file and comes back, while the switch is wanted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define FRAIL 0
#define CUTS 1
#define REFUSALS 1
#define GOAL (cuts == 0 && acked == 1 && refusals == 0 && authority == NEW)
#define RESTS (authority == NEW)
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
        run switcher(1, 1);
        ON(0, control(0));
        ON(1, control(1))
    }
}
