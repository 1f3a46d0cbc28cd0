/* Pages of ids, and what is none.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/scroll_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define U1 "\"5c56c793-69f3-4fbf-87e6-c4bf54c28c26\""

static void print(const struct xf_id_set *ids, const struct xf_scroll_page *page, char *out)
{
    for (size_t i = 0; i < ids->count; i++) {
        out += xf_point_id_print_json(ids->ids[i], out);
        *out++ = ' ';
    }
    if (page->has_next) {
        *out++ = '>';
        out += xf_point_id_print_json(page->next, out);
    }
    *out = 0;
}

static void test_pages(void **state)
{
    static const struct {
        const char *answer, *said;
    } rows[] = {
        {"{\"result\":{\"points\":[],\"next_page_offset\":null},\"status\":\"ok\",\"time\":0.1}", ""},
        {"{\"result\":{\"points\":[{\"id\":1},{\"id\":" U1 ",\"payload\":null}],\"next_page_offset\":null}}", "1 " U1 " "},
        {"{\"time\":1,\"usage\":{\"result\":{}},\"result\":{\"next_page_offset\":18446744073709551615,\"points\":[{\"payload\":{\"id\":5},"
         "\"id\":2,\"vector\":[1]}]}}", "2 >18446744073709551615"},
        {"{\"result\":{\"points\":[{\"id\":1}],\"next_page_offset\":" U1 "}}", "1 >" U1},
        {"{\"result\":{\"points\":[{\"id\":1},{\"id\":2},{\"id\":3},{\"id\":4}],\"next_page_offset\":null}}", "FULL"},
        {"", "JSON_SYNTAX"},
        {"hello", "JSON_SYNTAX"},
        {"{\"result\":{\"points\":[{\"id\":1}],\"next_page_offset\":null}", "JSON_SYNTAX"},
        {"[]", "JSON_SHAPE"},
        {"{}", "JSON_SHAPE"},
        {"{\"status\":{\"error\":\"x\"},\"time\":0}", "JSON_SHAPE"},
        {"{\"result\":null}", "JSON_SHAPE"},
        {"{\"result\":[{\"id\":1}]}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":{},\"next_page_offset\":null}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[]}}", "JSON_SHAPE"},
        {"{\"result\":{\"next_page_offset\":null}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[1],\"next_page_offset\":null}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[{}],\"next_page_offset\":null}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[{\"id\":null}],\"next_page_offset\":null}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[{\"id\":-1}],\"next_page_offset\":null}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[{\"id\":1,\"id\":2}],\"next_page_offset\":null}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[],\"points\":[],\"next_page_offset\":null}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[],\"next_page_offset\":true}}", "JSON_SHAPE"},
        {"{\"result\":{\"points\":[],\"next_page_offset\":[1]}}", "JSON_SHAPE"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got[256];
        struct xf_id_set ids = {.max = 3};
        struct xf_scroll_page page;
        size_t len = strlen(rows[i].answer);
        char *copy = malloc(len + 1); /* so that a read past the end is seen */
        assert_non_null(copy);
        memcpy(copy, rows[i].answer, len);
        enum xf_err err = xf_scroll_page_read(&page, xf_slice(copy, len), &ids);
        if (err)
            strcpy(got, xf_err_name(err));
        else
            print(&ids, &page, got);
        if (strcmp(got, rows[i].said) != 0)
            fail_msg("%s: '%s', expected '%s'", rows[i].answer, got, rows[i].said);
        free(copy);
        xf_id_set_fini(&ids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
