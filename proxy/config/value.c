/* One value of each type: its notation, its bounds, and where it goes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/config_int.h"

#include "common/base/num.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_BYTES_MAX = 80, NAME_CHARS_MAX = 64, COLLECTION_CHARS_MAX = 255 };

static bool is_shown(const struct xf_setting *setting, struct xf_slice text)
{
    return !setting->is_secret || setting->type == XF_SETTING_FILE ||
           (setting->type == XF_SETTING_REDIS_URL && !memchr(text.ptr, '@', text.len));
}

void xf_config_say_expected(struct xf_config_loader *loader, const struct xf_setting *setting,
                            const struct xf_config_value *value)
{
    const char *wanted = xf_setting_expected(setting->type);
    if (!is_shown(setting, value->text))
        xf_config_say(loader, value->place, value->path, "found a value that is not shown here, expected %s", wanted);
    else if (value->text.len > SHOWN_BYTES_MAX)
        xf_config_say(loader, value->place, value->path, "found \"%.*s...\", expected %s", SHOWN_BYTES_MAX,
                      value->text.ptr, wanted);
    else
        xf_config_say(loader, value->place, value->path, "found \"%.*s\", expected %s", XF_SLICE_ARG(value->text),
                      wanted);
}

static void keep_text(struct xf_config_loader *loader, struct xf_slice text, char **member)
{
    *member = strndup(text.ptr, text.len);
    if (!*member)
        xf_config_out_of_memory(loader);
}

bool xf_config_is_name(struct xf_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && (c < '0' || c > '9') && !strchr("_.-", c))
            return false;
    }
    return text.len && text.len <= NAME_CHARS_MAX;
}

/* Qdrant's rule for a name at creation, in characters, and without the names that mean a folder. */
static bool is_collection(struct xf_slice text)
{
    size_t chars = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (!c || c == 0x1f || strchr("<>:\"/\\|?*", c))
            return false;
        chars += (c & 0xc0) != 0x80;
    }
    bool is_folder = xf_slice_eq(text, XF_SLICE(".")) || xf_slice_eq(text, XF_SLICE(".."));
    return chars && chars <= COLLECTION_CHARS_MAX && !is_folder;
}

static void print_bound(const struct xf_setting *setting, uint64_t bound, char text[32])
{
    if (setting->type == XF_SETTING_DURATION)
        xf_duration_print(bound, text);
    else if (setting->type == XF_SETTING_SIZE)
        xf_size_print(bound, text);
    else
        snprintf(text, 32, "%llu", (unsigned long long)bound);
}

static enum xf_err parse_number(const struct xf_setting *setting, struct xf_slice text, uint64_t *number)
{
    if (setting->type == XF_SETTING_DURATION)
        return xf_duration_parse(text, number);
    return setting->type == XF_SETTING_SIZE ? xf_size_parse(text, number) : xf_u64_parse(text, number);
}

static bool take_number(struct xf_config_loader *loader, const struct xf_setting *setting,
                        const struct xf_config_value *value, uint64_t *member)
{
    uint64_t number = 0;
    enum xf_err err = parse_number(setting, value->text, &number);
    if (!err && number >= setting->min && number <= setting->max) {
        *member = number;
        return true;
    }
    if (err && err != XF_ERR_RANGE) {
        xf_config_say_expected(loader, setting, value);
        return false;
    }
    char min[32], max[32];
    print_bound(setting, setting->min, min);
    print_bound(setting, setting->max, max);
    xf_config_say(loader, value->place, value->path, "found %.*s, expected %s to %s", XF_SLICE_ARG(value->text), min,
                  max);
    return false;
}

static unsigned cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1; /* more cores than the set can name: then the number must be given */
    return (unsigned)CPU_COUNT(&set);
}

static void take_threads(struct xf_config_loader *loader, const struct xf_setting *setting,
                         const struct xf_config_value *value, unsigned *threads)
{
    uint64_t number = cores();
    if (xf_slice_eq(value->text, XF_SLICE("auto")))
        *threads = number < setting->max ? (unsigned)number : (unsigned)setting->max;
    else if (take_number(loader, setting, value, &number))
        *threads = (unsigned)number;
}

static void take_choice(struct xf_config_loader *loader, const struct xf_setting *setting,
                        const struct xf_config_value *value, void *member)
{
    bool is_first = false, is_second = false;
    switch (setting->type) {
    case XF_SETTING_ACK:
        is_first = xf_slice_eq(value->text, XF_SLICE("both"));
        is_second = xf_slice_eq(value->text, XF_SLICE("authority"));
        *(enum xf_ack *)member = is_second ? XF_ACK_AUTHORITY : XF_ACK_BOTH;
        break;
    case XF_SETTING_GUARD:
        is_first = xf_slice_eq(value->text, XF_SLICE("enforce"));
        is_second = xf_slice_eq(value->text, XF_SLICE("warn"));
        *(enum xf_guard *)member = is_second ? XF_GUARD_WARN : XF_GUARD_ENFORCE;
        break;
    default:
        is_first = xf_slice_eq(value->text, XF_SLICE("false"));
        is_second = xf_slice_eq(value->text, XF_SLICE("true"));
        *(bool *)member = is_second;
    }
    if (!is_first && !is_second)
        xf_config_say_expected(loader, setting, value);
}

static void take_address(struct xf_config_loader *loader, const struct xf_setting *setting,
                         const struct xf_config_value *value, struct xf_address *address)
{
    enum xf_err err = xf_address_parse(value->text, address);
    if (err == XF_ERR_NOMEM)
        xf_config_out_of_memory(loader);
    else if (err)
        xf_config_say_expected(loader, setting, value);
}

static void take_listener(struct xf_config_loader *loader, const struct xf_setting *setting,
                          const struct xf_config_value *value)
{
    struct xf_config *config = loader->config;
    struct xf_address *grown = reallocarray(config->listen, config->listen_count + 1, sizeof *grown);
    if (!grown) {
        xf_config_out_of_memory(loader);
        return;
    }
    config->listen = grown;
    grown[config->listen_count] = (struct xf_address){0};
    take_address(loader, setting, value, &grown[config->listen_count++]);
}

static void take_upstream(struct xf_config_loader *loader, const struct xf_config_value *value, size_t *index)
{
    const struct xf_config *config = loader->config;
    const char *names[64];
    size_t count = config->upstream_count < 64 ? config->upstream_count : 64;
    for (size_t i = 0; i < count; i++) {
        names[i] = config->upstreams[i].name ? config->upstreams[i].name : "";
        if (xf_slice_eq(value->text, xf_slice_of(names[i]))) {
            *index = i;
            return;
        }
    }
    const char *nearest = xf_config_nearest(value->text.ptr, names, count);
    xf_config_say(loader, value->place, value->path, "found \"%.80s\", expected the name of an upstream%s%s%s",
                  value->text.ptr, nearest ? ", perhaps \"" : "", nearest ? nearest : "", nearest ? "\"" : "");
}

static void take_path(struct xf_config_loader *loader, const struct xf_config_value *value, char **member)
{
    *member = xf_config_resolve_path(loader, value->text);
    if (!*member)
        xf_config_out_of_memory(loader);
}

static void take_checked_text(struct xf_config_loader *loader, const struct xf_setting *setting,
                              const struct xf_config_value *value, char **member)
{
    bool is_valid = setting->type == XF_SETTING_NAME ? xf_config_is_name(value->text) : is_collection(value->text);
    if (is_valid)
        keep_text(loader, value->text, member);
    else
        xf_config_say_expected(loader, setting, value);
}

void xf_config_take_value(struct xf_config_loader *loader, const struct xf_setting *setting,
                          const struct xf_config_value *value, void *owner)
{
    void *member = setting->at == XF_SETTING_NOWHERE ? owner : (char *)owner + setting->at;
    if (!value->text.len || memchr(value->text.ptr, 0, value->text.len)) {
        xf_config_say(loader, value->place, value->path, "found %s, expected %s",
                      value->text.len ? "a NUL character" : "nothing", xf_setting_expected(setting->type));
        return;
    }
    switch (setting->type) {
    case XF_SETTING_DURATION:
    case XF_SETTING_SIZE:
    case XF_SETTING_COUNT:
        (void)take_number(loader, setting, value, member); /* its problem has been noted */
        break;
    case XF_SETTING_THREADS:
        take_threads(loader, setting, value, member);
        break;
    case XF_SETTING_NAME:
    case XF_SETTING_COLLECTION:
        take_checked_text(loader, setting, value, member);
        break;
    case XF_SETTING_PATH:
        take_path(loader, value, member);
        break;
    case XF_SETTING_ENV:
    case XF_SETTING_FILE:
        xf_config_take_secret(loader, setting, value, member);
        break;
    case XF_SETTING_HTTP_URL:
        xf_config_take_http_url(loader, setting, value, owner);
        break;
    case XF_SETTING_REDIS_URL:
        xf_config_take_redis_url(loader, setting, value);
        break;
    case XF_SETTING_UPSTREAM:
        take_upstream(loader, value, member);
        break;
    case XF_SETTING_ADDRESS:
        take_address(loader, setting, value, member);
        break;
    case XF_SETTING_ADDRESSES:
        take_listener(loader, setting, value);
        break;
    case XF_SETTING_ACK:
    case XF_SETTING_GUARD:
    case XF_SETTING_BOOL:
        take_choice(loader, setting, value, member);
        break;
    case XF_SETTING_SECTION:
    case XF_SETTING_NAMED:
    case XF_SETTING_LIST:
    case XF_SETTING_TYPE_COUNT:
        xf_assert_failed("a section is no value", __FILE__, __LINE__);
    }
}
