# SPDX-License-Identifier: Apache-2.0
"""Write bodies to operations, with the decoder's traps.

Plain structs refuse doubled keys and may be written as lists in field order; an upsert goes through a generic map
first, where the last doubled key wins; selectors are tried one shape after the other; each element of a batch is the
first operation, in a fixed order, whose value decodes.
"""
from dataclasses import dataclass
from typing import Any

from qdrant_client.http import models

from . import filters, ids, jsonio, vectors
from .errors import Refusal, format_error, invalid_body
from .filters import NotAFilter
from .version import Version

UPDATE_MODES = ("upsert", "insert_only", "update_only")
NO_SELECTOR = "data did not match any variant of untagged enum PointsSelector"
NO_VECTOR = "data did not match any variant of untagged enum VectorStruct"
NO_IDS_NOR_FILTER = "Either list of point ids or filter must be provided"


@dataclass(slots=True)
class Point:
    """`payload` is None when the body says nothing (or null)."""

    id: Any
    vectors: dict
    payload: dict | None = None


@dataclass(slots=True)
class Selector:
    """Exactly one of the two is set."""

    ids: list | None = None
    filter: models.Filter | None = None


@dataclass(slots=True)
class Upsert:
    points: list[Point]
    update_filter: models.Filter | None
    mode: str
    shard_key: Any = None


@dataclass(slots=True)
class Delete:
    selector: Selector
    shard_key: Any = None


@dataclass(slots=True)
class SetPayload:
    payload: dict
    selector: Selector
    key: str | None
    replaces: bool
    shard_key: Any = None


@dataclass(slots=True)
class DeletePayload:
    keys: list[str]
    selector: Selector
    shard_key: Any = None


@dataclass(slots=True)
class ClearPayload:
    selector: Selector
    shard_key: Any = None


@dataclass(slots=True)
class UpdateVectors:
    points: list[Point]
    update_filter: models.Filter | None
    shard_key: Any = None


@dataclass(slots=True)
class DeleteVectors:
    names: list[str]
    selector: Selector
    shard_key: Any = None


def as_struct(value, fields: tuple[str, ...]) -> dict:
    """A plain struct: an object without doubled fields, or a list in field order."""
    if isinstance(value, list):
        return dict(zip(fields, value))
    if not isinstance(value, dict):
        raise format_error(f"invalid type: {json_type(value)}, expected a struct")
    if isinstance(value, jsonio.Doc):
        for field in fields:
            if field in value.doubled:
                raise format_error(f"duplicate field `{field}`")
    return value


def json_type(value) -> str:
    names = {bool: "boolean", int: "integer", float: "floating point", str: "string", type(None): "null"}
    return names.get(type(value), "sequence" if isinstance(value, list) else "map")


def require(struct: dict, field: str):
    if field not in struct:
        raise format_error(f"missing field `{field}`")
    return struct[field]


def decode_upsert(value, version: Version, may_be_list: bool = False) -> Upsert:
    if isinstance(value, list) and may_be_list and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise format_error(f"invalid type: {json_type(value)}, expected a map")
    if value.get("batch") is not None:
        points = decode_columns(value["batch"])
    elif "points" in value:
        points = decode_points(value["points"])
    else:
        raise format_error("Invalid PointInsertOperations format")
    condition = filters.decode_optional(value.get("update_filter")) if version.has_update_filter else None
    mode = (value.get("update_mode") or "upsert") if version.has_update_mode else "upsert"
    if mode not in UPDATE_MODES:
        raise format_error(f"unknown variant `{mode}`, expected one of `upsert`, `insert_only`, `update_only`")
    return Upsert(points, condition, mode, value.get("shard_key"))


def decode_points(values) -> list[Point]:
    if not isinstance(values, list):
        raise format_error(f"invalid type: {json_type(values)}, expected a sequence")
    return [decode_point(value) for value in values]


def decode_point(value) -> Point:
    if isinstance(value, list):
        value = dict(zip(("id", "vector", "payload"), value))
    if not isinstance(value, dict):
        raise format_error(f"invalid type: {json_type(value)}, expected struct PointStruct")
    point_id = ids.from_body(require(value, "id"))
    return Point(point_id, vectors.decode_struct(require(value, "vector")), decode_payload(value.get("payload")))


def decode_payload(value) -> dict | None:
    if value is not None and not isinstance(value, dict):
        raise format_error(f"invalid type: {json_type(value)}, expected a map")
    return value


def decode_columns(value) -> list[Point]:
    """The list-of-columns form of an upsert: ids, vectors and payloads side by side."""
    value = as_struct(value, ("ids", "vectors", "payloads"))
    point_ids = ids.list_from_body(require(value, "ids"))
    columns = require(value, "vectors")
    payloads = value.get("payloads") or [None] * len(point_ids)
    named = columns if isinstance(columns, dict) else {"": columns}
    if any(not isinstance(column, list) or len(column) != len(point_ids) for column in (*named.values(), payloads)):
        raise invalid_body("number of ids, vectors and payloads must be equal")
    return [Point(point_id, {name: vectors.decode(column[at]) for name, column in named.items()},
                  decode_payload(payloads[at])) for at, point_id in enumerate(point_ids)]


def decode_selector(value, no_match: str = NO_SELECTOR) -> tuple[Selector, Any]:
    """Selector and shard key: the shape with ids first, then the one with a filter."""
    for fields, build in ((("points", "shard_key"), selector_of_ids), (("filter", "shard_key"), selector_of_filter)):
        try:
            struct = as_struct(value, fields)
            return build(struct), struct.get("shard_key")
        except (NotAFilter, Refusal):
            continue
    raise format_error(no_match)


def selector_of_ids(struct: dict) -> Selector:
    return Selector(ids=ids.list_from_body(require(struct, "points")))


def selector_of_filter(struct: dict) -> Selector:
    return Selector(filter=filters.decode(require(struct, "filter")))


def decode_delete(value, version: Version) -> Delete:
    return Delete(*decode_selector(value))


def decode_clear_payload(value, version: Version) -> ClearPayload:
    return ClearPayload(*decode_selector(value))


def points_or_filter(struct: dict) -> Selector:
    """Where a body may hold both, the ids win."""
    if struct.get("points") is not None:
        return Selector(ids=ids.list_from_body(struct["points"]))
    if struct.get("filter") is not None:
        return Selector(filter=filters.decode_required(struct["filter"]))
    raise format_error(NO_IDS_NOR_FILTER)


def decode_set_payload(value, version: Version, replaces: bool = False) -> SetPayload:
    struct = as_struct(value, ("payload", "points", "filter", "shard_key", "key"))
    payload = require(struct, "payload")
    if not isinstance(payload, dict):
        raise format_error(f"invalid type: {json_type(payload)}, expected a map")
    return SetPayload(payload, points_or_filter(struct), struct.get("key"), replaces, struct.get("shard_key"))


def decode_overwrite_payload(value, version: Version) -> SetPayload:
    return decode_set_payload(value, version, replaces=True)


def decode_delete_payload(value, version: Version) -> DeletePayload:
    struct = as_struct(value, ("keys", "points", "filter", "shard_key"))
    keys = require(struct, "keys")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise format_error("invalid type: expected a sequence of strings")
    return DeletePayload(keys, points_or_filter(struct), struct.get("shard_key"))


def decode_update_vectors(value, version: Version) -> UpdateVectors:
    struct = as_struct(value, ("points", "shard_key", "update_filter"))
    values = require(struct, "points")
    if not isinstance(values, list):
        raise format_error(f"invalid type: {json_type(values)}, expected a sequence")
    if not values:
        raise invalid_body("points: must specify points to update")
    points = []
    for item in values:
        item = as_struct(item, ("id", "vector"))
        points.append(Point(ids.from_body(require(item, "id")), vectors.decode_struct(require(item, "vector"))))
    condition = filters.decode_optional(struct.get("update_filter")) if version.has_update_filter else None
    return UpdateVectors(points, condition, struct.get("shard_key"))


def decode_delete_vectors(value, version: Version) -> list[DeleteVectors]:
    """With both a filter and ids this is two operations, the filter's first."""
    struct = as_struct(value, ("points", "filter", "vector", "shard_key"))
    names = require(struct, "vector")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise format_error("invalid type: expected a sequence of strings")
    if not names:
        raise invalid_body("vector: must specify vector names to delete")
    found = []
    if struct.get("filter") is not None:
        found.append(Selector(filter=filters.decode_required(struct["filter"])))
    if struct.get("points") is not None:
        found.append(Selector(ids=ids.list_from_body(struct["points"])))
    if not found:
        raise format_error(NO_IDS_NOR_FILTER)
    return [DeleteVectors(names, selector, struct.get("shard_key")) for selector in found]


BATCH_ORDER = (
    ("upsert", lambda value, version: decode_upsert(value, version)),
    ("delete", decode_delete),
    ("set_payload", decode_set_payload),
    ("overwrite_payload", decode_overwrite_payload),
    ("delete_payload", decode_delete_payload),
    ("clear_payload", decode_clear_payload),
    ("update_vectors", decode_update_vectors),
    ("delete_vectors", decode_delete_vectors),
)


def decode_batch(value, version: Version) -> list:
    """The operations of points/batch; each element may be an operation or (delete_vectors) a list of them."""
    struct = as_struct(value, ("operations",))
    operations = require(struct, "operations")
    if not isinstance(operations, list):
        raise format_error(f"invalid type: {json_type(operations)}, expected a sequence")
    return [decode_batch_element(element, version) for element in operations]


def decode_batch_element(element, version: Version):
    if isinstance(element, list) and len(element) == 1:
        element = {"upsert": element[0]}
    if not isinstance(element, dict):
        raise format_error("data did not match any variant of untagged enum UpdateOperation")
    doubled = getattr(element, "doubled", frozenset())
    for key, decode in BATCH_ORDER:
        if key not in element or key in doubled:
            continue
        try:
            return decode(element[key], version)
        except (NotAFilter, Refusal) as problem:
            if isinstance(problem, Refusal) and problem.status != 400:
                raise
    raise format_error("data did not match any variant of untagged enum UpdateOperation")
