# SPDX-License-Identifier: Apache-2.0
"""Proves the table of docs/outcomes.md from end to end: what a side says, what the client hears, and what becomes of the points."""
import json
from http.client import IncompleteRead

import pytest
from drivers import points
from drivers.waiting import until

pytestmark = pytest.mark.standin("faults")


def error(text: str) -> dict:
    return {"status": {"error": text}, "time": 0.0}


# What a side says: the rule of the stand-in. Then, where legacy says so and where new does: the client's status, the points.
SAID = {
    "wrong input": ({"action": "error", "status": 400, "body": error("Wrong input: x")}, (400, "dirty 1"), (400, "dirty 1")),
    "unreadable": ({"action": "error", "status": 400, "body": error("Format error in JSON body: x")}, (400, "dirty 1"), (400, "dirty 1")),
    "invalid": ({"action": "error", "status": 422, "body": error("Validation error in JSON body: x")}, (422, "dirty 1"), (422, "dirty 1")),
    "unknown key": ({"action": "error", "status": 401, "body": "Must provide an API key"}, (401, "dirty 1"), (401, "dirty 1")),
    "no right": ({"action": "error", "status": 403, "body": error("Forbidden: x")}, (403, "dirty 1"), (403, "dirty 1")),
    "missing point": ({"action": "error", "status": 404, "body": error("Not found: No point with id 9 found")}, (404, "dirty 1"), (200, "dirty 1")),
    "missing collection": ({"action": "error", "status": 404, "body": error("Not found: Collection `x` doesn't exist!")},
                           (404, "dirty 1"), (404, "dirty 1")),
    "conflict": ({"action": "error", "status": 409}, (409, "dirty 1"), (409, "dirty 1")),
    "too large": ({"action": "error", "status": 413}, (413, "dirty 1"), (413, "dirty 1")),
    "rate limit": ({"action": "error", "status": 429}, (429, "dirty 1"), (429, "dirty 1")),
    "timed out": ({"action": "error", "status": 408}, (408, "dirty held 1"), (408, "dirty held 1")),
    "internal error": ({"action": "error", "status": 500}, (500, "dirty held 1"), (500, "dirty held 1")),
    "bad gateway": ({"action": "error", "status": 502}, (502, "dirty held 1"), (502, "dirty held 1")),
    "not available": ({"action": "error", "status": 503}, (503, "dirty 1"), (503, "dirty 1")),
    "gateway timeout": ({"action": "error", "status": 504}, (504, "dirty held 1"), (504, "dirty held 1")),
    "redirection": ({"action": "error", "status": 307, "body": ""}, (307, "dirty 1"), (502, "dirty 1")),
    "another success": ({"action": "error", "status": 202, "body": {"result": None, "status": "accepted", "time": 0.0}},
                        (202, "dirty held 1"), (502, "dirty held 1")),
    "garbage in a success": ({"action": "error", "status": 200, "body": "hello"}, (200, "dirty held 1"), (502, "dirty held 1")),
    "no HTTP": ({"action": "garbage"}, (502, "dirty held 1"), (502, "dirty held 1")),
    "reset before": ({"action": "reset_before"}, (502, "dirty held 1"), (502, "dirty held 1")),
    "reset after": ({"action": "reset_after_apply"}, (502, "dirty held 1"), (502, "dirty held 1")),
    "cut body": ({"action": "truncate"}, (502, "dirty held 1"), (502, "dirty held 1")),
    "silence": ({"action": "hang"}, (504, "dirty held 1"), (504, "dirty held 1")),
}


@pytest.mark.parametrize("which", ["legacy", "new"])
@pytest.mark.parametrize("said", SAID)
def test_one_side_says_something_else(apart, shim, said, which):
    scene = apart(timeouts={"answer": "500ms", "body": "500ms"})
    rule, from_legacy, from_new = SAID[said]
    getattr(scene, which).server.fault(**{"method": "PUT", "path_regex": "/points", "times": 1, **rule})
    answer = scene.upsert(points.point(2, payload={"said": said}))
    assert (answer.status, shim.end()) == (from_legacy if which == "legacy" else from_new), answer
    if which == "new" and answer.status != 200:
        assert answer.error and "again is safe" in answer.error
    scene.wait_until_equal()


@pytest.mark.parametrize("said", SAID)
def test_the_follower_says_it_and_nobody_waits_for_it(apart, shim, said):
    """ack: authority: the client hears the authority; the points are what they are."""
    scene = apart(timeouts={"answer": "500ms", "body": "500ms"}, migration={"ack": "authority"})
    rule, _, (_, end) = SAID[said]
    scene.new.server.fault(**{"method": "PUT", "path_regex": "/points", "times": 1, **rule})
    assert scene.upsert(points.point(2, payload={"said": said})).status == 200
    assert shim.end() == end
    scene.wait_until_equal()


@pytest.mark.parametrize("what", ["missing point", "wrong input"])
def test_once_it_is_filled_a_follower_has_no_excuse(apart, shim, what):
    scene = apart()
    until(lambda: scene.proxy.verb("backfill", {"adopt": True}).status, lambda status: status == 202)  # once it leads
    scene.wait_for_backfill("done")
    shim.forget()
    rule = SAID[what][0]
    scene.new.server.fault(**{"method": "PUT", "path_regex": "/points", "times": 1, **rule})
    assert scene.upsert(points.point(2)).status == rule["status"]
    assert shim.end() == "dirty 1"


# ---- refusals by legacy alone

UNKNOWN_KEY = {"wrong input": "dirty 1", "rate limit": "dirty 1", "internal error": "dirty held 1", "missing point": "dirty 1",
               "unreadable": "none 1", "invalid": "none 1", "unknown key": "none 1", "no right": "none 1", "missing collection": "none 1"}


@pytest.mark.parametrize("said", UNKNOWN_KEY)
def test_legacy_alone_is_asked_and_refuses(shim, start_scene, qdrant, other, said):
    """The credential is not known yet. A refusal after which nothing can have happened leaves nothing dirty."""
    scene = start_scene(legacy_server=qdrant, new_server=other)
    rule = SAID[said][0]
    scene.legacy.server.fault(**{"method": "PUT", "path_regex": "/points", "times": 1, **rule})
    assert scene.upsert(points.point(2)).status == rule["status"]
    assert shim.end() == UNKNOWN_KEY[said]
    assert not scene.new.log("PUT", "/points")


@pytest.mark.parametrize("suffix, body", [
    ("/points/delete?wait=true", {"filter": {"must": [{"bogus": 1}]}}), ("/points/delete?wait=perhaps", {"filter": {}}),
    ("/points/payload?wait=true", {"points": [1], "payload": 7})], ids=["filter", "query", "payload"])
def test_both_refuse_what_they_cannot_read(apart, shim, suffix, body):
    """A client that writes nonsense does not make anything unknown."""
    scene = apart()
    assert scene.http("POST", suffix, body).status == 400
    assert shim.end().startswith("none")


# ---- answers of both, and exactness

def test_what_both_acknowledged_is_clean_where_both_declare_the_same(apart, shim):
    scene = apart()
    assert scene.http("PUT", "/points", {"points": [points.point(2)]}).result["status"] == "acknowledged"
    assert shim.end() == "clean 1"


def test_what_both_acknowledged_is_dirty_where_they_declare_something_else(shim, make_scene, qdrant, other):
    scene = make_scene(legacy_server=qdrant, new_server=other)
    scene.legacy.create()
    vectors = {**points.CONFIG["vectors"], "more": {"size": 2, "distance": "Dot"}}
    scene.new.create({**points.CONFIG, "vectors": vectors})
    scene.proxy.start()
    scene.flags(1)
    assert scene.upsert(points.point(1)).status == 200
    until(shim.ends)
    shim.forget()
    assert scene.http("PUT", "/points", {"points": [points.point(2)]}).result["status"] == "acknowledged"
    assert shim.end() == "dirty 1"


@pytest.mark.parametrize("count, end", [(1, "clean 1"), (32, "clean 32"), (33, "dirty 33")])
def test_an_update_by_ids_that_is_only_acknowledged(apart, shim, count, end):
    """A server stops behind the chunk in which a point is missing, and says so to nobody."""
    scene = apart()
    ids = list(range(1, count + 1))
    for side in (scene.legacy, scene.new):
        side.put([points.point(number) for number in ids])
    answer = scene.http("POST", "/points/payload", {"points": ids, "payload": {"k": 1}})
    assert answer.result["status"] == "acknowledged"
    assert shim.end() == end


@pytest.mark.parametrize("which", ["legacy", "new"])
def test_what_one_side_has_not_applied_yet_is_held(apart, shim, which):
    scene = apart(timeouts={"answer": "2s", "body": "2s"})
    server = getattr(scene, which).server
    server.default_wait(20)
    server.pause()
    answer = scene.upsert(points.point(2))
    assert (answer.status, answer.result["status"]) == (200, "wait_timeout" if which == "legacy" else "completed")
    assert shim.end() == "dirty held 1"
    server.resume()
    scene.wait_until_equal()


BATCH = {"operations": [{"upsert": {"points": [points.point(2)]}}, {"delete": {"points": [1]}}]}
WRITES = {
    "upsert, all stated": ("PUT", "/points", {"points": [points.point(1), points.point(2)]}, "clean 2"),
    "upsert without a payload": ("PUT", "/points", {"points": [{key: points.point(2)[key] for key in ("id", "vector")}]}, "dirty 1"),
    "upsert without a vector": ("PUT", "/points", {"points": [{"id": 2, "vector": {"b": [1, 2]}, "payload": {}}]}, "dirty 1"),
    "upsert on a condition": ("PUT", "/points", {"points": [points.point(2)], "update_filter": {"must": [{"has_id": [2]}]}}, "dirty 1"),
    "upsert of new ones only": ("PUT", "/points", {"points": [points.point(2)], "update_mode": "insert_only"}, "dirty 1"),
    "delete by id": ("POST", "/points/delete", {"points": [1, 99]}, "clean 2"),
    "set payload": ("POST", "/points/payload", {"points": [1], "payload": {"k": 1}}, "clean 1"),
    "overwrite payload": ("PUT", "/points/payload", {"points": [1], "payload": {"k": 1}}, "clean 1"),
    "delete payload": ("POST", "/points/payload/delete", {"points": [1], "keys": ["n"]}, "clean 1"),
    "clear payload": ("POST", "/points/payload/clear", {"points": [1]}, "clean 1"),
    "update vectors": ("PUT", "/points/vectors", {"points": [{"id": 1, "vector": {"b": [1, 2]}}]}, "clean 1"),
    "delete vectors": ("POST", "/points/vectors/delete", {"points": [1], "vector": ["b"]}, "clean 1"),
    "batch": ("POST", "/points/batch", BATCH, "clean 2"),
    "batch with a part that is not exact": ("POST", "/points/batch", {"operations": [
        *BATCH["operations"], {"upsert": {"points": [{"id": 3, "vector": {"b": [1, 2]}}]}}]}, "dirty 3"),
    "empty batch": ("POST", "/points/batch", {"operations": []}, "clean 0"),
    "filter": ("POST", "/points/delete", {"filter": {"must": [{"has_id": [1]}]}}, "clean all"),
    "filter on a field": ("POST", "/points/payload", {"filter": points.FILTER_GROUP_1, "payload": {"k": 1}}, "clean all"),
    "batch with a filter": ("POST", "/points/batch", {"operations": [{"delete": {"filter": {"must": [{"has_id": [1]}]}}}]}, "dirty all"),
    "unreadable": ("PUT", "/points", b"{", "none all"),
}


@pytest.mark.parametrize("name", WRITES)
def test_writes_that_both_sides_take(apart, shim, name):
    scene = apart()
    method, suffix, body, end = WRITES[name]
    answer = scene.http(method, suffix + "?wait=true", body)
    assert answer.status == (400 if name == "unreadable" else 200), answer
    assert shim.end() == end
    scene.assert_equal()


def test_more_ids_than_are_counted(apart, shim):
    scene = apart(limits={"scan_ids_max": 3})
    assert scene.upsert(*points.some(4)).status == 200
    assert shim.end() == "dirty all"
    scene.assert_equal()


def test_an_odd_body_that_is_let_through(apart, shim):
    scene = apart(migration={"allow_odd_bodies": "true"})
    assert scene.http("POST", "/points/delete?wait=true", b"[[1]]").status == 200
    assert shim.end() == "dirty all"


def test_an_index_touches_no_point(apart, shim):
    scene = apart()
    answer = scene.http("PUT", "/index?wait=true", {"field_name": "group", "field_schema": "integer"})
    assert answer.status == 200 and shim.lines() == []


# ---- one side alone

@pytest.mark.parametrize("rule, lines", [
    (None, []), ({"action": "error", "status": 400}, []), ({"action": "error", "status": 503}, []),
    ({"action": "error", "status": 500}, ["unproven"]), ({"action": "error", "status": 408}, ["unproven"]),
    ({"action": "reset_after_apply"}, ["unproven"]), ({"action": "truncate"}, ["unproven"]), ({"action": "hang"}, ["unproven"]),
    ({"action": "error", "status": 200, "body": "hello"}, ["unproven"])], ids=json.dumps)
@pytest.mark.parametrize("phase", [(0, 0), (0, 1)], ids=["legacy_only", "new_only"])
def test_a_write_to_one_side_that_may_still_land(shim, start_scene, qdrant, other, phase, rule, lines):
    scene = start_scene(0, 0, legacy_server=qdrant, new_server=other, timeouts={"answer": "500ms", "body": "500ms"},
                        migration={"guard": "warn"})
    scene.flags(*phase)
    side = scene.new if phase[1] else scene.legacy
    if rule:
        side.server.fault(**{"method": "PUT", "path_regex": "/points", "times": 1, **rule})
    try:
        answer = scene.upsert(points.point(1))
        assert answer.status == (rule or {"status": 200}).get("status", answer.status)
    except IncompleteRead:
        assert rule["action"] == "truncate"
    assert until(lambda: shim.lines() == lines)
    assert scene.http("GET", "/points/1").status in (200, 404) and shim.lines() == lines


def test_a_write_to_one_side_that_was_not_applied_in_time(shim, start_scene, qdrant, other):
    scene = start_scene(0, legacy_server=qdrant, new_server=other)
    scene.legacy.server.default_wait(20)
    scene.legacy.server.pause()
    assert scene.upsert(points.point(1)).result["status"] == "wait_timeout"
    until(lambda: shim.lines() == ["unproven"])
    scene.legacy.server.resume()
