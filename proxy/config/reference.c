/* The table as prose: docs/configuration.md, and config/crossfade.yaml with every key explained where it stands.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/settings.h"

#include <stdio.h>

enum { LINE_CHARS_MAX = 118 };

static const char head[] =
    "<!-- Made by `crossfade check --print-reference` from proxy/config/settings.def; a test compares them. -->\n"
    "# Configuration\n\n"
    "`crossfade serve --config FILE` reads one YAML file at its start; `crossfade check --config FILE` says what is "
    "wrong "
    "with it,\neach problem in a line `file:line:column: key.path: found, expected`. "
    "[config/crossfade.yaml](../config/crossfade.yaml) is a\ncomplete example with every key in its place.\n\n"
    "Unknown keys are errors, and so are anchors, aliases, tags and keys given twice. Durations are written as "
    "`500ms`, "
    "`5s`, `2m`\nor `1h`, sizes as `512B`, `64KiB`, `8MiB` or `1GiB`. Secrets are never written into the file: a key "
    "that "
    "ends in `_env` names\nan environment variable, one that ends in `_file` a file. A change takes effect at the next "
    "start.\n";

static const char tail[] =
    "\n## Flags in Redis\n\n"
    "What a running proxy does with a migration is decided by two plain string keys in Redis, that take effect in "
    "every "
    "thread\nwithin 50 ms:\n\n"
    "| key of one migration | key for all that have none of their own | values |\n|---|---|---|\n"
    "| `crossfade:{<migration>}:ENABLE_DUAL_WRITE` | `crossfade:ENABLE_DUAL_WRITE` | `0` `1` `true` `false` `on` `off` "
    "`yes` `no` |\n"
    "| `crossfade:{<migration>}:ENABLE_NEW_READS` | `crossfade:ENABLE_NEW_READS` | the same, or a share of the reads "
    "such "
    "as `25%` |\n\n"
    "The braces are part of the key, upper and lower case are alike in values, and `crossfade` is `redis.prefix`. A "
    "key "
    "that is\nmissing means off. Any other value is logged, counted and shown by `crossfade status`, and leaves the "
    "last "
    "good one in force.\nWith Redis away the last known flags stay, also over a restart, from `state_dir`; a replica that has "
    "neither answers requests to\nthe migration with 503 until Redis is reached.\n\n"
    "```sh\nredis-cli SET 'crossfade:{project-1}:ENABLE_DUAL_WRITE' 1\ncrossfade dual-write project-1 on   # the same\n"
    "```\n";

static void print_value(const struct xf_setting *setting, uint64_t value, char text[64])
{
    char number[32];
    if (setting->type == XF_SETTING_DURATION) {
        xf_duration_print(value, number);
        snprintf(text, 64, "%s", number);
    } else if (setting->type == XF_SETTING_SIZE) {
        xf_size_print(value, number);
        snprintf(text, 64, "%s", number);
    } else {
        snprintf(text, 64, "%llu", (unsigned long long)value);
    }
}

static bool is_number(const struct xf_setting *setting)
{
    return setting->type == XF_SETTING_DURATION || setting->type == XF_SETTING_SIZE ||
           setting->type == XF_SETTING_COUNT || setting->type == XF_SETTING_THREADS;
}

static bool is_section(const struct xf_setting *setting)
{
    return setting->type == XF_SETTING_SECTION || setting->type == XF_SETTING_NAMED || setting->type == XF_SETTING_LIST;
}

static enum xf_err print_facts(const struct xf_setting *setting, struct xf_buf *out)
{
    char min[64], max[64];
    enum xf_err err = xf_buf_printf(out, "- takes: %s\n", xf_setting_expected(setting->type));
    if (!err && is_number(setting)) {
        print_value(setting, setting->min, min);
        print_value(setting, setting->max, max);
        err = xf_buf_printf(out, "- range: %s to %s%s%s\n", min, max, *setting->unit ? " " : "", setting->unit);
    }
    if (!err && !setting->fallback)
        err = xf_buf_printf(out, "- must be given\n");
    else if (!err && *setting->fallback)
        err = xf_buf_printf(out, "- default: `%s`\n", setting->fallback);
    else if (!err)
        err = xf_buf_printf(out, "- may be missing\n");
    if (!err && setting->reload == XF_SETTING_RESTART)
        err = xf_buf_printf(out, "- read: at start\n");
    if (!err && setting->is_secret)
        err = xf_buf_printf(out, "- secret: what it holds is never printed\n");
    return err;
}

/* Words broken into lines, each behind the indent and the mark. */
static enum xf_err print_wrapped(struct xf_buf *out, size_t indent, const char *mark, const char *text)
{
    enum xf_err err = XF_OK;
    size_t width = LINE_CHARS_MAX - indent - strlen(mark);
    while (!err && *text) {
        size_t len = strlen(text);
        if (len > width) {
            const char *space = memrchr(text, ' ', width + 1);
            XF_ASSERT(space);
            len = (size_t)(space - text);
        }
        err = xf_buf_printf(out, "%*s%s%.*s\n", (int)indent, "", mark, (int)len, text);
        text += len + (text[len] == ' ');
    }
    return err;
}

enum xf_err xf_settings_print_reference(struct xf_buf *out)
{
    enum xf_err err = xf_buf_append_slice(out, xf_slice_of(head));
    for (size_t i = 0; !err && i < xf_settings_count; i++) {
        const struct xf_setting *setting = &xf_settings[i];
        bool is_top = !strchr(setting->path, '.');
        err = xf_buf_printf(out, "\n%s `%s`\n\n", is_top ? "##" : "###", setting->path);
        if (!err)
            err = print_wrapped(out, 0, "", setting->text);
        if (!err && !is_section(setting))
            err = xf_buf_append_slice(out, XF_SLICE("\n"));
        if (!err && !is_section(setting))
            err = print_facts(setting, out);
    }
    return err ? err : xf_buf_append_slice(out, xf_slice_of(tail));
}

/* How deep a key stands in the sample: a step for each section, and one more below a name or in a list. */
static size_t depth_of(const struct xf_setting *setting)
{
    size_t depth = 0;
    for (const char *at = setting->path; *at; at++)
        depth += *at == '.' || *at == '[';
    return depth;
}

/* A section's key; the sample has one upstream, called main. */
static enum xf_err print_opening(const struct xf_setting *setting, struct xf_buf *out)
{
    if (setting->type == XF_SETTING_NAMED)
        return xf_buf_printf(out, "%s:\n  main:\n", xf_setting_key(setting));
    return xf_buf_printf(out, "%*s%s:\n", (int)depth_of(setting) * 2, "", xf_setting_key(setting));
}

static enum xf_err print_entry(const struct xf_setting *setting, bool opens_item, struct xf_buf *out)
{
    bool is_off = setting->sample[0] == '#';
    int indent = (int)depth_of(setting) * 2;
    if (opens_item)
        return xf_buf_printf(out, "%*s- %s: %s\n", indent - 2, "", xf_setting_key(setting), setting->sample);
    return xf_buf_printf(out, "%*s%s%s: %s\n", indent, "", is_off ? "# " : "", xf_setting_key(setting),
                         setting->sample + (is_off ? 2 : 0));
}

static enum xf_err print_sample_row(const struct xf_setting *setting, struct xf_buf *out)
{
    bool opens_item = strcmp(setting->path, "migrations[].name") == 0;
    enum xf_err err = XF_OK;
    if (!strchr(setting->path, '.'))
        err = xf_buf_append_slice(out, XF_SLICE("\n"));
    if (!err)
        err = print_wrapped(out, depth_of(setting) * 2 - (opens_item ? 2 : 0), "# ", setting->text);
    if (err)
        return err;
    return is_section(setting) ? print_opening(setting, out) : print_entry(setting, opens_item, out);
}

enum xf_err xf_settings_print_sample(struct xf_buf *out)
{
    static const char opening[] =
        "# Crossfade's configuration, with every key. What is not commented out shows its default or an example;\n"
        "# docs/configuration.md has the bounds. Made by `crossfade check --print-sample`; a test compares them.\n";
    enum xf_err err = xf_buf_append_slice(out, xf_slice_of(opening));
    for (size_t i = 0; !err && i < xf_settings_count; i++)
        err = print_sample_row(&xf_settings[i], out);
    return err;
}
