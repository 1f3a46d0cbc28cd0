/* The texts of methods and statuses, and the fields that a head knows by index.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http/head.h"

struct xf_slice xf_http_method_text(enum xf_http_method method)
{
    static const struct xf_slice texts[XF_HTTP_METHOD_COUNT] = {
        [XF_HTTP_GET] = {"GET", 3},         [XF_HTTP_HEAD] = {"HEAD", 4},     [XF_HTTP_POST] = {"POST", 4},
        [XF_HTTP_PUT] = {"PUT", 3},         [XF_HTTP_PATCH] = {"PATCH", 5},   [XF_HTTP_DELETE] = {"DELETE", 6},
        [XF_HTTP_OPTIONS] = {"OPTIONS", 7}, [XF_HTTP_METHOD_OTHER] = {"", 0},
    };
    XF_ASSERT((unsigned)method < XF_HTTP_METHOD_COUNT);
    return texts[method];
}

struct xf_slice xf_http_value(const struct xf_http_head *head, const char *base, int16_t index)
{
    if (index < 0)
        return XF_SLICE_NONE;
    XF_ASSERT(index < head->field_count);
    return xf_http_field_value(base, &head->fields[index]);
}

/* RFC 9110 section 15 and the IANA registry, as far as a proxy for Qdrant can meet them. */
static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *xf_http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}
