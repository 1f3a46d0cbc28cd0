/* Pages of ids: whatever comes, the set stays within its bounds, and a page that is read has ids that print and read back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/scroll_page.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct xf_point_id id)
{
    char text[XF_POINT_ID_TEXT_MAX];
    struct xf_point_id again;
    size_t len = xf_point_id_print_json(id, text);
    if (xf_point_id_of_json(xf_slice(text, len), &again) != XF_OK || !xf_point_id_eq(id, again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xf_id_set ids = {.max = 100};
    struct xf_scroll_page page;
    enum xf_err err = xf_scroll_page_read(&page, xf_slice((const char *)data, size), &ids);
    xf_id_set_sort(&ids);
    if (ids.count > ids.max)
        abort();
    for (size_t i = 0; i < ids.count; i++) {
        check(ids.ids[i]);
        if (i && xf_point_id_cmp(ids.ids[i - 1], ids.ids[i]) >= 0)
            abort();
    }
    if (!err && page.has_next)
        check(page.next);
    xf_id_set_fini(&ids);
    return 0;
}
