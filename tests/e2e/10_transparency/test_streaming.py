# SPDX-License-Identifier: Apache-2.0
"""Proves that bodies are streamed: 256 MiB go either way through a proxy whose memory hardly grows, also when one end is slow."""
import hashlib
import threading

import pytest
from drivers import points
from drivers.raw import Raw
from drivers.scripted import ANSWER
from drivers.waiting import until

MIB = 1 << 20
BODY_MIB = 256
GROWTH_MAX = 48 * MIB
PIECE = bytes(range(256)) * (MIB // 256)


def digest_of_all() -> bytes:
    digest = hashlib.sha256()
    for _ in range(BODY_MIB):
        digest.update(PIECE)
    return digest.digest()


DIGEST = digest_of_all()


@pytest.fixture
def start(start_proxy, scripted):
    """A proxy that has answered once, and its memory then."""
    def starter(script):
        proxy = start_proxy(scripted(script).url)
        assert proxy.http("GET", "/warm").status == 200
        return proxy, proxy.rss_bytes()
    return starter


def test_a_large_request(start):
    received = {}

    def script(heard, connection):
        digest, count = hashlib.sha256(), 0
        for piece in heard.pieces(MIB):
            digest.update(piece)
            count += len(piece)
        received.update(count=count, digest=digest.digest())
        connection.sendall(ANSWER)
    proxy, before = start(script)
    with Raw(proxy.port) as client:
        client.send(f"PUT /big HTTP/1.1\r\nhost: q\r\ncontent-length: {BODY_MIB * MIB}\r\n\r\n")
        for _ in range(BODY_MIB):
            client.send(PIECE)
        assert client.answer().status == 200
    assert received == {"count": BODY_MIB * MIB, "digest": DIGEST}
    assert proxy.rss_bytes() - before < GROWTH_MAX


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_large_answer(start, is_chunked):
    def script(heard, connection):
        if heard.target == "/warm":
            connection.sendall(ANSWER)
            return
        frame = b"transfer-encoding: chunked" if is_chunked else b"content-length: %d" % (BODY_MIB * MIB)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + frame + b"\r\n\r\n")
        for _ in range(BODY_MIB):
            connection.sendall(b"%x\r\n%s\r\n" % (MIB, PIECE) if is_chunked else PIECE)
        connection.sendall(b"0\r\n\r\n" if is_chunked else b"")
    proxy, before = start(script)
    with Raw(proxy.port) as client:
        head = client.send("GET /big HTTP/1.1\r\nhost: q\r\n\r\n").head()
        assert head.status == 200
        digest = hashlib.sha256()
        for piece in client.pieces(head):
            digest.update(piece)
    assert digest.digest() == DIGEST
    assert proxy.rss_bytes() - before < GROWTH_MAX


def test_a_client_that_does_not_read_holds_the_upstream_back(start):
    """What nobody takes is not piled up: the upstream can send no more than the buffers between hold."""
    sent = [0]

    def script(heard, connection):
        if heard.target == "/warm":
            connection.sendall(ANSWER)
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (BODY_MIB * MIB))
        for _ in range(BODY_MIB):
            connection.sendall(PIECE)
            sent[0] += 1
    proxy, before = start(script)
    with Raw(proxy.port) as client:
        assert client.send("GET /big HTTP/1.1\r\nhost: q\r\n\r\n").head().status == 200
        last = [-1]

        def has_stopped():
            last.append(sent[0])
            threading.Event().wait(0.5)
            return last[-1] == sent[0] and sent[0] > 0
        until(has_stopped)
        assert sent[0] < BODY_MIB / 2 and proxy.rss_bytes() - before < GROWTH_MAX
        for _ in range(BODY_MIB):
            assert client.file.read(MIB) == PIECE


def test_an_upload_that_one_side_takes_slowly_is_held_back(start_proxy, scripted):
    go_on = threading.Event()

    def script(heard, connection):
        if heard.target != "/warm":
            go_on.wait(90)
            for _ in heard.pieces(MIB):
                pass
        connection.sendall(ANSWER)
    proxy = start_proxy(scripted(script).url)
    proxy.http("GET", "/warm")
    before, sent = proxy.rss_bytes(), [0]

    def upload(client):
        for _ in range(BODY_MIB):
            client.send(PIECE)
            sent[0] += 1
    with Raw(proxy.port) as client:
        client.send(f"PUT /big HTTP/1.1\r\nhost: q\r\ncontent-length: {BODY_MIB * MIB}\r\n\r\n")
        sender = threading.Thread(target=upload, args=(client,), daemon=True)
        sender.start()
        until(lambda: sent[0] > 0)
        threading.Event().wait(1.0)
        assert sent[0] < BODY_MIB / 2 and proxy.rss_bytes() - before < GROWTH_MAX
        go_on.set()
        assert client.answer().status == 200
        sender.join(90)


@pytest.mark.standin("bodies of 256 MiB, which a real server's limit refuses")
def test_a_large_dual_write(start_scene, start_standin):
    """One upsert of 256 MiB, most of it a payload: both sides get it, and the proxy holds none of it."""
    server = start_standin(body_max_mb=300, no_log=True)
    scene = start_scene(legacy_server=server, config=points.PLAIN)
    assert scene.upsert(points.plain(1)).status == 200
    before = scene.proxy.rss_bytes()
    opening = b'{"points":[{"id":2,"vector":[1,2,3,4],"payload":{"text":"'
    closing = b'"}}]}'
    with Raw(scene.proxy.port) as client:
        client.send(f"PUT /collections/{scene.legacy.collection}/points?wait=true HTTP/1.1\r\nhost: q\r\n"
                    f"content-length: {len(opening) + len(closing) + BODY_MIB * MIB}\r\n\r\n")
        client.send(opening)
        for _ in range(BODY_MIB):
            client.send(b"x" * MIB)
        assert client.send(closing).answer().status == 200
    assert scene.proxy.rss_bytes() - before < GROWTH_MAX
    assert [len(side.point(2)["payload"]["text"]) for side in (scene.legacy, scene.new)] == [BODY_MIB * MIB] * 2
