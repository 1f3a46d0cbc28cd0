# SPDX-License-Identifier: Apache-2.0
"""Proves that two writers of one point do not leave the sides with one word each: whoever came last came last on both.

One side is made slow for one of the two writes, so that without an order they would land crosswise."""
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from drivers import points
from drivers.waiting import until

pytestmark = pytest.mark.standin("requests that can be held back")
SHORTLY = {"timeouts": {"answer": "6s", "body": "1s"}}
WITHIN_PATIENCE_MS, BEYOND_PATIENCE_MS = 800, 4000


@pytest.fixture(params=["one replica", "two replicas"])
def doors(request, other):
    """The scene and the proxies that the two writers go through."""
    if request.param == "one replica":
        scene = request.getfixturevalue("start_scene")(new_server=other, **SHORTLY)
        pair = [scene.proxy, scene.proxy]
    else:
        scene = request.getfixturevalue("start_group")(2, new_server=other, **SHORTLY)
        pair = scene.replicas
    for number, proxy in enumerate(pair):  # a client's first write goes to legacy alone: get that over with
        for _ in range(6):
            assert scene.upsert(points.point(1000 + number), through=proxy).status == 200
    scene.backfill(adopt=True)
    return scene, pair


def crosswise(doors, first, second, slow_ms: int, is_all: bool = False):
    """`first` is slow on new and `second` on legacy: each side would see them in its own order."""
    scene, (one, two) = doors
    scene.new.server.fault("delay", ms=slow_ms, path_regex=f"{scene.new.collection}/points", times=1)
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(scene.http, *first, through=one)
        until(lambda: [rule for rule in scene.new.server.faults() if rule["hits"]])
        late = pool.submit(scene.http, *second, through=two)
        answers = early.result(), late.result()
    assert [answer.status for answer in answers] == [200, 200], answers
    scene.wait_until_equal()
    scene.wait_until_clean()
    return {point["id"]: point["payload"] for point in scene.assert_equal()}


def put(*changed, **changes):
    return "PUT", "/points?wait=true", {"points": [points.point(number, **changes) for number in changed]}


def delete(*ids):
    return "POST", "/points/delete?wait=true", {"points": list(ids)}


DELETE_GROUP = ("POST", "/points/delete?wait=true", {"filter": points.FILTER_GROUP_1})


@pytest.mark.parametrize("ms", [WITHIN_PATIENCE_MS, BEYOND_PATIENCE_MS], ids=["waits", "goes on"])
def test_two_upserts(doors, ms):
    after = crosswise(doors, put(1, payload={"n": "first"}), put(1, payload={"n": "second"}), ms)
    assert after[1] == {"n": "second"}


@pytest.mark.parametrize("ms", [WITHIN_PATIENCE_MS, BEYOND_PATIENCE_MS], ids=["waits", "goes on"])
def test_a_delete_after_an_upsert(doors, ms):
    assert 1 not in crosswise(doors, put(1), delete(1), ms)


@pytest.mark.parametrize("ms", [WITHIN_PATIENCE_MS, BEYOND_PATIENCE_MS], ids=["waits", "goes on"])
def test_an_upsert_after_a_delete(doors, ms):
    doors[0].upsert(points.point(1))
    after = crosswise(doors, delete(1), put(1, payload={"n": "second life"}), ms)
    assert after[1] == {"n": "second life"}


def test_writes_of_several_points_that_share_one(doors):
    after = crosswise(doors, put(1, 2, 3, payload={"n": "first"}), put(3, 4, 5, payload={"n": "second"}), WITHIN_PATIENCE_MS)
    assert [after[number]["n"] for number in range(1, 6)] == ["first"] * 2 + ["second"] * 3


@pytest.mark.parametrize("ms", [WITHIN_PATIENCE_MS, BEYOND_PATIENCE_MS], ids=["waits", "goes on"])
def test_a_filter_after_an_upsert_that_it_matches(doors, ms):
    """A filter meets every write: the point it deletes is still on its way to new."""
    assert 1 not in crosswise(doors, put(1), DELETE_GROUP, ms)


@pytest.mark.parametrize("ms", [WITHIN_PATIENCE_MS, BEYOND_PATIENCE_MS], ids=["waits", "goes on"])
def test_an_upsert_after_a_filter_that_matches_it(doors, ms):
    """The filter is late on new, where it would take the new point with it."""
    after = crosswise(doors, DELETE_GROUP, put(1), ms)
    assert after[1]["group"] == 1


def test_points_of_others_do_not_wait(doors):
    scene, (one, two) = doors
    scene.new.server.fault("delay", ms=3000, path_regex=f"{scene.new.collection}/points", times=1)
    slow = threading.Thread(target=scene.upsert, args=(points.point(1),), kwargs={"through": one})
    slow.start()
    until(lambda: [rule for rule in scene.new.server.faults() if rule["hits"]])
    for number in range(2, 12):
        assert scene.upsert(points.point(number), through=two).status == 200
    assert slow.is_alive()
    slow.join()


def test_many_writers_of_one_point(doors):
    """Each writes its own word again and again; the sides agree on one of the last words."""
    scene, pair = doors
    scene.new.server.fault("delay", ms=15, chance=0.5, path_regex="/points")
    scene.legacy.server.fault("delay", ms=15, chance=0.5, path_regex="/points")

    def write(number: int) -> None:
        for turn in range(25):
            made = put(1, payload={"writer": number, "turn": turn}) if (turn + number) % 5 else delete(1)
            assert scene.http(*made, through=pair[number % 2]).status == 200
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    scene.wait_until_equal()
    scene.wait_until_clean()
    last = {point["id"]: point["payload"] for point in scene.assert_equal()}.get(1)
    assert last is None or last["turn"] >= 23
