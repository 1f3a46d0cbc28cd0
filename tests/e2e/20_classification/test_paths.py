# SPDX-License-Identifier: Apache-2.0
"""Proves that no spelling of a path makes a write reach one side only: every trick of Qdrant's routing lands on both or none."""
import pytest
from drivers import points
from drivers.raw import one


# What Qdrant 1.18.3 takes for an upsert, and what it does not; {c} is the name, {first} and {rest} its parts.
WRITES = {
    "plain": "/collections/{c}/points",
    "slashes": "//collections//{c}///points//",
    "escaped letter in the name": "/collections/%{x:02x}{rest}/points",
    "upper-case escape": "/collections/%{x:02X}{rest}/points",
    "escaped letters in the literals": "/c%6fllections/{c}/p%6Fints",
    "escaped twice": "/collections/%%36{low}{rest}/points",
    "absolute form": "http://any.host:1/collections/{c}/points",
    "query with a question mark": "/collections/{c}/points?wait=true&x=?",
    "escaped key in the query": "/collections/{c}/points?w%61it=true",
    "empty query": "/collections/{c}/points?",
}
OTHERS = {
    "hash": "/collections/{c}/points#x",
    "escaped hash": "/collections/{c}/points%23x",
    "escaped slash": "/collections/{c}%2fpoints",
    "escaped slash in the name": "/collections/x%2f{c}/points",
    "escaped percent": "/collections/%25{x:02x}{rest}/points",
    "dot segments": "/collections/./{c}/points",
    "parent segments": "/collections/x/../{c}/points",
    "escaped parent": "/collections/x/%2e%2e/{c}/points",
    "parameter": "/collections/{c};x=1/points",
    "upper-case literal": "/Collections/{c}/points",
    "upper-case name": "/collections/{C}/points",
    "bad escape": "/collections/{c}%zz/points",
    "lone percent": "/collections/{c}%/points",
    "plus for a space": "/collections/+{c}/points",
    "escaped NUL": "/collections/{c}%00/points",
    "bad UTF-8": "/collections/{c}%ff/points",
    "doubled query key": "/collections/{c}/points?wait=true&wait=true",
    "bad query value": "/collections/{c}/points?wait=1",
    "semicolon in the query": "/collections/{c}/points?wait=true;x",
    "raw brace": "/collections/{{{c}}}/points",
    "raw eight-bit": "/collections/{c}\xe9/points",
}


def spell(pattern: str, name: str) -> str:
    first = ord(name[0])
    return pattern.format(c=name, C=name.upper(), x=first, rest=name[1:], low=f"{first & 15:x}")


def write(scene, target: str, number: int, name: str | None = None):
    body = points_body(number)
    key = scene.legacy.server.options.get("api_key")
    return one(scene.proxy.port, f"PUT {spell(target, name or scene.legacy.collection)} HTTP/1.1\r\nhost: q\r\n"
               f"api-key: {key or 'none'}\r\ncontent-length: {len(body)}\r\n\r\n{body}")


def points_body(number: int) -> str:
    return '{"points":[{"id":%d,"vector":[1,2,3,4],"payload":{}}]}' % number


@pytest.fixture
def plain(start_scene):
    return start_scene(config=points.PLAIN)


def settled(scene) -> list:
    """The ids, once what was acknowledged has been applied; the same on both sides."""
    return [point["id"] for point in scene.assert_equal()]


@pytest.mark.parametrize("spelling", WRITES)
def test_a_spelling_that_is_an_upsert_reaches_both(plain, spelling):
    assert write(plain, WRITES[spelling], 1).status == 200
    assert write(plain, WRITES[spelling], 2, plain.new.collection).status == 200
    assert settled(plain) == [1, 2]


@pytest.mark.parametrize("spelling", OTHERS)
def test_a_spelling_that_is_none_reaches_neither(plain, spelling):
    assert write(plain, OTHERS[spelling], 1).status in (400, 404, 422, 501)
    assert settled(plain) == []


@pytest.mark.parametrize("name", [".", "..", "%2e", "%2e%2e", "%252e%252e", ".%2e"])
@pytest.mark.parametrize("method, suffix", [("PUT", ""), ("DELETE", ""), ("PUT", "/points"), ("GET", "")])
def test_dots_are_never_let_through_as_a_name(plain, name, method, suffix):
    """Qdrant 1.12.4 deletes its whole storage on PUT /collections/..; what is harmless after decoding is the server's."""
    answer = one(plain.proxy.port, f"{method} /collections/{name}{suffix} HTTP/1.1\r\nhost: q\r\ncontent-length: 2\r\n\r\n{{}}")
    if name == "%252e%252e":
        assert answer.status in (400, 401, 404, 422) or plain.legacy.server.request("DELETE", "/collections/%252e%252e")[0] == 200
    else:
        assert answer.status == 400 and b"not usable as collection names" in answer.body
    assert settled(plain) == []


UNKNOWN = [("PUT", "/unheard-of"), ("POST", "/points/unheard-of"), ("DELETE", "/points"), ("PATCH", "/points"), ("PURGE", "/points"),
           ("put", "/points"), ("POST", "/points/delete/more"), ("GET", "/unheard-of")]


@pytest.mark.parametrize("method, suffix", UNKNOWN)
def test_what_the_proxy_does_not_know_is_501_while_dual_writing(plain, method, suffix):
    request = f"{method} /collections/{plain.legacy.collection}{suffix} HTTP/1.1\r\nhost: q\r\ncontent-length: 2\r\n\r\n{{}}"
    answer = one(plain.proxy.port, request)
    assert answer.status == 501 and b"not known to the proxy" in answer.body
    plain.flags(0)
    direct = one(plain.legacy.server.port, request) if hasattr(plain.legacy.server, "reset") else None
    answer = one(plain.proxy.port, request)
    assert answer.status == (direct.status if direct else answer.status) != 501


def test_an_odd_name_is_migrated_like_any_other(make_scene):
    """Spaces, dots, percent signs and other alphabets, in the configuration and in the path."""
    scene = make_scene()
    names = {side: f"{collection} 50%.ü" for side, collection in (("legacy", scene.legacy.collection), ("new", scene.new.collection))}
    migration = scene.proxy.config["migrations"][0]
    for side in (scene.legacy, scene.new):
        side.collection += " 50%.ü"
    for side, name in names.items():
        migration[side]["collection"] = f'"{name}"'
    scene.create_both(points.PLAIN)
    scene.proxy.start()
    scene.flags(1)
    for number, name in enumerate(names.values()):
        assert scene.upsert(points.plain(number), collection=name).status == 200
    assert settled(scene) == [0, 1]
