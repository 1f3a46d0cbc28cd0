/* The base library: bounded buffers, the pool, strict numbers, and the log's lines. Allocations fail where a test says so.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int mallocs_left = -1; /* -1: all succeed */

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
    if (mallocs_left == 0)
        return NULL;
    if (mallocs_left > 0)
        mallocs_left--;
    return __real_malloc(bytes);
}

static void assert_text(const struct xf_buf *buf, const char *text)
{
    struct xf_slice view = xf_buf_view(buf);
    assert_int_equal(view.len, strlen(text));
    assert_memory_equal(view.ptr, text, view.len);
}

static void buf_appends_and_consumes(void **state)
{
    struct xf_buf buf;
    (void)state;
    xf_buf_init(&buf, 1000);
    assert_text(&buf, "");
    assert_int_equal(xf_buf_append_slice(&buf, XF_SLICE("hello ")), XF_OK);
    assert_int_equal(xf_buf_append_u64(&buf, UINT64_MAX), XF_OK);
    assert_int_equal(xf_buf_printf(&buf, " %d%%", 5), XF_OK);
    assert_text(&buf, "hello 18446744073709551615 5%");
    xf_buf_consume(&buf, 6);
    assert_text(&buf, "18446744073709551615 5%");
    xf_buf_consume(&buf, xf_buf_len(&buf));
    assert_text(&buf, "");
    xf_buf_fini(&buf);
}

static void buf_keeps_to_its_maximum(void **state)
{
    struct xf_buf buf;
    char block[300] = {0};
    (void)state;
    xf_buf_init(&buf, 700);
    assert_int_equal(xf_buf_append(&buf, block, sizeof block), XF_OK);
    assert_int_equal(xf_buf_append(&buf, block, sizeof block), XF_OK);
    assert_int_equal(xf_buf_append(&buf, block, sizeof block), XF_ERR_FULL);
    assert_int_equal(xf_buf_len(&buf), 600);
    /* What is consumed makes room again, by moving the rest. */
    xf_buf_consume(&buf, 300);
    assert_int_equal(xf_buf_append(&buf, block, sizeof block), XF_OK);
    assert_int_equal(xf_buf_append(&buf, block, 101), XF_ERR_FULL);
    assert_int_equal(xf_buf_append(&buf, block, 100), XF_OK);
    assert_int_equal(xf_buf_reserve(&buf, SIZE_MAX), XF_ERR_FULL);
    xf_buf_fini(&buf);
}

static void buf_holds_its_bytes_without_memory(void **state)
{
    struct xf_buf buf;
    (void)state;
    xf_buf_init(&buf, 1 << 20);
    assert_int_equal(xf_buf_append_slice(&buf, XF_SLICE("kept")), XF_OK);
    mallocs_left = 0;
    enum xf_err err = xf_buf_reserve(&buf, 100000);
    mallocs_left = -1;
    assert_int_equal(err, XF_ERR_NOMEM);
    assert_text(&buf, "kept");
    xf_buf_fini(&buf);
}

static void json_text_is_escaped(void **state)
{
    struct xf_buf buf;
    (void)state;
    xf_buf_init(&buf, 100);
    assert_int_equal(xf_buf_append_json_escaped(&buf, XF_SLICE("a\"b\\c\n\t\x01\xc3\xa9")), XF_OK);
    assert_text(&buf, "a\\\"b\\\\c\\n\\t\\u0001\xc3\xa9");
    /* All or nothing. */
    xf_buf_clear(&buf);
    buf.max = 5;
    assert_int_equal(xf_buf_append_json_escaped(&buf, XF_SLICE("\x01")), XF_ERR_FULL);
    assert_text(&buf, "");
    xf_buf_fini(&buf);
}

static void numbers_are_strict(void **state)
{
    static const struct {
        const char *text;
        enum xf_err err;
        uint64_t value;
    } rows[] = {
        {"0", XF_OK, 0},           {"007", XF_OK, 7},        {"18446744073709551615", XF_OK, UINT64_MAX},
        {"18446744073709551616", XF_ERR_RANGE, 0},           {"99999999999999999999999", XF_ERR_RANGE, 0},
        {"", XF_ERR_INVALID, 0},   {"+1", XF_ERR_INVALID, 0}, {"-1", XF_ERR_INVALID, 0},
        {" 1", XF_ERR_INVALID, 0}, {"1 ", XF_ERR_INVALID, 0}, {"0x1", XF_ERR_INVALID, 0},
        {"1.0", XF_ERR_INVALID, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t value = 0;
        assert_int_equal(xf_u64_parse(xf_slice_of(rows[i].text), &value), rows[i].err);
        assert_true(value == rows[i].value);
    }
}

static void pool_allocates_within_its_maximum(void **state)
{
    struct xf_pool pool;
    (void)state;
    xf_pool_init(&pool, 64 * 1024);
    size_t got = 0;
    for (char *p; (p = xf_pool_alloc(&pool, 1000)) && got < 1000; got++) {
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0xab, 1000);
    }
    assert_in_range(got, 40, 66);
    xf_pool_reset(&pool);
    struct xf_slice copy = xf_pool_copy(&pool, XF_SLICE("text"));
    assert_string_equal(copy.ptr, "text");
    assert_null(xf_pool_alloc(&pool, SIZE_MAX));
    assert_null(xf_pool_alloc(&pool, 65 * 1024));
    mallocs_left = 0;
    assert_null(xf_pool_alloc(&pool, 2000));
    mallocs_left = -1;
    xf_pool_fini(&pool);
}

static void log_lines_cannot_be_forged(void **state)
{
    int pipe_fds[2];
    char line[4096];
    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    xf_log_set_fd(pipe_fds[1]);
    xf_log(XF_LOG_DEBUG, "test", "not shown");
    xf_log(XF_LOG_WARN, "test", "name=%s: odd", "a\n2026 error forged");
    xf_log_set_fd(2);
    ssize_t len = read(pipe_fds[0], line, sizeof line - 1);
    assert_true(len > 0);
    line[len] = '\0';
    assert_non_null(strstr(line, " warn test name=a\\x0a2026 error forged: odd\n"));
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void errors_have_names_and_statuses(void **state)
{
    (void)state;
    for (int err = 0; err < XF_ERR_COUNT; err++) {
        assert_true(strlen(xf_err_name((enum xf_err)err)) > 0);
        assert_true(strlen(xf_err_sentence((enum xf_err)err)) > 0);
        assert_in_range(xf_err_status((enum xf_err)err), 200, 599);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_appends_and_consumes),
        cmocka_unit_test(buf_keeps_to_its_maximum),
        cmocka_unit_test(buf_holds_its_bytes_without_memory),
        cmocka_unit_test(json_text_is_escaped),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(pool_allocates_within_its_maximum),
        cmocka_unit_test(log_lines_cannot_be_forged),
        cmocka_unit_test(errors_have_names_and_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
