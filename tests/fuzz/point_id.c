/* Point ids: what is taken prints to a form that is taken again as the same id.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/json/point_id.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct xf_point_id id)
{
    char text[XF_POINT_ID_TEXT_MAX];
    struct xf_point_id again;
    size_t len = xf_point_id_print_json(id, text);
    if (len > sizeof text || xf_point_id_of_json(xf_slice(text, len), &again) != XF_OK)
        abort();
    if (!xf_point_id_eq(id, again) || xf_point_id_cmp(id, again) != 0 ||
        xf_point_id_hash(id) != xf_point_id_hash(again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xf_slice text = xf_slice((const char *)data, size);
    struct xf_point_id id;
    if (xf_point_id_of_json(text, &id) == XF_OK)
        check(id);
    if (xf_point_id_of_string(text, &id) == XF_OK)
        check(id);
    if (xf_point_id_of_number(text, &id) == XF_OK)
        check(id);
    return 0;
}
