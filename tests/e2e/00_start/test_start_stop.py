# SPDX-License-Identifier: Apache-2.0
"""Proves that the proxy starts when things are right or merely away, says so, and ends without cutting anyone off."""
import signal
import threading

import pytest
from drivers import crossfade, points
from drivers.raw import Raw
from drivers.scripted import ANSWER
from drivers.waiting import free_port, until


def test_says_that_it_is_ready_healthy_and_counted(scene):
    assert scene.proxy.admin("GET", "/healthz").status == 200
    assert scene.proxy.admin("GET", "/readyz").status == 200
    assert "ready" in scene.proxy.log()
    before = scene.proxy.metric("crossfade_requests_total")
    scene.http("GET", "")
    scene.proxy.wait_for_metric("crossfade_requests_total", before + 1)


def test_metrics_are_prometheus_text_in_which_no_series_stands_twice(scene):
    scene.upsert(points.point(1))
    answer = scene.proxy.admin("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [line.rsplit(" ", 1)[0] for line in answer.body.decode().splitlines() if line and line[0] != "#"]
    assert len(samples) == len(set(samples)) > 20
    scene.proxy.wait_for_metric("crossfade_dual_writes_total", 1, migration="m", outcome="both")


def test_lists_its_migrations(scene):
    listed = scene.proxy.admin("GET", "/api/v1/migrations").json
    assert [migration["name"] for migration in listed["migrations"]] == ["m"]
    status = scene.proxy.status()
    assert status["phase"] == "dual_write" and status["dirty"]["listed"] == 0
    assert scene.proxy.admin("GET", "/api/v1/migrations/unheard-of").status == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_finishes_what_is_in_flight_before_it_ends(start_proxy, scripted, number):
    arrived, go_on = threading.Event(), threading.Event()

    def script(heard, connection):
        arrived.set()
        go_on.wait(60)
        connection.sendall(ANSWER)
    proxy = start_proxy(scripted(script).url)
    with Raw(proxy.port) as client:
        client.send("GET /slow HTTP/1.1\r\nhost: q\r\n\r\n")
        assert arrived.wait(60)
        proxy.process.send_signal(number)
        until(lambda: proxy.admin("GET", "/readyz").status, lambda status: status == 503)
        go_on.set()
        answer = client.answer()
        assert (answer.status, answer.body) == (200, b"ok")
        proxy.wait_for_end()


def test_an_idle_client_does_not_hold_up_the_end(start_proxy, scripted):
    proxy = start_proxy(scripted(lambda heard, connection: connection.sendall(ANSWER)).url)
    with Raw(proxy.port) as client:
        assert client.send("GET /x HTTP/1.1\r\nhost: q\r\n\r\n").answer().status == 200
        proxy.stop()
        assert client.is_closed_by_peer()


def test_the_drain_is_bounded(start_proxy, scripted):
    """An upstream that never answers cannot keep the proxy alive."""
    arrived, never = threading.Event(), threading.Event()

    def script(heard, connection):
        arrived.set()
        never.wait(120)
    proxy = start_proxy(scripted(script).url, timeouts={"drain": "500ms"})
    with Raw(proxy.port) as client:
        client.send("GET /never HTTP/1.1\r\nhost: q\r\n\r\n")
        assert arrived.wait(60)
        proxy.stop()
        assert client.is_closed_by_peer()
    never.set()


def test_starts_without_redis_and_upstream_and_says_so(start_proxy):
    """Nothing listens on port 1: no flag can be read and nothing can be answered, and both are said."""
    proxy = start_proxy("http://127.0.0.1:1", redis={"url": "redis://127.0.0.1:1/0"})
    answer = proxy.http("GET", "/collections")
    assert answer.status == 502 and "cannot be reached" in answer.error
    proxy.wait_for_metric("crossfade_redis_up", 0)
    assert "redis" in proxy.log()


def test_a_port_that_is_taken_by_another_program_is_an_error(start_proxy, scripted, tmp_path):
    taken = scripted(lambda heard, connection: None)
    config = tmp_path / "taken.yaml"
    config.write_text(crossfade.to_yaml({
        "listen": f"127.0.0.1:{taken.port}", "admin": {"listen": f"127.0.0.1:{free_port()}"},
        "state_dir": str(tmp_path / "s"), "redis": {"url": "redis://127.0.0.1:1/0"},
        "upstreams": {"main": {"url": "http://127.0.0.1:1"}}}))
    ended = crossfade.run("serve", "--config", str(config))
    assert ended.returncode == 1 and str(taken.port) in ended.stderr + ended.stdout


def test_the_admin_port_is_not_on_the_data_port(scene):
    """What looks like the admin API there is Qdrant's to answer."""
    direct = scene.legacy.server.request("GET", "/api/v1/migrations")
    answer = scene.proxy.http("GET", "/api/v1/migrations", headers=scene.legacy.server.with_key({}))
    assert (answer.status, answer.body or b"") == (direct[0], direct[1] or b"")


def test_an_admin_token_is_asked_for_and_printed_nowhere(start_proxy, scripted):
    upstream = scripted(lambda heard, connection: connection.sendall(ANSWER))
    admin = f"127.0.0.1:{free_port()}"
    proxy = start_proxy(upstream.url, {"E2E_TOKEN": "canary-token"}, admin={"listen": admin, "token_env": "E2E_TOKEN"})
    for headers, status in [({}, 401), ({"authorization": "Bearer wrong"}, 401), ({"authorization": "Bearer canary-token"}, 200)]:
        assert proxy.admin("GET", "/api/v1/migrations", headers=headers).status == status
    assert proxy.admin("GET", "/healthz").status == 200
    assert "canary-token" not in proxy.log()


def test_command_line_mistakes_are_told():
    assert crossfade.run("unheard-of").returncode == 2
    assert crossfade.run("serve").returncode == 2
    assert crossfade.run("help").returncode == 0
    unreachable = crossfade.run("status", "--admin", "http://127.0.0.1:1")
    assert unreachable.returncode == 3 and unreachable.stderr


def test_status_on_the_command_line(scene):
    url = f"http://127.0.0.1:{scene.proxy.admin_port}"
    shown = crossfade.run("status", "m", "--admin", url)
    assert shown.returncode == 0 and "dual_write" in shown.stdout
    assert crossfade.run("status", "--admin", url).returncode == 0
    assert crossfade.run("status", "unheard-of", "--admin", url).returncode == 1
