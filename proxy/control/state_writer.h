/* Writes state files on a thread of its own: fsync may take as long as the disk likes, and flags must not wait for it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONTROL_STATE_WRITER_H
#define XF_PROXY_CONTROL_STATE_WRITER_H

#include "common/base/error.h"
#include "proxy/config/config.h"

struct xf_state_writer;

XF_MUST_CHECK enum xf_err xf_state_writer_new(const struct xf_config *config, struct xf_state_writer **writer);
/* Returns when all that was put is on the disk, or has failed; NULL is fine. */
void xf_state_writer_free(struct xf_state_writer *writer);
/* The migration's next file; one that still waits is dropped for it. The text is copied. */
XF_MUST_CHECK enum xf_err xf_state_writer_put(struct xf_state_writer *writer, size_t migration, struct xf_slice text);
/* Whether the last one written failed. */
bool xf_state_writer_has_failed(struct xf_state_writer *writer, size_t migration);
uint64_t xf_state_writer_errors(struct xf_state_writer *writer); /* so far */

#endif
