/* The layout of the spill file and its records; spill.c has the picture.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/spill_record.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static void put_number(unsigned char *to, size_t bytes, uint64_t value)
{
    for (size_t i = bytes; i-- > 0; value >>= 8)
        to[i] = (unsigned char)value;
}

static uint64_t get_number(const unsigned char *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

static uint32_t checksum(const unsigned char *bytes, size_t count)
{
    return count ? (uint32_t)crc32_z(0, bytes, count) : 0;
}

void xf_spill_make_header(unsigned char to[XF_SPILL_HEADER_BYTES])
{
    memcpy(to, "XFSPILL\n", 8);
    put_number(to + 8, 4, 1);
    put_number(to + 12, 4, checksum(to, 12));
}

void xf_spill_make_head(unsigned char to[XF_SPILL_HEAD_BYTES], char type, const unsigned char *body, size_t length)
{
    put_number(to, 4, length);
    to[4] = (unsigned char)type;
    put_number(to + 5, 4, checksum(body, length));
    put_number(to + 9, 4, checksum(to, 9));
}

size_t xf_spill_pack(struct xf_point_id id, unsigned char *to)
{
    to[0] = id.is_uuid ? 'u' : 'n';
    if (id.is_uuid)
        put_number(to + 1, 8, id.hi);
    put_number(to + (id.is_uuid ? 9 : 1), 8, id.lo);
    return id.is_uuid ? XF_SPILL_UUID_BYTES : XF_SPILL_NUMBER_BYTES;
}

size_t xf_spill_unpack(const unsigned char *from, size_t length, struct xf_point_id *id)
{
    bool is_uuid = length >= XF_SPILL_UUID_BYTES && from[0] == 'u';
    if (!is_uuid && (length < XF_SPILL_NUMBER_BYTES || from[0] != 'n'))
        return 0;
    *id = (struct xf_point_id){
        .hi = is_uuid ? get_number(from + 1, 8) : 0, .lo = get_number(from + (is_uuid ? 9 : 1), 8), .is_uuid = is_uuid};
    return is_uuid ? XF_SPILL_UUID_BYTES : XF_SPILL_NUMBER_BYTES;
}

static bool are_ids(const unsigned char *body, size_t length)
{
    size_t at = 0, step = 1;
    struct xf_point_id id;
    while (at < length && (step = xf_spill_unpack(body + at, length - at, &id)) > 0)
        at += step;
    return length > 0 && at == length;
}

enum xf_err xf_spill_write_at(int fd, const unsigned char *bytes, size_t count, uint64_t at)
{
    while (count) {
        ssize_t n = pwrite(fd, bytes, count, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return XF_ERR_IO;
        bytes += n;
        at += (uint64_t)n;
        count -= (size_t)n;
    }
    return XF_OK;
}

enum xf_err xf_spill_read_at(int fd, unsigned char *to, size_t room, uint64_t at, size_t *count)
{
    size_t got = 0;
    while (got < room) {
        ssize_t n = pread(fd, to + got, room - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return XF_ERR_IO;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *count = got;
    return XF_OK;
}

enum xf_err xf_spill_read_record(int fd, uint64_t at, struct xf_spill_record *record, enum xf_spill_found *found)
{
    unsigned char head[XF_SPILL_HEAD_BYTES];
    size_t got;
    enum xf_err err = xf_spill_read_at(fd, head, sizeof head, at, &got);
    if (err)
        return err;
    record->length = 0;
    if (got < sizeof head) {
        *found = got ? XF_SPILL_TORN : XF_SPILL_END;
        return XF_OK;
    }
    size_t length = (size_t)get_number(head, 4);
    *found = XF_SPILL_DAMAGE;
    if (get_number(head + 9, 4) != checksum(head, 9) || length > sizeof record->body)
        return XF_OK;
    err = xf_spill_read_at(fd, record->body, length, at + sizeof head, &got);
    if (err)
        return err;
    if (got < length)
        *found = XF_SPILL_TORN;
    else if (get_number(head + 5, 4) != checksum(record->body, length))
        return XF_OK;
    else if (head[4] == 'a' && length == 0)
        *found = XF_SPILL_ALL;
    else if (head[4] == 'i' && are_ids(record->body, length))
        *found = XF_SPILL_IDS;
    record->length = length;
    return XF_OK;
}
