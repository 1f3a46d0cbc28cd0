# SPDX-License-Identifier: Apache-2.0
"""Proves that every write of the official Python client, by every name of the collection, leaves both sides equal, and that
the right one happened."""
import pytest
from drivers import points
from drivers.waiting import until
from qdrant_client import QdrantClient, models

GROUP_1 = models.Filter(must=[models.FieldCondition(key="group", match=models.MatchValue(value=1))])


def named(number: int) -> models.PointStruct:
    return models.PointStruct(**points.point(number))


def columns(client, name):
    some = points.some(3, first=100)
    client.upsert(name, models.Batch(
        ids=[each["id"] for each in some], payloads=[each["payload"] for each in some],
        vectors={key: [each["vector"][key] for each in some] for key in ("a", "b")}))


WRITES = {
    "upsert points": lambda client, name: client.upsert(name, [named(100), named(101)]),
    "upsert without waiting": lambda client, name: client.upsert(name, [named(100)], wait=False),
    "upsert columns": columns,
    "upsert over existing": lambda client, name: client.upsert(name, [named(2) for _ in range(2)]),
    "upload points": lambda client, name: client.upload_points(name, [named(n) for n in range(100, 180)], batch_size=16, wait=True),
    "delete by ids": lambda client, name: client.delete(name, points_selector=[1, 2, points.uuid_of(3)]),
    "delete a missing id": lambda client, name: client.delete(name, points_selector=[4711]),
    "delete by filter": lambda client, name: client.delete(name, points_selector=models.FilterSelector(filter=GROUP_1)),
    "set payload": lambda client, name: client.set_payload(name, {"k": {"x": [1]}}, points=[1, 2]),
    "set payload by filter": lambda client, name: client.set_payload(name, {"k": 1}, points=GROUP_1),
    "set payload under a key": lambda client, name: client.set_payload(name, {"k": 1}, points=[1], key="deep"),
    "overwrite payload": lambda client, name: client.overwrite_payload(name, {"only": True}, points=[1, points.uuid_of(3)]),
    "delete payload": lambda client, name: client.delete_payload(name, ["n", "text"], points=[1, 2]),
    "clear payload": lambda client, name: client.clear_payload(name, points_selector=[1, 2]),
    "clear payload by filter": lambda client, name: client.clear_payload(name, points_selector=GROUP_1),
    "update vectors": lambda client, name: client.update_vectors(name, [models.PointVectors(id=1, vector={"b": [9.0, 9.0]})]),
    "delete vectors": lambda client, name: client.delete_vectors(name, vectors=["b", "s"], points=[1, 2]),
    "delete vectors by filter": lambda client, name: client.delete_vectors(name, vectors=["b"], points=GROUP_1),
    "batch": lambda client, name: client.batch_update_points(name, [
        models.UpsertOperation(upsert=models.PointsList(points=[named(100)])),
        models.SetPayloadOperation(set_payload=models.SetPayload(payload={"k": 2}, points=[100, 1])),
        models.DeleteVectorsOperation(delete_vectors=models.DeleteVectors(points=[1], vector=["b"])),
        models.DeleteOperation(delete=models.PointIdsList(points=[2]))]),
}


@pytest.fixture
def filled(start_scene):
    scene = start_scene(alias_refresh="100ms")
    scene.legacy.alias(scene.alias)
    for side in (scene.legacy, scene.new):
        side.put(points.some(12))
    until(lambda: scene.http("GET", "/points/1", collection=scene.alias).status, lambda status: status == 200)
    return scene


@pytest.mark.parametrize("write", WRITES)
def test_a_write_lands_on_both_by_every_name(filled, write):
    """What one write does to a third collection, written directly, is what has to be on both."""
    for name in (filled.legacy.collection, filled.new.collection, filled.alias):
        WRITES[write](filled.client(), name)
    expected = filled.legacy.server
    model = type(filled.legacy)(expected, filled.legacy.collection + "-model").create()
    try:
        model.put(points.some(12))
        direct = QdrantClient(url=expected.url, api_key=expected.options.get("api_key"), check_compatibility=False, timeout=120)
        for _ in range(3):
            WRITES[write](direct, model.collection)
        got, wanted = filled.assert_equal(), model.dump()
        assert len(got) == len(wanted) and all(map(points.same, got, wanted))
    finally:
        expected.request("DELETE", f"/collections/{model.collection}")
    status = filled.proxy.status()
    assert status["in_flight"] == 0


@pytest.mark.parametrize("which", ["legacy", "new"])
def test_payload_indexes_are_made_and_dropped_on_both(filled, which):
    client, name = filled.client(), getattr(filled, which).collection
    client.create_payload_index(name, "group", models.PayloadSchemaType.INTEGER, wait=True)
    for side in (filled.legacy, filled.new):
        assert list(side.call("GET")["payload_schema"]) == ["group"]
    client.delete_payload_index(name, "group", wait=True)
    for side in (filled.legacy, filled.new):
        assert side.call("GET")["payload_schema"] == {}


def test_settings_go_to_the_authority_and_the_count_says_so(filled):
    answer = filled.http("PATCH", "", {"metadata": {"made by": "a test"}}, collection=filled.new.collection)
    assert answer.status == 200
    assert filled.legacy.call("GET")["config"]["metadata"] == {"made by": "a test"}
    assert not filled.new.call("GET")["config"].get("metadata")
    filled.proxy.wait_for_metric("crossfade_settings_to_authority_total", 1, migration="m")


def test_every_spelling_of_an_id_is_one_point(scene):
    uuid = points.uuid_of(0xABCDEF0123456789ABCDEF0123456789)
    spellings = [uuid, uuid.upper(), uuid.replace("-", ""), f"urn:uuid:{uuid}", "{%s}" % uuid, uuid[:3] + "\\u00" + f"{ord(uuid[3]):02x}" + uuid[4:]]
    for count, spelling in enumerate(spellings):
        body = '{"points":[{"id":"%s","vector":{},"payload":{"n":%d}}]}' % (spelling, count)
        assert scene.http("PUT", "/points?wait=true", body.encode()).status == 200
    assert [point["payload"]["n"] for point in scene.assert_equal()] == [len(spellings) - 1]


def test_numbers_stay_what_they_are(scene):
    body = (b'{"points":[{"id":18446744073709551615,"vector":{"b":[0.1,1e-7]},"payload":{"u":18446744073709551615,"i":-9223372036854775808,'
            b'"d":0.1,"e":1e300,"s":"\\u0000\\ud83d\\ude00"}}]}')
    assert scene.http("PUT", "/points?wait=true", body).status == 200
    [point] = scene.assert_equal()
    assert point["id"] == 2**64 - 1
    assert point["payload"] == {"u": 2**64 - 1, "i": -2**63, "d": 0.1, "e": 1e300, "s": "\0😀"}
