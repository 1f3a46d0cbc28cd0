/* How durations, sizes and addresses are written in the file. Numbers are strict decimals: no sign, no fraction.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/settings.h"

#include "common/base/num.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOST_CHARS_MAX = 253 };

struct unit {
    const char *name;
    uint64_t factor;
};
/* Smallest first. */
static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
static const struct unit sizes[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
enum { UNIT_COUNT = 4 };

static size_t digits_of(struct xf_slice text)
{
    size_t n = 0;
    while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9')
        n++;
    return n;
}

static enum xf_err with_unit(struct xf_slice text, const struct unit *units, uint64_t *value)
{
    size_t digits = digits_of(text);
    uint64_t number = 0;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (!xf_slice_eq(xf_slice_skip(text, digits), xf_slice_of(units[i].name)))
            continue;
        enum xf_err err = xf_u64_parse(xf_slice(text.ptr, digits), &number);
        if (err)
            return err;
        return __builtin_mul_overflow(number, units[i].factor, value) ? XF_ERR_RANGE : XF_OK;
    }
    return XF_ERR_INVALID;
}

enum xf_err xf_duration_parse(struct xf_slice text, uint64_t *ms)
{
    return with_unit(text, durations, ms);
}

enum xf_err xf_size_parse(struct xf_slice text, uint64_t *bytes)
{
    return with_unit(text, sizes, bytes);
}

static void print_unit(uint64_t value, const struct unit *units, char text[32])
{
    size_t i = UNIT_COUNT - 1;
    while (i && (!value || value % units[i].factor))
        i--;
    snprintf(text, 32, "%llu%s", (unsigned long long)(value / units[i].factor), units[i].name);
}

void xf_duration_print(uint64_t ms, char text[32])
{
    print_unit(ms, durations, text);
}

void xf_size_print(uint64_t bytes, char text[32])
{
    print_unit(bytes, sizes, text);
}

static bool is_host_char(char c, bool is_v6)
{
    if ((c >= '0' && c <= '9') || c == '.' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return true;
    if (is_v6)
        return c == ':';
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static enum xf_err parse_port(struct xf_slice text, uint16_t *port)
{
    uint64_t number;
    enum xf_err err = xf_u64_parse(text, &number);
    if (err)
        return err;
    if (!number || number > UINT16_MAX)
        return XF_ERR_RANGE;
    *port = (uint16_t)number;
    return XF_OK;
}

enum xf_err xf_host_port_parse(struct xf_slice text, uint16_t port_default, char **host, uint16_t *port)
{
    bool is_v6 = text.len && text.ptr[0] == '[';
    struct xf_slice rest = is_v6 ? xf_slice_skip(text, 1) : text;
    size_t len = 0;
    while (len < rest.len && is_host_char(rest.ptr[len], is_v6))
        len++;
    struct xf_slice name = xf_slice(rest.ptr, len);
    rest = xf_slice_skip(rest, len);
    if (is_v6 && (!rest.len || rest.ptr[0] != ']'))
        return XF_ERR_INVALID;
    rest = is_v6 ? xf_slice_skip(rest, 1) : rest;
    if (!name.len || name.len > HOST_CHARS_MAX || (rest.len && rest.ptr[0] != ':') || (!rest.len && !port_default))
        return XF_ERR_INVALID;
    *port = port_default;
    enum xf_err err = rest.len ? parse_port(xf_slice_skip(rest, 1), port) : XF_OK;
    if (err)
        return err;
    char *copy = strndup(name.ptr, name.len);
    if (!copy)
        return XF_ERR_NOMEM;
    unsigned char binary[sizeof(struct in6_addr)];
    if (is_v6 && inet_pton(AF_INET6, copy, binary) != 1) {
        free(copy);
        return XF_ERR_INVALID;
    }
    *host = copy;
    return XF_OK;
}

static bool is_numeric(const char *host)
{
    unsigned char binary[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1;
}

enum xf_err xf_address_parse(struct xf_slice text, struct xf_address *address)
{
    struct xf_address found = {0};
    enum xf_err err = xf_host_port_parse(text, 0, &found.host, &found.port);
    if (err)
        return err;
    if (strcmp(found.host, "localhost") == 0) {
        free(found.host);
        found.host = strdup("127.0.0.1");
        if (!found.host)
            return XF_ERR_NOMEM;
    }
    if (!is_numeric(found.host)) {
        free(found.host);
        return XF_ERR_INVALID;
    }
    *address = found;
    return XF_OK;
}

bool xf_address_is_loopback(const struct xf_address *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
