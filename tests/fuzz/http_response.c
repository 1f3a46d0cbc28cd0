/* Response heads: whole and in pieces alike; an accepted head is emitted for a client and reads there as it was meant.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/emit.h"
#include "tests/fuzz/http_split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum xf_http_progress parse(struct parsed *parsed, struct xf_slice in)
{
    return xf_http_parse_response(&parsed->head, XF_HTTP_GET, in, &parsed->head_len, &parsed->err);
}

static void emit(const struct parsed *parsed, const char *base)
{
    static struct parsed again;
    struct xf_buf out;
    struct xf_http_emit_response response = {.body = parsed->head.body,
                                             .content_length = parsed->head.content_length,
                                             .has_content_length = parsed->head.has_content_length,
                                             .keep_alive = parsed->head.keep_alive,
                                             .client_minor = 1};
    xf_buf_init(&out, 1 << 17);
    XF_ASSERT(xf_http_emit_response(&out, &response, &parsed->head, base) == XF_OK);
    struct xf_slice view = xf_buf_view(&out);
    if (view.len <= XF_HTTP_HEAD_BYTES_MAX && parsed->head.field_count < XF_HTTP_FIELDS_MAX - 1) {
        parse_pieces(&again, parse, view, view.len);
        XF_ASSERT(again.progress == XF_HTTP_DONE && again.head_len == view.len);
        XF_ASSERT(again.head.status == parsed->head.status && again.head.body == parsed->head.body);
        XF_ASSERT(again.head.body != XF_BODY_LENGTH || again.head.content_length == parsed->head.content_length);
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
    XF_ASSERT(parsed.progress != XF_HTTP_FAILED || parsed.err == XF_ERR_UPSTREAM_FRAMING);
    if (parsed.progress == XF_HTTP_DONE)
        emit(&parsed, in.ptr);
    return 0;
}
