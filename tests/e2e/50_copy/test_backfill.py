# SPDX-License-Identifier: Apache-2.0
"""Proves that prepare and backfill make an equal collection, that a backfill can be stopped in every way and goes on, and
that validation finds what differs."""
import pytest
from drivers import crossfade, points
from drivers.waiting import until


@pytest.fixture
def prepared(make_scene):
    """prepared(count, **settings): legacy has points, new has been made by the proxy, writes go to both."""
    def start(count: int, config=None, make=points.point, **settings):
        scene = make_scene(**settings)
        scene.legacy.create(config)
        for first in range(1, count + 1, 1000):
            scene.legacy.put(points.some(min(1000, count + 1 - first), first, make))
        scene.proxy.start()
        prepare(scene)
        scene.flags(1)
        return scene
    return start


def prepare(scene) -> None:
    assert scene.proxy.verb("prepare").status == 202
    state = until(lambda: scene.proxy.status()["prepare"], lambda seen: seen["state"] in ("done", "failed"))
    assert state["state"] == "done", state


# After a restart nothing is believed until requests of the earlier process can no longer land: the longest time-outs.
SHORTLY = {"timeouts": {"answer": "1s", "body": "1s"}}
SLOWLY = {"worker": {"batch_points": 20, "parallel": 1, "points_per_s_max": 200}, **SHORTLY}


def test_prepare_makes_the_new_collection_like_the_legacy_one(make_scene):
    scene = make_scene()
    scene.legacy.create({**points.CONFIG, "hnsw_config": {"m": 24}, "on_disk_payload": True})
    for field, schema in (("group", "integer"), ("text", {"type": "keyword", "on_disk": True})):
        scene.legacy.call("PUT", "/index?wait=true", {"field_name": field, "field_schema": schema})
    scene.proxy.start()
    prepare(scene)
    legacy, new = scene.legacy.call("GET"), scene.new.call("GET")
    assert new["config"] == legacy["config"]
    assert new["payload_schema"].keys() == legacy["payload_schema"].keys() == {"group", "text"}
    prepare(scene)


def test_prepare_shows_what_it_would_do(make_scene):
    scene = make_scene()
    scene.legacy.create()
    scene.proxy.start()
    answer = scene.proxy.verb("prepare", {"dry_run": True})
    assert answer.status == 200 and scene.new.collection in answer.body.decode()
    assert scene.new.server.request("GET", f"/collections/{scene.new.collection}")[0] == 404


def test_prepare_refuses_a_collection_that_others_filled(make_scene):
    scene = make_scene()
    scene.create_both()
    scene.new.put([points.point(1)])
    scene.proxy.start()
    answer = scene.proxy.verb("prepare")
    state = until(lambda: scene.proxy.status()["prepare"], lambda seen: answer.status != 202 or seen["state"] in ("done", "failed"))
    assert answer.status == 409 or state["state"] == "failed", (answer, state)
    assert scene.new.ids() == [1]


def test_a_backfill_copies_everything(prepared):
    scene = prepared(2500)
    scene.backfill()
    assert len(scene.assert_equal()) == 2500
    status = scene.proxy.status()
    assert status["backfill"]["copied"] == status["backfill"]["total"] == 2500
    assert status["dirty"]["count"] == 0
    report = scene.validate(full=True)
    assert report["passed"] and report["counts"] == {"legacy": 2500, "new": 2500} and report["points"]["compared"] >= 2500


def test_a_backfill_needs_dual_writing(make_scene):
    scene = make_scene()
    scene.create_both()
    scene.proxy.start()
    answer = scene.proxy.verb("backfill")
    assert answer.status == 409 and b"dual_write" in answer.body


def test_a_dry_run_writes_nothing(prepared):
    scene = prepared(30)
    answer = scene.proxy.verb("backfill", {"dry_run": True})
    assert answer.status == 200 and b"30" in answer.body
    assert scene.new.ids() == [] and scene.proxy.status()["backfill"]["state"] == "none"


def test_starting_it_twice_is_harmless(prepared):
    scene = prepared(200, **SLOWLY)
    assert [scene.proxy.verb("backfill").status for _ in range(3)] == [202] * 3
    scene.wait_for_backfill("done")
    assert scene.proxy.verb("backfill").status == 202
    assert len(scene.assert_equal()) == 200 and scene.proxy.status()["backfill"]["copied"] == 200


def test_pause_and_resume(prepared):
    scene = prepared(400, **SLOWLY)
    scene.proxy.verb("backfill")
    until(lambda: scene.proxy.status()["backfill"]["copied"])
    assert scene.proxy.verb("pause").status == 202
    paused = scene.wait_for_backfill("paused")
    assert scene.upsert(points.point(5000)).status == 200
    assert scene.proxy.status()["backfill"]["copied"] == paused["copied"] < 400
    assert scene.proxy.verb("resume").status == 202
    scene.wait_for_backfill("done")
    assert len(scene.assert_equal()) == 401


def test_cancel_and_start_over(prepared):
    scene = prepared(400, **SLOWLY)
    scene.proxy.verb("backfill")
    until(lambda: scene.proxy.status()["backfill"]["copied"])
    assert scene.proxy.verb("cancel").status == 202
    assert scene.wait_for_backfill("cancelled")["copied"] == 0
    scene.backfill()
    assert len(scene.assert_equal()) == 400


def test_turning_dual_writes_off_ends_it_and_the_next_one_removes_what_legacy_lost(prepared):
    scene = prepared(100)
    scene.backfill()
    scene.flags(0)
    assert scene.http("POST", "/points/delete?wait=true", {"points": [1, 2]}).status == 200
    assert scene.upsert(points.point(4, payload={"n": "changed alone"})).status == 200
    scene.flags(1)
    scene.wait_for_backfill("none")
    scene.backfill()
    assert len(scene.assert_equal()) == 98


def test_killed_in_the_middle_it_goes_on_from_its_cursor(prepared):
    scene = prepared(600, **SLOWLY)
    scene.proxy.verb("backfill")
    before = until(lambda: scene.proxy.status()["backfill"], lambda seen: seen["cursor"] and seen["copied"] >= 200)
    scene.proxy.kill()
    scene.proxy.start()
    until(lambda: scene.proxy.status()["backfill"]["copied"], lambda copied: copied >= before["copied"])
    assert "copied=0" not in scene.proxy.log().split("listen=")[-1]
    scene.wait_for_backfill("done")
    assert len(scene.wait_until_equal()) == 600


def test_stopped_in_good_order_it_goes_on_too(prepared):
    scene = prepared(600, **SLOWLY)
    scene.proxy.verb("backfill")
    until(lambda: scene.proxy.status()["backfill"]["copied"] >= 60)
    scene.proxy.stop()
    scene.proxy.start()
    scene.wait_for_backfill("done")
    assert len(scene.wait_until_equal()) == 600


@pytest.mark.standin("faults")
def test_a_server_that_stumbles_is_asked_again(prepared):
    scene = prepared(300, worker={"batch_points": 30})
    for rule in ({"action": "error", "status": 503, "times": 3}, {"action": "reset_before", "times": 2}, {"action": "reset_after_apply", "times": 2}):
        scene.new.server.fault(**{"path_regex": f"{scene.new.collection}/points", **rule})
    scene.backfill()
    assert len(scene.assert_equal()) == 300


# ---- validation

@pytest.fixture
def equal(prepared):
    scene = prepared(200, worker={"validate_samples": 50}, **SHORTLY)
    scene.backfill()
    return scene


def differing(report: dict) -> dict:
    return {row["id"]: row["reason"] for row in report["points"]["differing"]}


def test_equal_sides_pass(equal):
    for full in (False, True):
        report = equal.validate(full=full)
        assert report["passed"] and report["points"]["differing"] == [] and report["searches"]["differing_count"] == 0
        assert report["searches"]["run"] > 0 and report["full"] == full


@pytest.mark.parametrize("plant", ["changed payload", "changed vector", "missing", "extra", "missing vector"])
def test_a_planted_difference_is_found_and_named(equal, plant):
    """Written past the proxy, which therefore cannot know of it."""
    new = equal.new
    if plant == "changed payload":
        new.call("POST", "/points/payload?wait=true", {"payload": {"n": -1}, "points": [7]})
    elif plant == "changed vector":
        new.call("PUT", "/points/vectors?wait=true", {"points": [{"id": 7, "vector": {"b": [50, 50]}}]})
    elif plant == "missing vector":
        new.call("POST", "/points/vectors/delete?wait=true", {"points": [7], "vector": ["b"]})
    elif plant == "missing":
        new.call("POST", "/points/delete?wait=true", {"points": [7]})
    else:
        new.put([points.point(7777)])
    report = equal.validate(full=True)
    assert not report["passed"] and list(differing(report)) == [7777 if plant == "extra" else 7]
    assert all(differing(report).values())


def test_the_command_line_tells_by_its_exit_status(equal):
    admin = ("--admin", f"http://127.0.0.1:{equal.proxy.admin_port}")
    assert crossfade.run("validate", "m", "--full", "--wait", *admin).returncode == 0
    equal.new.call("POST", "/points/delete?wait=true", {"points": [7]})
    told = crossfade.run("validate", "m", "--full", "--wait", *admin)
    assert told.returncode == 4 and "7" in told.stdout


def test_a_reconcile_repairs_what_was_changed_past_the_proxy(equal):
    equal.new.call("POST", "/points/delete?wait=true", {"points": [7, 8]})
    equal.new.put([points.point(7777)])
    assert equal.proxy.verb("reconcile").status == 202
    equal.wait_until_equal()
    assert len(equal.assert_equal()) == 200


def test_what_is_known_outlives_the_proxy_but_not_the_journal(equal):
    assert equal.knows()
    equal.proxy.kill()
    equal.proxy.start()
    assert equal.knows()
    equal.redis.cli("DEL", equal.prefix + ":{m}:j:meta")
    until(equal.knows, lambda knows: not knows)
    equal.reconcile()
    equal.assert_equal()


def test_an_unfilled_new_collection_is_not_copied_over_legacy(prepared):
    """Reads were switched by flag without a backfill: what new lacks must not be deleted from legacy."""
    scene = prepared(50)
    scene.flags(1, 1)
    assert scene.upsert(points.point(60)).status == 200
    answer = scene.proxy.verb("reconcile")
    assert answer.status == 409 and b"no backfill has filled it" in answer.body
    scene.flags(1, 0)
    scene.backfill()
    assert len(scene.assert_equal()) == 51
