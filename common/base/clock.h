/* Time for deadlines and durations: monotonic, never the wall clock. CLOCK_BOOTTIME goes on while the machine sleeps,
 * which leases need; deadlines do with the coarse value that each event loop turn takes once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_BASE_CLOCK_H
#define XF_COMMON_BASE_CLOCK_H

#include <stdint.h>

uint64_t xf_clock_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t xf_clock_now_ms(void);
uint64_t xf_clock_boot_ms(void); /* CLOCK_BOOTTIME: counts suspended time too */
uint64_t xf_clock_wall_ms(void); /* since 1970; for people and reports only */

#endif
