/* Requests that time out and land later or never, and refusals, with a write of any kind and an upsert.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EAGER 1
#define TIMEOUTS 1
#define REFUSALS 1
#define GOAL (eager == 0 && timeouts == 0 && refusals == 0 && acked == 2)
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
        ON(0, copier(0, 0))
    }
}
