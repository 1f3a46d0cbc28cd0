# SPDX-License-Identifier: Apache-2.0
"""The points of one collection: local mode's own arrays, written without its per-point cost.

Rows is local mode's LocalCollection, so its searches and filters run on it unchanged. Only writing is ours: vectors
arrive as float32 arrays, new rows are appended for a whole request at once, payloads are the decoded JSON itself
(64-bit integers exact). A deleted point keeps its row, marked, and gets it back when its id returns. Beside the arrays
stand each row's last operation and the ids in the order that scroll shows them.
"""
from bisect import bisect_left, insort

import numpy as np
from qdrant_client.http import models
from qdrant_client.local.local_collection import LocalCollection
from qdrant_client.local.payload_filters import check_filter
from qdrant_client.local.sparse import empty_sparse_vector

from . import vectors as vector_codec
from .ids import parse_uuid

GROW_FACTOR = 2
CAPACITY_MIN = 256


class Rows(LocalCollection):
    """One collection's points. Row numbers never change; `ids` maps a point id to its row."""

    def __init__(self, create: models.CreateCollection):
        super().__init__(create)
        self.versions: list[int] = []
        self.numbers: list[int] = []
        self.uuids: list[str] = []

    # ---- looking up

    def row_of(self, point_id) -> int | None:
        row = self.ids.get(point_id)
        return None if row is None or self.deleted[row] else row

    def alive_count(self) -> int:
        return len(self.ids_inv) - int(np.count_nonzero(self.deleted))

    def vector_names(self) -> list[str]:
        return self._all_vectors_keys

    def matches(self, row: int, condition: models.Filter) -> bool:
        return check_filter(condition, self.payload[row], self.ids_inv[row], self._calculate_has_vector(row))

    def ids_matching(self, condition: models.Filter | None) -> list:
        """Ids of the points a filter selects, in scroll order."""
        return [point_id for point_id, _ in self.scan(None, condition)]

    def scan(self, start, condition: models.Filter | None):
        """(id, row) of every living point from `start` on, numbers before UUIDs, that the filter selects."""
        wanted = named_ids(condition)
        ordered = self.ordered_from(start) if wanted is None else sort_ids(wanted, start)
        for point_id in ordered:
            row = self.row_of(point_id)
            if row is not None and (condition is None or self.matches(row, condition)):
                yield point_id, row

    def ordered_from(self, start):
        if not isinstance(start, str):
            first = 0 if start is None else bisect_left(self.numbers, start)
            for at in range(first, len(self.numbers)):
                yield self.numbers[at]
        first = bisect_left(self.uuids, start) if isinstance(start, str) else 0
        for at in range(first, len(self.uuids)):
            yield self.uuids[at]

    def vectors_of(self, row: int, wanted) -> dict | list | np.ndarray | None:
        """The vectors as scroll shows them; `wanted` is True or a list of names."""
        names = self._all_vectors_keys if wanted is True else [name for name in self._all_vectors_keys
                                                               if name in wanted]
        shown = {name: vector_codec.to_json(self.stored(name, row)) for name in names
                 if not self.deleted_per_vector[name][row]}
        return shown[""] if list(shown) == [""] else shown

    def stored(self, name: str, row: int):
        if name in self.vectors:
            return self.vectors[name][row]
        return self.multivectors[name][row] if name in self.multivectors else self.sparse_vectors[name][row]

    # ---- writing

    def reserve(self, new_ids: list) -> None:
        """Append an empty, deleted row without vectors for each id the collection never saw."""
        start, count = len(self.ids_inv), len(new_ids)
        if not count:
            return
        for row, point_id in enumerate(new_ids, start):
            self.ids[point_id] = row
            insert_sorted(self.uuids if isinstance(point_id, str) else self.numbers, point_id)
        self.ids_inv.extend(new_ids)
        self.payload.extend({} for _ in new_ids)
        self.versions.extend([0] * count)
        self.deleted = np.concatenate([self.deleted, np.ones(count, dtype=bool)])
        for name in self._all_vectors_keys:
            self.deleted_per_vector[name] = np.concatenate([self.deleted_per_vector[name], np.ones(count, dtype=bool)])
        for name in self.vectors:
            self.vectors[name] = grow(self.vectors[name], start + count)
        for name, rows in self.multivectors.items():
            size = self.get_vector_params(name).size
            rows.extend(np.ones((1, size), dtype=np.float32) for _ in new_ids)
        for rows in self.sparse_vectors.values():
            rows.extend(empty_sparse_vector() for _ in new_ids)

    def revive(self, row: int, version: int) -> None:
        self.deleted[row] = False
        self.versions[row] = version

    def set_vector(self, row: int, name: str, vector) -> None:
        if name in self.sparse_vectors:
            self.forget_frequencies(row, name)
            self.sparse_vectors[name][row] = vector
            self._update_idf_append(vector, name)
        else:
            prepared = vector_codec.prepare(self.get_vector_params(name), vector)
            (self.vectors if name in self.vectors else self.multivectors)[name][row] = prepared
        self.deleted_per_vector[name][row] = False

    def drop_vector(self, row: int, name: str) -> None:
        if name in self.sparse_vectors:
            self.forget_frequencies(row, name)
        self.deleted_per_vector[name][row] = True

    def drop_row(self, row: int) -> None:
        for name in self._all_vectors_keys:
            self.drop_vector(row, name)
        self.deleted[row] = True
        self.payload[row] = {}

    def forget_frequencies(self, row: int, name: str) -> None:
        if not self.deleted_per_vector[name][row]:
            self._update_idf_remove(self.sparse_vectors[name][row], name)

    # ---- vector names

    def add_vector_name(self, name: str, body: dict) -> None:
        if isinstance(body.get("dense"), dict):
            self.create_dense_vector_name(name, models.DenseVectorConfig.model_validate(body["dense"]))
        else:
            self.create_sparse_vector_name(name, models.SparseVectorConfig.model_validate(body["sparse"]))


def named_ids(condition: models.Filter | None) -> list | None:
    """The ids a filter cannot select beyond (`must` with has_id), so that a barrier need not look at every point."""
    must = condition.must if condition is not None else None
    for part in must if isinstance(must, list) else [must]:
        if isinstance(part, models.HasIdCondition):
            return [point_id if isinstance(point_id, int) else parse_uuid(str(point_id)) or str(point_id)
                    for point_id in part.has_id]
    return None


def order_key(point_id) -> tuple:
    return (1, 0, point_id) if isinstance(point_id, str) else (0, point_id, "")


def sort_ids(wanted: list, start) -> list:
    """Ids named in a filter, each once, in scroll order from `start` on."""
    ordered = sorted(set(wanted), key=order_key)
    return ordered if start is None else [point_id for point_id in ordered if order_key(point_id) >= order_key(start)]


def insert_sorted(values: list, value) -> None:
    if not values or value > values[-1]:
        values.append(value)
    else:
        insort(values, value)


def grow(matrix: np.ndarray, count: int) -> np.ndarray:
    """The matrix with room for at least `count` rows; local mode looks only at rows in use."""
    if count <= len(matrix):
        return matrix
    bigger = np.zeros((max(count, GROW_FACTOR * len(matrix), CAPACITY_MIN), matrix.shape[1]), dtype=np.float32)
    bigger[:len(matrix)] = matrix
    return bigger
