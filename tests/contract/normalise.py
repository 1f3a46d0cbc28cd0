# SPDX-License-Identifier: Apache-2.0
"""What may differ between a recorded answer and a fresh one, each with its reason, and the comparison itself.

Everything not named here must be equal, operation ids, versions of hits and the kind of each number (1 or 1.0)
included.
"""
import math
import re

# float32 sums come out up to a few units in the last place apart on other CPUs' SIMD kernels.
TOLERANCE = 2e-6
SNAPSHOT_FIELDS = {
    "name": r".+-\d+-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.snapshot",  # holds the peer id and the time
    "creation_time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
    "size": r"\d+",  # the file format is the server's own affair
    "checksum": r"[0-9a-f]{64}",
}


def drop_time(answer):
    """`time` is how long the answer took."""
    if isinstance(answer, dict):
        return {key: value for key, value in answer.items() if key != "time"}
    return answer


def mask(name: str, answer, owned: set[str] | None):
    """Replace what genuinely varies in the answer to the exchange called `name`.

    `owned` is None on a server of our own; on a shared one it is the collections of this test, and others are unseen.
    """
    answer = drop_time(answer)
    if not isinstance(answer, dict):
        return answer
    result = answer.get("result")
    if name == "root":
        answer["commit"] = bool(re.fullmatch(r"[0-9a-f]{40}", answer["commit"]))  # of the build
    elif name.startswith("info"):
        result["status"] = result["status"] in ("green", "yellow")  # yellow while an optimiser happens to run
        result["segments_count"] = result["segments_count"] > 0  # by the number of CPUs
    elif name in ("snapshot create", "snapshots"):
        for snapshot in result if isinstance(result, list) else [result]:
            for field, pattern in SNAPSHOT_FIELDS.items():
                snapshot[field] = bool(re.fullmatch(pattern, str(snapshot[field])))
    elif name == "collection cluster":
        result["peer_id"] = isinstance(result["peer_id"], int)  # drawn at the server's first start
    elif name == "telemetry":
        answer["result"] = mask_telemetry(result, owned)
    elif name in ("list empty", "collections"):
        result["collections"] = mask_names(result["collections"], owned)
    elif name == "aliases" and owned is not None:
        result["aliases"] = [alias for alias in result["aliases"] if alias["collection_name"] in owned]
    elif name == "query sample":
        for point in result["points"]:
            point["id"] = isinstance(point["id"], int)  # random points are asked for
    return answer


def mask_telemetry(result: dict, owned: set[str] | None) -> dict:
    """A random id, the time of the start; the rest of telemetry (request counters) depends on who else asked."""
    kept = {key: result[key] for key in ("id", "app", "collections", "cluster")}
    kept["id"] = bool(re.fullmatch(r"[0-9a-f-]{36}", kept["id"]))
    kept["app"] = {**{key: kept["app"][key] for key in ("name", "version")}, "startup": "startup" in kept["app"]}
    if owned is not None:
        kept["collections"] = True  # others' collections are counted too
    return kept


def mask_names(collections: list, owned: set[str] | None) -> list:
    """1.12.4 lists them in hash order."""
    names = sorted(collection["name"] for collection in collections)
    return [name for name in names if owned is None or name in owned]


def mask_metrics(text: str, owned: set[str] | None) -> list[str]:
    lines = text.strip().splitlines()
    if owned is None:
        return lines
    return [line for line in lines if not line.startswith("collections_total ")]  # counts others' collections


# ---- comparison

def differences(expected, got, where: str = "") -> list[str]:
    """Where two JSON values differ, in words; empty when they are the same."""
    if is_hits(expected) and is_hits(got):
        return hit_differences(expected, got, where)
    if type(expected) is not type(got):
        return [f"{where}: expected {expected!r}, got {got!r}"]
    if isinstance(expected, dict):
        return dict_differences(expected, got, where)
    if isinstance(expected, list):
        if len(expected) != len(got):
            return [f"{where}: expected {len(expected)} elements, got {len(got)}: {got!r}"]
        return [text for at, (one, other) in enumerate(zip(expected, got))
                for text in differences(one, other, f"{where}[{at}]")]
    if isinstance(expected, float):
        same = math.isclose(expected, got, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    else:
        same = expected == got
    return [] if same else [f"{where}: expected {expected!r}, got {got!r}"]


def dict_differences(expected: dict, got: dict, where: str) -> list[str]:
    found = [f"{where}.{key}: missing" for key in expected.keys() - got.keys()]
    found += [f"{where}.{key}: not expected ({got[key]!r})" for key in got.keys() - expected.keys()]
    for key in expected.keys() & got.keys():
        found += differences(expected[key], got[key], f"{where}.{key}")
    return found


def is_hits(value) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(hit, dict) and "score" in hit for hit in value)


def hit_differences(expected: list, got: list, where: str) -> list[str]:
    """Hits of equal score come in no fixed order, and which of them the limit cuts off is chance.

    So scores are compared in order; above the last score also the hits themselves, each group of equal scores by id.
    """
    scores = differences([hit["score"] for hit in expected], [hit["score"] for hit in got], f"{where}.score")
    if scores:
        return scores
    last = expected[-1]["score"]
    certain = [[hit for hit in hits if hit["score"] - last > TOLERANCE] for hits in (expected, got)]
    ordered = [sorted((without_score(hit) for hit in hits), key=lambda hit: str(hit["id"])) for hits in certain]
    shapes = [sorted({key for hit in hits for key in hit}) for hits in (expected, got)]
    return differences(ordered[0], ordered[1], where) + differences(shapes[0], shapes[1], f"{where} keys")


def without_score(hit: dict) -> dict:
    return {key: value for key, value in hit.items() if key != "score"}
