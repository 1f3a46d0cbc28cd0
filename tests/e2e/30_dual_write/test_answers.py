# SPDX-License-Identifier: Apache-2.0
"""Proves what the client hears of a dual write: the authority's answer, what it cost, and the failure of either side."""
import re

import pytest
from drivers import points
from drivers.waiting import until

PUT_POINTS = {"method": "PUT", "path_regex": "/points"}


def fault_on(side, action: str, **rule) -> None:
    side.server.fault(action, **{"path_regex": side.collection + "/points", **rule})


def test_the_cost_is_told(scene):
    timing = scene.upsert(points.point(1)).headers["server-timing"]
    assert re.fullmatch(r"legacy;dur=\d+\.\d{3}, new;dur=\d+\.\d{3}, journal;dur=\d+\.\d{3}", timing)


def test_the_answer_is_that_of_the_authority(scene):
    """Both sides count operations; the legacy one has had one more."""
    scene.legacy.put([points.point(50)])
    answer = scene.upsert(points.point(1))
    assert answer.result["status"] == "completed"
    later = scene.legacy.server.request("PUT", f"/collections/{scene.legacy.collection}/points?wait=true",
                                        {"points": [points.point(51)]})[1]["result"]["operation_id"]
    assert later == answer.result["operation_id"] + 1


@pytest.mark.standin("faults")
def test_ack_both_reports_the_failure_of_the_follower_and_repairs_it(scene):
    fault_on(scene.new, "error", status=503, times=1)
    answer = scene.upsert(points.point(1))
    assert answer.status == 503
    assert "legacy" in answer.error and "not to the new" in answer.error and "again is safe" in answer.error
    assert scene.legacy.ids() == [1]
    assert len(scene.wait_until_equal()) == 1
    scene.wait_until_clean()


@pytest.mark.standin("faults")
def test_ack_authority_answers_without_the_follower_and_repairs_it(start_scene):
    scene = start_scene(migration={"ack": "authority"})
    fault_on(scene.new, "error", status=503, times=1)
    assert scene.upsert(points.point(1)).status == 200
    assert len(scene.wait_until_equal()) == 1
    scene.proxy.wait_for_metric("crossfade_dual_writes_total", 1, outcome="follower_failed")


@pytest.mark.standin("faults")
def test_ack_authority_does_not_wait_for_a_slow_follower(start_scene):
    """The answer comes while the follower is still held; nothing here is measured in time."""
    scene = start_scene(migration={"ack": "authority"})
    scene.upsert(points.point(1))
    fault_on(scene.new, "hang", times=1)
    assert scene.upsert(points.point(2)).status == 200
    assert scene.new.server.dump(scene.new.collection) and len(scene.legacy.ids()) == 2
    assert scene.proxy.status()["in_flight"] == 1
    scene.new.server.clear_faults()
    assert len(scene.wait_until_equal()) == 2


@pytest.mark.standin("faults")
def test_the_failure_of_the_authority_is_the_clients_answer(scene):
    fault_on(scene.legacy, "error", status=500, times=1, body={"status": {"error": "disk is full"}, "time": 0.0})
    answer = scene.upsert(points.point(1))
    assert (answer.status, answer.error) == (500, "disk is full")
    assert scene.wait_until_equal() == []


@pytest.mark.standin("faults")
@pytest.mark.parametrize("action", ["reset_before", "reset_after_apply", "garbage", "truncate"])
@pytest.mark.parametrize("which", ["legacy", "new"])
def test_a_side_that_breaks_off_is_told_and_repaired(scene, which, action):
    scene.upsert(points.point(1))
    fault_on(getattr(scene, which), action, times=1, method="PUT")
    answer = scene.upsert(points.point(1, payload={"n": "changed"}))
    assert answer.status == 502 and answer.error
    scene.wait_until_equal()
    assert scene.upsert(points.point(1, payload={"n": "again"})).status == 200
    assert scene.wait_until_equal()[0]["payload"] == {"n": "again"}


@pytest.mark.parametrize("write", [
    ("POST", "/points/payload", {"payload": {"k": 1}, "points": [1]}), ("PUT", "/points/payload", {"payload": {"k": 1}, "points": [1]}),
    ("POST", "/points/payload/clear", {"points": [1]}), ("PUT", "/points/vectors", {"points": [{"id": 1, "vector": {"b": [1, 1]}}]}),
    ("POST", "/points/vectors/delete", {"points": [1], "vector": ["b"]})], ids=lambda write: write[1])
def test_a_point_that_was_not_copied_yet_is_no_error(start_scene, write):
    """The follower does not have the point: the client hears the authority's success, and the copy brings it all."""
    scene = start_scene(dual_write=0)
    scene.legacy.put([points.point(1)])
    scene.flags(1)
    method, suffix, body = write
    assert scene.http(method, suffix + "?wait=true", body).status == 200
    scene.proxy.wait_for_metric("crossfade_dual_writes_total", 1, outcome="follower_not_filled")
    assert [point["id"] for point in scene.wait_until_equal()] == [1]


def test_a_missing_point_on_the_authority_is_the_clients_404(scene):
    answer = scene.http("POST", "/points/payload?wait=true", {"payload": {"k": 1}, "points": [7]})
    assert answer.status == 404 and "7" in answer.error


@pytest.mark.standin("the switch for acknowledged writes")
def test_an_acknowledged_write_is_made_sure_of(scene):
    """Answered before it is applied: the two sides may still differ, so the point is looked at again."""
    scene.legacy.server.apply_delay(50)
    for number in range(20):
        answer = scene.http("PUT", "/points", {"points": [points.point(number)]})
        assert answer.result["status"] == "acknowledged"
    assert len(scene.wait_until_equal()) == 20
    scene.wait_until_clean()


@pytest.mark.standin("the switch for merging upserts")
def test_upserts_that_merge_on_one_side_and_replace_on_the_other_are_made_equal(scene):
    """Qdrant merges named vectors on an indexed segment and replaces them elsewhere."""
    scene.legacy.server.merge_upserts(0.5)
    scene.upsert(*points.some(30))
    assert scene.upsert(*[{"id": n, "vector": {"a": [1, 1, 1, 1]}} for n in range(1, 31) if n % 3]).status == 200
    assert len(scene.wait_until_equal()) == 30


@pytest.mark.standin("the switch for the server's patience")
def test_a_write_that_runs_into_the_servers_patience_is_made_sure_of(start_scene):
    """Such a write may land as late as the longest time-out: the point stays on the list until then."""
    scene = start_scene(timeouts={"answer": "2s", "body": "2s"})
    scene.legacy.server.default_wait(20)
    scene.legacy.server.pause()
    answer = scene.upsert(points.point(1))
    assert (answer.status, answer.result["status"]) == (200, "wait_timeout")
    scene.legacy.server.resume()
    assert [point["id"] for point in scene.wait_until_equal()] == [1]
    scene.wait_until_clean()
