/* One small file per migration in state_dir: its text, and how it reaches the disk whole or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONTROL_STATE_FILE_H
#define XF_PROXY_CONTROL_STATE_FILE_H

#include "common/base/buf.h"
#include "proxy/control/flags.h"
#include "proxy/control/values.h"

/* Appends the text, checksum included. */
XF_MUST_CHECK enum xf_err xf_state_print(const struct xf_flags *flags, const struct xf_values *values,
                                         struct xf_buf *out);
/* INVALID for a torn, changed or foreign file; then flags are untouched and values may hold a part. */
XF_MUST_CHECK enum xf_err xf_state_parse(struct xf_slice text, struct xf_flags *flags, struct xf_values *values);

/* Makes the directory and its parents, 0700. IO with errno set. */
XF_MUST_CHECK enum xf_err xf_state_make_dir(const char *dir);
/* `name` with what a file name should not hold spelled %XX. NOT_FOUND if there is no such file, IO with errno set. */
XF_MUST_CHECK enum xf_err xf_state_read_file(const char *dir, const char *name, struct xf_buf *out);
/* A new file, synced, takes the old one's place, and the directory is synced. IO with errno set; the old file stands.
 */
XF_MUST_CHECK enum xf_err xf_state_write_file(const char *dir, const char *name, struct xf_slice text);

#endif
