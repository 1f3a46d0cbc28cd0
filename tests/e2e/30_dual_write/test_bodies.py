# SPDX-License-Identifier: Apache-2.0
"""Proves how bodies are read: compressed ones like Qdrant does, odd ones not at all, bad ones refused with Qdrant's words."""
import gzip
import json
import zlib

import brotli
import pytest
import zstandard
from drivers import points
from drivers.raw import one

CODERS = {"gzip": gzip.compress, "br": brotli.compress, "deflate": zlib.compress, "zstd": zstandard.ZstdCompressor().compress,
          "GZip": gzip.compress, "identity": bytes, "x-unknown": bytes}


@pytest.mark.parametrize("coding", CODERS)
def test_a_compressed_write(scene, coding):
    scene.reconcile()
    body = json.dumps({"points": points.some(50)}).encode()
    answer = scene.http("PUT", "/points?wait=true", CODERS[coding](body), {"content-encoding": coding})
    assert answer.status == 200, answer
    assert len(scene.assert_equal()) == 50
    assert scene.dirty() == 0 and scene.knows()


def test_a_compressed_odd_body_is_seen_through(scene):
    scene.upsert(points.point(1))
    body = gzip.compress(b'{"points":[1],"points":[2],"filter":{}}')
    answer = scene.http("POST", "/points/delete?wait=true", body, {"content-encoding": "gzip"})
    assert answer.status == 400
    assert len(scene.assert_equal()) == 1


def test_a_body_that_is_not_what_its_coding_says_is_qdrants_to_refuse(scene):
    answer = scene.http("PUT", "/points?wait=true", b"no gzip at all", {"content-encoding": "gzip"})
    assert answer.status == 400
    assert scene.assert_equal() == []


def test_a_chunked_write(scene):
    body = json.dumps({"points": points.some(20)}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + 99]), body[at:at + 99]) for at in range(0, len(body), 99))
    answer = one(scene.proxy.port, f"PUT /collections/{scene.legacy.collection}/points?wait=true HTTP/1.1\r\nhost: q\r\n"
                 f"api-key: {scene.legacy.server.options.get('api_key') or 'none'}\r\n"
                 "transfer-encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n")
    assert answer.status == 200
    assert len(scene.assert_equal()) == 20


ODD = {
    "arrays for structs": ("POST", "/points/delete", b"[[1]]"),
    "set payload as an array": ("POST", "/points/payload", b'[{"k":1},[1]]'),
    "two selectors": ("POST", "/points/delete", b'{"points":[1],"filter":{"must":[]}}'),
    "doubled selector": ("POST", "/points/delete", b'{"points":[1],"points":[3],"filter":{}}'),
    "a bad id and a filter": ("POST", "/points/delete", b'{"points":[1,-1],"filter":{}}'),
    "null and a filter": ("POST", "/points/delete", b'{"points":null,"filter":{}}'),
    "escaped doubled key": ("POST", "/points/delete", b'{"points":[1],"p\\u006fints":[3]}'),
    "points and batch": ("PUT", "/points", b'{"points":[{"id":9,"vector":{}}],"batch":{"ids":[8],"vectors":{}}}'),
    "doubled id": ("PUT", "/points", b'{"points":[{"id":8,"id":9,"vector":{}}]}'),
    "id as bytes": ("POST", "/points/delete", b'{"points":[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]]}'),
    "two operations in one": ("POST", "/points/batch", b'{"operations":[{"upsert":{"points":[{"id":9,"vector":{}}]},"delete":{"points":[1]}}]}'),
    "an operation as an array": ("POST", "/points/batch", b'{"operations":[[{"points":[{"id":9,"vector":{}}]}]]}'),
    "a negative id": ("PUT", "/points", b'{"points":[{"id":-1,"vector":{}}]}'),
    "a number that is no integer": ("POST", "/points/delete", b'{"points":[1.0]}'),
    "an unknown operation": ("POST", "/points/batch", b'{"operations":[{"nothing":{}}]}'),
    "batch as an array": ("POST", "/points/batch", b'[[{"delete":{"points":[1]}}]]'),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_body_is_refused_and_applied_nowhere(scene, name):
    scene.upsert(*points.some(3))
    before = scene.assert_equal()
    method, suffix, body = ODD[name]
    answer = scene.http(method, suffix + "?wait=true", body)
    assert answer.status == 400 and answer.error
    assert scene.assert_equal() == before
    assert scene.dirty() == 0


def test_an_odd_body_can_be_let_through_and_a_reconcile_is_asked_for(start_scene):
    scene = start_scene(migration={"allow_odd_bodies": "true"})
    scene.upsert(*points.some(3))
    scene.reconcile()
    assert scene.http("POST", "/points/delete?wait=true", b"[[1]]").status == 200
    assert len(scene.assert_equal()) == 2
    assert not scene.knows()


BAD = [("PUT", "/points", b"{"), ("PUT", "/points", b'{"points":[{"id":1}]}'), ("PUT", "/points", b'{"points":[]}'), ("PUT", "/points", b""),
       ("POST", "/points/payload", b'{"payload":{"k":NaN},"points":[1]}'), ("PUT", "/points", b'{"points":[{"id":1,"vector":{"zz":[1]}}]}'),
       ("PUT", "/points", b"\xff{}"), ("PUT", "/points", b"[" * 200)]


@pytest.mark.parametrize("method, suffix, body", BAD, ids=range(len(BAD)))
def test_a_bad_body_is_refused_with_the_servers_own_words(scene, method, suffix, body):
    direct = scene.legacy.server.request(method, f"/collections/{scene.legacy.collection}{suffix}?wait=true", body)
    answer = scene.http(method, suffix + "?wait=true", body)
    assert (answer.status, answer.error) == (direct[0], direct[1]["status"]["error"])
    assert scene.assert_equal() == []


def test_an_empty_batch_is_as_fine_as_without_the_proxy(scene):
    answer = scene.http("POST", "/points/batch", {"operations": []})
    assert (answer.status, answer.result) == (200, [])


def test_filters_that_match_everything_do_so_on_both(scene):
    scene.upsert(*points.some(5))
    assert scene.http("POST", "/points/delete?wait=true", {"filter": {}}).status == 200
    assert scene.assert_equal() == []
