# SPDX-License-Identifier: Apache-2.0
"""Proves that a write of which nobody knows what it did on a side is not the end of it: the point is dirty, then repaired."""
import pytest
from drivers import points
from drivers.waiting import until

SHORTLY = {"timeouts": {"answer": "1s", "body": "1s"}}
LATE_MS = 1600  # after the time-out, well within the time in which it is expected to land
CHUNK = 32  # by-id updates are applied in chunks; one with a missing id is applied, and none after it


def filled(scene, count: int = 20):
    scene.legacy.put([points.point(number) for number in range(1, count + 1)])
    scene.backfill(adopt=True)
    scene.wait_until_clean()
    scene.assert_equal()
    return scene


@pytest.fixture
def apart(start_scene, other):
    """Two servers, so that a fault hits one side; both hold the same."""
    return filled(start_scene(new_server=other, **SHORTLY))


@pytest.fixture
def thin(start_scene):
    """Legacy has 70 points, new lacks those from 40 on: nothing has been copied yet."""
    scene = start_scene(dual_write=0, **SHORTLY)
    everything = [points.point(number) for number in range(1, 71)]
    scene.legacy.put(everything)
    scene.new.put(everything[:39])
    scene.flags(1)
    return scene


def settle(scene) -> dict:
    scene.wait_until_equal()
    scene.wait_until_clean()
    return {point["id"]: point["payload"] for point in scene.assert_equal()}


# ---- late, or never answered

@pytest.mark.standin("requests that can be held back")
@pytest.mark.parametrize("side", ["legacy", "new"])
@pytest.mark.parametrize("what", ["upsert", "delete", "payload"])
def test_applied_after_the_time_out(apart, side, what):
    """Whether it lands on the authority or on the follower: the sides agree, with what is on the authority then."""
    method, suffix, body = {"upsert": ("PUT", "/points", {"points": [points.point(1, payload={"n": "late"})]}),
                            "delete": ("POST", "/points/delete", {"points": [1]}),
                            "payload": ("POST", "/points/payload", {"points": [1], "payload": {"n": "late"}})}[what]
    server = getattr(apart, side).server
    server.fault("delay", ms=LATE_MS, path_regex=f"{getattr(apart, side).collection}{suffix}$", times=1)
    answer = apart.http(method, f"{suffix}?wait=true", body)
    assert answer.status == 504 and side in answer.error
    until(lambda: (apart.legacy.point(1) or {"payload": {"n": "late"}})["payload"].get("n") == "late")
    after = settle(apart)
    assert 1 not in after if what == "delete" else after[1]["n"] == "late"


@pytest.mark.standin("requests that can be held back")
def test_applied_after_the_time_out_and_after_a_newer_write(apart):
    """The late one undoes the newer one on new alone; the authority's word stands."""
    apart.new.server.fault("delay", ms=LATE_MS, method="PUT", path_regex=f"{apart.new.collection}/points$", times=1)
    assert apart.upsert(points.point(1, payload={"n": "late"})).status == 504
    assert apart.http("POST", "/points/delete?wait=true", {"points": [1]}).status == 200
    until(lambda: any(rule["hits"] for rule in apart.new.server.faults()))
    assert 1 not in settle(apart)


@pytest.mark.standin("resets")
@pytest.mark.parametrize("action", ["reset_before", "reset_after_apply", "truncate", "garbage"])
@pytest.mark.parametrize("side", ["legacy", "new"])
def test_no_answer_that_can_be_read(apart, side, action):
    place = getattr(apart, side)
    place.server.fault(action, method="PUT", path_regex=f"{place.collection}/points$", times=1)
    answer = apart.upsert(points.point(1, payload={"n": "changed"}))
    assert answer.status in (502, 504) and answer.error
    after = settle(apart)
    if side == "new":
        assert after[1] == {"n": "changed"}


@pytest.mark.standin("a worker that can be stopped")
def test_answered_as_not_applied_yet(apart):
    """`wait_timeout` of one side: queued, not confirmed. A copy before it is applied must not be the last word."""
    apart.new.server.default_wait(200)
    apart.new.server.pause()
    try:
        assert apart.upsert(points.point(1, payload={"n": "queued"})).status in (200, 504)
        status = apart.boss.status()
        assert status["dirty"]["listed"] + status["in_flight"] >= 1
    finally:
        apart.new.server.resume()
    apart.new.server.default_wait(None)
    assert settle(apart)[1] == {"n": "queued"}


# ---- by id, where some of the ids are not there

@pytest.mark.parametrize("ids", [range(1, 71), range(70, 0, -1), [*range(33, 71), *range(1, 33)]], ids=["up", "down", "mixed"])
@pytest.mark.parametrize("method, suffix, more", [
    ("POST", "/points/payload", {"payload": {"set": 1}}), ("PUT", "/points/payload", {"payload": {"whole": 1}}),
    ("POST", "/points/payload/delete", {"keys": ["n"]}), ("POST", "/points/payload/clear", {}),
    ("POST", "/points/vectors/delete", {"vector": ["b"]})])
def test_a_follower_that_lacks_some_of_them(thin, method, suffix, more, ids):
    """New stops half-way and says that a point is not there. It will be: that is no error of the client's."""
    answer = thin.http(method, f"{suffix}?wait=true", {"points": list(ids), **more})
    assert answer.status == 200, answer
    thin.wait_until_clean()
    legacy, new = ({point["id"]: point for point in side.dump()} for side in (thin.legacy, thin.new))
    assert all(points.same(legacy[number], new[number]) for number in ids)
    thin.backfill(adopt=True)
    assert len(settle(thin)) == 70


def test_vectors_of_points_that_a_follower_lacks(thin):
    """Here the order of the chunks is drawn at random."""
    changed = [{"id": number, "vector": {"b": [number, 2]}} for number in range(1, 71)]
    assert thin.http("PUT", "/points/vectors?wait=true", {"points": changed}).status == 200
    thin.backfill(adopt=True)
    assert len(settle(thin)) == 70


def test_an_authority_that_lacks_one_of_them(start_scene, other):
    """Legacy applies some and fails, new applies all: the client has the error, and legacy is right."""
    scene = filled(start_scene(new_server=other, **SHORTLY), 70)
    scene.new.put([points.point(1000)])
    ids = [*range(1, 40), 1000, *range(40, 71)]
    answer = scene.http("POST", "/points/payload?wait=true", {"points": ids, "payload": {"set": 1}})
    assert answer.status == 404 and "1000" in answer.error
    after = settle(scene)
    assert 1000 not in after
    assert {number for number in after if "set" in after[number]} >= set(range(1, CHUNK + 1))


test_an_authority_that_lacks_one_of_them.pytestmark = [pytest.mark.standin("a second server")]


@pytest.mark.standin("a server that merges at random")
def test_an_upsert_in_part_may_merge_on_one_side_and_replace_on_the_other(apart):
    apart.new.server.merge_upserts(1.0)
    for number in range(1, 21):
        assert apart.upsert({"id": number, "vector": {"b": [1, number]}}).status == 200
    after = settle(apart)
    assert all(payload == {} for payload in after.values())


# ---- conditional upserts: what they do depends on what a side holds

@pytest.mark.parametrize("condition", [{"update_mode": "insert_only"}, {"update_mode": "update_only"},
                                       {"update_filter": points.FILTER_GROUP_1},
                                       {"update_filter": {"must_not": [{"key": "group", "match": {"value": 1}}]}}],
                         ids=["insert_only", "update_only", "matches some", "matches others"])
def test_a_conditional_upsert_on_sides_that_differ(thin, condition):
    """New lacks half of the points and would insert, or not update, what legacy does otherwise."""
    changed = [points.point(number, payload={"group": 7}) for number in range(30, 80)]
    assert thin.http("PUT", "/points?wait=true", {"points": changed, **condition}).status == 200
    thin.wait_until_clean()
    legacy, new = ({point["id"]: point for point in side.dump()} for side in (thin.legacy, thin.new))
    assert all(points.same(legacy.get(number), new.get(number)) for number in range(30, 80))
    thin.backfill(adopt=True)
    settle(thin)


# ---- acknowledged, applied later

@pytest.mark.standin("a worker that can be stopped")
@pytest.mark.parametrize("side", ["legacy", "new"])
def test_written_without_waiting_and_then_copied(apart, side):
    """The copy waits for a barrier on what it reads; what is queued on the other side comes before its own writes."""
    server = getattr(apart, side).server
    server.pause()
    answer = apart.http("PUT", "/points", {"points": [points.point(1, payload={"n": "queued"}), points.point(500)]})
    assert answer.result["status"] == "acknowledged"
    assert apart.http("POST", "/points/delete", {"points": [2]}).result["status"] == "acknowledged"
    assert apart.proxy.verb("reconcile").status == 202
    server.resume()
    after = settle(apart)
    assert after[1] == {"n": "queued"} and 500 in after and 2 not in after


def test_written_without_waiting_while_a_backfill_runs(thin):
    """On any server: every third write is deleted again, all at once and without waiting for any."""
    assert thin.proxy.verb("backfill", {"adopt": True}).status == 202
    for number in range(1, 200):
        assert thin.http("PUT", "/points", {"points": [points.point(number, payload={"n": "new"})]}).status == 200
        if number % 3 == 0:
            assert thin.http("POST", "/points/delete", {"points": [number]}).status == 200
    thin.wait_for_backfill("done")
    after = settle(thin)
    assert set(after) == {number for number in range(1, 200) if number % 3} and {p["n"] for p in after.values()} == {"new"}
