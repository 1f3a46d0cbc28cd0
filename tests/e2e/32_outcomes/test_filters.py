# SPDX-License-Identifier: Apache-2.0
"""Proves that a follower never decides by a filter that may mean something else there: the write runs on the authority alone, the
points it matched are known, and the follower gets them by a copy."""
import threading

import pytest
from drivers import points
from drivers.raw import Raw
from drivers.waiting import until

pytestmark = pytest.mark.standin("a record of requests, and faults")
GROUP_1 = points.FILTER_GROUP_1
WORDS = {"must": [{"key": "text", "match": {"text": "one"}}]}
SCROLL, BARRIER = "/points/scroll", "/points/payload/delete"


@pytest.fixture
def unlike(shim, make_scene, qdrant, other):
    """One payload field is indexed on legacy only; both hold the same points."""
    def start(count=12, dual_write=1, new_reads=0, **settings):
        scene = make_scene(legacy_server=qdrant, new_server=other, threads=1, **settings)
        scene.create_both()
        scene.legacy.call("PUT", "/index?wait=true", {"field_name": "group", "field_schema": "integer"})
        scene.proxy.start()
        scene.flags(1)
        some = [points.point(n, payload={"n": n, "group": n % 3, "text": "one" if n % 2 else "two"}) for n in range(1, count + 1)]
        for first in range(0, count, 500):
            assert scene.upsert(*some[first:first + 500]).status == 200
        until(lambda: scene.proxy.verb("backfill", {"adopt": True}).status, lambda status: status == 202)  # once it leads
        scene.wait_for_backfill("done")
        if new_reads:
            scene.flags(1, new_reads)
        until(lambda: scene.proxy.status()["in_flight"] == 0)
        shim.forget()
        return scene
    return start


def seen(side, method: str = "POST", part: str = "/points/") -> list[str]:
    """What the proxy asked for a client; copies use points/batch."""
    return [path for entry in side.log(method, part) if "/points/batch" not in (path := entry["path"].partition("?")[0])]


WRITES = {
    "delete": ("POST", "/points/delete", {}),
    "set payload": ("POST", "/points/payload", {"payload": {"group": 7}}),
    "overwrite payload": ("PUT", "/points/payload", {"payload": {"only": 1}}),
    "delete payload": ("POST", "/points/payload/delete", {"keys": ["group"]}),
    "clear payload": ("POST", "/points/payload/clear", {}),
    "delete vectors": ("POST", "/points/vectors/delete", {"vector": ["b"]}),
}


@pytest.mark.parametrize("name", WRITES)
def test_the_points_that_matched_before_are_dirty_and_then_copied(unlike, shim, name):
    scene = unlike()
    method, suffix, body = WRITES[name]
    before = {point["id"]: point for point in scene.legacy.dump()}
    assert scene.http(method, suffix + "?wait=true", {**body, "filter": GROUP_1}).status == 200
    shim.wait_for_story(["begin all", "dirty 4"])
    after = scene.wait_until_equal()
    changed = [number for number, point in before.items() if point not in after]
    assert changed == [1, 4, 7, 10]
    assert not [entry for entry in scene.new.log(method, suffix) if "filter" in str(entry.get("body", ""))]
    scene.proxy.wait_for_metric("crossfade_dual_writes_total", 1, outcome="resolved")
    scene.wait_until_clean()
    assert scene.knows()


def test_the_follower_is_not_asked(unlike, shim):
    scene = unlike()
    count = len(scene.new.log("POST", "/points/delete"))
    assert scene.http("POST", "/points/delete?wait=true", {"filter": GROUP_1}).status == 200
    assert len(scene.new.log("POST", "/points/delete")) == count
    assert len(scene.legacy.log("POST", SCROLL)) >= 1 and len(scene.legacy.log("POST", BARRIER)) >= 1


@pytest.mark.parametrize("condition", [
    {"has_id": [1, 2]}, {"has_vector": "a"}, {"must_not": [{"has_id": [3]}]}], ids=str)
def test_a_filter_that_looks_at_no_field_runs_on_both(unlike, shim, condition):
    scene = unlike()
    assert scene.http("POST", "/points/payload?wait=true", {"payload": {"k": 1}, "filter": {"must": [condition]}}).status == 200
    shim.wait_for_story(["begin all", "clean all"])
    scene.assert_equal()


def test_words_are_resolved_on_any_collections(apart, shim):
    scene = apart()
    for side in (scene.legacy, scene.new):
        side.put([points.point(n, payload={"text": "one" if n % 2 else "two"}) for n in range(1, 10)])
    assert scene.http("POST", "/points/delete?wait=true", {"filter": WORDS}).status == 200
    shim.wait_for_story(["begin all", "dirty 5"])
    assert [point["id"] for point in scene.wait_until_equal()] == [2, 4, 6, 8]


def test_nothing_matches(unlike, shim):
    scene = unlike()
    assert scene.http("POST", "/points/delete?wait=true", {"filter": {"must": [{"key": "group", "match": {"value": 99}}]}}).status == 200
    shim.wait_for_story(["begin all", "dirty 0"])
    assert len(scene.assert_equal()) == 12


def test_the_write_is_not_waited_for(unlike, shim):
    scene = unlike()
    answer = scene.http("POST", "/points/delete", {"filter": GROUP_1})
    assert answer.result["status"] == "acknowledged" and shim.end() == "dirty 4"
    assert len(scene.wait_until_equal()) == 8


def test_a_compressed_body(unlike, shim):
    import gzip
    scene = unlike()
    body = b'{"filter":{"must":[{"key":"group","match":{"value":1}}]}}'
    assert scene.http("POST", "/points/delete?wait=true", gzip.compress(body), {"content-encoding": "gzip"}).status == 200
    assert shim.end() == "dirty 4" and len(scene.wait_until_equal()) == 8


def test_many_pages(unlike, shim):
    scene = unlike(count=3600)
    assert scene.http("POST", "/points/payload?wait=true", {"payload": {"k": 1}, "filter": {"must_not": [GROUP_1]}}).status == 200
    assert shim.end() == "dirty 2400"
    assert len(scene.legacy.log("POST", SCROLL)) >= 3
    scene.wait_until_equal()


def test_more_points_than_are_counted(unlike, shim):
    scene = unlike(limits={"scan_ids_max": 3})
    shim.forget()
    assert scene.http("POST", "/points/delete?wait=true", {"filter": GROUP_1}).status == 200
    assert shim.end() == "dirty all" and not scene.knows()
    assert len(scene.wait_until_equal()) == 8


@pytest.mark.parametrize("rule", [{"action": "error", "status": 500}, {"action": "error", "status": 400}, {"action": "reset_before"},
                                  {"action": "error", "status": 200, "body": "hello"}], ids=str)
@pytest.mark.parametrize("path", [SCROLL, BARRIER])
def test_the_authority_does_not_tell(unlike, shim, path, rule):
    """All may be concerned then; the write itself goes on."""
    scene = unlike()
    if rule["action"] == "reset_before":
        rule = {**rule, "times": 2}  # a read is asked once more
    scene.legacy.server.fault(**{"path_regex": path, "times": 1, **rule})
    assert scene.http("POST", "/points/delete?wait=true", {"filter": GROUP_1}).status == 200
    assert shim.end() == "dirty all"
    assert len(scene.wait_until_equal()) == 8


@pytest.mark.parametrize("said", [{"action": "error", "status": 503}, {"action": "error", "status": 500}, {"action": "reset_after_apply"},
                                  {"action": "error", "status": 400, "body": {"status": {"error": "Format error in JSON body: x"}}}], ids=str)
def test_the_write_itself_fails(unlike, shim, said):
    scene = unlike()
    scene.legacy.server.fault(**{"path_regex": "/points/delete", "times": 1, **said})
    answer = scene.http("POST", "/points/delete?wait=true", {"filter": GROUP_1})
    assert answer.status == said.get("status", 502)
    assert shim.end() == {503: "dirty 4", 400: "none all"}.get(said.get("status"), "dirty held 4")
    scene.wait_until_equal()


def test_a_batch_runs_on_both_and_everything_is_dirty(unlike, shim):
    scene = unlike()
    assert scene.http("POST", "/points/batch?wait=true", {"operations": [{"delete": {"filter": GROUP_1}}]}).status == 200
    assert shim.end() == "dirty all"
    assert len(scene.wait_until_equal()) == 8


def test_a_filter_that_is_too_long(unlike, shim):
    scene = unlike()
    conditions = [{"key": "group", "match": {"any": list(range(10, 200_000))}}]
    answer = scene.http("POST", "/points/delete?wait=true", {"filter": {"should": conditions}})
    assert answer.status == 413 and "split the filter" in answer.error
    assert shim.lines() == []


def test_the_client_goes_away_while_the_points_are_looked_for(unlike, shim):
    scene = unlike()
    scene.legacy.server.fault("hang", path_regex=SCROLL, times=1)
    body = b'{"filter":{"must":[{"key":"group","match":{"value":1}}]}}'
    client = Raw(scene.proxy.port).send((f"POST /collections/{scene.legacy.collection}/points/delete?wait=true HTTP/1.1\r\nhost: q\r\n"
                                         f"content-length: {len(body)}\r\n\r\n").encode() + body)
    until(lambda: scene.legacy.server.faults()[0]["hits"])
    client.reset()
    assert shim.end() == "none all"
    assert len(scene.assert_equal()) == 12 and scene.dirty() == 0


def test_the_record_is_lost_while_the_points_are_looked_for(unlike, shim):
    scene = unlike()
    shim.on("unconfirmed")
    answer = scene.http("POST", "/points/delete?wait=true", {"filter": GROUP_1})
    assert answer.status == 503 and "sent nowhere" in answer.error
    assert shim.end() == "none all" and len(scene.assert_equal()) == 12


def test_cut_off_it_runs_on_both_and_everything_is_dirty(unlike, shim):
    scene = unlike()
    shim.on("cut_off")
    assert scene.http("POST", "/points/delete?wait=true", {"filter": GROUP_1}).status == 200
    assert shim.end() == "dirty all"
    assert len(scene.legacy.ids()) == len(scene.new.ids()) == 8


def test_cut_off_while_the_points_are_looked_for(unlike, shim):
    scene = unlike()
    scene.legacy.server.fault("delay", ms=300, path_regex=SCROLL, times=1)
    answers = []
    writer = threading.Thread(target=lambda: answers.append(scene.http("POST", "/points/delete?wait=true", {"filter": GROUP_1})))
    writer.start()
    until(lambda: scene.legacy.server.faults()[0]["hits"])
    shim.on("cut_off")
    writer.join(90)
    assert answers[0].status == 200 and shim.end() == "dirty all"
    assert len(scene.legacy.ids()) == len(scene.new.ids()) == 8


def test_after_the_switch_new_decides(unlike, shim):
    scene = unlike(new_reads=1)
    assert scene.http("POST", "/points/delete?wait=true", {"filter": GROUP_1}).status == 200
    assert shim.end() == "dirty 4"
    assert len(scene.new.log("POST", SCROLL)) >= 1
    assert len(scene.new.ids()) == 8 and len(scene.wait_until_equal()) == 8


def test_an_index_that_comes_through_the_proxy_is_looked_at_again(unlike, shim):
    """From then on both index the field, and the filter runs on both."""
    scene = unlike(alias_refresh="1h")
    assert scene.http("PUT", "/index?wait=true", {"field_name": "group", "field_schema": "integer"}).status == 200

    def end_of_a_filter() -> str:
        shim.forget()
        assert scene.http("POST", "/points/payload?wait=true", {"payload": {"k": 1}, "filter": GROUP_1}).status == 200
        return shim.end()
    until(end_of_a_filter, lambda end: end == "clean all")
    scene.wait_until_equal()
