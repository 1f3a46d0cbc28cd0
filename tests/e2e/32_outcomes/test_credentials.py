# SPDX-License-Identifier: Apache-2.0
"""Proves that nobody whom legacy does not let write can hold up others with a write of unknown scope, and that whom it lets
write notices nothing."""
import pytest
from drivers import points
from drivers.raw import Raw
from drivers.waiting import until

pytestmark = pytest.mark.standin("servers with keys of the test's choice")
ONE = {"filter": {"must": [{"has_id": [1]}]}}
QUESTION = "/points/payload/delete?wait=false"


@pytest.fixture
def strangers(shim, start_scene, start_standin):
    """The client's key is not the one the proxy knows for legacy: it has to be asked about."""
    def start(**settings):
        scene = start_scene(legacy_server=start_standin(api_key="operators-key", read_only_key="read-key"),
                            new_server=start_standin(api_key="other-key"), threads=1, **settings)
        del scene.proxy.environment["CROSSFADE_E2E_KEY_MAIN"]
        scene.proxy.config["upstreams"]["main"].pop("api_key_env")
        scene.proxy.stop()
        scene.proxy.start()
        for side in (scene.legacy, scene.new):
            side.put(points.some(3))
        return scene
    return start


def delete(scene, key: str | None, body=None):
    headers = {"api-key": key} if key else {}
    return scene.proxy.http("POST", f"/collections/{scene.legacy.collection}/points/delete?wait=true", ONE if body is None else body, headers)


def questions(scene) -> int:
    return len(scene.legacy.log("POST", QUESTION.partition("?")[0]))


@pytest.mark.parametrize("body", [ONE, b"{", {"filter": points.FILTER_GROUP_1}], ids=["filter", "unreadable", "field"])
@pytest.mark.parametrize("key, status", [(None, 401), ("wrong", 401), ("other-key", 401), ("read-key", 403)])
def test_whom_legacy_refuses_holds_up_nobody(strangers, shim, key, status, body):
    scene = strangers()
    answer = delete(scene, key, body)
    assert answer.status == status
    if key:
        direct = scene.legacy.server.request("POST", f"/collections/{scene.legacy.collection}/points/delete", ONE, {"api-key": key})
        assert (answer.body if status == 401 else answer.json["status"]) == (direct[1] if status == 401 else direct[1]["status"])
    assert shim.lines() == [] and len(scene.legacy.ids()) == len(scene.new.ids()) == 3


def test_whom_legacy_lets_write_is_asked_about_once(strangers, shim):
    scene = strangers()
    for _ in range(3):
        assert delete(scene, "operators-key").status == 200
    assert questions(scene) == 1
    assert shim.begins() == ["begin all"] * 3
    assert until(shim.ends, lambda ends: len(ends) == 3) == ["clean all"] * 3
    assert len(scene.legacy.ids()) == len(scene.new.ids()) == 2


def test_a_write_by_ids_asks_nothing(strangers, shim):
    scene = strangers()
    assert delete(scene, "operators-key", {"points": [1]}).status == 200
    assert questions(scene) == 0
    assert delete(scene, "operators-key").status == 200
    assert questions(scene) == 0  # that legacy took the first one says it all


@pytest.mark.parametrize("status", [400, 429, 503])
def test_an_answer_that_is_no_judgement_leaves_it_to_the_write(strangers, shim, status):
    """As for a collection whose shards are named, where the question is not complete."""
    scene = strangers()
    scene.legacy.server.fault("error", status=status, path_regex="/points/payload/delete", times=1)
    assert delete(scene, "operators-key").status == 200
    assert shim.end() == "clean all"
    assert len(scene.legacy.ids()) == len(scene.new.ids()) == 2


@pytest.mark.parametrize("action, status", [("reset_before", 502), ("hang", 504)])
def test_legacy_does_not_answer(strangers, shim, action, status):
    scene = strangers(timeouts={"answer": "500ms"})
    scene.legacy.server.fault(action, path_regex="/points/payload/delete", times=1)
    answer = delete(scene, "operators-key")
    assert answer.status == status and "sent nowhere" in answer.error
    assert shim.lines() == [] and len(scene.legacy.ids()) == len(scene.new.ids()) == 3


@pytest.mark.parametrize("what", ["client", "legacy"])
def test_somebody_goes_while_legacy_is_asked(strangers, shim, what):
    scene = strangers()
    scene.legacy.server.fault("hang", path_regex="/points/payload/delete", times=1)
    body = b'{"filter":{"must":[{"has_id":[1]}]}}'
    head = (f"POST /collections/{scene.legacy.collection}/points/delete?wait=true HTTP/1.1\r\nhost: q\r\napi-key: operators-key\r\n"
            f"content-length: {len(body)}\r\n\r\n").encode()
    client = Raw(scene.proxy.port).send(head + body)
    until(lambda: scene.legacy.server.faults()[0]["hits"])
    if what == "client":
        client.reset()
        until(lambda: scene.proxy.metric("crossfade_client_aborts_total"))
    else:
        scene.legacy.server.kill()
        assert client.answer().status == 502
    assert shim.lines() == [] and len(scene.new.ids()) == 3
