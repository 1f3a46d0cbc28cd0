/* The error table, looked up by code.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/error.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    const char *sentence;
    int status;
    bool is_retryable;
} rows[XF_ERR_COUNT] = {
#define XF_ERROR(code, status, retryable, sentence) [XF_ERR_##code] = {#code, sentence, status, retryable},
#include "common/base/error.def"
#undef XF_ERROR
};

void xf_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

const char *xf_err_name(enum xf_err err)
{
    XF_ASSERT((unsigned)err < XF_ERR_COUNT);
    return rows[err].name;
}

const char *xf_err_sentence(enum xf_err err)
{
    XF_ASSERT((unsigned)err < XF_ERR_COUNT);
    return rows[err].sentence;
}

int xf_err_status(enum xf_err err)
{
    XF_ASSERT((unsigned)err < XF_ERR_COUNT);
    return rows[err].status;
}

bool xf_err_is_retryable(enum xf_err err)
{
    XF_ASSERT((unsigned)err < XF_ERR_COUNT);
    return rows[err].is_retryable;
}
