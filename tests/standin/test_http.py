# SPDX-License-Identifier: Apache-2.0
"""The stand-in's HTTP layer: framing, keep-alive, codings, keys, and every fault switch."""
import gzip
import json
import socket
import struct
import threading
import time
import zlib

import brotli
import pytest
import zstandard

PATIENCE_S = 60
BODY = b'{"points":[{"id":1,"vector":[1,0,0,0]}]}'
PUT = b"PUT /collections/c/points?wait=true HTTP/1.1\r\nHost: x\r\n"


def connect(qdrant) -> socket.socket:
    return socket.create_connection(("127.0.0.1", qdrant.port), timeout=PATIENCE_S)


def read_all(sock) -> bytes:
    """Until the server closes; a reset ends it with what came."""
    data = b""
    try:
        while chunk := sock.recv(65536):
            data += chunk
    except ConnectionResetError:
        data += b"<reset>"
    return data


def exchange(qdrant, *parts: bytes) -> bytes:
    with connect(qdrant) as sock:
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def with_length(body: bytes, more: bytes = b"") -> bytes:
    return PUT + more + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


def read_answer(stream) -> tuple[int, bytes]:
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status, stream.read(length)


def test_pipelined_requests_are_answered_in_order(qdrant):
    with connect(qdrant) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n\r\n" * 2 + with_length(BODY))
        text = read_all(sock)
    assert text.count(b"HTTP/1.1 200") == 3 and text.endswith(b"}") and qdrant.ids("c") == [1]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_chunked_body_in_pieces(qdrant, size):
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(BODY[at:at + size]), BODY[at:at + size])
                      for at in range(0, len(BODY), size)) + b"0\r\nTrailer: x\r\n\r\n"
    head = PUT + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with connect(qdrant) as sock:
        for byte in struct.unpack(f"{len(head + chunks)}c", head + chunks):
            sock.sendall(byte)
        assert b"HTTP/1.1 200" in read_all(sock)
    assert qdrant.ids("c") == [1]


@pytest.mark.parametrize("head, status", [
    (b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"PRI * HTTP/2.0\r\n\r\n", 400),
    (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", 400),
    (b"GET /a<b HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"GET /" + b"a" * 66000 + b" HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 140000, 431),
])
def test_broken_heads(qdrant, head, status):
    with connect(qdrant) as sock:
        sock.sendall(head)
        assert read_all(sock).startswith(b"HTTP/1.1 %d" % status)


def test_expect_continue(qdrant):
    with connect(qdrant) as sock:
        sock.sendall(PUT + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        stream = sock.makefile("rb")
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n" and stream.readline() == b"\r\n"
        sock.sendall(BODY)
        assert read_answer(stream)[0] == 200


@pytest.mark.parametrize("coding, pack", [
    ("gzip", gzip.compress), ("GZip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress),
    ("zstd", zstandard.compress), ("identity", bytes), ("x-gzip", bytes)])
def test_packed_request_bodies(qdrant, coding, pack):
    answer = exchange(qdrant, with_length(pack(BODY), f"Content-Encoding: {coding}\r\n".encode()))
    assert answer.startswith(b"HTTP/1.1 200") and qdrant.ids("c") == [1]


def test_body_over_the_limit_is_refused_at_once_without_reading(qdrant):
    with connect(qdrant) as sock:
        sock.sendall(PUT + b"Content-Length: 33554433\r\n\r\n")
        answer = read_all(sock)
    assert answer.startswith(b"HTTP/1.1 400") and b'"error"' in answer


def test_unpacked_body_over_the_limit_is_refused(start):
    qdrant = start(body_max_mb=1)
    answer = exchange(qdrant, with_length(gzip.compress(b" " * (2 << 20)), b"Content-Encoding: gzip\r\n"))
    assert answer.startswith(b"HTTP/1.1 400") and b"exceeded limit" in answer


def test_idle_connection_is_closed_after_five_seconds(qdrant):
    with connect(qdrant) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert read_answer(sock.makefile("rb"))[0] == 200
        started = time.monotonic()
        assert sock.recv(1) == b""
        assert time.monotonic() - started > 4


def test_slow_head_is_answered_408(qdrant):
    with connect(qdrant) as sock:
        sock.sendall(b"GET / HT")
        assert read_all(sock).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("path, status", [
    ("/collections/%63/p%6Fints/count", 200), ("/collections/%%363/points/count", 200),
    ("/collections/%2563/points/count", 404), ("/collections/c%2Fd/points/count", 422),
    ("http://any/collections/c/points/count", 200), ("/collections/c/points/count#x?timeout=z", 200),
    ("/collections/../collections/c/points/count", 404), ("/collections/aliases/points/count", 404)])
def test_paths(qdrant, path, status):
    assert qdrant.request("POST", path, {})[0] == status


def test_keys(start):
    qdrant = start(api_key="rw", read_only_key="ro")
    qdrant.call("PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}})

    def status(method, path, headers, body=None):
        return Bare(qdrant).request(method, path, body, headers)[0]
    assert status("GET", "/", {}) == 200
    assert status("GET", "/collections", {}) == status("GET", "/nope", {}) == 401
    assert status("GET", "/collections", {"Authorization": "Bearer ro"}) == 200
    assert status("GET", "/collections", {"Authorization": "bearer ro"}) == 401
    assert status("GET", "/collections", {"api-key": "bad", "Authorization": "Bearer rw"}) == 401
    write = json.loads(BODY)
    assert status("PUT", "/collections/c/points", {"api-key": "ro"}, write) == 403
    assert status("PUT", "/collections/c/points", {"api-key": "ro"}, {}) == 400
    assert status("PUT", "/collections/no/points", {"api-key": "ro"}, write) == 404
    assert status("POST", "/collections/c/points/batch", {"api-key": "ro"}, {"operations": []}) == 200


class Bare:
    """The driver's requests without its key."""

    def __init__(self, qdrant):
        self.port, self.options = qdrant.port, {}
        self.with_key = lambda headers: headers or {}
        self.request = type(qdrant).request.__get__(self)


# ---- faults

def test_fault_error_hits_as_often_as_told(qdrant):
    qdrant.fault("error", method="PUT", path_regex="/points$", times=1, skip=1, status=503)
    path, body = "/collections/c/points?wait=true", json.loads(BODY)
    assert [qdrant.request("PUT", path, body)[0] for _ in range(3)] == [200, 503, 200]
    assert qdrant.faults()[0]["hits"] == 1


@pytest.mark.parametrize("action, applied", [("reset_before", []), ("reset_after_apply", [1])])
def test_fault_resets(qdrant, action, applied):
    qdrant.fault(action, path_regex="/points$")
    assert exchange(qdrant, with_length(BODY)) == b"<reset>"
    assert qdrant.ids("c") == applied


@pytest.mark.parametrize("apply, applied", [(False, []), (True, [1])])
def test_fault_hang_until_cleared(qdrant, apply, applied):
    qdrant.fault("hang", path_regex="/points$", apply=apply)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(exchange_open(qdrant, with_length(BODY))))
    thread.start()
    while not qdrant.faults()[0]["hits"]:
        time.sleep(0.01)
    assert answers == [] and qdrant.ids("c") == applied
    qdrant.clear_faults()
    thread.join(PATIENCE_S)
    assert answers == [b"<reset>"]


def exchange_open(qdrant, data: bytes) -> bytes:
    with connect(qdrant) as sock:
        sock.sendall(data)
        return read_all(sock)


def test_fault_early_answer_comes_before_the_body(qdrant):
    qdrant.fault("early_answer", path_regex="/points$", status=429)
    with connect(qdrant) as sock:
        sock.sendall(PUT + b"Content-Length: 1000000\r\n\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 429")


def test_fault_garbage_truncate_and_close(qdrant):
    qdrant.fault("garbage", path_regex="/healthz", times=1, body="nonsense")
    qdrant.fault("truncate", path_regex="/healthz", times=1)
    qdrant.fault("close_idle", path_regex="/healthz", times=1)
    request = b"GET /healthz HTTP/1.1\r\n\r\n"
    assert exchange_open(qdrant, request) == b"nonsense"
    assert exchange_open(qdrant, request).endswith(b"\r\n\r\nhealthz ch")
    closed = exchange_open(qdrant, request)
    assert closed.endswith(b"healthz check passed") and b"connection: close" not in closed


def test_fault_slow_body_arrives_whole(qdrant):
    qdrant.fault("slow_body", path_regex="/healthz", ms=5)
    assert qdrant.request("GET", "/healthz") == (200, b"healthz check passed")


def test_fault_delay_delays(qdrant):
    qdrant.fault("delay", path_regex="/healthz", ms=150)
    started = time.monotonic()
    assert qdrant.request("GET", "/healthz")[0] == 200
    assert time.monotonic() - started >= 0.15


def test_unknown_fault_is_refused(qdrant):
    assert qdrant.request("POST", "/__standin__/faults", [{"action": "explode"}])[0] == 400
    assert qdrant.request("POST", "/__standin__/faults", [{"action": "error", "mss": 1}])[0] == 400


def test_log_shows_what_was_sent(qdrant):
    qdrant.clear_log()
    qdrant.request("PUT", "/collections/c/points?wait=true", BODY, {"X-Mark": "7"})
    entry, = qdrant.log(method="PUT", path_part="/points")
    assert (entry["query"], entry["body"], entry["body_length"]) == ("wait=true", BODY.decode(), len(BODY))
    assert ["x-mark", "7"] in entry["headers"]
