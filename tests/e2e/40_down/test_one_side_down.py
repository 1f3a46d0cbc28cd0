# SPDX-License-Identifier: Apache-2.0
"""Proves that nothing is lost while one side is away, hung or refusing: errors in Qdrant's shape, and equal sides afterwards."""
import pytest
from drivers import points
from drivers.waiting import until

pytestmark = pytest.mark.standin("servers that can be killed and hung")


@pytest.fixture
def two(start_scene, qdrant, other):
    def start(**settings):
        return start_scene(new_server=other, **settings)
    return start


def test_the_follower_is_away(two, start_standin, start_scene):
    follower = start_standin()
    scene = start_scene(new_server=follower)
    scene.upsert(points.point(1))
    config = scene.new.call("GET")["config"]["params"]
    follower.kill()
    answer = scene.upsert(points.point(2))
    assert answer.status == 502 and "new" in answer.error
    assert scene.legacy.ids() == [1, 2]
    follower.start()
    scene.new.create({"vectors": config["vectors"], "sparse_vectors": config["sparse_vectors"]})
    until(lambda: scene.new.point(2))
    assert scene.new.point(2) == scene.legacy.point(2)


def test_the_authority_is_away(start_scene, start_standin, qdrant):
    """Without it there is no write, and reads fail in Qdrant's shape; the follower is not ahead afterwards."""
    authority = start_standin()
    scene = start_scene(legacy_server=authority, new_server=qdrant)
    scene.upsert(points.point(1))
    authority.kill()
    for answer in (scene.upsert(points.point(2)), scene.http("GET", "/points/1")):
        assert answer.status == 502 and answer.error
    authority.start()
    scene.legacy.create()
    assert scene.upsert(points.point(3)).status == 200
    until(lambda: scene.new.ids(), lambda ids: 2 not in ids and 3 in ids)


def test_a_hung_follower_under_ack_both_is_504_and_repaired(two):
    scene = two(timeouts={"answer": "500ms"})
    scene.upsert(points.point(1))
    scene.new.server.fault("hang", method="PUT", path_regex="/points", times=1)
    answer = scene.upsert(points.point(2))
    assert answer.status == 504 and "new" in answer.error
    assert len(scene.wait_until_equal()) == 2


def test_a_hung_follower_under_ack_authority_is_the_clients_affair_no_more(two):
    scene = two(migration={"ack": "authority"}, timeouts={"answer": "1s", "body": "1s"})
    scene.upsert(points.point(1))
    scene.new.server.fault("hang", path_regex=f"{scene.new.collection}/points")
    for number in range(2, 30):
        assert scene.upsert(points.point(number)).status == 200
    until(lambda: scene.proxy.status()["in_flight"], lambda count: count == 0)
    assert scene.dirty() >= 28
    scene.new.server.clear_faults()
    assert len(scene.wait_until_equal()) == 29
    scene.wait_until_clean()


def test_a_hung_follower_does_not_hold_up_reads(two):
    scene = two()
    scene.upsert(points.point(1))
    scene.new.server.fault("hang")
    assert scene.http("GET", "/points/1").status == 200
    scene.new.server.clear_faults()


def test_an_unanswered_write_that_lands_late_is_not_the_last_word(two):
    """The follower applies a write after the proxy has given up on it: repair comes again until both are equal."""
    scene = two(timeouts={"answer": "300ms", "body": "1s"})
    scene.upsert(points.point(1))
    scene.new.server.fault("delay", ms=1500, method="PUT", path_regex=f"{scene.new.collection}/points", times=1)
    assert scene.upsert(points.point(1, payload={"n": "late"})).status == 504
    assert scene.upsert(points.point(1, payload={"n": "last"})).status in (200, 504)
    scene.wait_until_equal()
    scene.wait_until_clean()
    assert scene.assert_equal()[0]["payload"] == {"n": "last"}


def test_a_refusal_by_one_side_only_is_repaired(two):
    """The two servers disagree about a write: the authority is right."""
    scene = two()
    scene.upsert(*points.some(5))
    scene.new.server.fault("error", status=429, path_regex="/points/delete", times=1)
    assert scene.http("POST", "/points/delete?wait=true", {"points": [1, 2]}).status == 429
    assert len(scene.wait_until_equal()) == 3
