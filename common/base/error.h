/* The error codes of the whole program. Fallible functions return enum xf_err, which must be looked at; outputs come
 * last in the parameter list and are untouched on failure unless the header says otherwise.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_COMMON_BASE_ERROR_H
#define XF_COMMON_BASE_ERROR_H

#include <stdbool.h>

enum xf_err {
#define XF_ERROR(code, status, retryable, sentence) XF_ERR_##code,
#include "common/base/error.def"
#undef XF_ERROR
    XF_ERR_COUNT
};
#define XF_OK XF_ERR_OK

#define XF_MUST_CHECK __attribute__((warn_unused_result))
#define XF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Stays on in release builds: only a bug can trip it, never a peer, a file or a user. */
#define XF_ASSERT(condition)                                                                                           \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0))                                                                         \
            xf_assert_failed(#condition, __FILE__, __LINE__);                                                          \
    } while (0)

void xf_assert_failed(const char *condition, const char *file, int line) __attribute__((noreturn, cold));

const char *xf_err_name(enum xf_err err);     /* "HTTP_SYNTAX": for logs and metrics */
const char *xf_err_sentence(enum xf_err err); /* static text */
int xf_err_status(enum xf_err err);           /* the HTTP status a client gets */
bool xf_err_is_retryable(enum xf_err err);

#endif
