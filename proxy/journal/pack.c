/* Written byte by byte, so that neither alignment nor the machine's byte order matters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journal/pack.h"

enum { NUMBER_BYTES = 1 + 8, UUID_BYTES = 1 + 16 };

static size_t size_of(struct xf_point_id id)
{
    return id.is_uuid ? UUID_BYTES : NUMBER_BYTES;
}

size_t xf_pack_size(const struct xf_point_id *ids, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += size_of(ids[i]);
    return bytes;
}

static char *put_u64(char *out, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *out++ = (char)(unsigned char)(value >> shift);
    return out;
}

static uint64_t get_u64(const char *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | (unsigned char)in[i];
    return value;
}

size_t xf_pack_ids(const struct xf_point_id *ids, size_t count, char *out)
{
    char *at = out;
    for (size_t i = 0; i < count; i++) {
        *at++ = ids[i].is_uuid ? 'u' : 'n';
        if (ids[i].is_uuid)
            at = put_u64(at, ids[i].hi);
        at = put_u64(at, ids[i].lo);
    }
    return (size_t)(at - out);
}

static bool take_id(struct xf_slice *packed, struct xf_point_id *id)
{
    bool is_uuid = packed->ptr[0] == 'u';
    if (!is_uuid && packed->ptr[0] != 'n')
        return false;
    if (packed->len < (is_uuid ? UUID_BYTES : NUMBER_BYTES))
        return false;
    id->is_uuid = is_uuid;
    id->hi = is_uuid ? get_u64(packed->ptr + 1) : 0;
    id->lo = get_u64(packed->ptr + (is_uuid ? 9 : 1));
    *packed = xf_slice_skip(*packed, size_of(*id));
    return true;
}

enum xf_err xf_unpack_ids(struct xf_slice *packed, struct xf_point_id *ids, size_t max, size_t *count)
{
    for (*count = 0; *count < max && packed->len > 0; (*count)++)
        if (!take_id(packed, &ids[*count]))
            return XF_ERR_INVALID;
    return XF_OK;
}
