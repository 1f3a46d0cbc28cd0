/* Redis is emptied at any moment.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EMPTIES 1
#define LEADERS 1
#define GOAL (empties == 0 && acked == 3)
#define CHOOSE(op) want[op] = SPACE; waited[op] = 1; \
    if :: kind[op] = UPSERT :: op == 0 -> kind[op] = LOOSE :: op == 0 -> kind[op] = UPDATE :: op == 0 -> kind[op] = FILTER fi
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
