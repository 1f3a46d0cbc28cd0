# SPDX-License-Identifier: Apache-2.0
"""Proves that Redis can go, hang, come back and lose everything while writes go on to both sides and no flag falls by itself."""
import pytest
from drivers import points
from drivers.waiting import until


@pytest.fixture
def with_redis(start_scene, redis):
    def start(dual_write=1, new_reads=0, **settings):
        return start_scene(dual_write, new_reads, redis=redis, **settings)
    return start


def works(scene, phase: str = "dual_write") -> None:
    """Writes reach both sides and reads are answered, in the phase that was in force."""
    number = len(scene.legacy.ids()) + 1
    assert scene.upsert(points.point(number)).status == 200
    assert scene.http("GET", f"/points/{number}").status == 200
    assert len(scene.assert_equal()) == number
    assert scene.phase() == phase


def test_redis_is_killed_and_comes_back_with_what_it_knew(with_redis, redis):
    scene = with_redis()
    redis.save()
    redis.kill()
    until(lambda: scene.proxy.metric("crossfade_redis_up"), lambda up: up == 0)
    works(scene)
    redis.start()
    until(lambda: scene.proxy.metric("crossfade_redis_up"), lambda up: up == 1)
    works(scene)
    scene.flags(0)
    assert scene.upsert(points.point(99)).status == 200 and not scene.new.point(99)


def test_redis_hangs(with_redis, redis):
    scene = with_redis()
    redis.freeze()
    try:
        works(scene)
        works(scene)
    finally:
        redis.thaw()
    scene.flags(0)


@pytest.mark.parametrize("new_reads, phase", [(0, "dual_write"), ("30%", "canary"), (1, "switched")])
def test_redis_loses_everything_and_no_flag_falls(with_redis, redis, new_reads, phase):
    scene = with_redis(1, new_reads)
    redis.flush()
    until(lambda: scene.proxy.metric("crossfade_flag_errors") or "emptied" in str(scene.proxy.status()["flags"]))
    works(scene, phase)
    scene.flags(1, new_reads)
    until(lambda: "emptied" not in str(scene.proxy.status()["flags"]))


def test_redis_is_replaced_by_an_empty_one(with_redis, redis):
    scene = with_redis(1, 1)
    redis.kill()
    redis.start()
    until(lambda: scene.proxy.metric("crossfade_redis_up"), lambda up: up == 1)
    until(lambda: "emptied" in str(scene.proxy.status()["flags"]))
    works(scene, "switched")


def test_flags_survive_a_restart_without_redis(with_redis, redis):
    scene = with_redis(1, 1)
    scene.upsert(points.point(1))
    scene.proxy.stop()
    redis.kill()
    scene.proxy.start()
    assert scene.phase() == "switched"
    works(scene, "switched")


def assert_refused(scene) -> None:
    """Under every name, reads and writes, with a word about what to do; what is not migrated goes through."""
    for name in (scene.legacy.collection, scene.new.collection, scene.alias):
        for method, suffix, body in [("GET", "/points/1", None), ("GET", "", None),
                                     ("PUT", "/points?wait=true", {"points": [points.point(1)]})]:
            answer = scene.http(method, suffix, body, collection=name)
            assert answer.status == 503 and answer.headers["retry-after"] == "1" and "redis.url" in answer.error
    assert scene.proxy.http("GET", "/collections").status == 200 and not scene.proxy.is_ready()
    assert scene.proxy.metric("crossfade_unusable", migration="m") == 1


def wait_until_served(scene) -> None:
    until(lambda: scene.http("GET", "").status, lambda status: status == 200)
    until(scene.proxy.is_ready)


def test_without_redis_and_without_memory_nothing_is_served_that_may_be_wrong(with_redis, redis, make_scene):
    """Another replica may write both sides, or have switched: a new one must not take every flag for off."""
    redis.kill()
    scene = make_scene(redis=redis)
    scene.create_both()
    scene.legacy.alias(scene.alias)
    scene.proxy.start(scene.proxy.is_alive)
    assert_refused(scene)
    assert any("refused" in warning for warning in scene.proxy.status()["warnings"])
    assert scene.legacy.ids() == [] and scene.new.ids() == []
    redis.start()
    wait_until_served(scene)
    assert scene.phase() == "legacy_only"
    assert scene.upsert(points.point(1)).status == 200
    scene.flags(1)
    assert scene.upsert(points.point(2)).status == 200
    assert scene.legacy.ids() == [1, 2] and scene.new.ids() == [2]


def test_a_torn_state_file_is_noticed_and_not_believed(with_redis, redis):
    scene = with_redis(1, 1)
    scene.legacy.alias(scene.alias)
    scene.proxy.stop()
    redis.kill()
    for path in (scene.proxy.folder / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-3] + b"x")
    scene.proxy.start(scene.proxy.is_alive)
    assert "state" in scene.proxy.log()
    assert_refused(scene)
    redis.start()
    wait_until_served(scene)
