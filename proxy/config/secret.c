/* Secrets come from the environment or from files, never from the configuration's own text. What was read is wiped
 * where it is not kept.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/config_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_BYTES_MAX = 4096 };

char *xf_config_resolve_path(const struct xf_config_loader *loader, struct xf_slice path)
{
    const char *slash = strrchr(loader->file, '/');
    size_t folder_len = slash && path.ptr[0] != '/' ? (size_t)(slash - loader->file) + 1 : 0;
    char *resolved = malloc(folder_len + path.len + 1);
    if (!resolved)
        return NULL;
    memcpy(resolved, loader->file, folder_len);
    memcpy(resolved + folder_len, path.ptr, path.len);
    resolved[folder_len + path.len] = 0;
    return resolved;
}

/* A secret goes into a header field or a Redis command: a control character in it is a mistake, or worse. */
static const char *why_not_secret(struct xf_slice text)
{
    if (!text.len)
        return "which is empty";
    if (text.len > SECRET_BYTES_MAX)
        return "which is too long";
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return "which holds a control character or more than one line";
    return NULL;
}

static void keep(struct xf_config_loader *loader, const struct xf_setting *setting, const struct xf_config_value *value,
                 struct xf_slice text, char **secret)
{
    const char *why_not = why_not_secret(text);
    if (why_not) {
        xf_config_say(loader, value->place, value->path, "found \"%.*s\", %s, expected %s", XF_SLICE_ARG(value->text),
                      why_not, xf_setting_expected(setting->type));
        return;
    }
    *secret = strndup(text.ptr, text.len);
    if (!*secret)
        xf_config_out_of_memory(loader);
}

/* Regular files only: a pipe or a device could keep the program waiting. Returns the length, or -1 with errno. */
static ssize_t read_file(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    struct stat info;
    ssize_t len = fstat(fd, &info);
    if (!len && !S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
        len = -1;
    }
    if (!len)
        len = read(fd, text, room);
    int error = errno;
    close(fd);
    errno = error;
    return len;
}

static void take_file(struct xf_config_loader *loader, const struct xf_setting *setting,
                      const struct xf_config_value *value, char **secret)
{
    char text[SECRET_BYTES_MAX + 64] = "";
    char *path = xf_config_resolve_path(loader, value->text);
    if (!path) {
        xf_config_out_of_memory(loader);
        return;
    }
    ssize_t len = read_file(path, text, sizeof text);
    if (len < 0) {
        xf_config_say(loader, value->place, value->path, "found \"%.200s\", which cannot be read (%s), expected %s",
                      path, strerrordesc_np(errno), xf_setting_expected(setting->type));
    } else {
        while (len && strchr(" \t\r\n", text[len - 1]))
            len--;
        keep(loader, setting, value, xf_slice(text, (size_t)len), secret);
        explicit_bzero(text, sizeof text);
    }
    free(path);
}

/* A secret pasted where its variable's name belongs must not be shown, so only what looks like such a name is. */
static bool looks_like_variable(struct xf_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9'))
            return false;
    }
    return text.len > 0;
}

static void take_env(struct xf_config_loader *loader, const struct xf_setting *setting,
                     const struct xf_config_value *value, char **secret)
{
    if (!looks_like_variable(value->text)) {
        xf_config_say(
            loader, value->place, value->path,
            "found something else (not shown), expected the name of an environment variable in A-Z, 0-9 and _");
        return;
    }
    const char *text = getenv(value->text.ptr);
    if (text)
        keep(loader, setting, value, xf_slice_of(text), secret);
    else
        xf_config_say(loader, value->place, value->path, "found \"%.*s\", which is not set, expected %s",
                      XF_SLICE_ARG(value->text), xf_setting_expected(setting->type));
}

void xf_config_take_secret(struct xf_config_loader *loader, const struct xf_setting *setting,
                           const struct xf_config_value *value, char **secret)
{
    if (*secret)
        xf_config_say(loader, value->place, value->path, "found a second source of the same value, expected one");
    else if (setting->type == XF_SETTING_ENV)
        take_env(loader, setting, value, secret);
    else
        take_file(loader, setting, value, secret);
}
