/* The command line: a verb, then options and names in any order.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli_int.h"

#include "common/base/num.h"

#include <stddef.h>
#include <stdio.h>

#define XF_VERB(name, run, min, max, options, synopsis, text) {name, run, min, max, options, synopsis, text},
const struct xf_verb xf_verbs[] = {
#include "proxy/cli/verbs.def"
};
#undef XF_VERB
const unsigned xf_verbs_count = sizeof xf_verbs / sizeof xf_verbs[0];

enum kind { SWITCH, TEXT, PERCENT };
static const struct option {
    const char *name;
    enum kind kind;
    unsigned allowed; /* 0: with every verb */
    size_t at;
} options[] = {
    {"--help", SWITCH, 0, offsetof(struct xf_cli_args, help)},
    {"-h", SWITCH, 0, offsetof(struct xf_cli_args, help)},
    {"--admin", TEXT, XF_OPT_API, offsetof(struct xf_cli_args, admin)},
    {"--token-file", TEXT, XF_OPT_API, offsetof(struct xf_cli_args, token_file)},
    {"--json", SWITCH, XF_OPT_API, offsetof(struct xf_cli_args, json)},
    {"--config", TEXT, XF_OPT_CONFIG, offsetof(struct xf_cli_args, config)},
    {"--print-reference", SWITCH, XF_OPT_PRINT, offsetof(struct xf_cli_args, print_reference)},
    {"--print-sample", SWITCH, XF_OPT_PRINT, offsetof(struct xf_cli_args, print_sample)},
    {"--dry-run", SWITCH, XF_OPT_DRY_RUN, offsetof(struct xf_cli_args, dry_run)},
    {"--adopt", SWITCH, XF_OPT_ADOPT, offsetof(struct xf_cli_args, adopt)},
    {"--follow", SWITCH, XF_OPT_FOLLOW, offsetof(struct xf_cli_args, follow)},
    {"--wait", SWITCH, XF_OPT_WAIT, offsetof(struct xf_cli_args, wait)},
    {"--full", SWITCH, XF_OPT_FULL, offsetof(struct xf_cli_args, full)},
    {"--percent", PERCENT, XF_OPT_PERCENT, offsetof(struct xf_cli_args, percent)},
    {"--confirm", TEXT, XF_OPT_CONFIRM, offsetof(struct xf_cli_args, confirm)},
    {"--migration", TEXT, XF_OPT_MIGRATION, offsetof(struct xf_cli_args, migration)},
};

void xf_cli_complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("crossfade: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

const struct xf_verb *xf_verb_find(const char *name)
{
    for (unsigned i = 0; i < xf_verbs_count; i++)
        if (strcmp(xf_verbs[i].name, name) == 0)
            return &xf_verbs[i];
    return NULL;
}

/* `--name value` and `--name=value` are alike. */
static const struct option *find_option(const char *word, const char **value)
{
    size_t len = strcspn(word, "=");
    *value = word[len] ? word + len + 1 : NULL;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strlen(options[i].name) == len && strncmp(options[i].name, word, len) == 0)
            return &options[i];
    return NULL;
}

static bool set_percent(const char *text, unsigned *percent)
{
    uint64_t number;
    if (xf_u64_parse(xf_slice_of(text), &number) || number < 1 || number > 99) {
        xf_cli_complain("--percent: found \"%s\", expected 1 to 99 (without --percent, all reads move)", text);
        return false;
    }
    *percent = (unsigned)number;
    return true;
}

/* Takes the option that stands at argv[*i], and its value. */
static bool take_option(int argc, char **argv, int *i, struct xf_cli_args *args)
{
    const char *value;
    const struct option *option = find_option(argv[*i], &value);
    if (!option || (option->allowed && !(option->allowed & args->verb->options))) {
        xf_cli_complain("%s: no option of %s; see crossfade help %s", argv[*i], args->verb->name, args->verb->name);
        return false;
    }
    void *member = (char *)args + option->at;
    if (option->kind == SWITCH) {
        *(bool *)member = true;
        if (value)
            xf_cli_complain("%s takes no value", option->name);
        return !value;
    }
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value || !*value) {
        xf_cli_complain("%s: the value is missing", option->name);
        return false;
    }
    if (option->kind == PERCENT)
        return set_percent(value, member);
    *(const char **)member = value;
    return true;
}

static bool take_positional(const char *word, struct xf_cli_args *args)
{
    if (args->positional_count == args->verb->positional_max) {
        xf_cli_complain("%s: one argument too many; see crossfade help %s", word, args->verb->name);
        return false;
    }
    args->positional[args->positional_count++] = word;
    return true;
}

enum xf_cli_exit xf_cli_parse(int argc, char **argv, struct xf_cli_args *args)
{
    *args = (struct xf_cli_args){.verb = xf_verb_find(argv[0])};
    bool is_name_only = false; /* behind -- */
    if (!args->verb) {
        xf_cli_complain("%s: no such verb; see crossfade help", argv[0]);
        return XF_CLI_USAGE;
    }
    for (int i = 1; i < argc; i++) {
        bool is_option = !is_name_only && argv[i][0] == '-' && argv[i][1];
        if (is_option && strcmp(argv[i], "--") == 0)
            is_name_only = true;
        else if (is_option ? !take_option(argc, argv, &i, args) : !take_positional(argv[i], args))
            return XF_CLI_USAGE;
    }
    if (!args->help && args->positional_count < args->verb->positional_min) {
        xf_cli_complain("something is missing: crossfade %s %s", args->verb->name, args->verb->synopsis);
        return XF_CLI_USAGE;
    }
    return XF_CLI_OK;
}
