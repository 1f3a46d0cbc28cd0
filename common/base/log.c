/* One record is formatted into a buffer on the stack and written by one write(2), so lines of different threads never
 * mix. Control characters become \xNN: what a peer sent cannot forge a second record.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static _Atomic int level_now = XF_LOG_INFO;
static _Atomic int log_fd = 2;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void xf_log_set_level(enum xf_log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

bool xf_log_is_on(enum xf_log_level level)
{
    return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

void xf_log_set_fd(int fd)
{
    atomic_store_explicit(&log_fd, fd, memory_order_relaxed);
}

static size_t print_time(char *out, size_t room)
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t len = strftime(out, room, "%Y-%m-%dT%H:%M:%S", &parts);
    return len + (size_t)snprintf(out + len, room - len, ".%03ldZ", now.tv_nsec / 1000000);
}

static size_t copy_escaped(char *out, size_t room, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;
    for (; *text && len + 4 < room; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != 0x7f) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '\\';
        out[len++] = 'x';
        out[len++] = hex[c >> 4];
        out[len++] = hex[c & 15];
    }
    return len;
}

void xf_log(enum xf_log_level level, const char *module, const char *format, ...)
{
    if (!xf_log_is_on(level))
        return;
    char message[LINE_MAX_BYTES / 2], line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t len = print_time(line, sizeof line);
    len += (size_t)snprintf(line + len, sizeof line - len, " %s %s ", level_names[level], module);
    len += copy_escaped(line + len, sizeof line - len - 1, message);
    line[len++] = '\n';
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(atomic_load_explicit(&log_fd, memory_order_relaxed), line, len);
    (void)written;
}
