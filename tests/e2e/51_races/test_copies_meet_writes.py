# SPDX-License-Identifier: Apache-2.0
"""Proves that a copy and a write never spoil one another: deletes stay deleted, newer writes stay, whichever comes when.

Each race is made by holding one request of the copy (or of the write) back at the server, and letting it go after the other."""
import random
import threading

import pytest
from drivers import points
from drivers.waiting import until

pytestmark = pytest.mark.standin("requests that can be held back")
COUNT = 60


@pytest.fixture
def filled(start_scene, qdrant, other):
    """Two servers, so that a fault on one side's writes is not one on the other's."""
    scene = start_scene(dual_write=0, new_server=other)
    scene.legacy.put([points.point(number) for number in range(1, COUNT + 1)])
    scene.flags(1)
    return scene


def hold_copies(scene, ms: int = 1500) -> None:
    """The copy's first write to new arrives late; it was read from legacy long before."""
    scene.new.server.fault("delay", ms=ms, path_regex=f"{scene.new.collection}/points/batch", times=1)


def start_and_wait_for_copy(scene) -> None:
    hold_copies(scene)
    scene.proxy.verb("backfill", {"adopt": True})
    until(lambda: [rule for rule in scene.new.server.faults() if rule["hits"]])


def finish(scene) -> list[dict]:
    scene.wait_for_backfill("done")
    scene.wait_until_clean()
    return scene.assert_equal()


def test_a_point_deleted_while_its_copy_is_on_the_way_stays_deleted(filled):
    start_and_wait_for_copy(filled)
    assert filled.http("POST", "/points/delete?wait=true", {"points": [1, 30]}).status == 200
    assert [point["id"] for point in finish(filled)] == [n for n in range(1, COUNT + 1) if n not in (1, 30)]


def test_points_deleted_by_filter_while_their_copies_are_on_the_way_stay_deleted(filled):
    start_and_wait_for_copy(filled)
    assert filled.http("POST", "/points/delete?wait=true", {"filter": points.FILTER_GROUP_1}).status == 200
    assert {point["payload"]["group"] for point in finish(filled)} == {0, 2}


def test_a_stale_copy_does_not_overwrite_a_newer_write(filled):
    start_and_wait_for_copy(filled)
    assert filled.upsert(points.point(1, payload={"n": "newer"})).status == 200
    assert filled.http("POST", "/points/payload?wait=true", {"payload": {"set": True}, "points": [2]}).status == 200
    after = {point["id"]: point["payload"] for point in finish(filled)}
    assert after[1] == {"n": "newer"} and after[2]["set"]


def test_a_point_made_anew_while_its_copy_is_on_the_way_is_the_new_one(filled):
    start_and_wait_for_copy(filled)
    filled.http("POST", "/points/delete?wait=true", {"points": [1]})
    assert filled.upsert({"id": 1, "vector": {"b": [3, 3]}, "payload": {"n": "second life"}}).status == 200
    [first] = [point for point in finish(filled) if point["id"] == 1]
    assert first["payload"] == {"n": "second life"} and list(first["vector"]) == ["b"]


def test_a_write_that_began_before_the_copy_read_and_ends_after_it(filled):
    """The write is slow on new: the copy reads the newer point and writes it first, then the write itself lands."""
    filled.upsert(points.point(100))
    filled.new.server.fault("delay", ms=1500, method="PUT", path_regex=f"{filled.new.collection}/points", times=1)
    writer = threading.Thread(target=filled.upsert, args=(points.point(1, payload={"n": "slow"}),))
    writer.start()
    until(lambda: filled.proxy.status()["in_flight"])
    filled.proxy.verb("backfill", {"adopt": True})
    writer.join(90)
    assert {point["id"]: point["payload"] for point in finish(filled)}[1] == {"n": "slow"}


def test_an_acknowledged_write_that_is_applied_after_the_copy_read(filled):
    """Legacy has said acknowledged and applies later; a copy that reads in between must not be the last word."""
    filled.legacy.server.pause()
    answer = filled.http("PUT", "/points", {"points": [points.point(1, payload={"n": "applied later"})]})
    assert answer.result["status"] == "acknowledged"
    filled.proxy.verb("backfill", {"adopt": True})
    filled.legacy.server.resume()
    assert {point["id"]: point["payload"] for point in finish(filled)}[1] == {"n": "applied later"}


@pytest.mark.parametrize("seed", range(3))
def test_everything_at_once(filled, seed):
    """Writers of every kind while points are copied; afterwards both sides are equal, and what legacy was told is there."""
    chance, stop, problems = random.Random(seed), threading.Event(), []
    last = {}

    def write(owner: int) -> None:
        """Each writer has ids of its own, so that it knows what must stand there."""
        mine, dice = [n for n in range(1, 200) if n % 4 == owner], random.Random(seed * 10 + owner)
        count = 0
        while not stop.is_set() or count < 30:
            number, count = dice.choice(mine), count + 1
            if dice.random() < 0.3:
                answer = filled.http("POST", "/points/delete?wait=true", {"points": [number]})
                last[number] = None
            else:
                answer = filled.upsert(points.point(number, payload={"owner": owner, "count": count}))
                last[number] = {"owner": owner, "count": count}
            if answer.status != 200:
                problems.append(answer)
    filled.new.server.fault("delay", ms=50, chance=0.3, path_regex="/points")
    filled.legacy.server.fault("delay", ms=20, chance=chance.random() / 2, path_regex="/points")
    writers = [threading.Thread(target=write, args=(owner,)) for owner in range(4)]
    for writer in writers:
        writer.start()
    filled.proxy.verb("backfill", {"adopt": True})
    try:
        filled.wait_for_backfill("done")
    finally:
        stop.set()
        for writer in writers:
            writer.join(90)
    assert not problems
    filled.wait_until_clean()
    after = {point["id"]: point["payload"] for point in filled.assert_equal()}
    for number, payload in last.items():
        assert after.get(number) == payload


def test_after_the_switch_copies_go_the_other_way(start_scene, other):
    """New is right then: what failed on legacy is repaired from new. One thread, which has seen the client accepted before."""
    scene = start_scene(1, 0, new_server=other, threads=1)
    scene.backfill()
    scene.flags(1, 1)
    assert scene.upsert(points.point(1)).status == 200
    scene.legacy.server.fault("error", status=503, method="PUT", path_regex=f"{scene.legacy.collection}/points", times=1)
    answer = scene.upsert(points.point(1, payload={"n": "after the switch"}))
    assert answer.status == 503 and "not to the legacy" in answer.error
    scene.wait_until_equal()
    assert scene.legacy.point(1)["payload"] == {"n": "after the switch"}
