# SPDX-License-Identifier: Apache-2.0
"""Proves that a SET in Redis takes effect in every thread, for every value, that a bad value changes nothing and is said,
and that flipping under load loses no write."""
import itertools
import threading

import pytest
from drivers import points
from drivers.raw import Raw
from drivers.waiting import until

ON = ["1", "true", "on", "yes", "TRUE", "On"]
OFF = ["0", "false", "off", "no", "FALSE", "Off"]


def goes_to_both(scene, number: int) -> bool:
    assert scene.upsert(points.point(number)).status == 200
    return scene.new.point(number) is not None


@pytest.mark.parametrize("value", ON)
def test_every_word_for_on(start_scene, value):
    scene = start_scene(0)
    assert not goes_to_both(scene, 1)
    scene.set_flag("ENABLE_DUAL_WRITE", value)
    scene.wait_for_phase("dual_write")
    assert goes_to_both(scene, 2)


@pytest.mark.parametrize("value", OFF)
def test_every_word_for_off(scene, value):
    scene.set_flag("ENABLE_DUAL_WRITE", value)
    scene.wait_for_phase("legacy_only")
    assert not goes_to_both(scene, 1)


@pytest.mark.parametrize("value, phase", [("1%", "canary"), ("99%", "canary"), ("100%", "switched"), ("0%", "dual_write"), ("yes", "switched")])
def test_every_word_for_a_share(scene, value, phase):
    scene.set_flag("ENABLE_NEW_READS", "50%")
    scene.wait_for_phase("canary")
    scene.set_flag("ENABLE_NEW_READS", value)
    scene.wait_for_phase(phase)


@pytest.mark.parametrize("flag, value", [
    ("ENABLE_DUAL_WRITE", "2"), ("ENABLE_DUAL_WRITE", ""), ("ENABLE_DUAL_WRITE", "25%"), ("ENABLE_DUAL_WRITE", "on "),
    ("ENABLE_NEW_READS", "101%"), ("ENABLE_NEW_READS", "-1%"), ("ENABLE_NEW_READS", "%"), ("ENABLE_NEW_READS", "1.5%"), ("ENABLE_NEW_READS", "x" * 9999)])
def test_a_bad_value_changes_nothing_and_is_said(scene, flag, value):
    scene.set_flag(flag, value)
    until(lambda: flag in str(scene.proxy.status()["flags"]) and flag in scene.proxy.log())
    assert scene.phase() == "dual_write" and goes_to_both(scene, 1)
    assert scene.proxy.metric("crossfade_flag_errors") >= 1
    scene.flags(1, 1)
    until(lambda: flag not in str(scene.proxy.status()["flags"]))


def test_no_phase_is_new_reads_without_dual_writes_in_part(start_scene):
    """Reads partly on new while only one side is written would read stale points: refused, and the old phase stays."""
    scene = start_scene(1, "50%")
    scene.set_flag("ENABLE_DUAL_WRITE", "0")
    until(lambda: "no phase" in str(scene.proxy.status()["flags"]))
    assert scene.phase() == "canary" and goes_to_both(scene, 1)


def test_the_global_flag_counts_where_a_migration_has_none(start_scene):
    scene = start_scene(0)
    for name in ("ENABLE_DUAL_WRITE", "ENABLE_NEW_READS"):
        scene.redis.cli("DEL", f"{scene.prefix}:{{m}}:{name}")
    scene.set_flag("ENABLE_DUAL_WRITE", "1", is_global=True)
    scene.wait_for_phase("dual_write")
    scene.set_flag("ENABLE_DUAL_WRITE", "0")
    scene.wait_for_phase("legacy_only")
    scene.redis.cli("DEL", f"{scene.prefix}:{{m}}:ENABLE_DUAL_WRITE")
    scene.wait_for_phase("dual_write")
    scene.redis.cli("DEL", f"{scene.prefix}:ENABLE_DUAL_WRITE")
    scene.wait_for_phase("legacy_only")


def test_a_flip_reaches_every_thread(start_scene):
    """Connections are spread over the threads by the kernel; each of them sees the flip."""
    scene = start_scene(0, threads=4)
    path, key = f"/collections/{scene.legacy.collection}/points?wait=true", scene.legacy.server.options.get("api_key")
    clients = [Raw(scene.proxy.port) for _ in range(32)]

    def write_all(first: int) -> list[int]:
        ids = list(range(first, first + len(clients)))
        for client, number in zip(clients, ids):
            body = '{"points":[{"id":%d,"vector":{},"payload":{}}]}' % number
            client.send(f"PUT {path} HTTP/1.1\r\nhost: q\r\napi-key: {key or 'none'}\r\ncontent-length: {len(body)}\r\n\r\n{body}")
            assert client.answer().status == 200
        return ids
    try:
        write_all(1)
        assert scene.new.ids() == []
        scene.set_flag("ENABLE_DUAL_WRITE", "on")
        scene.wait_for_phase("dual_write")
        until(lambda: set(write_all(1000)) <= set(scene.new.ids()))
        scene.set_flag("ENABLE_DUAL_WRITE", "off")
        scene.wait_for_phase("legacy_only")
        fresh = itertools.count(2000, 100)
        until(lambda: not set(write_all(next(fresh))) & set(scene.new.ids()))
    finally:
        for client in clients:
            client.__exit__()


def test_the_admin_api_flips_the_same_flags(start_scene):
    scene = start_scene(0, migration={"guard": "warn"})
    answer = scene.proxy.admin("PUT", "/api/v1/migrations/m/flags", {"dual_write": True})
    assert answer.status in (200, 202)
    scene.wait_for_phase("dual_write")
    assert scene.redis.cli("GET", f"{scene.prefix}:{{m}}:ENABLE_DUAL_WRITE") in ("1", "true", "on")
    scene.reconcile()
    for verb, body, phase in [("switch", {"percent": 20}, "canary"), ("switch", {}, "switched"), ("rollback", {}, "dual_write"),
                              ("switch", {}, "switched"), ("finish", {}, "new_only")]:
        assert scene.proxy.verb(verb, body).status in (200, 202)
        scene.wait_for_phase(phase)
    assert scene.proxy.admin("PUT", "/api/v1/migrations/m/flags", {"dual_write": "sometimes"}).status == 400


def test_a_switch_without_a_backfill_is_refused_with_the_reason_and_can_be_forced(scene):
    answer = scene.proxy.verb("switch")
    assert answer.status == 409 and "backfill" in answer.error and scene.phase() == "dual_write"
    assert scene.proxy.verb("switch", {"force": True}).status in (200, 202)
    scene.wait_for_phase("switched")


def test_every_phase_in_turn_under_load_and_no_write_is_lost(start_scene):
    """A writer and a reader never stop while the flags walk all the way there and back and there again."""
    scene = start_scene(0, timeouts={"drain": "10s"})
    stop, problems, written = threading.Event(), [], []

    def write() -> None:
        while not stop.is_set():
            number = len(written) + 1
            answer = scene.upsert(points.point(number))
            if answer.status != 200:
                problems.append(answer)
            written.append(number)

    def read() -> None:
        while not stop.is_set():
            answer = scene.http("POST", "/points/count", {})
            if answer.status != 200:
                problems.append(answer)
    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()

    def pass_some_writes() -> None:
        target = len(written) + 10
        until(lambda: len(written) >= target)
    try:
        pass_some_writes()
        scene.flags(1)
        scene.backfill(adopt=True)
        for new_reads in ("20%", "80%", 0, 1, 0, "50%", 1):
            scene.flags(1, new_reads)
            pass_some_writes()
        scene.flags(0, 1)
        pass_some_writes()
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)
    assert not problems
    assert set(written) <= set(scene.new.ids())
