# SPDX-License-Identifier: Apache-2.0
"""Proves that two servers with different keys work as one, and that nobody writes new whom legacy has not accepted."""
import threading

import pytest
from drivers import points
from drivers.waiting import until

pytestmark = pytest.mark.standin("servers with keys of the test's choice")
KEYS = {"legacy": "legacy-canary-key", "new": "new-canary-key", "read": "read-only-canary-key"}


@pytest.fixture
def keyed(start_scene, start_standin):
    return start_scene(legacy_server=start_standin(api_key=KEYS["legacy"], read_only_key=KEYS["read"]),
                       new_server=start_standin(api_key=KEYS["new"]))


@pytest.fixture
def strangers(start_scene, start_standin):
    """The client's key is not the one the proxy knows for legacy: it has to be asked for."""
    legacy = start_standin(api_key="operators-key", read_only_key=KEYS["read"])
    return start_scene(legacy_server=legacy, new_server=start_standin(api_key=KEYS["new"]))


def write(scene, number: int, **headers: str):
    return scene.proxy.http("PUT", f"/collections/{scene.legacy.collection}/points?wait=true",
                            {"points": [points.point(number)]}, {name.replace("_", "-"): value for name, value in headers.items()})


def test_writes_and_reads_work_with_legacys_key(keyed):
    assert write(keyed, 1, api_key=KEYS["legacy"]).status == 200
    assert write(keyed, 2, authorization=f"Bearer {KEYS['legacy']}").status == 200
    assert len(keyed.assert_equal()) == 2
    keyed.flags(1, 1)
    assert keyed.http("GET", "/points/1").status == 200
    assert write(keyed, 3, api_key=KEYS["legacy"]).status == 200
    assert len(keyed.assert_equal()) == 3


def test_each_server_is_shown_its_own_key_only(keyed):
    for number in range(1, 6):
        write(keyed, number, api_key=KEYS["legacy"])
        write(keyed, number, authorization=f"Bearer {KEYS['legacy']}")
    keyed.flags(1, 1)
    keyed.http("GET", "/points/1")
    told = [str(entry["headers"]) for entry in keyed.new.server.log()]
    assert told and not [headers for headers in told if KEYS["legacy"] in headers]
    assert not [1 for entry in keyed.legacy.server.log() if KEYS["new"] in str(entry["headers"])]


@pytest.mark.parametrize("new_reads", [0, 1])
@pytest.mark.parametrize("headers, status", [
    ({}, 401), ({"api_key": "wrong"}, 401), ({"api_key": KEYS["new"]}, 401), ({"api_key": KEYS["read"]}, 403),
    ({"authorization": "Bearer wrong"}, 401), ({"authorization": f"Basic {KEYS['legacy']}"}, 401),
    ({"api_key": "wrong", "authorization": f"Bearer {KEYS['legacy']}"}, 401)])
def test_whom_legacy_refuses_writes_nowhere(keyed, headers, status, new_reads):
    keyed.flags(1, new_reads)
    assert write(keyed, 1, **headers).status == status
    assert keyed.assert_equal() == [] and keyed.dirty() == 0


def test_legacys_refusal_is_relayed_as_it_is(keyed):
    direct = keyed.legacy.server.request("GET", "/collections", headers={"api-key": "wrong"})
    answer = keyed.proxy.http("GET", "/collections", headers={"api-key": "wrong"})
    assert (answer.status, answer.body) == direct


def test_a_read_only_key_reads_and_does_not_write(keyed):
    write(keyed, 1, api_key=KEYS["legacy"])
    path = f"/collections/{keyed.legacy.collection}/points/1"
    assert keyed.proxy.http("GET", path, headers={"api-key": KEYS["read"]}).status == 200
    assert write(keyed, 2, api_key=KEYS["read"]).status == 403
    assert [point["id"] for point in keyed.assert_equal()] == [1]


def test_an_unknown_key_never_reads_the_new_side(keyed):
    write(keyed, 1, api_key=KEYS["legacy"])
    keyed.flags(1, 1)
    path = f"/collections/{keyed.legacy.collection}/points/1"
    for headers in ({}, {"api-key": "wrong"}, {"authorization": "Bearer wrong"}):
        assert keyed.proxy.http("GET", path, headers=headers).status == 401


def test_new_gets_a_strangers_first_write_only_after_legacy_took_it(strangers):
    """Legacy hangs on it: new must not have been asked to apply anything."""
    del strangers.proxy.environment["CROSSFADE_E2E_KEY_MAIN"]
    strangers.proxy.config["upstreams"]["main"].pop("api_key_env")
    strangers.proxy.stop()
    strangers.proxy.start()
    strangers.legacy.server.fault("hang", method="PUT", path_regex="/points", times=1)
    answers = []
    writer = threading.Thread(target=lambda: answers.append(write(strangers, 1, api_key="operators-key")))
    writer.start()
    until(lambda: strangers.legacy.log("PUT", "/points?") or strangers.legacy.server.faults()[0]["hits"])
    assert not strangers.new.log("PUT", "/points") and strangers.new.ids() == []
    strangers.legacy.server.clear_faults()
    writer.join(90)
    assert answers[0].status == 502 and strangers.new.ids() == []
    assert write(strangers, 2, api_key="operators-key").status == 200
    assert strangers.new.point(2) == strangers.legacy.point(2) is not None


def test_no_key_is_ever_printed(keyed):
    write(keyed, 1, api_key=KEYS["legacy"])
    write(keyed, 2, api_key=KEYS["read"])
    keyed.legacy.server.fault("reset_before", times=1, path_regex="/points")
    write(keyed, 3, api_key=KEYS["legacy"])
    shown = keyed.proxy.log() + "".join(keyed.proxy.admin("GET", path).body.decode() for path in (
        "/metrics", "/api/v1/migrations", "/api/v1/migrations/m"))
    assert not [key for key in KEYS.values() if key in shown]
