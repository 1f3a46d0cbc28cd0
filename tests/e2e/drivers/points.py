# SPDX-License-Identifier: Apache-2.0
"""Points as tests want them: every kind of vector, payloads with all that JSON can hold, both kinds of id."""
import math
import uuid

CONFIG = {"vectors": {"a": {"size": 4, "distance": "Cosine"}, "b": {"size": 2, "distance": "Dot"}},
          "sparse_vectors": {"s": {}}}
PLAIN = {"vectors": {"size": 4, "distance": "Dot"}}
FILTER_GROUP_1 = {"must": [{"key": "group", "match": {"value": 1}}]}
BIGGEST = 2**64 - 1


def uuid_of(number: int) -> str:
    return str(uuid.UUID(int=number))


def point(number, **changes) -> dict:
    """A point of CONFIG with all its vectors and a payload: what an upsert has to state to be exact."""
    seed = number if isinstance(number, int) else 7
    return {"id": number, "vector": {"a": [1.0, seed % 97, 0.5, -1.0], "b": [seed % 13, 0.25],
                                     "s": {"indices": [1, 2 + seed % 5], "values": [0.5, 0.25]}},
            "payload": {"group": seed % 3, "n": seed % 1000, "big": BIGGEST, "text": "é \"\\ \u2028", "f": 0.1,
                        "deep": {"list": [1, None, True, {}]}}, **changes}


def plain(number, **changes) -> dict:
    """A point of PLAIN."""
    return {"id": number, "vector": [1.0, 2.0, 3.0, 4.0], "payload": {"n": number}, **changes}


def some(count: int, first: int = 1, make=point) -> list[dict]:
    """Every third has a UUID where `make` allows it."""
    return [make(number) if number % 3 or make is plain else make(number) | {"id": uuid_of(number)}
            for number in range(first, first + count)]


def normal(dumped: list[dict]) -> list[dict]:
    """Only what belongs to the point itself, in the order of ids: numbers before UUIDs."""
    kept = [{"id": each["id"], "payload": each.get("payload") or {}, "vector": each["vector"]} for each in dumped]
    return sorted(kept, key=lambda each: (isinstance(each["id"], str), each["id"]))


def same(one, other) -> bool:
    """Equal as values; numbers of a vector within what normalising them once more may change."""
    if one is None or other is None:
        return one is other
    return one["id"] == other["id"] and one["payload"] == other["payload"] and same_numbers(one["vector"], other["vector"])


def same_numbers(one, other) -> bool:
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same_numbers(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same_numbers, one, other))
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-7)
