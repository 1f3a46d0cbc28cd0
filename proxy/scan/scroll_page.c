/* {"result":{"points":[{"id":..},..],"next_page_offset":..},..}; everything else is jumped over. An answer that has one of these
 * twice, or lacks one, is none.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/scroll_page.h"

#include "common/json/json_scan.h"

enum place { OUTSIDE, ANSWER, RESULT, POINTS, POINT };
enum key { OTHER, RESULT_KEY, POINTS_KEY, NEXT_KEY, ID_KEY, KEY_COUNT };

struct reading {
    struct xf_json_scan json;
    struct xf_scroll_page *page;
    struct xf_id_set *ids;
    enum place place;
    enum key key;
    unsigned seen[KEY_COUNT]; /* of a point's id: in that point */
};

static const struct {
    enum place place; /* where the key stands */
    const char *text;
} keys[KEY_COUNT] = {
    [RESULT_KEY] = {ANSWER, "result"},
    [POINTS_KEY] = {RESULT, "points"},
    [NEXT_KEY] = {RESULT, "next_page_offset"},
    [ID_KEY] = {POINT, "id"},
};

static void take_key(struct reading *reading)
{
    const struct xf_json_scan *json = &reading->json;
    reading->key = OTHER;
    for (int i = RESULT_KEY; i < KEY_COUNT; i++)
        if (json->token_is_whole && keys[i].place == reading->place && xf_slice_eq(json->token, xf_slice_of(keys[i].text)))
            reading->key = (enum key)i;
    reading->seen[reading->key]++;
}

/* Each of these stands at one place only: what comes after it there is no part of a page. */
static enum xf_err enter(struct reading *reading, enum xf_json_event event)
{
    bool is_object = event == XF_JSON_OBJECT;
    enum key key = reading->key;
    reading->key = OTHER;
    if (reading->place == OUTSIDE && is_object) {
        reading->place = ANSWER;
    } else if (reading->place == POINTS && is_object) {
        reading->place = POINT;
        reading->seen[ID_KEY] = 0;
    } else if (key == RESULT_KEY && is_object) {
        reading->place = RESULT;
    } else if (key == POINTS_KEY && !is_object) {
        reading->place = POINTS;
    } else if (reading->place == OUTSIDE || reading->place == POINTS || key != OTHER) {
        return XF_ERR_JSON_SHAPE;
    } else {
        xf_json_scan_jump(&reading->json);
    }
    return XF_OK;
}

static enum xf_err take_id(struct reading *reading, enum xf_json_event event, struct xf_point_id *id)
{
    if (!reading->json.token_is_whole)
        return XF_ERR_JSON_SHAPE;
    enum xf_err err = event == XF_JSON_NUMBER   ? xf_point_id_of_number(reading->json.token, id)
                      : event == XF_JSON_STRING ? xf_point_id_of_string(reading->json.token, id)
                                                : XF_ERR_JSON_SHAPE;
    return err ? XF_ERR_JSON_SHAPE : XF_OK;
}

static enum xf_err take_scalar(struct reading *reading, enum xf_json_event event)
{
    struct xf_point_id id;
    enum key key = reading->key;
    reading->key = OTHER;
    if (reading->place == POINTS || key == RESULT_KEY || key == POINTS_KEY)
        return XF_ERR_JSON_SHAPE;
    if (key == OTHER || (key == NEXT_KEY && event == XF_JSON_NULL))
        return XF_OK;
    enum xf_err err = take_id(reading, event, &id);
    if (err || key == ID_KEY)
        return err ? err : xf_id_set_add(reading->ids, id);
    *reading->page = (struct xf_scroll_page){.has_next = true, .next = id};
    return XF_OK;
}

static enum xf_err leave(struct reading *reading)
{
    bool is_bad = reading->place == POINT && reading->seen[ID_KEY] != 1;
    reading->place--;
    return is_bad ? XF_ERR_JSON_SHAPE : XF_OK;
}

static enum xf_err take_event(struct reading *reading, enum xf_json_event event)
{
    switch (event) {
    case XF_JSON_KEY:
        take_key(reading);
        return XF_OK;
    case XF_JSON_OBJECT:
    case XF_JSON_ARRAY:
        return enter(reading, event);
    case XF_JSON_OBJECT_END:
    case XF_JSON_ARRAY_END:
        return leave(reading);
    case XF_JSON_JUMPED:
    case XF_JSON_MORE:
        return XF_OK;
    default:
        return take_scalar(reading, event);
    }
}

enum xf_err xf_scroll_page_read(struct xf_scroll_page *page, struct xf_slice answer, struct xf_id_set *ids)
{
    struct reading reading = {.page = page, .ids = ids};
    enum xf_json_event event = XF_JSON_NULL;
    enum xf_err err;
    *page = (struct xf_scroll_page){.has_next = false};
    xf_json_scan_init(&reading.json);
    do {
        err = xf_json_scan_next(&reading.json, &answer, &event);
        if (!err)
            err = take_event(&reading, event);
    } while (!err && event != XF_JSON_MORE);
    if (!err)
        err = xf_json_scan_finish(&reading.json);
    if (err)
        return err;
    const unsigned *seen = reading.seen;
    return seen[RESULT_KEY] == 1 && seen[POINTS_KEY] == 1 && seen[NEXT_KEY] == 1 ? XF_OK : XF_ERR_JSON_SHAPE;
}
