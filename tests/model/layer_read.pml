/* A replica sleeps while it answers a read and is given up by an operator; meanwhile the authority moves and a write is
 * made.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define FRAIL 2
#define LAPSES 1
#define BURIALS 1
#define REFUSALS 1
#define GOAL (burials == 0 && acked == 1 && refusals == 0 && authority == NEW)
#define RESTS (authority == NEW)
#define CHOOSE(op) want[op] = SPACE; waited[op] = 1
#include "protocol.pml"

init
{
    byte born;
    atomic {
        start();
        begin_filled();
        ON(0, writer(0, 0));
        ON(1, reader(1));
        ON(0, copier(0, 0));
        run reconciler();
        run switcher(1, 0);
        ON(0, control(0));
        ON(1, control(1))
    }
}
