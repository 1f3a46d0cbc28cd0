# SPDX-License-Identifier: Apache-2.0
"""Does the stand-in answer as Qdrant 1.12.4 and 1.18.3 did, and does the server at QDRANT_URL?

Every exchange of the recording is one test; the recording is replayed once per server, since each exchange builds on
those before it. With QDRANT_URL (and QDRANT_API_KEY) the file is chosen by the version the server reports; the replay
makes and deletes its own collections and refuses to start where one of their names is taken.
"""
import os
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import normalise  # noqa: E402
from replay import VERSIONS, Replay, load, names_created  # noqa: E402
from standin.driver import Standin  # noqa: E402

HEADERS = ("content-type", "content-encoding", "vary")
REAL = os.environ.get("QDRANT_URL")
RECORDED = {version: {exchange["name"]: exchange for exchange in load(version)} for version in VERSIONS}
_replays: dict = {}


def standin_answers(version: str) -> dict:
    if version not in _replays:
        with Standin(version=version) as standin:
            _replays[version] = Replay(standin.url).run(load(version))
    return _replays[version]


def real_answers() -> tuple[str, dict, set[str]]:
    """The recording that fits the real server, its answers, and the collections that were ours."""
    if "real" not in _replays:
        replay = Replay(REAL, os.environ.get("QDRANT_API_KEY"))
        reported = replay.send("GET", "/", None, {}).body()["version"]
        version = nearest_recording(reported)
        exchanges = load(version)
        owned = names_created(exchanges)
        taken = {item["name"] for item in replay.send("GET", "/collections", None, {}).body()["result"]["collections"]}
        assert not owned & taken, f"{REAL} already holds {sorted(owned & taken)}: the replay would overwrite them"
        try:
            _replays["real"] = (version, replay.run(exchanges), owned)
        finally:
            for name in owned:
                replay.send("DELETE", f"/collections/{quote(name, safe='')}", None, {})
    return _replays["real"]


def nearest_recording(reported: str) -> str:
    """The newest recording that is not newer than the server."""
    def number(version):
        return tuple(int(part) for part in version.split("-")[0].split("."))
    fitting = [version for version in VERSIONS if number(version) <= number(reported)]
    assert fitting, f"no recording for Qdrant {reported}"
    return max(fitting, key=number)


def compare(exchange: dict, answer, owned: set[str] | None) -> None:
    name, recorded = exchange["name"], exchange["response"]
    assert answer.status == recorded["status"], answer.raw[:500]
    for header in HEADERS:
        assert answer.headers.get(header) == recorded["headers"].get(header), header
    if name == "metrics":
        missing = set(normalise.mask_metrics(recorded["body_text"], owned)) - set(answer.body().splitlines())
        assert not missing
    elif "body" in recorded:
        expected = normalise.mask(name, recorded["body"], owned)
        assert normalise.differences(expected, normalise.mask(name, answer.body(), owned), name) == []
    elif "body_bytes" in recorded:
        # Only the packed size was recorded; what it unpacks to is compared where the same answer comes plain.
        assert answer.body()["status"] == "ok"
    else:
        assert answer.body() == recorded["body_text"]


def test_recordings_are_whole():
    assert [len(RECORDED[version]) for version in VERSIONS] == [183, 183]


@pytest.mark.parametrize("expected, got", [
    ({"a": 1}, {"a": 2}), ({"a": 1}, {"a": 1.0}), ({"a": 1}, {}), ({}, {"a": 1}), ([1], [1, 2]), (0.1, 0.1001),
    ([{"id": 1, "score": 1.0}, {"id": 2, "score": 0.5}], [{"id": 3, "score": 1.0}, {"id": 2, "score": 0.5}]),
    ([{"id": 1, "score": 1.0}], [{"id": 1, "score": 0.9}]),
    ([{"id": 1, "score": 1.0}], [{"id": 1, "score": 1.0, "payload": {}}]),
])
def test_comparison_sees_differences(expected, got):
    assert normalise.differences(expected, got)


@pytest.mark.parametrize("name", RECORDED["1.12.4"])
def test_standin_answers_like_1_12_4(name):
    compare(RECORDED["1.12.4"][name], standin_answers("1.12.4")[name], owned=None)


@pytest.mark.parametrize("name", RECORDED["1.18.3"])
def test_standin_answers_like_1_18_3(name):
    compare(RECORDED["1.18.3"][name], standin_answers("1.18.3")[name], owned=None)


@pytest.mark.skipif(not REAL, reason="QDRANT_URL is not set")
@pytest.mark.parametrize("name", RECORDED["1.18.3"] if REAL else ["root"])
def test_real_server_answers_as_recorded(name):
    version, answers, owned = real_answers()
    compare(RECORDED[version][name], answers[name], owned)
