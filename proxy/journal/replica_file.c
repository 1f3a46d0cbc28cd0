/* Lines of text. The order of a record's words is that of the struct; `-` stands for an empty one:
 *
 *   crossfade-replica 1
 *   migration <inc> <beat> <dual> <clean> <in doubt> <redis run id> <machine boot id> <peer,peer> <name>
 *   checksum <16 hex digits, FNV-1a of all before this line>
 *
 * The file is replaced by rename and not synced: a process that dies leaves it whole, and a machine that goes down puts
 * everything in doubt anyway, by its boot id or by the checksum.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/replica_file.h"

#include "common/base/log.h"
#include "common/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "crossfade-replica 1\n"
enum {
    PATH_BYTES = 4096,
    FILE_BYTES_MAX = 16 * 1024 * 1024,
    CHECKSUM_LINE = sizeof "checksum 0123456789abcdef\n" - 1,
    WORDS = 9 /* of a record */
};

static enum xf_err path_of(const struct xf_config *config, const char *name, char path[PATH_BYTES])
{
    int len = snprintf(path, PATH_BYTES, "%s/%s", config->state_dir, name);
    return len > 0 && len < PATH_BYTES ? XF_OK : XF_ERR_IO;
}

static enum xf_err complain(const char *what, const char *path)
{
    xf_log(XF_LOG_ERROR, "journal", "file=%s: %s: %s", path, what, strerror(errno));
    return XF_ERR_IO;
}

/* --- Bytes in and out --- */

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

/* NOT_FOUND if there is no such file. */
static enum xf_err read_file(const char *path, struct xf_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? XF_ERR_NOT_FOUND : XF_ERR_IO;
    enum xf_err err = read_all(fd, out);
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
    return XF_OK;
}

static enum xf_err replace_file(const struct xf_config *config, const char *path, struct xf_slice text)
{
    char fresh[PATH_BYTES];
    if (path_of(config, "replica.tmp", fresh))
        return XF_ERR_IO;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return XF_ERR_IO;
    enum xf_err err = write_all(fd, text);
    if (close(fd) || err || rename(fresh, path)) {
        unlink(fresh);
        return XF_ERR_IO;
    }
    return XF_OK;
}

/* --- Who this is --- */

static enum xf_err make_dir(const char *dir)
{
    char path[PATH_BYTES];
    size_t len = strlen(dir);
    if (len == 0 || len >= sizeof path)
        return XF_ERR_IO;
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

static bool is_hex(struct xf_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f')))
            return false;
    return true;
}

static enum xf_err make_id(struct xf_replica_file *file)
{
    unsigned char bytes[XF_REPLICA_ID_MAX / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return XF_ERR_IO;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(file->id + 2 * i, 3, "%02x", bytes[i]);
    file->id[XF_REPLICA_ID_MAX] = '\0';
    if (ftruncate(file->lock_fd, 0) || lseek(file->lock_fd, 0, SEEK_SET) ||
        write_all(file->lock_fd, xf_slice_of(file->id)))
        return XF_ERR_IO;
    return fsync(file->lock_fd) ? XF_ERR_IO : XF_OK;
}

/* A directory's own change, so that the id outlives the machine. */
static enum xf_err sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum xf_err err = fd < 0 || fsync(fd) ? XF_ERR_IO : XF_OK;
    if (fd >= 0)
        close(fd);
    return err;
}

/* The file with the id is also what keeps a second process out. */
static enum xf_err open_id(struct xf_replica_file *file, bool *is_new)
{
    char path[PATH_BYTES], text[XF_REPLICA_ID_MAX];
    if (path_of(file->config, "replica-id", path))
        return XF_ERR_IO;
    file->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file->lock_fd < 0)
        return complain("cannot be opened", path);
    if (flock(file->lock_fd, LOCK_EX | LOCK_NB))
        return complain("another process uses this state_dir", path);
    ssize_t n = read(file->lock_fd, text, sizeof text);
    if (n == XF_REPLICA_ID_MAX && is_hex(xf_slice(text, (size_t)n))) {
        memcpy(file->id, text, sizeof text);
        *is_new = false;
        return XF_OK;
    }
    *is_new = n == 0;
    if (n)
        xf_log(XF_LOG_WARN, "journal", "file=%s: no replica id can be read from it, this is a new replica now", path);
    return make_id(file) || sync_dir(file->config->state_dir) ? complain("cannot be written", path) : XF_OK;
}

static void read_machine(char machine[XF_MACHINE_MAX + 1])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, machine, XF_MACHINE_MAX);
    if (fd >= 0)
        close(fd);
    machine[n > 0 ? n : 0] = '\0';
    machine[strcspn(machine, " \n")] = '\0';
    if (!machine[0]) /* never the same twice: every stop that was not clean is in doubt */
        (void)snprintf(machine, XF_MACHINE_MAX, "pid%ld", (long)getpid());
}

/* --- Parsing --- */

static uint64_t fnv1a(struct xf_slice text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return hash;
}

static struct xf_slice take_word(struct xf_slice *text, char end)
{
    const char *stop = text->len ? memchr(text->ptr, end, text->len) : NULL;
    size_t len = stop ? (size_t)(stop - text->ptr) : text->len;
    struct xf_slice word = xf_slice(text->ptr, len);
    *text = xf_slice_skip(*text, stop ? len + 1 : len);
    return word;
}

static bool copy_word(struct xf_slice word, char *to, size_t max)
{
    if (word.len == 0 || word.len > max)
        return false;
    if (xf_slice_eq(word, XF_SLICE("-")))
        word.len = 0;
    memcpy(to, word.ptr, word.len);
    to[word.len] = '\0';
    return true;
}

static bool take_flag(struct xf_slice word, bool *flag)
{
    *flag = xf_slice_eq(word, XF_SLICE("1"));
    return *flag || xf_slice_eq(word, XF_SLICE("0"));
}

static bool take_peers(struct xf_slice word, char **peers)
{
    if (xf_slice_eq(word, XF_SLICE("-")))
        return true;
    *peers = strndup(word.ptr, word.len);
    for (char *p = *peers; p && *p; p++)
        if (*p == ',')
            *p = ' ';
    return *peers;
}

static struct xf_replica_record *find_record(const struct xf_replica_file *file, struct xf_slice name)
{
    for (size_t i = 0; i < file->config->migration_count; i++)
        if (xf_slice_eq(xf_slice_of(file->config->migrations[i].name), name))
            return &file->records[i];
    return NULL;
}

static enum xf_err parse_record(struct xf_replica_file *file, struct xf_slice line)
{
    struct xf_slice rest = line, word[WORDS + 1];
    for (size_t i = 0; i <= WORDS; i++)
        word[i] = take_word(&rest, ' ');
    if (!xf_slice_eq(word[0], XF_SLICE("migration")) || rest.len)
        return XF_ERR_INVALID;
    struct xf_replica_record *record = find_record(file, word[9]);
    if (!record) {
        enum xf_err err = xf_buf_append_slice(&file->others, line);
        return err ? err : xf_buf_append(&file->others, "\n", 1);
    }
    bool is_whole = copy_word(word[1], record->inc, XF_INC_MAX) && !xf_u64_parse(word[2], &record->beat) &&
                    take_flag(word[3], &record->was_dual) && take_flag(word[4], &record->is_clean) &&
                    take_flag(word[5], &record->is_in_doubt) && copy_word(word[6], record->run_id, XF_RUN_ID_MAX) &&
                    copy_word(word[7], record->machine, XF_MACHINE_MAX) && take_peers(word[8], &record->peers);
    return is_whole ? XF_OK : XF_ERR_INVALID;
}

static enum xf_err parse(struct xf_replica_file *file, struct xf_slice text)
{
    char checksum[CHECKSUM_LINE + 1];
    if (text.len < CHECKSUM_LINE)
        return XF_ERR_INVALID;
    struct xf_slice rest = xf_slice(text.ptr, text.len - CHECKSUM_LINE);
    (void)snprintf(checksum, sizeof checksum, "checksum %016" PRIx64 "\n", fnv1a(rest));
    if (memcmp(checksum, text.ptr + rest.len, CHECKSUM_LINE) != 0 ||
        !xf_slice_eq(take_word(&rest, '\n'), xf_slice(FIRST_LINE, sizeof FIRST_LINE - 2)))
        return XF_ERR_INVALID;
    enum xf_err err = XF_OK;
    while (rest.len && !err)
        err = parse_record(file, take_word(&rest, '\n'));
    return err;
}

static void forget_all(struct xf_replica_file *file)
{
    for (size_t i = 0; i < file->config->migration_count; i++) {
        free(file->records[i].peers);
        file->records[i] = (struct xf_replica_record){.is_in_doubt = true};
    }
    xf_buf_clear(&file->others);
}

/* From here on this process answers for the records. */
static void take_over(struct xf_replica_file *file)
{
    for (size_t i = 0; i < file->config->migration_count; i++) {
        struct xf_replica_record *record = &file->records[i];
        if (record->is_clean)
            record->run_id[0] = '\0';
        else if (record->inc[0] && strcmp(record->machine, file->machine) != 0)
            record->is_in_doubt = true;
        record->is_clean = false;
        memcpy(record->machine, file->machine, sizeof record->machine);
    }
}

/* A replica that has an id has had this file, too. */
static enum xf_err load(struct xf_replica_file *file, bool is_new)
{
    char path[PATH_BYTES];
    struct xf_buf text;
    if (path_of(file->config, "replica", path))
        return XF_ERR_IO;
    xf_buf_init(&text, FILE_BYTES_MAX);
    enum xf_err err = read_file(path, &text);
    if (!err)
        err = parse(file, xf_buf_view(&text));
    xf_buf_fini(&text);
    if (err && !(is_new && err == XF_ERR_NOT_FOUND)) {
        xf_log(XF_LOG_WARN, "journal", "file=%s: cannot be read (%s), what it knew is in doubt", path,
               xf_err_sentence(err));
        forget_all(file);
    }
    return XF_OK;
}

/* --- Life --- */

enum xf_err xf_replica_file_open(const struct xf_config *config, struct xf_replica_file *file)
{
    *file = (struct xf_replica_file){.config = config, .lock_fd = -1};
    xf_buf_init(&file->others, FILE_BYTES_MAX);
    xf_buf_init(&file->written, FILE_BYTES_MAX);
    file->records = calloc(config->migration_count + 1, sizeof *file->records);
    if (!file->records)
        return XF_ERR_NOMEM;
    read_machine(file->machine);
    if (make_dir(config->state_dir))
        return complain("the directory cannot be made", config->state_dir);
    bool is_new;
    enum xf_err err = open_id(file, &is_new);
    if (!err)
        err = load(file, is_new);
    if (err)
        return err;
    take_over(file);
    return xf_replica_file_save(file);
}

void xf_replica_file_close(struct xf_replica_file *file)
{
    for (size_t i = 0; file->records && i < file->config->migration_count; i++)
        free(file->records[i].peers);
    free(file->records);
    xf_buf_fini(&file->others);
    xf_buf_fini(&file->written);
    if (file->config && file->lock_fd >= 0)
        close(file->lock_fd); /* the lock goes with it */
}

bool xf_replica_is_in_doubt(const struct xf_replica_record *record, const char *run_id)
{
    return record->is_in_doubt || (record->run_id[0] && strcmp(record->run_id, run_id) != 0);
}

/* --- Printing --- */

static const char *or_dash(const char *text)
{
    return text && text[0] ? text : "-";
}

static enum xf_err print_record(const struct xf_replica_record *record, const char *name, struct xf_buf *out)
{
    enum xf_err err = xf_buf_printf(out, "migration %s %" PRIu64 " %d %d %d %s %s ", or_dash(record->inc), record->beat,
                                    record->was_dual, record->is_clean, record->is_in_doubt, or_dash(record->run_id),
                                    or_dash(record->machine));
    for (const char *p = or_dash(record->peers); *p && !err; p++)
        err = xf_buf_append(out, *p == ' ' ? "," : p, 1);
    return err ? err : xf_buf_printf(out, " %s\n", name);
}

static enum xf_err print(const struct xf_replica_file *file, struct xf_buf *out)
{
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE(FIRST_LINE));
    for (size_t i = 0; i < file->config->migration_count && !err; i++) {
        const struct xf_replica_record *record = &file->records[i];
        if (record->inc[0] || record->is_in_doubt)
            err = print_record(record, file->config->migrations[i].name, out);
    }
    if (!err)
        err = xf_buf_append_slice(out, xf_buf_view(&file->others));
    return err ? err : xf_buf_printf(out, "checksum %016" PRIx64 "\n", fnv1a(xf_buf_view(out)));
}

enum xf_err xf_replica_file_save(struct xf_replica_file *file)
{
    char path[PATH_BYTES];
    struct xf_buf text;
    xf_buf_init(&text, FILE_BYTES_MAX);
    enum xf_err err = path_of(file->config, "replica", path);
    if (!err)
        err = print(file, &text);
    if (!err && !xf_slice_eq(xf_buf_view(&text), xf_buf_view(&file->written))) {
        err = replace_file(file->config, path, xf_buf_view(&text));
        if (err && !file->has_complained)
            (void)complain("cannot be written", path);
        file->has_complained = err != XF_OK;
        xf_buf_clear(&file->written);
        if (!err)
            err = xf_buf_append_slice(&file->written, xf_buf_view(&text));
    }
    xf_buf_fini(&text);
    return err;
}
