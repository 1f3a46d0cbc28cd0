/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/scripts.h"

#include "common/base/log.h"
#include "proxy/journal/scripts_text.h"

#include <string.h>

struct xf_slice xf_script_text(enum xf_script script)
{
    const struct xf_script_body *body = &xf_script_bodies[script];
    return (struct xf_slice){(const char *)body->text, body->len};
}

const char *xf_script_sha(enum xf_script script)
{
    return xf_script_bodies[script].sha;
}

/* A script that was not taken is not lost silently: its first use is answered with NOSCRIPT. */
static void on_loaded(void *ctx, enum xf_err err, const struct xf_redis_reply *reply)
{
    const char *sha = ctx;
    if (err)
        return; /* the connection is lost, which its owner is told */
    struct xf_slice text = xf_redis_reply_text(reply);
    if (xf_redis_reply_type(reply) == XF_REDIS_ERROR || text.len != strlen(sha) || memcmp(text.ptr, sha, text.len) != 0)
        xf_log(XF_LOG_ERROR, "journal", "Redis did not take script %s: %.*s", sha, (int)text.len, text.ptr);
}

enum xf_err xf_scripts_load(struct xf_redis *redis)
{
    for (int script = 0; script < XF_SCRIPT_COUNT; script++) {
        const struct xf_script_body *body = &xf_script_bodies[script];
        struct xf_slice args[] = {XF_SLICE("SCRIPT"), XF_SLICE("LOAD"), xf_script_text((enum xf_script)script)};
        void *ctx = (void *)(uintptr_t)body->sha;
        enum xf_err err = xf_redis_command(redis, args, sizeof args / sizeof *args, on_loaded, ctx);
        if (err)
            return err;
    }
    return XF_OK;
}
