/* Dual writes are turned on while two replicas write.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EAGER 0
#define GOAL (acked == 3)
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
        owner[1] = 1;
        ON(0, writer(0, 0));
        ON(1, writer(1, 1));
        ON(0, copier(0, 0));
        run enabler();
        ON(0, control(0));
        ON(1, control(1))
    }
}
