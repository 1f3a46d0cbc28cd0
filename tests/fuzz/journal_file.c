/* Any bytes as the file of ids that an earlier process has left: what is taken up is what a slow reader of the layout
 * finds, nothing else; what does not read is "all"; and what is added to it afterwards is there the next time.
 *
 * The first byte of an input says whether checksums are put right first, so that the fuzzer gets past them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/spill.h"

#include "common/base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 16, HEAD = 13, BODY_MAX = 8192, BYTES_MAX = 16384, IDS_MAX = BYTES_MAX };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t number_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void put_crc(uint8_t *to, const uint8_t *bytes, size_t count)
{
    uint32_t crc = (uint32_t)crc32(0, bytes, (uInt)count);
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(crc >> (24 - 8 * i));
}

static bool is_crc(const uint8_t *at, const uint8_t *bytes, size_t count)
{
    uint8_t right[4];
    put_crc(right, bytes, count);
    return memcmp(right, at, 4) == 0;
}

static void put_checksums_right(uint8_t *file, size_t size)
{
    if (size < HEADER)
        return;
    memcpy(file, "XFSPILL\n\0\0\0\1", 12);
    put_crc(file + 12, file, 12);
    for (size_t at = HEADER; size - at >= HEAD;) {
        file[at] = file[at + 1] = 0;
        size_t length = number_at(file + at), left = size - at - HEAD;
        put_crc(file + at + 5, file + at + HEAD, length < left ? length : left);
        put_crc(file + at + 9, file + at, 9);
        at += HEAD + (length < left ? length : left);
    }
}

/* ---- the slow reader ---- */

struct content {
    bool is_all;
    size_t count;
    struct xf_point_id ids[IDS_MAX];
};

static uint64_t eight_at(const uint8_t *bytes)
{
    return (uint64_t)number_at(bytes) << 32 | number_at(bytes + 4);
}

static bool read_ids(const uint8_t *body, size_t length, struct content *content)
{
    size_t at = 0;
    while (at < length) {
        bool is_uuid = body[at] == 'u';
        size_t bytes = is_uuid ? 17 : 9;
        if ((!is_uuid && body[at] != 'n') || bytes > length - at)
            return false;
        content->ids[content->count++] = (struct xf_point_id){
            .hi = is_uuid ? eight_at(body + at + 1) : 0, .lo = eight_at(body + at + bytes - 8), .is_uuid = is_uuid};
        at += bytes;
    }
    return length > 0;
}

static bool read_record(const uint8_t *file, size_t size, size_t *at, struct content *content)
{
    const uint8_t *head = file + *at;
    size_t left = size - *at;
    if (left < HEAD) {
        *at = size;
        return true;
    }
    uint32_t length = number_at(head);
    if (!is_crc(head + 9, head, 9) || length > BODY_MAX)
        return false;
    if (length > left - HEAD) {
        *at = size;
        return true;
    }
    *at += HEAD + length;
    if (!is_crc(head + 5, head + HEAD, length))
        return false;
    if (head[4] == 'a' && length == 0)
        return content->is_all = true;
    return head[4] == 'i' && read_ids(head + HEAD, length, content);
}

static void read_slowly(const uint8_t *file, size_t size, struct content *content)
{
    uint8_t header[HEADER] = "XFSPILL\n\0\0\0\1";
    put_crc(header + 12, header, 12);
    content->is_all = false;
    content->count = 0;
    bool reads = memcmp(file, header, size < HEADER ? size : HEADER) == 0;
    for (size_t at = HEADER; reads && at < size;)
        reads = read_record(file, size, &at, content);
    if (!reads) {
        content->is_all = true;
        content->count = 0; /* they are in "all" */
    }
}

/* ---- the file itself ---- */

static char path[64];

static void remove_file(void)
{
    unlink(path);
}

static void write_file(const uint8_t *bytes, size_t count)
{
    if (!path[0]) {
        bool has_memory = access("/dev/shm", W_OK) == 0;
        snprintf(path, sizeof path, "%s/crossfade-fuzz-%ld", has_memory ? "/dev/shm" : "/tmp", (long)getpid());
        atexit(remove_file);
        xf_log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
    close(fd);
}

static void read_back(struct content *content, size_t step)
{
    struct xf_spill *spill;
    struct xf_spill_take taking;
    size_t more;
    check(xf_spill_open(path, BYTES_MAX, &spill) == XF_OK);
    content->is_all = xf_spill_has_all(spill);
    content->count = 0;
    xf_spill_take_begin(spill, &taking);
    do {
        size_t room = IDS_MAX - content->count;
        check(xf_spill_take_next(spill, &taking, content->ids + content->count, room < step ? room : step, &more) == XF_OK);
        content->count += more;
    } while (more);
    check(content->is_all || xf_spill_is_empty(spill) == (content->count == 0));
    check(xf_spill_is_inherited(spill) == (content->is_all || content->count > 0));
    xf_spill_close(spill);
}

static void add_one(struct xf_point_id id)
{
    struct xf_spill *spill;
    check(xf_spill_open(path, BYTES_MAX, &spill) == XF_OK);
    check(xf_spill_add(spill, &id, 1) == XF_OK);
    xf_spill_close(spill);
}

static void compare(const struct content *a, const struct content *b, size_t more)
{
    check(a->is_all == b->is_all && a->count + more == b->count);
    for (size_t i = 0; i < a->count; i++)
        check(xf_point_id_eq(a->ids[i], b->ids[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct content slow, found;
    static uint8_t file[BYTES_MAX];
    static const struct xf_point_id id = {.hi = 1, .lo = 2, .is_uuid = true};
    if (size < 2 || size - 2 > BYTES_MAX - 4 * HEAD)
        return 0;
    size_t count = size - 2;
    memcpy(file, data + 2, count);
    if (data[0] % 2)
        put_checksums_right(file, count);
    read_slowly(file, count, &slow);
    write_file(file, count);
    read_back(&found, data[1] + 1u);
    compare(&slow, &found, 0);
    add_one(id);
    read_back(&found, data[1] + 1u);
    compare(&slow, &found, slow.is_all ? 0 : 1);
    check(slow.is_all || xf_point_id_eq(found.ids[found.count - 1], id));
    return 0;
}
