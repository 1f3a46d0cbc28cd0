/* Lines of text, so that an operator can read them; values carry their length, for they may hold anything:
 *
 *   crossfade-state 1
 *   flags <dual_write> <new_reads> <dual_write held> <new_reads held>      (only if they are known)
 *   incarnation <text>                       (only if one is known)
 *   value <name> <pending 0|1> <bytes>
 *   ...the bytes...
 *   checksum <16 hex digits, FNV-1a of all before this line>
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control/state_file.h"

#include "common/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKSUM_LINE = sizeof "checksum 0123456789abcdef\n" - 1 };
#define FIRST_LINE "crossfade-state 1"

static uint64_t fnv1a(struct xf_slice text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return hash;
}

enum xf_err xf_state_print(const struct xf_flags *flags, const struct xf_values *values, struct xf_buf *out)
{
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE(FIRST_LINE "\n"));
    if (!err && flags->is_known)
        err = xf_buf_printf(out, "flags %d %u %d %d\n", flags->dual_write, flags->new_reads_percent,
                            flags->is_held[XF_FLAG_DUAL_WRITE], flags->is_held[XF_FLAG_NEW_READS]);
    if (!err && flags->incarnation[0])
        err = xf_buf_printf(out, "incarnation %s\n", flags->incarnation);
    for (const struct xf_value *v = values->first; v && !err; v = v->next) {
        err = xf_buf_printf(out, "value %s %d %zu\n", v->name, v->is_pending, v->len);
        if (!err)
            err = xf_buf_append(out, v->bytes, v->len);
        if (!err)
            err = xf_buf_append(out, "\n", 1);
    }
    return err ? err : xf_buf_printf(out, "checksum %016" PRIx64 "\n", fnv1a(xf_buf_view(out)));
}

/* The next word up to a blank or the end of the line, which is taken away too. */
static struct xf_slice take_word(struct xf_slice *text, char end)
{
    const char *stop = text->len ? memchr(text->ptr, end, text->len) : NULL;
    size_t len = stop ? (size_t)(stop - text->ptr) : text->len;
    struct xf_slice word = xf_slice(text->ptr, len);
    *text = xf_slice_skip(*text, stop ? len + 1 : len);
    return word;
}

static enum xf_err parse_flags(struct xf_slice line, struct xf_flags *flags)
{
    uint64_t n[4];
    for (size_t i = 0; i < 4; i++)
        if (xf_u64_parse(take_word(&line, ' '), &n[i]) || n[i] > (i == 1 ? 100 : 1))
            return XF_ERR_INVALID;
    enum xf_err err = xf_flags_restore(flags, (uint8_t)n[0], (uint8_t)n[1]);
    flags->is_held[XF_FLAG_DUAL_WRITE] = n[2] != 0;
    flags->is_held[XF_FLAG_NEW_READS] = n[3] != 0;
    return err;
}

static enum xf_err parse_value(struct xf_slice line, struct xf_slice *rest, struct xf_values *values)
{
    struct xf_slice name = take_word(&line, ' ');
    uint64_t is_pending, len;
    if (xf_u64_parse(take_word(&line, ' '), &is_pending) || xf_u64_parse(line, &len) || len >= rest->len)
        return XF_ERR_INVALID;
    enum xf_err err = xf_values_set(values, name, xf_slice(rest->ptr, (size_t)len), is_pending != 0);
    *rest = xf_slice_skip(*rest, (size_t)len + 1);
    return err;
}

static enum xf_err parse_line(struct xf_slice line, struct xf_slice *rest, struct xf_flags *flags,
                              struct xf_values *values)
{
    struct xf_slice word = take_word(&line, ' ');
    if (xf_slice_eq(word, XF_SLICE("flags")))
        return parse_flags(line, flags);
    if (xf_slice_eq(word, XF_SLICE("value")))
        return parse_value(line, rest, values);
    if (!xf_slice_eq(word, XF_SLICE("incarnation")) || line.len > XF_INCARNATION_MAX)
        return XF_ERR_INVALID;
    memcpy(flags->incarnation, line.ptr, line.len);
    flags->incarnation[line.len] = '\0';
    return XF_OK;
}

enum xf_err xf_state_parse(struct xf_slice text, struct xf_flags *flags, struct xf_values *values)
{
    char checksum[CHECKSUM_LINE + 1];
    if (text.len < CHECKSUM_LINE)
        return XF_ERR_INVALID;
    struct xf_slice rest = xf_slice(text.ptr, text.len - CHECKSUM_LINE);
    snprintf(checksum, sizeof checksum, "checksum %016" PRIx64 "\n", fnv1a(rest));
    if (memcmp(checksum, text.ptr + rest.len, CHECKSUM_LINE) != 0)
        return XF_ERR_INVALID;
    if (!xf_slice_eq(take_word(&rest, '\n'), XF_SLICE(FIRST_LINE)))
        return XF_ERR_INVALID;
    struct xf_flags parsed = {0};
    while (rest.len) {
        struct xf_slice line = take_word(&rest, '\n');
        enum xf_err err = parse_line(line, &rest, &parsed, values);
        if (err)
            return err;
    }
    *flags = parsed;
    return XF_OK;
}

enum xf_err xf_state_make_dir(const char *dir)
{
    char path[4096];
    size_t len = strlen(dir);
    if (len == 0 || len >= sizeof path) {
        errno = ENAMETOOLONG;
        return XF_ERR_IO;
    }
    memcpy(path, dir, len + 1);
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) && errno != EEXIST)
            return XF_ERR_IO;
        *p = '/';
    }
    return mkdir(path, 0700) && errno != EEXIST ? XF_ERR_IO : XF_OK;
}

static enum xf_err file_path(const char *dir, const char *name, const char *end, char path[4096])
{
    size_t len = (size_t)snprintf(path, 4096, "%s/", dir);
    for (; *name && len < 4096 - 16; name++) {
        unsigned char c = (unsigned char)*name;
        bool is_plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        len += (size_t)snprintf(path + len, 4096 - len, is_plain ? "%c" : "%%%02X", c);
    }
    if (*name || len >= 4096 - 16) {
        errno = ENAMETOOLONG;
        return XF_ERR_IO;
    }
    memcpy(path + len, end, strlen(end) + 1);
    return XF_OK;
}

static enum xf_err read_all(int fd, struct xf_buf *out)
{
    for (;;) {
        size_t room;
        enum xf_err err = xf_buf_reserve(out, 4096);
        if (err)
            return err;
        char *to = xf_buf_room(out, &room);
        ssize_t n = read(fd, to, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? XF_ERR_IO : XF_OK;
        xf_buf_commit(out, (size_t)n);
    }
}

enum xf_err xf_state_read_file(const char *dir, const char *name, struct xf_buf *out)
{
    char path[4096];
    enum xf_err err = file_path(dir, name, ".state", path);
    if (err)
        return err;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? XF_ERR_NOT_FOUND : XF_ERR_IO;
    err = read_all(fd, out);
    close(fd);
    return err;
}

static enum xf_err write_all(int fd, struct xf_slice text)
{
    while (text.len) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return XF_ERR_IO;
        text = xf_slice_skip(text, (size_t)n);
    }
    return fsync(fd) ? XF_ERR_IO : XF_OK;
}

static enum xf_err write_new(const char *path, struct xf_slice text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return XF_ERR_IO;
    enum xf_err err = write_all(fd, text);
    int kept = errno;
    if (close(fd) && !err)
        return XF_ERR_IO;
    errno = kept;
    return err;
}

static enum xf_err sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return XF_ERR_IO;
    enum xf_err err = fsync(fd) ? XF_ERR_IO : XF_OK;
    close(fd);
    return err;
}

enum xf_err xf_state_write_file(const char *dir, const char *name, struct xf_slice text)
{
    char path[4096], temporary[4096];
    enum xf_err err = file_path(dir, name, ".state", path);
    if (!err)
        err = file_path(dir, name, ".tmp", temporary);
    if (err)
        return err;
    err = write_new(temporary, text);
    if (!err && rename(temporary, path))
        err = XF_ERR_IO;
    if (err) {
        int kept = errno;
        unlink(temporary);
        errno = kept;
        return err;
    }
    return sync_dir(dir);
}
