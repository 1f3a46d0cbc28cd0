# SPDX-License-Identifier: Apache-2.0
"""What each write does to the rows, truthfully including its half-done states.

An operation on ids that exist already (payload and vector changes) runs in chunks of 32: a missing id fails it after
its own chunk and all before it were applied. An upsert replaces the vectors of a point it finds, unless the point sits
in an indexed segment; then it merges. Which points do is drawn from the seeded `chance` (see Behaviour.merge_chance).
"""
import random
from copy import deepcopy
from dataclasses import dataclass, field

from qdrant_client.local.json_path_parser import parse_json_path
from qdrant_client.local.payload_value_setter import delete_value_by_key, merge_payload, set_value_by_key

from . import decoding, vectors
from .errors import bad_request, no_point_to_update, unknown_vector, wrong_input
from .rows import Rows
from .version import Version

CHUNK = 32
EMPTY = "Empty update request"


@dataclass
class Behaviour:
    """What varies between servers and between two runs of one server."""

    version: Version
    merge_chance: float = 0.0
    chance: random.Random = field(default_factory=random.Random)

    def merges(self) -> bool:
        return self.merge_chance > 0.0 and self.chance.random() < self.merge_chance


def check_at_once(rows: Rows, operation, version: Version) -> None:
    """The refusals that come before the operation is queued, also with wait=false."""
    if getattr(operation, "shard_key", None) is not None:
        raise wrong_input(f"Shard key {operation.shard_key} not found")
    selector = getattr(operation, "selector", None)
    if selector is not None and selector.ids == []:
        raise bad_request(EMPTY)
    points = getattr(operation, "points", None)
    if points == []:
        raise bad_request(EMPTY)
    if points and version.checks_vectors_before_queue:
        check_known_sizes(rows, points)


def check_known_sizes(rows: Rows, points: list) -> None:
    """Sizes only: an unknown vector name is found out when the operation runs."""
    for point in points:
        known = {name: vector for name, vector in point.vectors.items() if name in rows.vector_names()}
        vectors.check(rows, known)


def apply(rows: Rows, operation, number: int, behaviour: Behaviour) -> None:
    """Run one operation as number `number` of its collection; a Refusal may leave a part applied."""
    APPLIERS[type(operation)](rows, operation, number, behaviour)


def check_points(rows: Rows, points: list) -> None:
    for point in points:
        vectors.check(rows, point.vectors)


def apply_upsert(rows: Rows, operation: decoding.Upsert, number: int, behaviour: Behaviour) -> None:
    check_points(rows, operation.points)
    last = {point.id: point for point in operation.points}
    chosen = [point for point in last.values() if is_wanted(rows, operation, point.id)]
    rows.reserve([point.id for point in chosen if point.id not in rows.ids])
    for point in chosen:
        row = rows.row_of(point.id)
        if row is None:
            write_point(rows, rows.ids[point.id], point, {})
        else:
            merges = behaviour.merges()
            keeps = merges or not behaviour.version.omitted_payload_clears
            write_point(rows, row, point, rows.payload[row] if keeps else {}, merges)
        rows.revive(rows.ids[point.id], number)


def is_wanted(rows: Rows, operation: decoding.Upsert, point_id) -> bool:
    """Whether a conditional upsert touches this id."""
    row = rows.row_of(point_id)
    if row is None:
        return operation.mode != "update_only"
    if operation.mode == "insert_only":
        return False
    return operation.update_filter is None or rows.matches(row, operation.update_filter)


def write_point(rows: Rows, row: int, point: decoding.Point, payload_if_unset: dict, merges: bool = False) -> None:
    for name in rows.vector_names():
        if name in point.vectors:
            rows.set_vector(row, name, point.vectors[name])
        elif not merges:
            rows.drop_vector(row, name)
    rows.payload[row] = point.payload if point.payload is not None else payload_if_unset


def apply_delete(rows: Rows, operation: decoding.Delete, number: int, behaviour: Behaviour) -> None:
    selector = operation.selector
    for point_id in selector.ids if selector.ids is not None else rows.ids_matching(selector.filter):
        row = rows.row_of(point_id)
        if row is not None:
            rows.drop_row(row)


def change_selected(rows: Rows, selector: decoding.Selector, number: int, change) -> None:
    """Call change(row) for the selected points, in chunks that stop after the first with a missing id."""
    if selector.ids is None:
        for point_id in rows.ids_matching(selector.filter):
            change_row(rows, rows.row_of(point_id), number, change)
        return
    change_by_id(rows, selector.ids, number, lambda point_id, row: change(row))


def change_by_id(rows: Rows, point_ids: list, number: int, change) -> None:
    for start in range(0, len(point_ids), CHUNK):
        missing = []
        for point_id in point_ids[start:start + CHUNK]:
            row = rows.row_of(point_id)
            if row is None:
                missing.append(point_id)
            else:
                change_row(rows, row, number, lambda found, point_id=point_id: change(point_id, found))
        if missing:
            raise no_point_to_update(missing[0])


def change_row(rows: Rows, row: int, number: int, change) -> None:
    change(row)
    rows.versions[row] = number


def apply_set_payload(rows: Rows, operation: decoding.SetPayload, number: int, behaviour: Behaviour) -> None:
    path = parse_path(operation.key) if operation.key is not None else None

    def change(row: int) -> None:
        given = deepcopy(operation.payload)
        if operation.replaces and path is None:
            rows.payload[row] = given
        elif path is None:
            rows.payload[row] = merge_payload(dict(rows.payload[row]), given)
        else:
            payload = deepcopy(rows.payload[row])
            set_value_by_key(payload, path, given)
            rows.payload[row] = payload

    change_selected(rows, operation.selector, number, change)


def parse_path(key: str):
    try:
        return parse_json_path(key)
    except ValueError as problem:
        raise wrong_input(f"Invalid json path: \'{key}\': {problem}") from None


def apply_delete_payload(rows: Rows, operation: decoding.DeletePayload, number: int, behaviour: Behaviour) -> None:
    paths = [parse_path(key) for key in operation.keys]

    def change(row: int) -> None:
        payload = deepcopy(rows.payload[row])
        for path in paths:
            delete_value_by_key(payload, path)
        rows.payload[row] = payload

    change_selected(rows, operation.selector, number, change)


def apply_clear_payload(rows: Rows, operation: decoding.ClearPayload, number: int, behaviour: Behaviour) -> None:
    def change(row: int) -> None:
        rows.payload[row] = {}

    change_selected(rows, operation.selector, number, change)


def apply_update_vectors(rows: Rows, operation: decoding.UpdateVectors, number: int, behaviour: Behaviour) -> None:
    """Vectors of a repeated id are merged; the chunks' order is random, as a hash map's is."""
    check_points(rows, operation.points)
    merged: dict = {}
    for point in operation.points:
        merged.setdefault(point.id, {}).update(point.vectors)
    if operation.update_filter is not None:
        merged = {point_id: found for point_id, found in merged.items()
                  if rows.row_of(point_id) is None or rows.matches(rows.row_of(point_id), operation.update_filter)}
    order = list(merged)
    behaviour.chance.shuffle(order)

    def change(point_id, row: int) -> None:
        for name, vector in merged[point_id].items():
            rows.set_vector(row, name, vector)

    change_by_id(rows, order, number, change)


def apply_delete_vectors(rows: Rows, operation: decoding.DeleteVectors, number: int, behaviour: Behaviour) -> None:
    for name in operation.names:
        if name not in rows.vector_names():
            raise unknown_vector(name)

    def change(row: int) -> None:
        for name in operation.names:
            rows.drop_vector(row, name)

    change_selected(rows, operation.selector, number, change)


APPLIERS = {
    decoding.Upsert: apply_upsert,
    decoding.Delete: apply_delete,
    decoding.SetPayload: apply_set_payload,
    decoding.DeletePayload: apply_delete_payload,
    decoding.ClearPayload: apply_clear_payload,
    decoding.UpdateVectors: apply_update_vectors,
    decoding.DeleteVectors: apply_delete_vectors,
}
