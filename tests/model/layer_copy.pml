/* One replica and one id: a backfill, a second copy beside it, and a write of any kind, waited for or not.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EAGER 1
#define GOAL (HAS(acked, 0) && eager == 0)
#define CHOOSE(op) want[op] = SPACE; ANY_KIND(op); ANY_WAIT(op)
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        ON(0, writer(0, 0));
        ON(0, copier(0, 0));
        ON(0, copier(1, 0))
    }
}
