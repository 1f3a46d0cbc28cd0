/* A copy's own write times out and lands later or never, while another copy may take over its id.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define EAGER 1
#define PUT_TIMEOUTS 1
#define GOAL (eager == 0 && put_timeouts == 0 && HAS(acked, 0))
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
