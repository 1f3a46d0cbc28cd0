# SPDX-License-Identifier: Apache-2.0
"""Proves that an application with the official Python client, blocking or asynchronous, notices nothing of a whole migration."""
import asyncio

import pytest
from drivers import points
from qdrant_client import AsyncQdrantClient, models


def structs(count: int, first: int = 1) -> list[models.PointStruct]:
    return [models.PointStruct(**each) for each in points.some(count, first)]


def use(client, name: str, first: int) -> None:
    """What an application does, with what it expects."""
    client.upsert(name, structs(20, first))
    assert client.count(name, count_filter=models.Filter(must=[models.HasIdCondition(has_id=[first])])).count == 1
    assert client.retrieve(name, ids=[first], with_vectors=True)[0].vector["b"] == points.point(first)["vector"]["b"]
    found = client.query_points(name, query=[1.0, 0.0, 0.0, 0.0], using="a", limit=5, with_payload=True).points
    assert len(found) == 5 and found[0].score >= found[-1].score
    batch = client.query_batch_points(name, [models.QueryRequest(query=[1.0, 0, 0, 0], using="a", limit=2)] * 2)
    assert [len(each.points) for each in batch] == [2, 2]
    groups = client.query_points_groups(name, group_by="group", query=[1.0, 0, 0, 0], using="a", limit=3).groups
    assert {group.id for group in groups} == {0, 1, 2}
    fused = client.query_points(name, query=models.FusionQuery(fusion=models.Fusion.RRF), prefetch=[
        models.Prefetch(query=[1.0, 0, 0, 0], using="a"), models.Prefetch(query=[1.0, 1.0], using="b")], limit=3).points
    assert len(fused) == 3
    listed, offset = client.scroll(name, limit=7, with_vectors=True)
    assert len(listed) == 7 and offset is not None
    client.create_payload_index(name, "n", models.PayloadSchemaType.INTEGER, wait=True)
    ordered, _ = client.scroll(name, order_by="n", limit=3)
    assert [point.payload["n"] for point in ordered] == sorted(point.payload["n"] for point in ordered)
    client.create_payload_index(name, "group", models.PayloadSchemaType.INTEGER, wait=True)
    assert {hit.value for hit in client.facet(name, key="group").hits} == {0, 1, 2}
    client.set_payload(name, {"seen": first}, points=[first])
    client.delete(name, points_selector=[first + 1])
    assert client.collection_exists(name)
    assert client.get_collection(name).points_count > 0


def test_a_whole_migration_with_the_blocking_client(make_scene):
    scene = make_scene()
    scene.legacy.create()
    scene.proxy.start()
    client, names = scene.client(), (scene.legacy.collection, scene.new.collection)
    use(client, names[0], 1000)
    assert scene.proxy.verb("prepare").status == 202
    scene.flags(1)
    use(client, names[0], 2000)
    scene.backfill()
    for number, new_reads in enumerate((0, "50%", 1, 0, 1)):
        scene.flags(1, new_reads)
        for name in names:
            use(client, name, 4000 + 3000 * number)
        scene.wait_until_equal()
    assert scene.validate(full=True)["passed"]
    scene.flags(0, 1)
    for name in names:
        use(client, name, 31000)
    scene.proxy.wait_for_metric("crossfade_bad_requests_total", 0)


@pytest.mark.parametrize("new_reads", [0, "50%", 1])
def test_many_at_once_with_the_asynchronous_client(start_scene, new_reads):
    scene = start_scene(1, new_reads)

    async def work() -> None:
        client = AsyncQdrantClient(url=f"http://127.0.0.1:{scene.proxy.port}", timeout=120, check_compatibility=False,
                                   api_key=scene.legacy.server.options.get("api_key"))

        async def one(owner: int) -> None:
            name = (scene.legacy.collection, scene.new.collection)[owner % 2]
            for round_ in range(5):
                some = structs(10, owner * 1000 + round_ * 10)
                await client.upsert(name, some, wait=True)
                got = await client.retrieve(name, ids=[some[0].id], with_payload=True)
                assert got[0].payload == some[0].payload
                await client.delete(name, points_selector=[some[-1].id], wait=True)
        await asyncio.gather(*(one(owner) for owner in range(1, 17)))
        await client.close()
    asyncio.run(work())
    assert len(scene.assert_equal()) == 16 * 5 * 9
