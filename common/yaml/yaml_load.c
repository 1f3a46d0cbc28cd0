/* Reading a YAML file: the whole of it, up to the limit, into memory that is wiped afterwards, since a file may hold a
 * password.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/yaml/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum xf_err cannot_read(struct xf_yaml_problem *problem, int error)
{
    problem->place = (struct xf_yaml_place){0, 0};
    snprintf(problem->text, sizeof problem->text, "cannot be read: %s", strerrordesc_np(error));
    return XF_ERR_IO;
}

/* Reads up to one byte more than allowed, so that the parser can say that the file is too large. */
static enum xf_err read_whole(int fd, char *text, size_t room, struct xf_yaml_problem *problem, size_t *len)
{
    size_t have = 0;
    while (have < room) {
        ssize_t got = read(fd, text + have, room - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cannot_read(problem, errno);
        if (!got)
            break;
        have += (size_t)got;
    }
    *len = have;
    return XF_OK;
}

enum xf_err xf_yaml_load(const char *path, const struct xf_yaml_limits *limits, struct xf_yaml_problem *problem,
                         struct xf_yaml_node **root)
{
    size_t room = limits->bytes_max + 1, len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cannot_read(problem, errno);
    char *text = malloc(room);
    enum xf_err err = text ? read_whole(fd, text, room, problem, &len) : cannot_read(problem, ENOMEM);
    close(fd);
    if (!err)
        err = xf_yaml_parse(xf_slice(text, len), limits, problem, root);
    if (text)
        explicit_bzero(text, len);
    free(text);
    return err;
}
