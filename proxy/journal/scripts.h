/* The steps of the journal: Lua scripts, embedded at build time with their digests. scripts.def names them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_SCRIPTS_H
#define XF_PROXY_JOURNAL_SCRIPTS_H

#include "common/redis/redis.h"

enum xf_script {
#define XF_SCRIPT(ID, file) XF_SCRIPT_##ID,
#include "proxy/journal/scripts.def"
#undef XF_SCRIPT
    XF_SCRIPT_COUNT
};

struct xf_slice xf_script_text(enum xf_script script);
const char *xf_script_sha(enum xf_script script); /* as Redis computes it: SHA-1 of the text, in hex */
/* SCRIPT LOAD for all of them, in front of whatever is sent later on this connection. STATE, FULL, NOMEM as
 * xf_redis_command. */
XF_MUST_CHECK enum xf_err xf_scripts_load(struct xf_redis *redis);

#endif
