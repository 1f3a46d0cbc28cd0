/* A replica loses a connection at any step, with a command unanswered or none, and joins again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EAGER 1
#define DROPS 1
#define REFUSALS 1
#define GOAL (drops == 0 && acked == 1 && eager == 0 && refusals == 0)
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
        ON(0, control(0));
        ON(1, control(1))
    }
}
