/* Two ids: a write of any kind to both, an upsert to one of them, and a copy of one or both.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define SPACE 3
#define EAGER 1
#define GOAL (acked == 3 && eager == 0)
#define CHOOSE(op) if :: op == 0 -> want[op] = 3; ANY_KIND(op) :: op == 1 -> want[op] = 2 fi; waited[op] = 1
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
