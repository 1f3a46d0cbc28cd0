# SPDX-License-Identifier: Apache-2.0
"""Proves that answers end as they should whatever the ends of connections do: half-closes, stops, cuts, early answers."""
import json
import signal
import socket
import threading
import time
import uuid

import pytest
from drivers.raw import Raw
from drivers.scripted import ANSWER
from drivers.waiting import until

GET = "GET /{} HTTP/1.1\r\nhost: q\r\n{}\r\n"
APPLIED = b'{"result":{"operation_id":1,"status":"completed"},"status":"ok","time":0.0}'


def say(connection, body: bytes, status: bytes = b"200 OK") -> None:
    connection.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))


def large(heard, connection):
    """As many bytes as the target says: more than the kernel takes, so that the rest waits in the proxy."""
    say(connection, b"x" * int(heard.target[1:]))


class Reluctant(Raw):
    """A client whose kernel takes little: what it does not read stays with the proxy."""

    def __init__(self, port: int):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(90)
        self.socket.connect(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")


# Somewhere among these the upstream is through, the kernel is full, and the proxy holds the rest.
SIZES = [200_000 * n for n in range(1, 26)]


@pytest.mark.parametrize("fields", ["connection: close\r\n", ""])
def test_half_close_while_the_answer_goes_out(start_proxy, scripted, fields):
    proxy = start_proxy(scripted(large).url)
    for size in SIZES:
        with Reluctant(proxy.port) as client:
            client.send(GET.format(size, fields)).socket.recv(1, socket.MSG_PEEK)
            time.sleep(0.02)
            client.finish()
            time.sleep(0.01)
            assert len(client.answer().body) == size


def test_half_close_behind_pipelined_requests(start_proxy, scripted):
    """The second is refused by the proxy itself, at once, while the first answer is still on its way."""
    proxy = start_proxy(scripted(large).url)
    for size in SIZES:
        with Reluctant(proxy.port) as client:
            client.send(GET.format(size, "") + GET.format("", "via: 1.1 crossfade\r\n")).finish().socket.recv(1, socket.MSG_PEEK)
            time.sleep(0.02)
            assert len(client.answer().body) == size
            assert client.answer().status == 508


def test_a_stop_lets_answers_go_out(start_proxy, scripted):
    proxy = start_proxy(scripted(large).url)
    clients = []
    for size in SIZES:
        clients.append((size, Reluctant(proxy.port)))
        clients[-1][1].send(GET.format(size, "")).socket.recv(1, socket.MSG_PEEK)
    time.sleep(0.2)
    proxy.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    for size, client in clients:
        with client:
            assert len(client.answer().body) == size
    proxy.wait_for_end()


def test_a_head_does_not_wait_for_its_body(start_proxy, scripted):
    seen = threading.Event()

    def script(heard, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        assert seen.wait(90)
        connection.sendall(b"ok")
    proxy = start_proxy(scripted(script).url)
    with Raw(proxy.port) as client:
        head = client.send(GET.format("", "")).head()
        seen.set()
        assert b"".join(client.pieces(head)) == b"ok"


def test_an_early_answer_to_a_large_body_on_a_new_connection(start_proxy, scripted):
    """The server takes some of the body, answers, and reads no more; the client reads only when it has sent all."""
    def script(heard, connection):
        say(connection, b"too large", b"400 Bad Request")
        time.sleep(1)
        return True
    for size in (100_000, 1_000_000, 8_000_000, 30_000_000):
        upstream = scripted(script)
        upstream.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        proxy = start_proxy(upstream.url)
        with Raw(proxy.port) as client:
            client.send(b"POST /x HTTP/1.1\r\nhost: q\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)
            answer = client.answer()
            assert (answer.status, answer.body) == (400, b"too large")
        proxy.stop()


def test_a_cut_answer_does_not_take_the_one_before_it_along(start_proxy, scripted):
    def script(heard, connection):
        if heard.target == "/whole":
            connection.sendall(ANSWER)
            return False
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut")
        return True
    proxy = start_proxy(scripted(script).url)
    with Raw(proxy.port) as client:
        client.send(GET.format("whole", "") + GET.format("cut", ""))
        until(lambda: proxy.metric("crossfade_requests_in_flight") == 0)
        time.sleep(0.1)
        assert client.answer().body == b"ok"
        assert client.head().status == 200
        assert client.file.read() == b"cut"


def test_a_large_body_waits_behind_slow_answers(start_proxy, scripted):
    """What is pipelined waits in the socket, not in memory, and costs nobody the connection."""
    def script(heard, connection):
        size = sum(map(len, heard.pieces()))
        time.sleep(0.2)
        say(connection, b"%d" % size)
    proxy = start_proxy(scripted(script).url)
    with Raw(proxy.port) as client:
        size = 20_000_000
        request = GET.format("", "").encode() * 5 + b"POST /x HTTP/1.1\r\nhost: q\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
        threading.Thread(target=client.send, args=(request,), daemon=True).start()
        assert [client.answer().body for _ in range(6)] == [b"0"] * 5 + [b"%d" % size]


# ---- both sides

@pytest.fixture
def start_dual(start_proxy, shared_redis):
    """start_dual(legacy, new): dual writes are on; legacy and new are scripted servers."""
    def start(legacy, new, phase="dual_write"):
        prefix = f"e2e{uuid.uuid4().hex[:10]}"
        shared_redis.cli("SET", f"{prefix}:{{m}}:ENABLE_DUAL_WRITE", "1")
        shared_redis.cli("SET", f"{prefix}:{{m}}:ENABLE_NEW_READS", "1" if phase == "switched" else "0")
        proxy = start_proxy(legacy.url, redis={"url": f"redis://127.0.0.1:{shared_redis.port}/0", "prefix": prefix},
                            upstreams={"main": {"url": legacy.url}, "second": {"url": new.url}}, default_upstream="main",
                            migrations=[{"name": "m", "legacy": {"upstream": "main", "collection": "scripted-legacy"},
                                         "new": {"upstream": "second", "collection": "scripted-new"}}])
        until(lambda: proxy.status()["phase"] == phase)
        return proxy
    return start


def applies(heard, connection):
    heard.body()
    say(connection, APPLIED)


def upsert(client: Raw, size: int) -> Raw:
    body = json.dumps({"points": [{"id": 1, "vector": [1], "payload": {"x": "y" * size}}]}).encode()
    return client.send(b"PUT /collections/scripted-legacy/points HTTP/1.1\r\nhost: q\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def test_a_follower_that_dies_with_a_full_pipe_holds_nobody_up(start_dual, scripted):
    """It reads nothing of a large body, so the client is made to wait; then it is gone, and the write goes on."""
    def dies(heard, connection):
        time.sleep(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return True
    legacy, new = scripted(applies), scripted(dies)
    new.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    proxy = start_dual(legacy, new)
    with Raw(proxy.port) as client:
        answer = upsert(client, 20_000_000).answer()
    assert (answer.status, b"was applied to the legacy collection" in answer.body) == (502, True)


def test_new_is_not_asked_while_legacy_cannot_vouch_for_the_client(start_dual, scripted):
    """After the switch, with a client not seen before: that is a fault of a server (502), not a conflict (409)."""
    legacy, new = scripted(lambda heard, connection: heard.method == "PUT" or say(connection, b"{}")), scripted(applies)
    proxy = start_dual(legacy, new, phase="switched")
    with Raw(proxy.port) as client:
        answer = upsert(client, 10).answer()
    assert (answer.status, [heard.method for heard in new.heard if heard.method == "PUT"]) == (502, [])


@pytest.mark.standin("a set of points that may differ which only this test changes")
def test_a_body_that_nobody_can_read_leaves_the_known_known(start_scene):
    """The server proves by its refusal that nothing was done: no reconcile is needed for a client's slip."""
    scene = start_scene()
    scene.reconcile()
    for body in ('{"points": [', '{"points": [{"id": -1, "vector": [1]}]}', "nonsense"):
        with Raw(scene.proxy.port) as client:
            client.send(f"PUT /collections/{scene.legacy.collection}/points HTTP/1.1\r\nhost: q\r\n"
                        f"content-length: {len(body)}\r\n\r\n{body}")
            assert client.answer().status == 400
    assert scene.knows() and scene.dirty() == 0
