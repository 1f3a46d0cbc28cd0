/* Dual writes are turned on while a request may time out and land late.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EAGER 1
#define TIMEOUTS 1
#define GOAL (acked == 1 && timeouts == 0)
#define CHOOSE(op) want[op] = SPACE; \
    if :: op == 0 -> if :: kind[op] = UPSERT :: kind[op] = UPDATE :: kind[op] = LOOSE fi; ANY_WAIT(op) \
    :: op == 1 -> waited[op] = 1 fi
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        begin_alone();
        ON(0, writer(0, 0));
        ON(0, copier(0, 0));
        run enabler();
        ON(0, control(0));
        ON(1, control(1))
    }
}
