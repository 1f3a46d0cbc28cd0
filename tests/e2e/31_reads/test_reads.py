# SPDX-License-Identifier: Apache-2.0
"""Proves that reads go to the side the flags name, by either name, and that names inside bodies are the side's own."""
import json

import pytest
from drivers import points


@pytest.fixture
def told_apart(start_scene):
    """Both sides hold the same ids; a payload says which side a point was read from."""
    def start(new_reads, **settings):
        scene = start_scene(1, 0, **settings)
        for name, side in (("legacy", scene.legacy), ("new", scene.new)):
            side.put([points.point(number, payload={"side": name, "group": number % 3}) for number in range(1, 10)])
        scene.flags(1, new_reads)
        return scene
    return start


def side_of(scene, name: str) -> str:
    return scene.http("GET", "/points/1", collection=name).result["payload"]["side"]


@pytest.mark.parametrize("new_reads, side", [(0, "legacy"), (1, "new"), ("100%", "new"), ("0%", "legacy")])
def test_the_flag_decides_whatever_the_name(told_apart, new_reads, side):
    scene = told_apart(new_reads)
    for name in (scene.legacy.collection, scene.new.collection):
        assert [side_of(scene, name) for _ in range(5)] == [side] * 5
        found = scene.client().query_points(name, query=[1.0, 0, 0, 0], using="a", limit=9, with_payload=True)
        assert {point.payload["side"] for point in found.points} == {side}


def test_a_canary_takes_its_share(told_apart):
    """400 draws at 25 %: fewer than 40 or more than 180 happen less than once in 10^12 runs."""
    scene = told_apart("25%")
    sides = [side_of(scene, scene.legacy.collection) for _ in range(400)]
    assert 40 < sides.count("new") < 180
    scene.proxy.wait_for_metric("crossfade_reads_total", sides.count("new"), migration="m", side="new")


def test_a_canary_never_moves_the_collections_own_state(told_apart):
    scene = told_apart("50%")
    scene.legacy.call("PATCH", "", {"metadata": {"side": "legacy"}})
    for _ in range(40):
        assert scene.http("GET", "").result["config"]["metadata"] == {"side": "legacy"}


def test_after_the_end_the_old_name_reads_the_new_collection(told_apart):
    scene = told_apart(1)
    scene.flags(0, 1)
    assert side_of(scene, scene.legacy.collection) == "new"
    assert scene.upsert(points.point(77)).status == 200
    assert scene.new.point(77) and not scene.legacy.point(77)


# ---- names inside bodies; only a side that is read by its own name can answer them

def lookup(name: str) -> dict:
    return {"collection": name, "vector": "a"}


def bodies(name: str) -> dict[str, tuple[str, dict]]:
    by_id = {"query": 2, "using": "a", "limit": 3, "with_payload": True, "lookup_from": lookup(name)}
    return {
        "lookup_from": ("/points/query", by_id),
        "in a prefetch": ("/points/query", {"query": {"fusion": "rrf"}, "limit": 3, "with_payload": True, "prefetch": [
            {"query": 2, "using": "a", "lookup_from": lookup(name)},
            {"prefetch": {"query": 3, "using": "a", "lookup_from": lookup(name)}, "query": [1, 1], "using": "b"}]}),
        "in a batch": ("/points/query/batch", {"searches": [by_id, by_id]}),
        "with_lookup": ("/points/query/groups", {"query": [1, 0, 0, 0], "using": "a", "group_by": "group", "limit": 2,
                                                 "with_payload": True, "with_lookup": {"collection": name, "with_payload": True}}),
        "with_lookup as text": ("/points/query/groups", {"query": [1, 0, 0, 0], "using": "a", "group_by": "group", "limit": 2,
                                                         "with_payload": True, "with_lookup": name}),
        "recommend": ("/points/recommend", {"positive": [2], "using": "a", "limit": 3, "with_payload": True, "lookup_from": lookup(name)}),
        "recommend batch": ("/points/recommend/batch", {"searches": [
            {"positive": [2], "using": "a", "limit": 3, "with_payload": True, "lookup_from": lookup(name)}]}),
        "discover": ("/points/discover", {"target": 2, "using": "a", "limit": 3, "with_payload": True, "lookup_from": lookup(name)}),
    }


@pytest.mark.parametrize("which", ["legacy", "new"])
@pytest.mark.parametrize("new_reads, side", [(0, "legacy"), (1, "new")])
@pytest.mark.parametrize("kind", list(bodies("")))
@pytest.mark.standin("two servers, so that a name of the other side means nothing")
def test_names_in_a_body_are_read_on_the_side_that_answers(told_apart, other, kind, new_reads, side, which):
    scene = told_apart(new_reads, new_server=other)
    suffix, body = bodies(getattr(scene, which).collection)[kind]
    answer = scene.http("POST", suffix, body)
    assert answer.status == 200, answer
    told = json.dumps(answer.result)
    assert f'"side": "{side}"' in told and '"side": "%s"' % ("new" if side == "legacy" else "legacy") not in told


def test_a_word_that_is_no_name_is_left_alone(told_apart):
    """The legacy name as a payload value, a key and a vector's name is data."""
    scene = told_apart(1)
    name = scene.legacy.collection
    marked = points.point(50, payload={"collection": name, name: {"lookup_from": {"collection": name}}})
    assert scene.upsert(marked).status == 200
    found = scene.http("POST", "/points/query", {
        "query": [1, 0, 0, 0], "using": "a", "with_payload": True, "lookup_from": lookup(name),
        "filter": {"must": [{"key": "collection", "match": {"value": name}}]}}).result["points"]
    assert [(point["id"], point["payload"]) for point in found] == [(50, marked["payload"])]


@pytest.mark.standin("the record of requests")
def test_a_read_without_names_goes_on_untouched(told_apart):
    scene = told_apart(1)
    body = b' { "limit" :1.0e0 , "limit":2,\t"x":"\\u0041" } '
    scene.http("POST", "/points/scroll", body)
    assert [entry["body"] for entry in scene.new.log("POST", "/points/scroll")] == [body.decode()]


def test_an_alias_means_the_migration_and_follows_when_it_is_moved(start_scene):
    scene = start_scene(dual_write=0, alias_refresh="100ms")
    answer = scene.proxy.http("POST", "/collections/aliases", {"actions": [
        {"create_alias": {"collection_name": scene.legacy.collection, "alias_name": scene.alias}}]}, scene.legacy.server.with_key({}))
    assert answer.status == 200
    scene.flags(1)
    assert scene.upsert(points.point(1), collection=scene.alias).status == 200
    assert [point["id"] for point in scene.assert_equal()] == [1]
