/* The file, numbers big-endian:
 *
 *   8 bytes  "XFSPILL\n"    4 bytes  version, 1    4 bytes  crc32 of the twelve before
 *   then records:
 *   4 bytes  length of the body
 *   1 byte   'i' ids | 'a' all, with an empty body
 *   4 bytes  crc32 of the body
 *   4 bytes  crc32 of the nine before
 *   body     ids one after another: 'n' and 8 bytes of a number, or 'u' and the 16 of a UUID
 *
 * A record's head has a checksum of its own, so that its length can be believed: a file that ends within a record was
 * cut off while the record was being written, before anybody was told that it is there. Everything else that does not
 * read is damage, and then nobody knows what has been lost: "all".
 *
 * Records are written at the end that this process knows, not wherever the file happens to end: what a failed write left
 * behind its beginning is overwritten by the next one. A file that is full is replaced in place, by an `all` over its
 * first record: that takes no space, neither of bytes_max nor of a full disk, and whatever moment the process dies at,
 * the file reads as "all". The lock on the file keeps a second process away that was given the same state_dir.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/spill.h"

#include "common/base/log.h"
#include "proxy/journal/spill_record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct xf_spill {
    char *path;
    int fd;
    uint64_t bytes_max;
    _Atomic uint64_t bytes; /* where the next record goes; what lies behind is of no meaning */
    _Atomic size_t ids;     /* in the records; each as often as it was added */
    _Atomic bool has_all, is_inherited;
    pthread_mutex_t lock; /* writing, and what follows */
    bool is_all_written;  /* has_all, and the file says so too */
    bool has_header;
    uint64_t change;      /* grows with everything that is added */
    uint64_t replaced;    /* the change at which the records before were replaced */
};

/* ---- adding: the lock is held ---- */

static enum xf_err write_header(struct xf_spill *spill)
{
    unsigned char header[XF_SPILL_HEADER_BYTES];
    if (spill->has_header)
        return XF_OK;
    xf_spill_make_header(header);
    enum xf_err err = xf_spill_write_at(spill->fd, header, sizeof header, 0);
    spill->has_header = !err;
    return err;
}

/* One `all` in place of all records. If that fails, this process knows it at least, and the next one who adds tries again.
 * The header, should it be missing or damaged, comes last: without it the file reads as "all" too. */
static enum xf_err replace_with_all(struct xf_spill *spill)
{
    unsigned char record[XF_SPILL_ALL_BYTES];
    xf_spill_make_head(record, 'a', NULL, 0);
    atomic_store(&spill->has_all, true);
    enum xf_err err = xf_spill_write_at(spill->fd, record, sizeof record, XF_SPILL_HEADER_BYTES);
    if (!err)
        err = write_header(spill);
    if (err)
        return err;
    spill->is_all_written = true;
    spill->replaced = spill->change;
    atomic_store(&spill->bytes, XF_SPILL_HEADER_BYTES + XF_SPILL_ALL_BYTES);
    atomic_store(&spill->ids, 0);
    (void)!ftruncate(spill->fd, XF_SPILL_HEADER_BYTES + XF_SPILL_ALL_BYTES); /* what stays reads as damage: as "all" */
    return XF_OK;
}

static enum xf_err become_full(struct xf_spill *spill)
{
    xf_log(XF_LOG_ERROR, "journal", "file=%s bytes_max=%llu: full, everything may differ now", spill->path,
           (unsigned long long)spill->bytes_max);
    return replace_with_all(spill);
}

static enum xf_err write_ids(struct xf_spill *spill, const struct xf_point_id *ids, size_t id_count, uint64_t *at)
{
    unsigned char record[XF_SPILL_HEAD_BYTES + XF_SPILL_BODY_BYTES_MAX];
    enum xf_err err = write_header(spill);
    for (size_t i = 0; i < id_count && !err;) {
        size_t length = 0;
        for (; i < id_count && length + XF_SPILL_UUID_BYTES <= XF_SPILL_BODY_BYTES_MAX; i++)
            length += xf_spill_pack(ids[i], record + XF_SPILL_HEAD_BYTES + length);
        xf_spill_make_head(record, 'i', record + XF_SPILL_HEAD_BYTES, length);
        err = xf_spill_write_at(spill->fd, record, XF_SPILL_HEAD_BYTES + length, *at);
        *at += XF_SPILL_HEAD_BYTES + length;
    }
    return err;
}

/* What the records of so many ids take. */
static uint64_t bytes_of(const struct xf_point_id *ids, size_t id_count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < id_count;) {
        size_t length = 0;
        for (; i < id_count && length + XF_SPILL_UUID_BYTES <= XF_SPILL_BODY_BYTES_MAX; i++)
            length += ids[i].is_uuid ? XF_SPILL_UUID_BYTES : XF_SPILL_NUMBER_BYTES;
        bytes += XF_SPILL_HEAD_BYTES + length;
    }
    return bytes;
}

enum xf_err xf_spill_add(struct xf_spill *spill, const struct xf_point_id *ids, size_t id_count)
{
    if (id_count == 0)
        return XF_OK;
    uint64_t need = bytes_of(ids, id_count) + XF_SPILL_ALL_BYTES; /* the space for an `all` stays free */
    enum xf_err err = XF_OK;
    pthread_mutex_lock(&spill->lock);
    uint64_t start = atomic_load(&spill->bytes), at = start;
    spill->change++;
    if (atomic_load(&spill->has_all)) {
        err = spill->is_all_written ? XF_OK : replace_with_all(spill);
    } else if (need > spill->bytes_max || start > spill->bytes_max - need) {
        err = become_full(spill);
    } else {
        err = write_ids(spill, ids, id_count, &at);
        if (err) { /* should this fail too, the next record overwrites what is there */
            (void)!ftruncate(spill->fd, spill->has_header ? (off_t)start : 0);
        } else {
            atomic_store(&spill->bytes, at);
            atomic_fetch_add(&spill->ids, id_count);
        }
    }
    pthread_mutex_unlock(&spill->lock);
    return err;
}

/* Behind the ids, which stay: should the migration be known again, they are still dirty. */
static enum xf_err append_all(struct xf_spill *spill)
{
    unsigned char record[XF_SPILL_ALL_BYTES];
    uint64_t at = atomic_load(&spill->bytes);
    xf_spill_make_head(record, 'a', NULL, 0);
    enum xf_err err = write_header(spill);
    if (!err)
        err = xf_spill_write_at(spill->fd, record, sizeof record, at);
    if (!err) {
        spill->is_all_written = true;
        atomic_store(&spill->bytes, at + sizeof record);
    }
    return err;
}

enum xf_err xf_spill_add_all(struct xf_spill *spill)
{
    enum xf_err err = XF_OK;
    pthread_mutex_lock(&spill->lock);
    spill->change++;
    atomic_store(&spill->has_all, true);
    if (!spill->is_all_written && append_all(spill) != XF_OK)
        err = replace_with_all(spill);
    pthread_mutex_unlock(&spill->lock);
    return err;
}

/* ---- opening ---- */

static enum xf_err read_header(struct xf_spill *spill, enum xf_spill_found *found)
{
    unsigned char header[XF_SPILL_HEADER_BYTES], good[XF_SPILL_HEADER_BYTES];
    size_t got;
    enum xf_err err = xf_spill_read_at(spill->fd, header, sizeof header, 0, &got);
    if (err)
        return err;
    xf_spill_make_header(good);
    spill->has_header = got == sizeof header && memcmp(header, good, got) == 0;
    if (memcmp(header, good, got) != 0)
        *found = XF_SPILL_DAMAGE;
    else
        *found = spill->has_header ? XF_SPILL_IDS : XF_SPILL_END;
    return XF_OK;
}

static size_t count_ids(const struct xf_spill_record *record)
{
    size_t count = 0;
    struct xf_point_id id;
    for (size_t at = 0; at < record->length; count++)
        at += xf_spill_unpack(record->body + at, record->length - at, &id);
    return count;
}

static enum xf_err read_all_records(struct xf_spill *spill, enum xf_spill_found *found, bool *has_all)
{
    struct xf_spill_record record;
    uint64_t at = XF_SPILL_HEADER_BYTES;
    enum xf_err err = read_header(spill, found);
    while (!err && (*found == XF_SPILL_IDS || *found == XF_SPILL_ALL)) {
        err = xf_spill_read_record(spill->fd, at, &record, found);
        if (!err && (*found == XF_SPILL_IDS || *found == XF_SPILL_ALL)) {
            at += XF_SPILL_HEAD_BYTES + record.length;
            atomic_fetch_add(&spill->ids, count_ids(&record));
        }
        *has_all = *has_all || (!err && *found == XF_SPILL_ALL);
    }
    atomic_store(&spill->bytes, at);
    return err;
}

static enum xf_err take_up(struct xf_spill *spill)
{
    enum xf_spill_found found = XF_SPILL_END;
    bool has_all = false;
    enum xf_err err = read_all_records(spill, &found, &has_all);
    if (err)
        return err;
    uint64_t bytes = atomic_load(&spill->bytes);
    atomic_store(&spill->has_all, has_all);
    spill->is_all_written = has_all;
    atomic_store(&spill->is_inherited, bytes > XF_SPILL_HEADER_BYTES || found == XF_SPILL_DAMAGE);
    if (found == XF_SPILL_DAMAGE) {
        xf_log(XF_LOG_ERROR, "journal", "file=%s at=%llu: damaged, everything may differ now", spill->path,
               (unsigned long long)bytes);
        return replace_with_all(spill);
    }
    if (ftruncate(spill->fd, spill->has_header ? (off_t)bytes : 0))
        return XF_ERR_IO;
    return !has_all && bytes > spill->bytes_max - XF_SPILL_ALL_BYTES ? become_full(spill) : XF_OK;
}

/* False also for a file that its last owner removed in the same moment. */
static bool lock_file(int fd)
{
    struct stat is;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &is) == 0 && is.st_nlink > 0;
}

enum xf_err xf_spill_open(const char *path, uint64_t bytes_max, struct xf_spill **spill)
{
    struct xf_spill *made = calloc(1, sizeof *made);
    if (!made)
        return XF_ERR_NOMEM;
    if (pthread_mutex_init(&made->lock, NULL)) {
        free(made);
        return XF_ERR_NOMEM;
    }
    uint64_t least = XF_SPILL_HEADER_BYTES + XF_SPILL_ALL_BYTES;
    made->bytes_max = bytes_max > least ? bytes_max : least;
    atomic_init(&made->bytes, XF_SPILL_HEADER_BYTES);
    made->path = strdup(path);
    made->fd = made->path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    enum xf_err err = made->path ? XF_OK : XF_ERR_NOMEM;
    if (!err && (made->fd < 0 || !lock_file(made->fd)))
        err = XF_ERR_IO;
    if (!err)
        err = take_up(made);
    if (err) {
        int kept = errno;
        xf_log(XF_LOG_ERROR, "journal", "file=%s: cannot be used: %s", path, strerror(kept));
        if (made->fd >= 0)
            close(made->fd);
        made->fd = -1;
        xf_spill_close(made);
        errno = kept;
        return err;
    }
    *spill = made;
    return XF_OK;
}

void xf_spill_close(struct xf_spill *spill)
{
    if (!spill)
        return;
    if (spill->fd >= 0) {
        if (xf_spill_is_empty(spill))
            (void)unlink(spill->path);
        close(spill->fd);
    }
    pthread_mutex_destroy(&spill->lock);
    free(spill->path);
    free(spill);
}

/* ---- looking and giving away ---- */

bool xf_spill_is_empty(const struct xf_spill *spill)
{
    return atomic_load(&spill->bytes) == XF_SPILL_HEADER_BYTES && !atomic_load(&spill->has_all);
}

bool xf_spill_is_inherited(const struct xf_spill *spill)
{
    return atomic_load(&spill->is_inherited);
}

bool xf_spill_has_all(const struct xf_spill *spill)
{
    return atomic_load(&spill->has_all);
}

size_t xf_spill_ids(const struct xf_spill *spill)
{
    return atomic_load(&spill->ids);
}

uint64_t xf_spill_bytes(const struct xf_spill *spill)
{
    return atomic_load(&spill->bytes);
}

void xf_spill_take_begin(struct xf_spill *spill, struct xf_spill_take *take)
{
    pthread_mutex_lock(&spill->lock);
    *take = (struct xf_spill_take){
        .change = spill->change, .at = XF_SPILL_HEADER_BYTES, .end = atomic_load(&spill->bytes)};
    pthread_mutex_unlock(&spill->lock);
}

/* The ids of the record from number `given` on; how many there were. */
static size_t hand_over(const struct xf_spill_record *record, size_t given, struct xf_point_id *ids, size_t max,
                        bool *is_through)
{
    size_t at = 0, count = 0;
    struct xf_point_id id;
    for (size_t i = 0; at < record->length; i++) {
        size_t step = xf_spill_unpack(record->body + at, record->length - at, &id);
        if (i >= given && count == max)
            break;
        if (i >= given)
            ids[count++] = id;
        at += step;
    }
    *is_through = at >= record->length;
    return count;
}

static enum xf_err take_some(struct xf_spill *spill, struct xf_spill_take *take, struct xf_point_id *ids, size_t max,
                             size_t *count)
{
    struct xf_spill_record record;
    enum xf_spill_found found;
    while (*count < max && take->at < take->end) {
        enum xf_err err = xf_spill_read_record(spill->fd, take->at, &record, &found);
        if (err || (found != XF_SPILL_IDS && found != XF_SPILL_ALL))
            return XF_ERR_IO;
        bool is_through;
        size_t more = hand_over(&record, take->given, ids + *count, max - *count, &is_through);
        *count += more;
        take->given = is_through ? 0 : take->given + more;
        if (is_through)
            take->at += XF_SPILL_HEAD_BYTES + record.length;
    }
    return XF_OK;
}

enum xf_err xf_spill_take_next(struct xf_spill *spill, struct xf_spill_take *take, struct xf_point_id *ids, size_t max,
                               size_t *count)
{
    size_t got = 0;
    enum xf_err err = XF_OK;
    pthread_mutex_lock(&spill->lock);
    if (take->change >= spill->replaced) /* otherwise an `all` has come in the place of the rest */
        err = take_some(spill, take, ids, max, &got);
    pthread_mutex_unlock(&spill->lock);
    if (!err)
        *count = got;
    return err;
}

void xf_spill_take_done(struct xf_spill *spill, const struct xf_spill_take *take)
{
    pthread_mutex_lock(&spill->lock);
    if (take->change == spill->change && ftruncate(spill->fd, spill->has_header ? XF_SPILL_HEADER_BYTES : 0) == 0) {
        atomic_store(&spill->bytes, XF_SPILL_HEADER_BYTES);
        atomic_store(&spill->ids, 0);
        atomic_store(&spill->has_all, false);
        atomic_store(&spill->is_inherited, false);
        spill->is_all_written = false;
    }
    pthread_mutex_unlock(&spill->lock);
}
