/* Request heads: whole and in pieces alike; an accepted head is emitted, and what was emitted reads as what was meant,
 * with no field that must not be relayed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/emit.h"
#include "tests/fuzz/http_split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum xf_http_progress parse(struct parsed *parsed, struct xf_slice in)
{
    return xf_http_parse_request(&parsed->head, in, &parsed->head_len, &parsed->err);
}

static void assert_relayed(const struct parsed *sent, const struct parsed *got, struct xf_slice out)
{
    XF_ASSERT(got->progress == XF_HTTP_DONE && got->head_len == out.len);
    XF_ASSERT(got->head.method == sent->head.method && got->head.minor == 1);
    XF_ASSERT(got->head.body == sent->head.body && got->head.content_length == sent->head.content_length);
    XF_ASSERT(got->head.keep_alive && !got->head.expects_continue);
    XF_ASSERT(xf_http_via_has_self(&got->head, out.ptr));
    for (unsigned i = 0; i < got->head.field_count; i++)
        XF_ASSERT(!got->head.fields[i].is_hop || got->head.fields[i].id == XF_FIELD_TRANSFER_ENCODING);
}

static void emit(const struct parsed *parsed, const char *base)
{
    static struct parsed again;
    struct xf_buf out;
    struct xf_http_emit_request request = {.method = xf_http_request_method(&parsed->head, base),
                                           .target = xf_slice(base + parsed->head.target_off, parsed->head.target_len),
                                           .host = XF_SLICE("up:1"),
                                           .body = parsed->head.body,
                                           .content_length = parsed->head.content_length};
    xf_buf_init(&out, 1 << 17);
    XF_ASSERT(xf_http_emit_request(&out, &request, &parsed->head, base) == XF_OK);
    struct xf_slice view = xf_buf_view(&out);
    if (view.len <= XF_HTTP_HEAD_BYTES_MAX && parsed->head.field_count < XF_HTTP_FIELDS_MAX - 1) {
        parse_pieces(&again, parse, view, view.len);
        assert_relayed(parsed, &again, view);
    }
    xf_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct parsed parsed;
    if (size < 2 || data[size - 1] != '\n')
        return 0;
    struct xf_slice in = xf_slice((const char *)data + 1, size - 1);
    parse_split(&parsed, parse, in, (size_t)data[0] + 1);
    if (parsed.progress == XF_HTTP_DONE)
        emit(&parsed, in.ptr);
    return 0;
}
