/* String escapes to UTF-8. Half a surrogate pair makes the text not whole instead of failing: in a value that it does
 * not read, serde_json lets it pass.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/json/json_text.h"

void xf_json_text_start(struct xf_json_text *text)
{
    text->len = 0;
    text->surrogate = 0;
    text->escape_state = 0;
    text->is_whole = true;
    text->is_bad = false;
}

static void append(struct xf_json_text *text, const char *bytes, size_t n)
{
    if (n > sizeof text->bytes - text->len) {
        text->is_whole = false;
        return;
    }
    if (n)
        memcpy(text->bytes + text->len, bytes, n);
    text->len += (uint32_t)n;
}

void xf_json_text_add(struct xf_json_text *text, const char *bytes, size_t n)
{
    if (n > 0 && text->surrogate)
        text->is_whole = false;
    append(text, bytes, n);
}

static void append_code(struct xf_json_text *text, uint32_t code)
{
    char out[4];
    size_t n = 0;
    if (code < 0x80) {
        out[n++] = (char)code;
    } else if (code < 0x800) {
        out[n++] = (char)(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        out[n++] = (char)(0xE0 | code >> 12);
        out[n++] = (char)(0x80 | (code >> 6 & 0x3F));
    } else {
        out[n++] = (char)(0xF0 | code >> 18);
        out[n++] = (char)(0x80 | (code >> 12 & 0x3F));
        out[n++] = (char)(0x80 | (code >> 6 & 0x3F));
    }
    if (code >= 0x80)
        out[n++] = (char)(0x80 | (code & 0x3F));
    append(text, out, n);
}

static void end_unicode(struct xf_json_text *text)
{
    bool is_high = text->code >= 0xD800 && text->code < 0xDC00;
    bool is_low = text->code >= 0xDC00 && text->code < 0xE000;
    if (is_low != (text->surrogate != 0))
        text->is_whole = false;
    else if (is_low)
        append_code(text, 0x10000 + ((text->surrogate - 0xD800) << 10) + (text->code - 0xDC00));
    else if (!is_high)
        append_code(text, text->code);
    text->surrogate = is_high ? text->code : 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = xf_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unicode_digit(struct xf_json_text *text, char c)
{
    int value = hex_value(c);
    if (value < 0) {
        text->is_bad = true;
        return false;
    }
    text->code = text->code << 4 | (uint32_t)value;
    if (++text->escape_state <= 5)
        return true;
    text->escape_state = 0;
    end_unicode(text);
    return false;
}

static void simple_escape(struct xf_json_text *text, char c)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *found = c ? strchr(from, c) : NULL;
    text->escape_state = 0;
    if (found)
        xf_json_text_add(text, to + (found - from), 1);
    else
        text->is_bad = true;
}

bool xf_json_text_escape(struct xf_json_text *text, char c)
{
    if (text->escape_state == 0) {
        text->escape_state = 1;
        return true;
    }
    if (text->escape_state >= 2)
        return unicode_digit(text, c);
    if (c == 'u') {
        text->escape_state = 2;
        text->code = 0;
        return true;
    }
    simple_escape(text, c);
    return false;
}

void xf_json_text_end(struct xf_json_text *text)
{
    if (text->surrogate)
        text->is_whole = false;
}
