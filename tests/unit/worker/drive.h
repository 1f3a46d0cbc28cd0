/* The parts of worker_drive: the program itself, faults between worker and journal, and a writer beside them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_WORKER_DRIVE_H
#define XF_TESTS_UNIT_WORKER_DRIVE_H

#include "proxy/worker/worker.h"

/* drive_faults.c: stands between the worker and the journal (-Wl,--wrap). */

/* While true every call of the worker's fails with IO, and no copy may write: as without Redis. */
void drive_faults_set_away(bool is_away);
/* Lets so many looks at lease and token say yes; -1: all. */
void drive_faults_set_looks(long count);
/* How copies ended, and the largest exclusive one, as a line of JSON. */
void drive_faults_print(void);

/* drive_writer.c: writes the same to both sides again and again, as a client of the proxy would. */

struct drive_writer;
struct drive_writer *drive_writer_start(const struct xf_config *config, struct xf_journal *journal, const char *what,
                                        unsigned pause_ms);
/* Stops it and says how often it wrote. */
unsigned drive_writer_stop(struct drive_writer *writer);

#endif
