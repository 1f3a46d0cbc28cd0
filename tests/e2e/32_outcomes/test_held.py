# SPDX-License-Identifier: Apache-2.0
"""Proves that nothing of a write goes out whole before the journal has answered, whatever happens in that time."""
import json
import signal
import threading
import time

import pytest
from drivers import points
from drivers.raw import Raw
from drivers.waiting import until

pytestmark = pytest.mark.standin("servers of the test's own")
LARGE = {"n": "x" * 300_000}  # more than what is held back: the rest of the body is on its way to both sides


def request(scene, *some: dict) -> bytes:
    body = json.dumps({"points": list(some)}).encode()
    return (f"PUT /collections/{scene.legacy.collection}/points?wait=true HTTP/1.1\r\nhost: q\r\n"
            f"content-length: {len(body)}\r\n\r\n").encode() + body


def in_background(call) -> tuple[threading.Thread, list]:
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("payload", [{"n": 1}, LARGE], ids=["small", "large"])
def test_nothing_takes_effect_before_the_journal_has_answered(apart, shim, payload):
    scene = apart()
    shim.on("hold")
    thread, answers = in_background(lambda: scene.upsert(points.point(2, payload=payload)))
    shim.wait_until_held()
    assert scene.legacy.ids() == scene.new.ids() == [1]
    seen = time.monotonic()
    until(lambda: time.monotonic() - seen > 0.05)
    shim.off("hold")
    thread.join(90)
    assert answers[0].status == 200 and shim.end() == "clean 1"
    assert float(answers[0].headers["server-timing"].rsplit("dur=", 1)[1]) >= 50  # the journal's part, at least what we saw of it
    assert [point["id"] for point in scene.assert_equal()] == [1, 2]


@pytest.mark.parametrize("payload", [{"n": 1}, LARGE], ids=["small", "large"])
def test_the_client_goes_away(apart, shim, payload):
    scene = apart()
    shim.on("hold")
    client = Raw(scene.proxy.port).send(request(scene, points.point(2, payload=payload)))
    shim.wait_until_held()
    client.reset()
    until(lambda: scene.proxy.metric("crossfade_client_aborts_total"))
    shim.off("hold")
    assert shim.end() == "none 1"
    assert scene.legacy.ids() == scene.new.ids() == [1] and scene.dirty() == 0


def test_the_client_has_said_all_and_waits(apart, shim):
    scene = apart()
    shim.on("hold")
    with Raw(scene.proxy.port).send(request(scene, points.point(2))).finish() as client:
        shim.wait_until_held()
        shim.off("hold")
        assert client.answer().status == 200
    assert shim.end() == "clean 1"


@pytest.mark.parametrize("payload", [{"n": 1}, LARGE], ids=["small", "large"])
def test_the_journal_refuses(apart, shim, payload):
    scene = apart()
    shim.on("refuse")
    answer = scene.upsert(points.point(2, payload=payload))
    assert answer.status == 503 and "sent nowhere" in answer.error and "again" in answer.error
    assert scene.legacy.ids() == scene.new.ids() == [1]
    shim.off("refuse")
    assert scene.upsert(points.point(2)).status == 200


@pytest.mark.parametrize("which, status, end, ids", [("legacy", 502, "none 1", [1]), ("new", 502, "dirty 1", [1, 2])])
def test_a_side_dies(apart, shim, which, status, end, ids):
    """Its request is incomplete, so it has had no effect there. Without the authority there is no write."""
    scene = apart(may_kill=True)
    shim.on("hold")
    thread, answers = in_background(lambda: scene.upsert(points.point(2, payload=LARGE)))
    shim.wait_until_held()
    getattr(scene, which).server.kill()
    until(lambda: "a write got no answer" in scene.proxy.log())
    shim.off("hold")
    thread.join(90)
    assert answers[0].status == status and which in answers[0].error
    assert shim.end() == end
    other = scene.new if which == "legacy" else scene.legacy
    assert other.ids() == ids


@pytest.mark.parametrize("which, end, ids", [("legacy", "none 1", [1]), ("new", "dirty 1", [1, 2])])
def test_a_side_answers_early(apart, shim, which, end, ids):
    """It is not sent the rest, and its refusal is what the client hears; the authority's refusal ends the write."""
    scene = apart()
    shim.on("hold")
    getattr(scene, which).server.fault("early_answer", status=429, path_regex="/points", method="PUT", times=1)
    thread, answers = in_background(lambda: scene.upsert(points.point(2, payload=LARGE)))
    shim.wait_until_held() if which == "new" else until(lambda: answers or shim.lines())
    if which == "new":
        until(lambda: scene.new.server.faults()[0]["hits"])
    shim.off("hold")
    thread.join(90)
    assert answers[0].status == 429, answers[0]
    if "held" in shim.lines():
        assert shim.end() == end
    other = scene.new if which == "legacy" else scene.legacy
    assert other.ids() == ids
    assert len(scene.wait_until_equal()) == len(ids)


def test_requests_behind_it_wait(apart, shim):
    scene = apart()
    shim.on("hold")
    with Raw(scene.proxy.port).send(request(scene, points.point(2)) + request(scene, points.point(3))) as client:
        shim.wait_until_held()
        assert shim.begins() == ["begin ids=1"]
        shim.off("hold")
        assert [client.answer().status for _ in range(2)] == [200, 200]
    assert [point["id"] for point in scene.assert_equal()] == [1, 2, 3]
    assert until(shim.ends, lambda ends: len(ends) == 2) == ["clean 1", "clean 1"]


def test_the_program_is_asked_to_end(apart, shim):
    """What it has taken it sees through."""
    scene = apart()
    shim.on("hold")
    with Raw(scene.proxy.port).send(request(scene, points.point(2))) as client:
        shim.wait_until_held()
        scene.proxy.process.send_signal(signal.SIGTERM)
        until(lambda: "finishing what is in flight" in scene.proxy.log())
        shim.off("hold")
        assert client.answer().status == 200
    scene.proxy.wait_for_end()
    assert shim.ends() == ["clean 1"]
    assert [point["id"] for point in scene.assert_equal()] == [1, 2]


@pytest.mark.parametrize("payload", [{"n": 1}, LARGE], ids=["small", "large"])
def test_the_time_to_end_runs_out(apart, shim, payload):
    """The journal never answers: the write is given up, which has no effect."""
    scene = apart(timeouts={"drain": "300ms"})
    shim.on("hold")
    with Raw(scene.proxy.port).send(request(scene, points.point(2, payload=payload))) as client:
        shim.wait_until_held()
        scene.proxy.stop()
        assert client.is_closed_by_peer()
    assert scene.legacy.ids() == scene.new.ids() == [1]


def test_what_waits_takes_little_memory(apart, shim):
    """Of each large body only the end waits here; the rest is with the servers."""
    scene, count, size = apart(), 60, 1_000_000
    data = request(scene, points.point(2, payload={"n": "x" * size}))
    shim.on("hold")
    before = scene.proxy.rss_bytes()
    clients = [Raw(scene.proxy.port) for _ in range(count)]
    for client in clients:
        client.send(data)
    shim.wait_until_held(count)
    assert scene.proxy.rss_bytes() - before < count * size * 2 // 3
    shim.off("hold")
    for client in clients:
        assert client.answer().status == 200
        client.socket.close()
    scene.wait_until_equal()
