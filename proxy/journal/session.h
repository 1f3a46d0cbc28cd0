/* Sending one script on behalf of a session, and reading the words that all answers begin with. A session belongs to the
 * thread of its connection; it starts anew by itself when the member has joined again. Internal to this folder.
 *
 * No command is ever sent again. Who loses a connection with commands unanswered calls xf_member_lost.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_SESSION_H
#define XF_PROXY_JOURNAL_SESSION_H

#include "common/redis/redis.h"
#include "proxy/journal/member.h"
#include "proxy/journal/scripts.h"

enum { XF_SESSION_NAME_MAX = 160, XF_SCRIPT_ARGS_MAX = 16 };

/* The owner sets the first two and clears the rest. */
struct xf_session {
    struct xf_member *member;
    unsigned number;     /* 0: the keeper's */
    uint64_t generation; /* of the command that was sent last: what is asked for again with its answer */
    uint64_t counter;
    char inc[XF_INC_MAX + 1]; /* of that generation, like the name: sending takes no lock */
    char name[XF_SESSION_NAME_MAX];
    size_t name_len;
};

/* Adds incarnation, session and counter in front of `args`, of which there are XF_SCRIPT_ARGS_MAX at most. STATE: not joined,
 * or the connection is down; FULL, NOMEM as xf_redis_command. Then `reply` is never called. */
XF_MUST_CHECK enum xf_err xf_session_send(struct xf_session *session, struct xf_redis *redis, enum xf_script script,
                                          const struct xf_slice *args, size_t count, xf_redis_reply_fn *reply, void *ctx);

enum { XF_REPLY_HEAD = 8 }; /* status, six numbers, whether Redis was rolled back */
enum xf_script_status { XF_SCRIPT_OK, XF_SCRIPT_BUSY, XF_SCRIPT_FENCED, XF_SCRIPT_OUT };
struct xf_script_reply {
    enum xf_script_status status; /* OUT: lapsed, emptied, another incarnation, or no sense: xf_member_lost has been called */
    struct xf_picture picture;
    bool was_rolled_back;
    const struct xf_redis_reply *reply;
    size_t extra; /* index of the verb's own first element; there are extra_count of them */
    size_t extra_count;
};
/* `err` and `reply` as the callback got them, `generation` as session->generation was when the command had been sent. Hands
 * the picture to the member. Anything but OK in `err` gives OUT. An answer can be OK and yet of an older generation: what
 * it put on record has been forgotten then. */
void xf_session_read(struct xf_member *member, uint64_t generation, enum xf_err err, const struct xf_redis_reply *reply,
                     struct xf_script_reply *out);

#endif
