/* The verbs. Each that speaks to the proxy is one request, and maybe the wait for what it has begun.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli_int.h"

#include "proxy/config/config.h"
#include "proxy/config/settings.h"

#include <curl/curl.h>
#include <stdio.h>

enum { ERROR_BYTES_MAX = 1 << 20 };

static enum xf_cli_exit print_page(enum xf_err (*print)(struct xf_buf *))
{
    struct xf_buf page;
    xf_buf_init(&page, ERROR_BYTES_MAX);
    enum xf_err err = print(&page);
    if (err)
        xf_cli_complain("%s", xf_err_sentence(err));
    else
        printf("%.*s", XF_SLICE_ARG(xf_buf_view(&page)));
    xf_buf_fini(&page);
    return err ? XF_CLI_FAILED : XF_CLI_OK;
}

enum xf_cli_exit xf_cli_run_check(const struct xf_cli_args *args)
{
    if (args->print_reference)
        return print_page(xf_settings_print_reference);
    if (args->print_sample)
        return print_page(xf_settings_print_sample);
    if (!args->config) {
        xf_cli_complain("something is missing: crossfade check --config FILE");
        return XF_CLI_USAGE;
    }
    struct xf_buf errors;
    struct xf_config *config;
    xf_buf_init(&errors, ERROR_BYTES_MAX);
    enum xf_err err = xf_config_load(args->config, &errors, &config);
    fprintf(stderr, "%.*s", XF_SLICE_ARG(xf_buf_view(&errors)));
    if (err && !xf_buf_len(&errors))
        xf_cli_complain("%s: %s", args->config, xf_err_sentence(err));
    if (!err)
        printf("%s: valid, %zu upstreams, %zu migrations\n", args->config, config->upstream_count,
               config->migration_count);
    xf_buf_fini(&errors);
    xf_config_free(config);
    return err ? XF_CLI_FAILED : XF_CLI_OK;
}

static void show_reply(const struct xf_cli_args *args, const struct xf_reply *reply, void (*show)(const cJSON *))
{
    if (args->json || args->dry_run || !reply->json) /* what a dry run shows is to be read whole */
        xf_reply_print_json(reply);
    else
        show(xf_reply_result(reply));
}

static enum xf_cli_exit exchange(const struct xf_cli_args *args, const char *method, const char *path, const char *body,
                                 void (*show)(const cJSON *))
{
    struct xf_reply reply;
    xf_reply_init(&reply);
    enum xf_cli_exit result = xf_cli_request(args, method, path, body, &reply);
    if (result == XF_CLI_OK)
        result = xf_reply_judge(args, &reply);
    if (result == XF_CLI_OK && show)
        show_reply(args, &reply, show);
    xf_reply_fini(&reply);
    return result;
}

enum xf_cli_exit xf_cli_run_status(const struct xf_cli_args *args)
{
    char path[1024] = "/api/v1/migrations";
    if (!args->positional_count)
        return exchange(args, "GET", path, NULL, xf_cli_show_all);
    if (!xf_cli_migration_path(args->positional[0], "", path, sizeof path))
        return XF_CLI_USAGE;
    return exchange(args, "GET", path, NULL, xf_cli_show);
}

/* The verb's options as the JSON object that the API takes; NULL without memory. */
static char *options_json(const struct xf_cli_args *args)
{
    cJSON *object = cJSON_CreateObject();
    bool is_good = object != NULL;
    if (args->dry_run)
        is_good &= cJSON_AddTrueToObject(object, "dry_run") != NULL;
    if (args->adopt)
        is_good &= cJSON_AddTrueToObject(object, "adopt") != NULL;
    if (args->full)
        is_good &= cJSON_AddTrueToObject(object, "full") != NULL;
    if (args->percent)
        is_good &= cJSON_AddNumberToObject(object, "percent", args->percent) != NULL;
    if (args->confirm)
        is_good &= cJSON_AddStringToObject(object, "confirm", args->confirm) != NULL;
    char *text = is_good ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return text;
}

enum xf_cli_exit xf_cli_run_post(const struct xf_cli_args *args)
{
    char path[1024], suffix[64];
    if (args->verb->options & XF_OPT_CONFIRM && !args->confirm) {
        xf_cli_complain("something is missing: crossfade %s %s", args->verb->name, args->verb->synopsis);
        return XF_CLI_USAGE;
    }
    snprintf(suffix, sizeof suffix, "/%s", args->verb->name);
    if (!xf_cli_migration_path(args->positional[0], suffix, path, sizeof path))
        return XF_CLI_USAGE;
    char *body = options_json(args);
    if (!body) {
        xf_cli_complain("out of memory");
        return XF_CLI_FAILED;
    }
    bool goes_on = !args->dry_run && (args->follow || args->wait); /* then the end of it is shown instead */
    enum xf_cli_exit result = exchange(args, "POST", path, body, goes_on ? NULL : xf_cli_show);
    cJSON_free(body);
    if (result != XF_CLI_OK || !goes_on)
        return result;
    return args->follow ? xf_cli_follow_backfill(args) : xf_cli_wait_for(args, args->verb->name);
}

enum xf_cli_exit xf_cli_run_flags(const struct xf_cli_args *args)
{
    char path[1024];
    bool is_on = strcmp(args->positional[1], "on") == 0;
    if (!is_on && strcmp(args->positional[1], "off") != 0) {
        xf_cli_complain("found \"%s\", expected on or off", args->positional[1]);
        return XF_CLI_USAGE;
    }
    if (!xf_cli_migration_path(args->positional[0], "/flags", path, sizeof path))
        return XF_CLI_USAGE;
    return exchange(args, "PUT", path, is_on ? "{\"dual_write\":true}" : "{\"dual_write\":false}", xf_cli_show);
}

enum xf_cli_exit xf_cli_run_schema(const struct xf_cli_args *args)
{
    static const struct {
        const char *word, *method;
    } rows[] = {{"version", "GET"},   {"health", "GET"}, {"history", "GET"},  {"drift", "GET"},
                {"validate", "POST"}, {"apply", "POST"}, {"snapshot", "POST"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[64];
        if (strcmp(rows[i].word, args->positional[0]) != 0)
            continue;
        snprintf(path, sizeof path, "/api/v1/schema/%s", rows[i].word);
        return exchange(args, rows[i].method, path, rows[i].method[0] == 'P' ? "{}" : NULL, xf_cli_show);
    }
    xf_cli_complain("found \"%s\", expected %s", args->positional[0], args->verb->synopsis);
    return XF_CLI_USAGE;
}

enum xf_cli_exit xf_cli_run_version(const struct xf_cli_args *args)
{
    (void)args;
    puts("crossfade " XF_VERSION);
    return XF_CLI_OK;
}

static void print_overview(FILE *out)
{
    fputs("Crossfade moves a live Qdrant collection to a new one without downtime.\n\n", out);
    for (unsigned i = 0; i < xf_verbs_count; i++)
        fprintf(out, "  crossfade %-10s %s\n", xf_verbs[i].name, xf_verbs[i].synopsis);
    fputs(
        "\nVerbs that speak to the proxy also take:\n"
        "  --admin URL        its admin API (CROSSFADE_ADMIN, or http://127.0.0.1:7334)\n"
        "  --token-file FILE  the admin token (or CROSSFADE_ADMIN_TOKEN holds it)\n"
        "  --json             the API's answer as it is\n\n"
        "Exit codes: 0 done; 1 refused or failed; 2 the command line is not right; 3 the admin API cannot be reached;\n"
        "4 the validation has found differences.\n",
        out);
}

static void print_verb(const struct xf_verb *verb)
{
    printf("crossfade %s %s\n\n%s\n", verb->name, verb->synopsis, verb->text);
    if (verb->options & XF_OPT_API)
        puts("\nAlso: --admin URL, --token-file FILE, --json (see crossfade help).");
}

enum xf_cli_exit xf_cli_run_help(const struct xf_cli_args *args)
{
    const struct xf_verb *verb = args->positional_count ? xf_verb_find(args->positional[0]) : NULL;
    if (args->positional_count && !verb) {
        xf_cli_complain("%s: no such verb; see crossfade help", args->positional[0]);
        return XF_CLI_USAGE;
    }
    if (verb)
        print_verb(verb);
    else
        print_overview(stdout);
    return XF_CLI_OK;
}

static enum xf_cli_exit run(const struct xf_cli_args *args)
{
    if (args->help) {
        print_verb(args->verb);
        return XF_CLI_OK;
    }
    XF_ASSERT(args->verb->run); /* `serve` is main's */
    if (!(args->verb->options & XF_OPT_API))
        return args->verb->run(args);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        xf_cli_complain("libcurl cannot be set up");
        return XF_CLI_FAILED;
    }
    enum xf_cli_exit result = args->verb->run(args);
    curl_global_cleanup();
    return result;
}

/* `crossfade --help` and `crossfade --version` are what everybody tries first. */
static const char *verb_of(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    return strcmp(word, "--version") == 0 ? "version" : word;
}

int xf_cli_main(int argc, char **argv)
{
    struct xf_cli_args args;
    if (argc < 2) {
        print_overview(stderr);
        return XF_CLI_USAGE;
    }
    char verb[64];
    snprintf(verb, sizeof verb, "%s", verb_of(argv[1]));
    argv[1] = verb;
    enum xf_cli_exit result = xf_cli_parse(argc - 1, argv + 1, &args);
    if (result == XF_CLI_OK)
        result = run(&args);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        xf_cli_complain("standard output cannot be written");
        return result == XF_CLI_OK ? XF_CLI_FAILED : (int)result;
    }
    return (int)result;
}
