/* The table itself, and how its rows hang together.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/settings.h"

#define XF_AT(owner, member) offsetof(struct owner, member)
#define XF_NOWHERE XF_SETTING_NOWHERE
#define XF_SETTING(path, type, at, fallback, min, max, unit, reload, secret, sample, text)                             \
    {path, XF_SETTING_##type, at, fallback, min, max, unit, XF_SETTING_##reload, secret, sample, text},
const struct xf_setting xf_settings[] = {
#include "proxy/config/settings.def"
};
#undef XF_SETTING
const size_t xf_settings_count = sizeof xf_settings / sizeof xf_settings[0];

static const char *const expected[XF_SETTING_TYPE_COUNT] = {
    [XF_SETTING_SECTION] = "a map of settings",
    [XF_SETTING_NAMED] = "a map of names",
    [XF_SETTING_LIST] = "a list",
    [XF_SETTING_ADDRESS] = "an IP address and a port such as 127.0.0.1:7333 or [::1]:7333",
    [XF_SETTING_ADDRESSES] = "an IP address and a port such as 127.0.0.1:7333, or a list of them",
    [XF_SETTING_THREADS] = "auto or a number of threads",
    [XF_SETTING_NAME] = "1 to 64 letters, digits, _, . and -",
    [XF_SETTING_COLLECTION] = "a collection name: 1 to 255 characters, none of < > : \" / \\ | ? *, and not . or ..",
    [XF_SETTING_PATH] = "a path",
    [XF_SETTING_ENV] = "the name of an environment variable that is set",
    [XF_SETTING_FILE] = "the path of a file that holds one line",
    [XF_SETTING_HTTP_URL] = "http://host:port",
    [XF_SETTING_REDIS_URL] = "redis://host:port/database or unix:///path?db=number",
    [XF_SETTING_UPSTREAM] = "the name of an upstream",
    [XF_SETTING_ACK] = "both or authority",
    [XF_SETTING_GUARD] = "enforce or warn",
    [XF_SETTING_BOOL] = "true or false",
    [XF_SETTING_DURATION] = "a duration such as 500ms, 5s, 2m or 1h",
    [XF_SETTING_SIZE] = "a size such as 512B, 64KiB, 8MiB or 1GiB",
    [XF_SETTING_COUNT] = "a whole number",
};

const char *xf_setting_expected(enum xf_setting_type type)
{
    return expected[type];
}

bool xf_setting_is_in(const struct xf_setting *setting, const char *section)
{
    size_t len = strlen(section);
    return strncmp(setting->path, section, len) == 0 && !strchr(setting->path + len, '.');
}

const char *xf_setting_key(const struct xf_setting *setting)
{
    const char *dot = strrchr(setting->path, '.');
    return dot ? dot + 1 : setting->path;
}
