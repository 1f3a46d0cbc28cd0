# SPDX-License-Identifier: Apache-2.0
"""The official client against the stand-in: the calls an application makes."""
import pytest
from qdrant_client import QdrantClient, models


@pytest.fixture
def client(qdrant):
    with_http = QdrantClient(url=qdrant.url, timeout=60, check_compatibility=False)
    with_http.upsert("c", [
        models.PointStruct(id=number, vector=[number, 1, 0, 0], payload={"g": number % 2, "n": number})
        for number in range(1, 9)])
    yield with_http
    with_http.close()


def test_query_filters_and_orders(client):
    even = models.Filter(must=[models.FieldCondition(key="g", match=models.MatchValue(value=0))])
    found = client.query_points("c", query=[1.0, 0.0, 0.0, 0.0], query_filter=even, limit=2, with_payload=True)
    assert [(point.id, point.score, point.payload["n"]) for point in found.points] == [(8, 8.0, 8), (6, 6.0, 6)]


def test_query_by_id_leaves_that_point_out(client):
    found = client.query_points("c", query=8, limit=3).points
    assert [point.id for point in found] == [7, 6, 5]


def test_groups_and_batches(client):
    groups = client.query_points_groups("c", group_by="g", query=[1.0, 0, 0, 0], limit=2, group_size=1).groups
    assert [(group.id, group.hits[0].id) for group in groups] == [(0, 8), (1, 7)]
    request = models.QueryRequest(query=[1.0, 0.0, 0.0, 0.0], limit=1)
    answers = client.query_batch_points("c", requests=[request, request])
    assert [[point.id for point in answer.points] for answer in answers] == [[8], [8]]


def test_fusion_of_prefetches(client):
    found = client.query_points("c", query=models.FusionQuery(fusion=models.Fusion.RRF), limit=1, prefetch=[
        models.Prefetch(query=[1.0, 0.0, 0.0, 0.0], limit=3), models.Prefetch(query=[1.0, 0.0, 0.0, 0.0], limit=3)])
    assert found.points[0].id == 8


def test_scroll_ordered_needs_an_index(client):
    with pytest.raises(Exception, match="No range index"):
        client.scroll("c", order_by="n")
    client.create_payload_index("c", "n", models.PayloadSchemaType.INTEGER, wait=True)
    points, _ = client.scroll("c", order_by=models.OrderBy(key="n", direction=models.Direction.DESC), limit=2)
    assert [point.id for point in points] == [8, 7]


def test_count_info_retrieve_delete(client):
    assert client.count("c").count == client.get_collection("c").points_count == 8
    client.delete("c", points_selector=[1, 2])
    kept = client.retrieve("c", ids=[3, 1], with_vectors=True)
    assert [(point.id, point.vector) for point in kept] == [(3, [3.0, 1.0, 0.0, 0.0])]


def test_alias_is_used_before_the_name(client):
    client.update_collection_aliases([models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name="c", alias_name="a"))])
    assert client.count("a").count == 8
    assert client.get_aliases().aliases[0].alias_name == "a"


def test_named_vector_can_be_added_and_dropped(qdrant, client):
    qdrant.call("PUT", "/collections/c/vectors/extra?wait=true", {"dense": {"size": 2, "distance": "Dot"}})
    assert set(qdrant.call("GET", "/collections/c")["config"]["params"]["vectors"]) == {"", "extra"}
    client.update_vectors("c", [models.PointVectors(id=1, vector={"extra": [1.0, 2.0]})])
    assert qdrant.dump("c")[0]["vector"]["extra"] == [1.0, 2.0]
    qdrant.call("DELETE", "/collections/c/vectors/extra?wait=true")
    assert "extra" not in qdrant.dump("c")[0]["vector"]


def test_sparse_query(client):
    client.create_collection("s", sparse_vectors_config={"t": models.SparseVectorParams()})
    vector = models.SparseVector(indices=[1, 3], values=[1.0, 2.0])
    client.upsert("s", [models.PointStruct(id=1, vector={"t": vector})])
    found = client.query_points("s", query=vector, using="t").points
    assert [(point.id, point.score) for point in found] == [(1, 5.0)]
