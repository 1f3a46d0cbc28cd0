# SPDX-License-Identifier: Apache-2.0
"""The stand-in's writes: the decoder's traps, half-done updates, the queue, upserts that merge."""
import json

import pytest

NAMED = {"vectors": {"a": {"size": 2, "distance": "Dot"}, "b": {"size": 2, "distance": "Dot"}},
         "sparse_vectors": {"s": {}}}


def put_points(qdrant, ids, collection="c", **more):
    points = [{"id": point_id, "vector": [1, 0, 0, 0], **more} for point_id in ids]
    return qdrant.call("PUT", f"/collections/{collection}/points?wait=true", {"points": points})


def raw(qdrant, method, path, text):
    return qdrant.request(method, f"/collections/c/{path}?wait=true", text.encode())


def test_integers_keep_every_digit(qdrant):
    text = ('{"points":[{"id":18446744073709551615,"vector":[1,0,0,0],'
            '"payload":{"n":[9007199254740993,-9223372036854775807]}}]}')
    assert raw(qdrant, "PUT", "points", text)[0] == 200
    point = qdrant.dump("c")[0]
    assert point["id"] == 2**64 - 1 and point["payload"] == {"n": [9007199254740993, -9223372036854775807]}


@pytest.mark.parametrize("body, left", [
    ('{"points":[1],"filter":{}}', [2, 3]),
    ('{"points":[1],"points":[3],"filter":{"must":{"has_id":[2]}}}', [1, 3]),
    ('{"points":[1,-1],"filter":{"must":[{"has_id":[2]}]}}', [1, 3]),
    ('{"points":null,"filter":{"must":[{"has_id":[2]}]}}', [1, 3]),
    ('{"filter":{"must":[{"has_id":[2]}]},"note":"a\\"b: \\u0022:"}', [1, 3]),
    ('{"points" : [1],"points":[3],"filter":{"must":{"has_id":[2]}}}', [1, 3]),
    ('[[2]]', [1, 3]),
    ('[{"must":[{"has_id":[3]}]}]', [1, 2]),
    ('{"filter":{"must":[]}}', []),
    ('{"filter":{"min_should":{"conditions":[],"min_count":1}}}', []),
    ('{"filter":{"must":[{"has_id":[]}]}}', [1, 2, 3]),
])
def test_delete_selectors(qdrant, body, left):
    put_points(qdrant, [1, 2, 3])
    assert raw(qdrant, "POST", "points/delete", body)[0] == 200
    assert qdrant.ids("c") == left


def test_filter_refuses_unknown_keys(qdrant):
    put_points(qdrant, [1])
    assert raw(qdrant, "POST", "points/delete", '{"filter":{"must_have":[]}}')[0] == 400
    assert qdrant.ids("c") == [1]


def test_doubled_key_is_refused_in_structs_and_taken_in_upserts(qdrant):
    put_points(qdrant, [1, 2])
    status, answer = raw(qdrant, "POST", "points/payload", '{"payload":{"x":1},"points":[1],"points":[2]}')
    assert status == 400 and "duplicate field `points`" in answer["status"]["error"]
    text = '{"points":[{"id":8,"vector":[1,1,1,1]}],"points":[{"id":9,"vector":[1,1,1,1]}]}'
    assert raw(qdrant, "PUT", "points", text)[0] == 200
    assert qdrant.ids("c") == [1, 2, 9]


def test_batch_falls_through_to_the_next_operation(qdrant):
    put_points(qdrant, [1, 2])
    body = '{"operations":[{"upsert":{"points":[{"id":-5,"vector":[1,1,1,1]}]},"delete":{"points":[1]}}]}'
    assert raw(qdrant, "POST", "points/batch", body)[0] == 200
    assert qdrant.ids("c") == [2]


def test_uuid_bytes_and_spellings_are_one_point(qdrant):
    text = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    put_points(qdrant, [list(range(16)), "{" + text.upper() + "}", "urn:uuid:" + text])
    assert qdrant.ids("c") == [text]


@pytest.mark.parametrize("version", ["1.12.4", "1.18.3"])
def test_update_by_id_stops_after_the_chunk_with_a_missing_id(start, version):
    qdrant = start(version=version)
    qdrant.call("PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}})
    present = [number for number in range(100) if number != 40]
    put_points(qdrant, present)
    status, answer = qdrant.request("POST", "/collections/c/points/payload?wait=true",
                                    {"payload": {"x": 1}, "points": list(range(100))})
    assert (status, answer["status"]["error"]) == (404, "Not found: No point with id 40 found")
    assert [point["id"] for point in qdrant.dump("c") if point["payload"]] == [n for n in range(64) if n != 40]


def test_update_vectors_in_random_chunks_applies_whole_chunks(qdrant):
    put_points(qdrant, range(100))
    body = {"points": [{"id": number, "vector": [0, 0, 0, 5]} for number in range(1, 101)]}
    assert qdrant.request("PUT", "/collections/c/points/vectors?wait=true", body)[0] == 404
    changed = [point["id"] for point in qdrant.dump("c") if point["vector"] == [0, 0, 0, 5]]
    assert len(changed) % 32 in (31, 3, 0) and len(changed) < 100


def test_acknowledged_writes_are_applied_later_in_order(qdrant):
    qdrant.pause()
    for number in (1, 2, 3):
        body = {"points": [{"id": 1, "vector": [number, 0, 0, 0]}]}
        assert qdrant.call("PUT", "/collections/c/points", body)["status"] == "acknowledged"
    assert qdrant.dump("c") == []
    barrier = qdrant.call("POST", "/collections/c/points/delete?wait=true&timeout=1",
                          {"filter": {"must": [{"has_id": []}]}})
    assert barrier["status"] == "wait_timeout"
    qdrant.resume()
    qdrant.wait_until_applied("c")
    assert qdrant.dump("c") == [{"id": 1, "payload": {}, "vector": [3.0, 0.0, 0.0, 0.0]}]


def test_wait_is_a_barrier_for_delayed_writes(qdrant):
    qdrant.apply_delay(200)
    qdrant.call("PUT", "/collections/c/points", {"points": [{"id": 1, "vector": [1, 0, 0, 0]}]})
    assert qdrant.ids("c") == []
    body = {"keys": [], "filter": {"must": [{"has_id": []}]}}
    assert qdrant.call("POST", "/collections/c/points/payload/delete?wait=true", body)["status"] == "completed"
    assert qdrant.ids("c") == [1]


def test_failure_of_an_acknowledged_write_is_silent(qdrant):
    answer = qdrant.call("POST", "/collections/c/points/payload", {"payload": {"x": 1}, "points": [7]})
    assert answer["status"] == "acknowledged"
    qdrant.wait_until_applied("c")
    assert qdrant.state()["collections"]["c"]["failed_later"] == 1


@pytest.mark.parametrize("version, status", [("1.12.4", 200), ("1.18.3", 400)])
def test_wrong_size_without_wait(start, version, status):
    qdrant = start(version=version)
    qdrant.call("PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}})
    assert qdrant.request("PUT", "/collections/c/points", {"points": [{"id": 1, "vector": [1]}]})[0] == status


def upsert_twice(qdrant) -> dict:
    qdrant.call("PUT", "/collections/n", NAMED)
    first = {"id": 1, "vector": {"a": [1, 1], "b": [2, 2], "s": {"indices": [5, 2], "values": [1, 2]}},
             "payload": {"k": 1}}
    for point in (first, {"id": 1, "vector": {"a": [3, 3]}}):
        qdrant.call("PUT", "/collections/n/points?wait=true", {"points": [point]})
    return qdrant.dump("n")[0]


def test_upsert_replaces_and_clears(start):
    assert upsert_twice(start()) == {"id": 1, "payload": {}, "vector": {"a": [3.0, 3.0]}}


def test_upsert_keeps_an_unset_payload_before_1_14_1(start):
    assert upsert_twice(start(version="1.12.4")) == {"id": 1, "payload": {"k": 1}, "vector": {"a": [3.0, 3.0]}}


def test_upsert_merges_in_indexed_segments(start):
    assert upsert_twice(start(merge_upserts=1.0)) == {
        "id": 1, "payload": {"k": 1},
        "vector": {"a": [3.0, 3.0], "b": [2.0, 2.0], "s": {"indices": [2, 5], "values": [2.0, 1.0]}}}


def test_merging_is_repeatable_by_seed(start):
    def merged(seed):
        qdrant = start(merge_upserts=0.5, seed=seed)
        qdrant.call("PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}})
        put_points(qdrant, range(64), payload={"k": 1})
        put_points(qdrant, range(64))
        return [bool(point["payload"]) for point in qdrant.dump("c")]
    assert merged(1) == merged(1) != merged(2)
    assert 0 < sum(merged(1)) < 64


def test_exact_copy_recipe_works_on_merging_segments(start):
    qdrant = start(merge_upserts=1.0)
    upsert_twice(qdrant)
    operations = [{"upsert": {"points": [{"id": 1, "vector": {"a": [9, 9]}, "payload": {}}]}},
                  {"delete_vectors": {"points": [1], "vector": ["b", "s"]}}]
    qdrant.call("POST", "/collections/n/points/batch?wait=true", {"operations": operations})
    assert qdrant.dump("n") == [{"id": 1, "payload": {}, "vector": {"a": [9.0, 9.0]}}]


def test_unknown_vector_name_is_refused(qdrant):
    qdrant.call("PUT", "/collections/n", NAMED)
    body = {"points": [1], "vector": ["nope"]}
    assert qdrant.request("POST", "/collections/n/points/vectors/delete?wait=true", body)[0] == 400


def test_update_only_inserts_nothing(qdrant):
    put_points(qdrant, [1])
    body = {"points": [{"id": 1, "vector": [5, 5, 5, 5]}, {"id": 2, "vector": [5, 5, 5, 5]}],
            "update_mode": "update_only"}
    qdrant.call("PUT", "/collections/c/points?wait=true", body)
    assert qdrant.dump("c") == [{"id": 1, "payload": {}, "vector": [5.0, 5.0, 5.0, 5.0]}]


def test_vectors_delete_with_filter_and_ids_runs_both(qdrant):
    qdrant.call("PUT", "/collections/n", NAMED)
    points = [{"id": number, "vector": {"a": [1, 1], "b": [1, 1]}} for number in (1, 2, 3)]
    qdrant.call("PUT", "/collections/n/points?wait=true", {"points": points})
    body = {"points": [1], "filter": {"must": [{"has_id": [2]}]}, "vector": ["b"]}
    qdrant.call("POST", "/collections/n/points/vectors/delete?wait=true", body)
    assert [sorted(point["vector"]) for point in qdrant.dump("n")] == [["a"], ["a"], ["a", "b"]]


def test_scroll_pages_cover_every_point_once(qdrant):
    uuids = [f"{number:08x}-0000-0000-0000-000000000000" for number in (7, 1, 0xffffffff)]
    put_points(qdrant, [9, 2**63, 0, *uuids, 5])
    seen, offset = [], None
    while True:
        page = qdrant.call("POST", "/collections/c/points/scroll", {"limit": 2, "offset": offset})
        seen += [point["id"] for point in page["points"]]
        offset = page["next_page_offset"]
        if offset is None:
            break
    assert seen == [0, 5, 9, 2**63, *sorted(uuids)]


def test_config_of_a_collection_makes_the_same_collection(qdrant):
    body = {**NAMED, "hnsw_config": {"m": 8}, "on_disk_payload": False, "metadata": {"x": 1},
            "quantization_config": {"scalar": {"type": "int8"}}}
    qdrant.call("PUT", "/collections/n", body)
    config = qdrant.call("GET", "/collections/n")["config"]
    qdrant.call("PUT", "/collections/m", {**config, **config.pop("params")})
    assert qdrant.call("GET", "/collections/m")["config"] == qdrant.call("GET", "/collections/n")["config"]


def test_scrolled_points_can_be_upserted_as_they_are(qdrant):
    vectors = {"size": 2, "distance": "Cosine"}
    for name in ("x", "y"):
        qdrant.call("PUT", f"/collections/{name}", {
            "vectors": {"d": vectors, "m": {**vectors, "multivector_config": {"comparator": "max_sim"}},
                        "h": {**vectors, "distance": "Dot", "datatype": "float16"}}, "sparse_vectors": {"s": {}}})
    points = [{"id": 1, "vector": {"d": [0.3, 0.7], "m": [[1, 2], [3, 4]], "h": [0.1, 1e-3],
                                   "s": {"indices": [4, 1], "values": [0.1, 0.2]}}}, {"id": 2, "vector": {}}]
    qdrant.call("PUT", "/collections/x/points?wait=true", {"points": points})
    page = qdrant.call("POST", "/collections/x/points/scroll", {"with_vector": True})
    qdrant.call("PUT", "/collections/y/points?wait=true", {"points": page["points"]})
    assert json.dumps(qdrant.dump("x")) == json.dumps(qdrant.dump("y"))
    assert len(qdrant.dump("y")[0]["vector"]) == 4 and qdrant.dump("y")[1]["vector"] == {}
