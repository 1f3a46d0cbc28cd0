/* Two replicas and one id: a write of any kind, waited for or not, another that changes what is there, and a copy.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EAGER 1
#define GOAL (acked == 3 && eager == 0)
#define CHOOSE(op) want[op] = SPACE; if :: op == 0 -> ANY_KIND(op); ANY_WAIT(op) :: op == 1 -> ANY_WAIT(op); kind[op] = UPDATE fi
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
