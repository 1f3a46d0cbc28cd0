# SPDX-License-Identifier: Apache-2.0
"""Proves the proxy's manners on connections: order, half-close, aborts, interim and early answers, upstreams that close."""
import threading
import time

import pytest
from drivers import points
from drivers.raw import Raw, one
from drivers.scripted import ANSWER
from drivers.waiting import until

GET = "GET /{} HTTP/1.1\r\nhost: q\r\n\r\n"


def echo(heard, connection):
    """Answers with method, target and body."""
    body = f"{heard.method} {heard.target} ".encode() + heard.body()
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


@pytest.fixture
def proxy(start_proxy, scripted):
    return start_proxy(scripted(echo).url)


# ---- order and framing

def test_pipelined_requests_are_answered_in_order(start_proxy, scripted):
    """The first is answered last by the upstream, and first by the proxy."""
    def script(heard, connection):
        if heard.target == "/0":
            time.sleep(0.3)
        echo(heard, connection)
    proxy = start_proxy(scripted(script).url)
    with Raw(proxy.port) as client:
        client.send("".join(f"POST /{n} HTTP/1.1\r\nhost: q\r\ncontent-length: 1\r\n\r\n{n}" for n in range(9)))
        assert [client.answer().body for _ in range(9)] == [b"POST /%d %d" % (n, n) for n in range(9)]


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_chunked_both_ways_however_it_is_cut(start_proxy, scripted, pieces):
    def script(heard, connection):
        body = heard.body()
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 700):
            connection.sendall(b"%x;ext=1\r\n%s\r\n" % (len(body[at:at + 700]), body[at:at + 700]))
        connection.sendall(b"0\r\n\r\n")
    proxy = start_proxy(scripted(script).url)
    body = bytes(range(256)) * 20
    size = len(body) // pieces
    chunks = b"".join(b"%X\r\n%s\r\n" % (len(body[at:at + size]), body[at:at + size]) for at in range(0, len(body), size))
    with Raw(proxy.port) as client:
        client.send(b"POST /c HTTP/1.1\r\nhost: q\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert client.answer().body == body
        assert client.send(GET.format("after")).answer().status == 200


def test_one_byte_at_a_time(proxy):
    with Raw(proxy.port) as client:
        for byte in b"POST /slow HTTP/1.1\r\nhost: q\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            client.send(bytes([byte]))
        assert client.answer().body == b"POST /slow abc"


@pytest.mark.parametrize("fields, body", [
    ("content-length: 3\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), ("content-length: 3\r\ncontent-length: 4\r\n", "abcd"),
    ("transfer-encoding: chunked\r\n", "3;\r\nabcX"), ("transfer-encoding: gzip\r\n", "x"), ("content-length: +3\r\n", "abc")])
def test_doubtful_framing_is_refused_and_the_connection_closed(start_proxy, scripted, fields, body):
    upstream = scripted(echo)
    proxy = start_proxy(upstream.url)
    with Raw(proxy.port) as client:
        client.send(f"POST /x HTTP/1.1\r\nhost: q\r\n{fields}\r\n{body}" + GET.format("smuggled"))
        assert client.answer().status in (400, 501)
        assert client.is_closed_by_peer()
    assert "/smuggled" not in [heard.target for heard in upstream.heard]


def test_expect_100_continue(proxy):
    with Raw(proxy.port) as client:
        client.send("POST /e HTTP/1.1\r\nhost: q\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert client.head().status == 100
        assert client.send("abc").answer().body == b"POST /e abc"


def test_interim_answers_are_passed_on(start_proxy, scripted):
    def script(heard, connection):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + ANSWER)
    proxy = start_proxy(scripted(script).url)
    with Raw(proxy.port) as client:
        interim = client.send(GET.format("i")).head()
        assert (interim.status, interim.get("link")) == (103, "</x>")
        assert client.answer().body == b"ok"


# ---- clients that leave

def test_a_client_that_only_reads_from_now_on_gets_its_answer(proxy):
    with Raw(proxy.port) as client:
        assert client.send(GET.format("half")).finish().answer().body == b"GET /half "
        assert client.is_closed_by_peer()


def test_a_client_that_goes_away_frees_the_upstream(start_proxy, scripted):
    ended = threading.Event()

    def script(heard, connection):
        if connection.recv(1) == b"":
            ended.set()
        return True
    proxy = start_proxy(scripted(script).url)
    with Raw(proxy.port) as client:
        client.send(GET.format("left"))
        until(lambda: proxy.metric("crossfade_requests_in_flight"))
        client.reset()
    assert ended.wait(60)
    until(lambda: proxy.metric("crossfade_requests_in_flight"), lambda count: count == 0)
    proxy.wait_for_metric("crossfade_client_aborts_total", 1)


def test_a_client_that_goes_away_inside_its_body_leaves_no_trace(scene):
    body = b'{"points":[{"id":1,"vector":{}'
    with Raw(scene.proxy.port) as client:
        client.send(f"PUT /collections/{scene.legacy.collection}/points HTTP/1.1\r\nhost: q\r\ncontent-length: 5000\r\n\r\n".encode() + body)
        until(lambda: scene.proxy.metric("crossfade_requests_in_flight"))
        client.reset()
    until(lambda: scene.proxy.metric("crossfade_requests_in_flight"), lambda count: count == 0)
    assert scene.assert_equal() == [] and scene.dirty() == 0


# ---- upstreams that answer early, close, or talk nonsense

def test_an_early_refusal_reaches_an_uploader(start_proxy, scripted):
    """Qdrant refuses what is over its body limit at once and closes with the body unread."""
    text = b'{"status":{"error":"too large"},"time":0.0}'

    def script(heard, connection):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(text), text))
        return True
    proxy = start_proxy(scripted(script).url)
    with Raw(proxy.port) as client:
        client.send(f"PUT /big HTTP/1.1\r\nhost: q\r\ncontent-length: {10**9}\r\n\r\n".encode())
        answer = client.send(b"x" * 100_000).answer()
    assert (answer.status, answer.body) == (400, text)


@pytest.mark.parametrize("dual_write", [0, 1])
def test_the_body_limit_is_qdrants_own(start_scene, dual_write):
    scene = start_scene(dual_write)
    answer = scene.http("PUT", "/points?wait=true", b'{"points":[' + b" " * (33 << 20) + b"]}")
    assert answer.status == 400 and "larger than allowed" in answer.error
    assert scene.http("GET", "").status == 200


def test_a_read_is_sent_again_when_a_kept_connection_turns_out_closed(start_proxy, scripted):
    """The upstream answers once on each connection and closes it when the next request has come."""
    seen_on = {}

    def script(heard, connection):
        seen_on[connection] = seen_on.get(connection, 0) + 1
        if seen_on[connection] == 2:
            return True
        echo(heard, connection)
    upstream = scripted(script)
    proxy = start_proxy(upstream.url, threads=1)
    for number in range(6):
        assert one(proxy.port, GET.format(number)).body == b"GET /%d " % number
    assert proxy.metric("crossfade_upstream_retries_total") >= 1


def test_a_write_that_was_taken_is_not_sent_again(start_proxy, scripted):
    """Closed without an answer after the request was read: it may have had an effect, so the client is told."""
    def script(heard, connection):
        if heard.method == "PUT":
            heard.body()
            return True
        echo(heard, connection)
    upstream = scripted(script)
    proxy = start_proxy(upstream.url, threads=1)
    assert one(proxy.port, GET.format("warm")).status == 200
    assert one(proxy.port, "PUT /collections/x/points HTTP/1.1\r\nhost: q\r\ncontent-length: 2\r\n\r\n{}").status == 502
    assert [heard.method for heard in upstream.heard].count("PUT") == 1


@pytest.mark.standin("a fault: kept connections that close")
def test_a_kept_connection_that_closes_while_idle_is_nobodys_error(scene):
    scene.legacy.server.fault("close_idle", ms=1)
    for number in range(1, 20):
        assert scene.upsert(points.point(number)).status == 200
        until(lambda: scene.proxy.metric("crossfade_upstream_connections"), lambda count: count == 0)
        assert scene.http("GET", f"/points/{number}").status == 200
        until(lambda: scene.proxy.metric("crossfade_upstream_connections"), lambda count: count == 0)
    scene.legacy.server.clear_faults()
    assert len(scene.assert_equal()) == 19


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_nonsense_from_an_upstream_is_502_in_qdrants_shape(start_proxy, scripted, reply):
    proxy = start_proxy(scripted(lambda heard, connection: connection.sendall(reply) or True).url)
    answer = proxy.http("GET", "/x")
    assert answer.status == 502 and answer.error


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n"])
def test_a_body_that_ends_early_ends_early_for_the_client(start_proxy, scripted, reply):
    proxy = start_proxy(scripted(lambda heard, connection: connection.sendall(reply) or True).url)
    with pytest.raises((AssertionError, ConnectionResetError)):
        one(proxy.port, GET.format("cut"))


def test_bytes_behind_an_answer_reach_nobody(start_proxy, scripted):
    proxy = start_proxy(scripted(lambda heard, connection: connection.sendall(ANSWER + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")).url)
    for number in range(20):
        assert one(proxy.port, GET.format(number)).body == b"ok"


# ---- keep-alive

def test_a_client_connection_is_kept(proxy):
    with Raw(proxy.port) as client:
        for number in range(50):
            assert client.send(GET.format(number)).answer().body == b"GET /%d " % number
        answer = client.send("GET /last HTTP/1.1\r\nhost: q\r\nconnection: close\r\n\r\n").answer()
        assert answer.get("connection") == "close" and client.is_closed_by_peer()
    proxy.wait_for_metric("crossfade_client_connections_total", 1)
    assert proxy.metric("crossfade_upstream_reuses_total") >= 40


def test_http_1_0_is_answered_and_closed(proxy):
    with Raw(proxy.port) as client:
        assert client.send("GET /old HTTP/1.0\r\n\r\n").answer().body == b"GET /old "
        assert client.is_closed_by_peer()


def test_an_idle_client_is_closed_after_its_time(start_proxy, scripted):
    proxy = start_proxy(scripted(echo).url, timeouts={"idle": "200ms"})
    with Raw(proxy.port) as client:
        assert client.send(GET.format("x")).answer().status == 200
        assert client.is_closed_by_peer()


def test_a_head_that_does_not_end_is_408(start_proxy, scripted):
    proxy = start_proxy(scripted(echo).url, timeouts={"head": "200ms"})
    with Raw(proxy.port) as client:
        assert client.send("GET /slow HTTP/1.1\r\nhos").answer().status == 408
        assert client.is_closed_by_peer()


def test_an_upstream_that_never_answers_is_504(start_proxy, scripted):
    stop = threading.Event()
    proxy = start_proxy(scripted(lambda heard, connection: stop.wait(90)).url, timeouts={"answer": "300ms"})
    answer = proxy.http("GET", "/x")
    stop.set()
    assert answer.status == 504 and "in time" in answer.error
