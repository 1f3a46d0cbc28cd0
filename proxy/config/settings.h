/* The table of settings (settings.def) as data, and the values' notation: durations, sizes, counts, addresses.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_CONFIG_SETTINGS_H
#define XF_PROXY_CONFIG_SETTINGS_H

#include "proxy/config/config.h"

enum xf_setting_type {
    XF_SETTING_SECTION,
    XF_SETTING_NAMED, /* a map whose keys the user chooses, each with a section */
    XF_SETTING_LIST,  /* a list of sections */
    XF_SETTING_ADDRESS,
    XF_SETTING_ADDRESSES,
    XF_SETTING_THREADS,
    XF_SETTING_NAME,
    XF_SETTING_COLLECTION,
    XF_SETTING_PATH,
    XF_SETTING_ENV,
    XF_SETTING_FILE,
    XF_SETTING_HTTP_URL,
    XF_SETTING_REDIS_URL,
    XF_SETTING_UPSTREAM,
    XF_SETTING_ACK,
    XF_SETTING_GUARD,
    XF_SETTING_BOOL,
    XF_SETTING_DURATION,
    XF_SETTING_SIZE,
    XF_SETTING_COUNT,
    XF_SETTING_TYPE_COUNT
};
enum xf_setting_reload { XF_SETTING_RESTART };

#define XF_SETTING_NOWHERE ((size_t)-1)

struct xf_setting {
    const char *path;
    enum xf_setting_type type;
    size_t at; /* offset within the struct of its upstream, its migration or the whole, or XF_SETTING_NOWHERE */
    const char *fallback;
    uint64_t min, max;
    const char *unit;
    enum xf_setting_reload reload;
    bool is_secret;
    const char *sample;
    const char *text;
};

extern const struct xf_setting xf_settings[];
extern const size_t xf_settings_count;

/* What values of the type look like: "a duration such as 500ms, 5s, 2m or 1h". */
const char *xf_setting_expected(enum xf_setting_type type);
/* True for the row of a key that stands directly in the section: `section` is "", "admin." or "migrations[].new.". */
bool xf_setting_is_in(const struct xf_setting *setting, const char *section);
/* The last part of the path. */
const char *xf_setting_key(const struct xf_setting *setting);

/* INVALID for another notation, RANGE for a value past 64 bits. */
XF_MUST_CHECK enum xf_err xf_duration_parse(struct xf_slice text, uint64_t *ms);
XF_MUST_CHECK enum xf_err xf_size_parse(struct xf_slice text, uint64_t *bytes);
/* In the largest unit that says it exactly; `text` takes 32 bytes. */
void xf_duration_print(uint64_t ms, char text[32]);
void xf_size_print(uint64_t bytes, char text[32]);

/* A numeric address (or localhost, read as 127.0.0.1) and a port that is not 0. `host` is allocated for the caller. */
XF_MUST_CHECK enum xf_err xf_address_parse(struct xf_slice text, struct xf_address *address);
bool xf_address_is_loopback(const struct xf_address *address);

/* `host:port` or `[v6]:port`, the port being optional where `port_default` is not 0; any host name. */
XF_MUST_CHECK enum xf_err xf_host_port_parse(struct xf_slice text, uint16_t port_default, char **host, uint16_t *port);

/* The reference page and the commented sample file, made from the table. */
XF_MUST_CHECK enum xf_err xf_settings_print_reference(struct xf_buf *out);
XF_MUST_CHECK enum xf_err xf_settings_print_sample(struct xf_buf *out);

#endif
