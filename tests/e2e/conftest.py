# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests.

The program is chosen by CROSSFADE_BINARY. Without QDRANT_URL, Qdrant is played by the stand-in (tests/standin). With it, the
same tests run against that server, and those that need the stand-in's switches or its record of requests are
skipped, saying so; a skip for any other reason is a failure.
"""
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from drivers.crossfade import Crossfade  # noqa: E402
from drivers.group import Group  # noqa: E402
from drivers.qdrant import RealQdrant  # noqa: E402
from drivers.redis_server import Redis  # noqa: E402
from drivers.scene import Scene  # noqa: E402
from drivers.scripted import Scripted  # noqa: E402
from standin.driver import Standin  # noqa: E402

SKIP = "QDRANT_URL is set, and this test needs "


def pytest_configure(config):
    config.addinivalue_line("markers", "standin(what): needs what only the stand-in has")


def pytest_collection_modifyitems(items):
    if not os.environ.get("QDRANT_URL"):
        return
    for item in items:
        if marker := item.get_closest_marker("standin"):
            item.add_marker(pytest.mark.skip(reason=SKIP + marker.args[0]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.skipped and not hasattr(report, "wasxfail") and SKIP not in str(report.longrepr):
        report.outcome, report.longrepr = "failed", f"skipped without a reason that is allowed: {report.longrepr}"


def pytest_terminal_summary(terminalreporter):
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} skipped: {reason}")


# ---- servers

@pytest.fixture(scope="session")
def shared_standin():
    with Standin() as standin:
        yield standin


@pytest.fixture(scope="session")
def second_standin():
    with Standin() as standin:
        yield standin


@pytest.fixture
def qdrant(request):
    """The server on which both collections live: the one QDRANT_URL names, or a stand-in that starts empty."""
    if real := RealQdrant.from_environment():
        return real
    standin = request.getfixturevalue("shared_standin")
    standin.reset()
    return standin


@pytest.fixture
def other(second_standin):
    """A second server, for the tests marked as needing one."""
    second_standin.reset()
    return second_standin


@pytest.fixture
def start_standin():
    """start_standin(**options) gives a stand-in of the test's own."""
    running = []

    def start(**options) -> Standin:
        running.append(Standin(**options).start())
        return running[-1]
    yield start
    for standin in running:
        standin.stop()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory):
    redis = Redis(tmp_path_factory.mktemp("redis")).start()
    yield redis
    redis.stop()


@pytest.fixture
def redis(tmp_path):
    """A Redis of the test's own, for those that stop it or empty it."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = Redis(folder).start()
    yield server
    server.stop()


@pytest.fixture
def scripted():
    """scripted(function) gives an upstream that plays that script."""
    running = []

    def start(script) -> Scripted:
        running.append(Scripted(script))
        return running[-1]
    yield start
    for upstream in running:
        upstream.__exit__()


# ---- the proxy

@pytest.fixture
def start_proxy(tmp_path, shared_redis):
    """start_proxy(upstream_url, **settings): a proxy without a migration."""
    running = []

    def start(url: str, environment: dict | None = None, **settings) -> Crossfade:
        folder = tmp_path / f"proxy{len(running)}"
        folder.mkdir()
        config = {"redis": {"url": f"redis://127.0.0.1:{shared_redis.port}/0"}, "threads": 2,
                  "upstreams": {"main": {"url": url}}, **settings}
        running.append(Crossfade(folder, config, environment))
        return running[-1].start()
    yield start
    stop_all(running)


@pytest.fixture
def make_scene(tmp_path, shared_redis, qdrant):
    """make_scene(...) gives a Scene that has not been started: nothing is created, no flag is set."""
    made = []

    def make(legacy_server=None, new_server=None, redis=None, **settings) -> Scene:
        folder = tmp_path / f"scene{len(made)}"
        folder.mkdir()
        made.append(Scene(folder, redis or shared_redis, legacy_server or qdrant, new_server, **settings))
        return made[-1]
    yield make
    try:
        stop_all([scene.proxy for scene in made])
    finally:
        if os.environ.get("QDRANT_URL"):
            for scene in made:
                scene.clean()


@pytest.fixture
def start_scene(make_scene):
    """start_scene(**settings): both collections are there and empty, writes go to both, reads to legacy."""
    def start(dual_write=1, new_reads=0, config=None, **settings) -> Scene:
        scene = make_scene(**settings)
        scene.create_both(config)
        scene.proxy.start()
        scene.flags(dual_write, new_reads)
        return scene
    return start


@pytest.fixture
def scene(start_scene) -> Scene:
    return start_scene()


@pytest.fixture
def start_group(tmp_path, shared_redis, qdrant):
    """start_group(count, **settings): as start_scene, with several replicas of the proxy. Everything is mended in the end."""
    made = []

    def start(count=2, dual_write=1, config=None, legacy_server=None, new_server=None, redis=None, **settings) -> Group:
        folder = tmp_path / f"group{len(made)}"
        folder.mkdir()
        group = Group(folder, count, redis or shared_redis, legacy_server or qdrant, new_server, **settings)
        made.append(group)
        group.create_both(config)
        for replica in group.replicas:
            replica.start()
        group.flags(dual_write)
        group.wait_until_joined()
        return group
    yield start
    replicas = [replica for group in made for replica in group.replicas]
    relays = [relay for replica in replicas for relay in replica.relays]
    try:
        for relay in relays:
            relay.mend()
        stop_all(replicas)
    finally:
        for relay in relays:
            relay.close()
        if os.environ.get("QDRANT_URL"):
            for group in made:
                group.clean()


def stop_all(proxies: list[Crossfade]) -> None:
    """Every one is stopped, and then the first that did not end cleanly fails the test."""
    problems = []
    for proxy in proxies:
        try:
            proxy.stop()
        except AssertionError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
