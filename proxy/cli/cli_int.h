/* What the command line's parts share: the options as given, the verbs, and the client of the admin API.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CLI_CLI_INT_H
#define XF_PROXY_CLI_CLI_INT_H

#include "common/base/buf.h"
#include "proxy/cli/cli.h"

#include <cjson/cJSON.h>

enum { XF_CLI_POSITIONAL_MAX = 2, XF_CLI_ANSWER_BYTES_MAX = 64 << 20 };

enum xf_cli_opt {                      /* which options a verb takes; --help goes with all of them */
                  XF_OPT_API = 1 << 0, /* --admin, --token-file, --json */
                  XF_OPT_CONFIG = 1 << 1,
                  XF_OPT_PRINT = 1 << 2, /* --print-reference, --print-sample */
                  XF_OPT_DRY_RUN = 1 << 3,
                  XF_OPT_ADOPT = 1 << 4,
                  XF_OPT_FOLLOW = 1 << 5,
                  XF_OPT_WAIT = 1 << 6,
                  XF_OPT_FULL = 1 << 7,
                  XF_OPT_PERCENT = 1 << 8,
                  XF_OPT_CONFIRM = 1 << 9,
                  XF_OPT_MIGRATION = 1 << 10
};

struct xf_cli_args;
typedef enum xf_cli_exit xf_cli_run_fn(const struct xf_cli_args *args);

struct xf_verb {
    const char *name;
    xf_cli_run_fn *run; /* NULL: not this module's */
    unsigned positional_min, positional_max;
    unsigned options;
    const char *synopsis, *text;
};
extern const struct xf_verb xf_verbs[];
extern const unsigned xf_verbs_count;
const struct xf_verb *xf_verb_find(const char *name);

struct xf_cli_args { /* texts are borrowed from argv and the environment */
    const struct xf_verb *verb;
    const char *positional[XF_CLI_POSITIONAL_MAX];
    unsigned positional_count;
    const char *admin, *token_file, *config, *confirm, *migration;
    unsigned percent; /* 0: not given */
    bool json, print_reference, print_sample, dry_run, adopt, follow, wait, full, help;
};
/* OK, or USAGE after having said what is wrong. `argv` begins with the verb. */
enum xf_cli_exit xf_cli_parse(int argc, char **argv, struct xf_cli_args *args);

/* client.c. The admin API's answer; `json` is NULL where the body is none. */
struct xf_reply {
    long status;
    unsigned retry_after_s; /* 0: not said */
    struct xf_buf body;     /* with a NUL behind it */
    cJSON *json;
};
/* Sends a request; a body only with POST and PUT. An answer that says when to ask again is waited for, a few times.
 * UNREACHABLE and FAILED (no memory, token) after having said why. The reply must be finished in any case. */
enum xf_cli_exit xf_cli_request(const struct xf_cli_args *args, const char *method, const char *path, const char *body,
                                struct xf_reply *reply);
void xf_reply_init(struct xf_reply *reply);
void xf_reply_fini(struct xf_reply *reply);
/* FAILED, after having shown the proxy's own words, for any status but 2xx; otherwise OK. */
enum xf_cli_exit xf_reply_judge(const struct xf_cli_args *args, const struct xf_reply *reply);
void xf_reply_print_json(const struct xf_reply *reply);
/* What the answer is about, whether or not it is wrapped as Qdrant's are. */
const cJSON *xf_reply_result(const struct xf_reply *reply);
/* /api/v1/migrations/NAME with `suffix` behind it; false when it does not fit. */
bool xf_cli_migration_path(const char *migration, const char *suffix, char *path, size_t room);
/* Parses like cJSON but keeps integers of more than 15 digits as strings, since they would not survive a double, and
 * replaces control characters within strings. */
cJSON *xf_cli_json_parse(struct xf_slice text);

/* show.c */
void xf_cli_show_all(const cJSON *migrations);
void xf_cli_show(const cJSON *object);
const char *xf_cli_text(const cJSON *object, const char *key, const char *otherwise);
double xf_cli_number(const cJSON *object, const char *key, double otherwise);
/* What a validation report says in the end. */
enum xf_cli_exit xf_cli_verdict(const cJSON *report);

/* follow.c: asks again and again until the work has ended. */
enum xf_cli_exit xf_cli_follow_backfill(const struct xf_cli_args *args);
enum xf_cli_exit xf_cli_wait_for(const struct xf_cli_args *args, const char *job);

xf_cli_run_fn xf_cli_run_check, xf_cli_run_status, xf_cli_run_post, xf_cli_run_flags, xf_cli_run_replica,
    xf_cli_run_schema, xf_cli_run_version, xf_cli_run_help;

/* Usage errors and such: one line on standard error. */
void xf_cli_complain(const char *format, ...) XF_PRINTF(1, 2);

#endif
