# SPDX-License-Identifier: Apache-2.0
"""Proves that what concerns no migration looks the same through the proxy as without it: status, fields and every byte."""
import re

import pytest
from drivers import http_json, points
from drivers.raw import Raw, one
from drivers.scripted import ANSWER
from standin import encodings

# Fields that belong to one connection, not to the answer, and the moment at which it was made.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "content-length", "via"}
BODY_BYTES_MAX = 1 << 20


@pytest.fixture
def plain(make_scene):
    """A migration without any flag: everything goes through to legacy as it is."""
    scene = make_scene()
    scene.legacy.create().put(points.some(20))
    scene.proxy.start()
    return scene


def seen(answer: http_json.Answer):
    """An answer without what two equal requests need not share: how long each took."""
    body = encodings.decode_body(answer.body, answer.headers.get("content-encoding", "identity"), BODY_BYTES_MAX)
    fields = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
    return answer.status, fields, re.sub(rb'"time":[0-9.e-]+', b'"time":0', body)


REQUESTS = [
    ("GET", "", None), ("GET", "/exists", None), ("GET", "/points/1", None), ("GET", "/points/999", None),
    ("POST", "/points/scroll", {"limit": 5, "with_payload": True}), ("POST", "/points/count", {"exact": True}),
    ("POST", "/points", {"ids": [1, 2], "with_payload": True}), ("POST", "/points/query", {"query": [1, 0, 0, 0], "using": "a"}),
    ("POST", "/points/search", {"vector": {"name": "a", "vector": [1, 0, 0, 0]}, "limit": 3}),
    ("POST", "/points/search", {"vector": [1, 2], "limit": 3}), ("POST", "/points/search", b"{not json"),
    ("POST", "/points/scroll", {"limit": 0}), ("POST", "/points/scroll", b""), ("GET", "/unheard-of", None),
    ("POST", "/points/delete", {"points": ["no-id"]}), ("PUT", "/points?wait=true", {"points": [{"id": 1, "vector": {"a": [1]}}]}),
    ("DELETE", "/points", None), ("PATCH", "/points", b"{}"), ("GET", "/points/1?with_vector=maybe", None),
]


@pytest.mark.parametrize("method, suffix, body", REQUESTS, ids=[f"{row[0]} {row[1]} {n}" for n, row in enumerate(REQUESTS)])
def test_an_answer_is_the_same_as_without_the_proxy(plain, method, suffix, body):
    path, headers = f"/collections/{plain.legacy.collection}{suffix}", plain.legacy.server.with_key({})
    direct = http_json.request(plain.legacy.server.port, method, path, body, headers)
    assert seen(plain.proxy.http(method, path, body, headers)) == seen(direct)


@pytest.mark.parametrize("path", ["/", "/collections", "/aliases", "/healthz", "/readyz", "/livez", "/nothing", "/dashboard/x",
                                  "/collections/not%20there", "/collections/not%20there/points/1"])
def test_what_is_no_collection_of_ours_is_the_same_too(plain, path):
    headers = plain.legacy.server.with_key({})
    direct = http_json.request(plain.legacy.server.port, "GET", path, None, headers)
    assert seen(plain.proxy.http("GET", path, None, headers)) == seen(direct)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd"])
def test_a_compressed_answer_stays_compressed(plain, coding):
    path = f"/collections/{plain.legacy.collection}/points/scroll"
    headers = plain.legacy.server.with_key({"accept-encoding": coding})
    direct = http_json.request(plain.legacy.server.port, "POST", path, {"limit": 20}, headers)
    answer = plain.proxy.http("POST", path, {"limit": 20}, headers)
    assert answer.headers["content-encoding"] == coding
    assert seen(answer) == seen(direct)


EVERY_BYTE = bytes(range(256)) * 5


@pytest.mark.parametrize("name, head", [
    ("length", b"content-length: 1280\r\n"), ("gzip said, not meant", b"content-length: 1280\r\ncontent-encoding: gzip\r\n"),
    ("until close", b"connection: close\r\n")])
def test_every_byte_of_a_body_comes_through(start_proxy, scripted, name, head):
    def script(heard, connection):
        connection.sendall(b"HTTP/1.1 200 Fine\r\n" + head + b"x-other: \xe9 \t b\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n" + EVERY_BYTE)
        return True
    proxy = start_proxy(scripted(script).url)
    answer = one(proxy.port, "GET /bytes HTTP/1.1\r\nhost: q\r\n\r\n")
    assert (answer.status, answer.body) == (200, EVERY_BYTE)
    assert answer.get("x-other") == "\xe9 \t b" and answer.get("set-cookie") == "a=1, b=2"
    assert (answer.get("content-encoding") == "gzip") == (b"gzip" in head)


def test_every_byte_of_a_request_comes_through(start_proxy, scripted):
    bodies = []

    def script(heard, connection):
        bodies.append(heard.body())
        connection.sendall(ANSWER)
    upstream = scripted(script)
    proxy = start_proxy(upstream.url)
    fields = "x-mine: a  b\r\naccept: */*\r\nContent-Type: text/odd; q=\"x\"\r\nuser-agent: t/1\r\n"
    head = f"POST /a?b=%41+c&&d HTTP/1.1\r\nhost: q\r\n{fields}content-length: {len(EVERY_BYTE)}\r\n\r\n"
    assert one(proxy.port, head.encode() + EVERY_BYTE).status == 200
    heard = upstream.heard[0]
    assert (heard.method, heard.target, bodies) == ("POST", "/a?b=%41+c&&d", [EVERY_BYTE])
    assert [heard.get(name) for name in ("x-mine", "accept", "content-type", "user-agent")] == \
        ["a  b", "*/*", 'text/odd; q="x"', "t/1"]


def test_fields_of_one_hop_are_not_passed_on(start_proxy, scripted):
    upstream = scripted(lambda heard, connection: connection.sendall(
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=9\r\n\r\n"))
    proxy = start_proxy(upstream.url)
    answer = one(proxy.port, "GET /h HTTP/1.1\r\nhost: q\r\nconnection: x-mine, keep-alive\r\nx-mine: 1\r\nte: gzip\r\nx-kept: 2\r\n\r\n")
    assert answer.get("x-hop") is None and answer.get("keep-alive") is None
    heard = upstream.heard[0]
    assert heard.get("x-mine") is None and heard.get("te") is None and heard.get("x-kept") == "2"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_none(start_proxy, scripted, status):
    proxy = start_proxy(scripted(lambda heard, connection: connection.sendall(
        f"HTTP/1.1 {status} None\r\netag: \"x\"\r\n\r\n".encode())).url)
    answer = one(proxy.port, "GET /none HTTP/1.1\r\nhost: q\r\n\r\n" * 2)
    assert (answer.status, answer.body, answer.get("etag")) == (status, b"", '"x"')


def test_head_is_answered_by_the_upstream_and_without_a_body(start_proxy, scripted):
    """The connection is good for another request afterwards: no byte too many, none too few."""
    def script(heard, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" if heard.method == "HEAD" else ANSWER)
    upstream = scripted(script)
    proxy = start_proxy(upstream.url)
    with Raw(proxy.port) as client:
        answer = client.send("HEAD /h HTTP/1.1\r\nhost: q\r\n\r\n").answer("HEAD")
        assert (answer.status, answer.get("content-length")) == (200, "5000")
        assert client.send("GET /g HTTP/1.1\r\nhost: q\r\n\r\n").answer().body == b"ok"
    assert [heard.method for heard in upstream.heard] == ["HEAD", "GET"]
