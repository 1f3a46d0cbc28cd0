# SPDX-License-Identifier: Apache-2.0
"""Writes as the soak tests send them: every kind of operation, on few hot and many cold points, drawn from seeded dice.

Each maker gives method, suffix and body; WRITES names them as often as they should come up."""
import random

from drivers import points

CONFIG = {"vectors": {"a": {"size": 4, "distance": "Dot"}, "b": {"size": 2, "distance": "Dot"}}, "sparse_vectors": {"s": {}}}
HOT, COLD, GROUPS = 8, 300, 12  # COLD: as many as there are to begin with


class Dice(random.Random):
    """What a writer draws from. Filters meet everything and ask for a reconcile when they fail, so a run can do without; the fewer
    points there are, the sooner a difference is written over."""
    filter_share, cold = .15, COLD


def shared_id(dice: random.Random):
    number = dice.randint(1, HOT) if dice.random() < .4 else dice.randint(HOT + 1, dice.cold)
    return points.uuid_of(number) if number % 5 == 0 else number


def vectors(dice: random.Random, names=("a", "b", "s")) -> dict:
    make = {"a": lambda: [dice.randint(-8, 8) / 4 for _ in range(4)], "b": lambda: [dice.randint(-8, 8) / 2 for _ in range(2)],
            "s": lambda: {"indices": sorted(dice.sample(range(9), 2)), "values": [.5, dice.randint(1, 9) / 4]}}
    return {name: make[name]() for name in names}


def payload(dice: random.Random) -> dict:
    return {"group": dice.randrange(GROUPS), "n": dice.randrange(2**63, 2**64), "f": dice.random(), "t": "é\u2028"}


def group(dice: random.Random) -> dict:
    return {"must": [{"key": "group", "match": {"value": dice.randrange(GROUPS)}}]}


# ---- writes: each gives method, suffix and body

def upsert(dice):
    whole = [{"id": shared_id(dice), "vector": vectors(dice), "payload": payload(dice)} for _ in range(dice.randint(1, 4))]
    return "PUT", "/points", {"points": whole}


def upsert_in_part(dice):
    names = dice.sample(["a", "b", "s"], dice.randint(0, 3))
    point = {"id": shared_id(dice), "vector": vectors(dice, names)}
    return "PUT", "/points", {"points": [point | ({"payload": payload(dice)} if dice.random() < .5 else {})]}


def upsert_batch_form(dice):
    ids = list({shared_id(dice) for _ in range(3)})
    columns = [vectors(dice) for _ in ids]
    return "PUT", "/points", {"batch": {"ids": ids, "payloads": [payload(dice) for _ in ids],
                                        "vectors": {name: [each[name] for each in columns] for name in ("a", "b", "s")}}}


def delete(dice):
    return "POST", "/points/delete", {"points": [shared_id(dice) for _ in range(dice.randint(1, 3))]}


def delete_by_filter(dice):
    return "POST", "/points/delete", {"filter": group(dice)}


def where(dice):
    return {"filter": group(dice)} if dice.random() < dice.filter_share else {"points": [shared_id(dice) for _ in range(dice.randint(1, 3))]}


def payload_set(dice):
    return "POST", "/points/payload", {"payload": {"x": dice.random()}, **where(dice)}


def payload_overwrite(dice):
    return "PUT", "/points/payload", {"payload": payload(dice), **where(dice)}


def payload_delete(dice):
    return "POST", "/points/payload/delete", {"keys": ["x", "t"], **where(dice)}


def payload_clear(dice):
    return "POST", "/points/payload/clear", where(dice)


def vectors_update(dice):
    return "PUT", "/points/vectors", {"points": [{"id": shared_id(dice), "vector": vectors(dice, dice.sample("abs", 2))}]}


def vectors_delete(dice):
    return "POST", "/points/vectors/delete", {"points": [shared_id(dice)], "vector": dice.sample("abs", 1)}


def batch(dice):
    kinds = {"upsert": upsert, "delete": delete, "set_payload": payload_set, "overwrite_payload": payload_overwrite,
             "delete_payload": payload_delete, "clear_payload": payload_clear, "update_vectors": vectors_update}
    names = [dice.choice(list(kinds)) for _ in range(dice.randint(1, 4))]
    return "POST", "/points/batch", {"operations": [{name: kinds[name](dice)[2]} for name in names]}


def upsert_on_a_condition(dice):
    """What it does depends on what a side holds; servers before 1.15.4 and 1.17 do not know these and upsert."""
    condition = dice.choice([{"update_filter": group(dice)}, {"update_mode": "insert_only"}, {"update_mode": "update_only"}])
    return "PUT", "/points", {**upsert(dice)[2], **condition}


def payload_of_many(dice):
    """More than are applied at once; where one is missing the rest is not done."""
    first = dice.randint(1, COLD - 80)
    ids = [points.uuid_of(number) if number % 5 == 0 else number for number in range(first, first + dice.randint(33, 80))]
    return "POST", "/points/payload", {"payload": {"m": dice.random()}, "points": ids}


def upsert_of_much(dice):
    """Large enough that it goes out in many pieces."""
    many = [{"id": shared_id(dice), "vector": vectors(dice), "payload": {**payload(dice), "pad": "p" * 4000}} for _ in range(dice.choice([40, 250]))]
    return "PUT", "/points", {"points": many}


WRITES = [upsert] * 6 + [upsert_in_part] * 3 + [upsert_batch_form] * 2 + [delete] * 3 + [payload_set] * 2 + [
    payload_overwrite, payload_delete, payload_clear, vectors_update, vectors_update, vectors_delete, batch, batch, delete_by_filter,
    upsert_on_a_condition, payload_of_many]
BY_FILTER = [delete_by_filter, upsert_on_a_condition]
MUCH = [upsert_of_much]
