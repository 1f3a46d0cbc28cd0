# SPDX-License-Identifier: Apache-2.0
"""Proves that nobody is told of success whose points are on no record, and what a replica that is cut off from Redis may say."""
import threading

import pytest
from drivers import points
from drivers.waiting import until

pytestmark = pytest.mark.standin("servers of the test's own")


def test_what_cannot_be_kept_on_record_is_no_success(apart, shim):
    scene = apart()
    shim.on("unconfirmed")
    answer = scene.upsert(points.point(2))
    assert answer.status == 503 and "may have been applied" in answer.error and "again is safe" in answer.error
    shim.off("unconfirmed")
    assert scene.upsert(points.point(2)).status == 200
    assert [point["id"] for point in scene.assert_equal()] == [1, 2]


def test_a_refusal_needs_no_record(apart, shim):
    scene = apart()
    shim.on("unconfirmed")
    answer = scene.http("POST", "/points/payload?wait=true", {"points": [7], "payload": {"k": 1}})
    assert answer.status == 404


def test_new_is_not_sent_what_has_waited_and_is_on_record_no_more(shim, start_scene, start_standin):
    """The credential is not known, so that new waits for legacy; meanwhile the lease is lost and the file is full."""
    legacy, new = start_standin(api_key="operators-key"), start_standin(api_key="other-key")
    scene = start_scene(legacy_server=legacy, new_server=new)
    del scene.proxy.environment["CROSSFADE_E2E_KEY_MAIN"]
    scene.proxy.config["upstreams"]["main"].pop("api_key_env")
    scene.proxy.stop()
    scene.proxy.start()
    shim.on("unconfirmed")
    answer = scene.upsert(points.point(1))
    assert answer.status == 503
    assert shim.end() == "dirty 1"
    assert not scene.new.log("PUT", "/points")
    shim.off("unconfirmed")
    assert scene.upsert(points.point(1)).status == 200 and scene.new.point(1)


# ---- cut off

def test_cut_off_both_have_to_complete(apart, shim):
    scene = apart(migration={"ack": "authority"})
    shim.on("cut_off")
    assert scene.upsert(points.point(2)).status == 200
    scene.new.server.fault("error", status=429, path_regex="/points", times=1)
    answer = scene.upsert(points.point(3))
    assert answer.status == 503 and "not to the new" in answer.error and "again is safe" in answer.error
    assert scene.legacy.ids() == [1, 2, 3]


def test_cut_off_the_client_waits_for_a_slow_follower(apart, shim):
    scene = apart(migration={"ack": "authority"})
    scene.new.server.fault("hang", path_regex="/points", times=1)
    shim.on("cut_off")
    answers = []
    writer = threading.Thread(target=lambda: answers.append(scene.upsert(points.point(2))))
    writer.start()
    until(lambda: scene.legacy.point(2))
    until(lambda: scene.new.server.faults()[0]["hits"])
    assert not answers
    scene.new.server.clear_faults()  # which resets what hangs
    writer.join(90)
    assert answers[0].status == 503 and "not to the new" in answers[0].error


def test_cut_off_a_point_that_is_not_there_yet_is_a_failure(apart, shim):
    scene = apart(dual_write=1)
    scene.legacy.put([points.point(5)])
    shim.on("cut_off")
    answer = scene.http("POST", "/points/payload?wait=true", {"points": [5], "payload": {"k": 1}})
    assert answer.status == 503 and "No point with id 5" in answer.error
    shim.off("cut_off")
    assert scene.http("POST", "/points/payload?wait=true", {"points": [5], "payload": {"k": 1}}).status == 200


def test_cut_off_the_refusal_of_the_authority_is_the_answer(apart, shim):
    scene = apart()
    shim.on("cut_off")
    answer = scene.http("POST", "/points/payload?wait=true", {"points": [7], "payload": {"k": 1}})
    assert answer.status == 404 and "7" in answer.error


def test_cut_off_what_both_have_in_their_logs_is_with_both(apart, shim):
    scene = apart()
    shim.on("cut_off")
    assert scene.http("PUT", "/points", {"points": [points.point(2)]}).result["status"] == "acknowledged"
    scene.new.server.default_wait(20)
    scene.new.server.pause()
    answer = scene.upsert(points.point(3))
    assert answer.status == 503 and "has not said" in answer.error
    scene.new.server.resume()
