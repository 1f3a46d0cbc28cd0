# SPDX-License-Identifier: Apache-2.0
"""Reads that need no vectors compared: retrieve, scroll, count, facet."""
from qdrant_client.http import models

from . import filters, ids
from .collection import MATCHABLE, RANGED, Collection
from .errors import format_error, invalid_body, no_point_to_show, wrong_input

NO_PAYLOAD_SELECTOR = "data did not match any variant of untagged enum WithPayloadInterface"


def payload_selector(value, default: bool):
    """True, False, a list of keys, or the client's exclude selector."""
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, dict) and value.keys() == {"exclude"} and is_text_list(value["exclude"]):
        return models.PayloadSelectorExclude(exclude=value["exclude"])
    if isinstance(value, dict) and value.keys() == {"include"}:
        value = value["include"]
    if is_text_list(value):
        return value
    raise format_error(NO_PAYLOAD_SELECTOR)


def is_text_list(value) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def vector_selector(value):
    if value is None:
        return False
    if isinstance(value, bool) or is_text_list(value):
        return value
    raise format_error("data did not match any variant of untagged enum WithVector")


def positive(body: dict, field: str, default: int, where: str) -> int:
    value = body.get(field)
    if value is None:
        return default
    if type(value) is not int or value < 0:
        raise format_error(f"invalid value: `{value}`, expected usize")
    if value < 1:
        raise invalid_body(f"{where}: value {value} invalid, must be 1 or larger")
    return value


def retrieve(collection: Collection, body: dict) -> list:
    """Missing ids are left out, repeated ones shown once, in the order asked."""
    with_payload = payload_selector(body.get("with_payload"), default=False)
    with_vector = vector_selector(body.get("with_vector"))
    shown = []
    for point_id in dict.fromkeys(ids.list_from_body(body["ids"])):
        row = collection.rows.row_of(point_id)
        if row is not None:
            shown.append(collection.show_point(point_id, row, with_payload, with_vector))
    return shown


def scroll(collection: Collection, body: dict) -> dict:
    limit = positive(body, "limit", 10, "scroll_request.limit")
    with_payload = payload_selector(body.get("with_payload"), default=True)
    with_vector = vector_selector(body.get("with_vector"))
    condition = filters.decode_optional(body.get("filter"))
    offset = ids.from_body(body["offset"]) if body.get("offset") is not None else None
    if body.get("order_by") is not None:
        return scroll_ordered(collection, body["order_by"], condition, limit, offset, with_payload, with_vector)
    shown, next_offset = [], None
    for point_id, row in collection.rows.scan(offset, condition):
        if len(shown) == limit:
            next_offset = point_id
            break
        shown.append(collection.show_point(point_id, row, with_payload, with_vector))
    return {"points": shown, "next_page_offset": next_offset}


def scroll_ordered(collection: Collection, order_by, condition, limit: int, offset, with_payload, with_vector) -> dict:
    if offset is not None:
        raise wrong_input("Cannot use an `offset` when using `order_by`. The alternative for paging is to use "
                          "`order_by.start_from` and a filter to exclude the IDs that you've already seen for the "
                          "`order_by.start_from` value")
    try:
        order = models.OrderBy(key=order_by) if isinstance(order_by, str) else models.OrderBy.model_validate(order_by)
    except ValueError:
        raise format_error("data did not match any variant of untagged enum OrderByInterface") from None
    if collection.index_type(order.key) not in RANGED:
        raise wrong_input(f"No range index for `order_by` key: `{order.key}`. Please create one to use `order_by`. "
                          "Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which "
                          "payload schemas support Range conditions")
    records, _ = collection.rows.scroll(condition, limit, order, None, False, False)
    shown = []
    for record in records:
        row = collection.rows.ids[record.id]
        point = collection.show_point(record.id, row, with_payload, with_vector)
        shown.append({**point, "order_value": record.order_value})
    return {"points": shown, "next_page_offset": None}


def count(collection: Collection, body: dict) -> dict:
    """Always exact: an estimate would be a different number, not a different shape."""
    condition = filters.decode_optional(body.get("filter"))
    rows = collection.rows
    return {"count": rows.alive_count() if condition is None else sum(1 for _ in rows.scan(None, condition))}


def facet(collection: Collection, body: dict) -> dict:
    key = body["key"]
    limit = positive(body, "limit", 10, "limit")
    if collection.index_type(key) not in MATCHABLE:
        raise wrong_input(f"No appropriate index for faceting: `{key}`. Please create one to facet on this field. "
                          "Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which "
                          "payload schemas support Match conditions")
    found = collection.rows.facet(key, filters.decode_optional(body.get("filter")), limit)
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in found.hits]}


def get_point(collection: Collection, text: str) -> dict:
    point_id = ids.from_path(text)
    row = collection.rows.row_of(point_id)
    if row is None:
        raise no_point_to_show(point_id)
    return collection.show_point(point_id, row, True, True)
