/* Following long work: the status is asked for again and again. A bar on a terminal, plain lines elsewhere.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli_int.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { ASK_EVERY_MS = 500, BAR_CHARS = 30, OUTAGES_MAX = 20 };

static void pause_a_little(void)
{
    const struct timespec wait = {0, ASK_EVERY_MS * 1000000L};
    (void)nanosleep(&wait, NULL); /* a signal only makes it shorter */
}

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words) != 0)
        words++;
    return *words != NULL;
}

static bool is_under_way(const cJSON *job)
{
    static const char *const words[] = {"queued", "pending", "starting", "running", "repairing", "paused", NULL};
    return is_one_of(xf_cli_text(job, "state", ""), words);
}

static void show_progress(const cJSON *backfill, bool is_terminal)
{
    double copied = xf_cli_number(backfill, "copied", 0), total = xf_cli_number(backfill, "total", 0);
    double share = total > 0 && copied < total ? copied / total : copied > 0 || total > 0;
    double eta_s = xf_cli_number(backfill, "eta_s", -1);
    int filled = (int)(share * BAR_CHARS);
    char pace[64] = "";
    if (is_under_way(backfill) && eta_s >= 0)
        snprintf(pace, sizeof pace, ", %.0f/s, %.0f s left", xf_cli_number(backfill, "rate", 0), eta_s);
    else if (is_under_way(backfill))
        snprintf(pace, sizeof pace, ", %.0f/s", xf_cli_number(backfill, "rate", 0));
    if (is_terminal) {
        printf("\r[%.*s%*s] ", filled, "##############################", BAR_CHARS - filled, "");
        printf("%3.0f%% ", share * 100);
    }
    printf("%s: %.0f of %.0f points%s%s", xf_cli_text(backfill, "state", "-"), copied, total, pace,
           is_terminal ? "\033[K" : "\n");
    fflush(stdout);
}

/* Asks for the migration's status; a proxy that is away for a while (a restart) is waited for. */
static enum xf_cli_exit ask(const struct xf_cli_args *args, const char *path, struct xf_reply *reply)
{
    enum xf_cli_exit result = XF_CLI_OK;
    for (int outages = 0; outages < OUTAGES_MAX; outages++) {
        xf_reply_init(reply);
        result = xf_cli_request(args, "GET", path, NULL, reply);
        if (result != XF_CLI_UNREACHABLE)
            return result == XF_CLI_OK ? xf_reply_judge(args, reply) : result;
        if (outages + 1 < OUTAGES_MAX)
            xf_reply_fini(reply);
        pause_a_little();
    }
    return result;
}

static enum xf_cli_exit end_of_backfill(const cJSON *backfill)
{
    static const char *const good[] = {"done", "complete", "completed", NULL};
    if (is_one_of(xf_cli_text(backfill, "state", ""), good))
        return XF_CLI_OK;
    xf_cli_complain("the backfill is not done: %s%s%s", xf_cli_text(backfill, "state", "state unknown"),
                    xf_cli_text(backfill, "error", NULL) ? ": " : "", xf_cli_text(backfill, "error", ""));
    return XF_CLI_FAILED;
}

/* Ends, beside the obvious, with a pause: nothing moves until somebody resumes it. */
static bool has_stopped(const cJSON *backfill)
{
    return !is_under_way(backfill) || strcmp(xf_cli_text(backfill, "state", ""), "paused") == 0;
}

enum xf_cli_exit xf_cli_follow_backfill(const struct xf_cli_args *args)
{
    char path[1024];
    bool is_terminal = isatty(STDOUT_FILENO) && !args->json;
    if (!xf_cli_migration_path(args->positional[0], "", path, sizeof path))
        return XF_CLI_USAGE;
    for (;;) {
        struct xf_reply reply;
        enum xf_cli_exit result = ask(args, path, &reply);
        const cJSON *backfill = cJSON_GetObjectItemCaseSensitive(xf_reply_result(&reply), "backfill");
        bool has_ended = result != XF_CLI_OK || has_stopped(backfill);
        if (result == XF_CLI_OK && args->json && has_ended)
            xf_reply_print_json(&reply);
        else if (result == XF_CLI_OK && !args->json)
            show_progress(backfill, is_terminal);
        if (is_terminal && has_ended)
            putchar('\n');
        if (result == XF_CLI_OK && has_ended)
            result = end_of_backfill(backfill);
        xf_reply_fini(&reply);
        if (has_ended)
            return result;
        pause_a_little();
    }
}

static enum xf_cli_exit end_of_job(const char *key, const cJSON *job)
{
    if (strcmp(key, "validation") == 0)
        return xf_cli_verdict(job);
    return strcmp(xf_cli_text(job, "state", ""), "done") == 0 ? XF_CLI_OK : XF_CLI_FAILED;
}

enum xf_cli_exit xf_cli_wait_for(const struct xf_cli_args *args, const char *verb)
{
    const char *key = strcmp(verb, "validate") == 0 ? "validation" : verb;
    char path[1024];
    if (!xf_cli_migration_path(args->positional[0], "", path, sizeof path))
        return XF_CLI_USAGE;
    for (;;) {
        struct xf_reply reply;
        enum xf_cli_exit result = ask(args, path, &reply);
        const cJSON *job = cJSON_GetObjectItemCaseSensitive(xf_reply_result(&reply), key);
        bool has_ended = result != XF_CLI_OK || !is_under_way(job);
        if (result == XF_CLI_OK && has_ended) {
            if (args->json)
                xf_reply_print_json(&reply);
            else
                xf_cli_show(job);
            result = end_of_job(key, job);
        }
        xf_reply_fini(&reply);
        if (has_ended)
            return result;
        pause_a_little();
    }
}
