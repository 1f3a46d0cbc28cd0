/* The program's log: one line a record on standard error, `time level module key=value... message`. May be called from
 * any thread; a line is written whole by one write(2). Secrets are never passed to it; bytes from peers are escaped.
 *
 *   xf_log(XF_LOG_WARN, "flags", "key=%s value=%s: not a flag value, the last good one stays in force", key, value);
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_BASE_LOG_H
#define XF_COMMON_BASE_LOG_H

#include "common/base/error.h"

enum xf_log_level { XF_LOG_ERROR, XF_LOG_WARN, XF_LOG_INFO, XF_LOG_DEBUG };

/* error: someone must act; warn: degraded but handled; info: lifecycle; debug: the rest. The default is info. */
void xf_log_set_level(enum xf_log_level level);
bool xf_log_is_on(enum xf_log_level level);
/* Where lines go; 2 (standard error) unless set. */
void xf_log_set_fd(int fd);
void xf_log(enum xf_log_level level, const char *module, const char *format, ...) XF_PRINTF(3, 4);

#endif
