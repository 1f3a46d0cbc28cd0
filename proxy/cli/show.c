/* Answers for people: aligned, the known parts in one line each, anything else as it comes, so that a newer proxy's
 * answer is still shown whole.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cli/cli_int.h"

#include <stdio.h>
#include <time.h>

enum { NAME_WIDTH = 16, ITEMS_SHOWN = 20, INDENT = 2 };

const char *xf_cli_text(const cJSON *object, const char *key, const char *otherwise)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : otherwise;
}

double xf_cli_number(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

static void print_scalar(const cJSON *item)
{
    if (!item)
        putchar('-');
    else if (cJSON_IsString(item))
        fputs(item->valuestring, stdout);
    else if (cJSON_IsBool(item))
        fputs(cJSON_IsTrue(item) ? "yes" : "no", stdout);
    else if (cJSON_IsNumber(item))
        printf("%.15g", item->valuedouble);
    else
        putchar('-');
}

/* Times are milliseconds since 1970 in the API; people read dates. */
static bool print_time(const cJSON *item)
{
    char text[32];
    struct tm parts;
    time_t seconds = cJSON_IsNumber(item) ? (time_t)(item->valuedouble / 1000) : 0;
    if (seconds <= 0 || !item->string || strcmp(item->string, "at") != 0 || !gmtime_r(&seconds, &parts))
        return false;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    fputs(text, stdout);
    return true;
}

static bool is_scalar(const cJSON *item)
{
    return !cJSON_IsObject(item) && !cJSON_IsArray(item);
}

/* `key value, key value` for an object in a list. */
static void print_inline(const cJSON *item)
{
    const cJSON *child;
    const char *separator = "";
    cJSON_ArrayForEach(child, item)
    {
        fputs(separator, stdout);
        separator = ", ";
        if (child->string) {
            fputs(child->string, stdout);
            putchar(' ');
        }
        if (is_scalar(child))
            print_scalar(child);
        else
            printf("(%d more)", cJSON_GetArraySize(child));
    }
}

static void print_label(unsigned indent, const char *key)
{
    int width = indent < NAME_WIDTH ? (int)(NAME_WIDTH - indent) : 0;
    printf("%*s", (int)indent, "");
    for (; *key; key++, width--)
        putchar(*key == '_' ? ' ' : *key);
    printf("%*s ", width > 0 ? width : 0, "");
}

static void print_list(unsigned indent, const cJSON *list)
{
    const cJSON *item;
    int shown = 0;
    if (!cJSON_GetArraySize(list))
        fputs("none", stdout);
    putchar('\n');
    cJSON_ArrayForEach(item, list)
    {
        if (shown++ == ITEMS_SHOWN) {
            printf("%*s... and %d more (--json shows all)\n", (int)(indent + INDENT), "",
                   cJSON_GetArraySize(list) - ITEMS_SHOWN);
            return;
        }
        printf("%*s", (int)(indent + INDENT), "");
        if (is_scalar(item))
            print_scalar(item);
        else
            print_inline(item);
        putchar('\n');
    }
}

static void print_backfill(const cJSON *backfill)
{
    double copied = xf_cli_number(backfill, "copied", 0), total = xf_cli_number(backfill, "total", 0);
    double rate = xf_cli_number(backfill, "rate", 0), eta_s = xf_cli_number(backfill, "eta_s", -1);
    fputs(xf_cli_text(backfill, "state", "-"), stdout);
    printf(", %.0f", copied);
    if (total > 0)
        printf(" of %.0f (%.0f%%)", total, copied >= total ? 100 : 100 * copied / total);
    fputs(" points", stdout);
    if (rate > 0)
        printf(", %.0f/s", rate);
    if (eta_s >= 0)
        printf(", %.0f s left", eta_s);
    if (xf_cli_text(backfill, "error", NULL)) {
        fputs(", error: ", stdout);
        fputs(xf_cli_text(backfill, "error", ""), stdout);
    }
    putchar('\n');
}

/* Levels deep enough for every answer of this API; what lies deeper is counted only. */
static void print_members(unsigned indent, const cJSON *object)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        print_label(indent, item->string ? item->string : "");
        if (cJSON_IsArray(item)) {
            print_list(indent, item);
        } else if (is_scalar(item)) {
            if (!print_time(item))
                print_scalar(item);
            putchar('\n');
        } else if (item->string && strcmp(item->string, "backfill") == 0) {
            print_backfill(item);
        } else if (indent >= 4 * INDENT) {
            print_inline(item);
            putchar('\n');
        } else {
            putchar('\n');
            print_members(indent + INDENT, item);
        }
    }
}

void xf_cli_show(const cJSON *object)
{
    if (cJSON_IsArray(object)) {
        print_list(0, object);
    } else if (cJSON_IsObject(object)) {
        print_members(0, object);
    } else {
        print_scalar(object);
        putchar('\n');
    }
}

static void print_flag(const cJSON *flags, const char *key)
{
    const cJSON *flag = cJSON_GetObjectItemCaseSensitive(flags, key);
    char text[32];
    if (cJSON_IsBool(flag))
        snprintf(text, sizeof text, "%s", cJSON_IsTrue(flag) ? "on" : "off");
    else if (cJSON_IsNumber(flag))
        snprintf(text, sizeof text, "%.0f%%", flag->valuedouble);
    else
        snprintf(text, sizeof text, "%s", cJSON_IsString(flag) ? flag->valuestring : "-");
    printf("%-11s ", text);
}

static void print_row(const cJSON *migration)
{
    const cJSON *flags = cJSON_GetObjectItemCaseSensitive(migration, "flags");
    const cJSON *backfill = cJSON_GetObjectItemCaseSensitive(migration, "backfill");
    const cJSON *dirty = cJSON_GetObjectItemCaseSensitive(migration, "dirty");
    printf("%-24s %-12s ", xf_cli_text(migration, "name", xf_cli_text(migration, "migration", "-")),
           xf_cli_text(migration, "phase", "-"));
    print_flag(flags, "dual_write");
    print_flag(flags, "new_reads");
    printf("%-10s ", xf_cli_text(backfill, "state", "-"));
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(dirty, "unknown")))
        puts("unknown");
    else
        printf("%.0f\n", xf_cli_number(dirty, "count", 0));
}

void xf_cli_show_all(const cJSON *answer)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(answer, "migrations"), *migration;
    list = list ? list : answer;
    if (!cJSON_IsArray(list)) {
        xf_cli_show(answer);
        return;
    }
    printf("%-24s %-12s %-11s %-11s %-10s %s\n", "MIGRATION", "PHASE", "DUAL-WRITE", "NEW-READS", "BACKFILL", "DIRTY");
    cJSON_ArrayForEach(migration, list) print_row(migration);
}

enum xf_cli_exit xf_cli_verdict(const cJSON *report)
{
    const cJSON *passed = cJSON_GetObjectItemCaseSensitive(report, "passed");
    if (strcmp(xf_cli_text(report, "state", "done"), "done") != 0 || !cJSON_IsBool(passed))
        return XF_CLI_FAILED; /* an end without a verdict is not a good one */
    return cJSON_IsTrue(passed) ? XF_CLI_OK : XF_CLI_DIFFERENCES;
}
