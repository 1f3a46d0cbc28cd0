# SPDX-License-Identifier: Apache-2.0
"""Proves that what would break a migration is refused with 409 and a reason, and works as ever when nothing is at stake."""
import pytest
from drivers import points

REFUSED = [
    ("DELETE", "", None), ("PUT", "", points.PLAIN), ("PUT", "/snapshots/recover", {"location": "file:///x"}),
    ("PUT", "/shards/0/snapshots/recover", {"location": "file:///x"}), ("POST", "/snapshots/upload", b"x"),
    ("POST", "/cluster", {"drop_replica": {"shard_id": 0, "peer_id": 1}}), ("PUT", "/shards", {"shard_key": "k"}),
    ("POST", "/shards/delete", {"shard_key": "k"}),
]


@pytest.mark.parametrize("which", ["legacy", "new"])
@pytest.mark.parametrize("method, suffix, body", REFUSED)
def test_refused_while_dual_writing(scene, which, method, suffix, body):
    scene.upsert(points.point(1))
    name = getattr(scene, which).collection
    answer = scene.http(method, suffix, body, collection=name)
    assert answer.status == 409 and len(answer.error) > 40
    assert len(scene.assert_equal()) == 1
    scene.proxy.wait_for_metric("crossfade_refused_writes_total", 1, migration="m")


def aliases(scene, *actions: dict):
    return scene.proxy.http("POST", "/collections/aliases", {"actions": list(actions)}, scene.legacy.server.with_key({}))


def test_aliases_that_would_move_a_migration_are_refused(scene):
    made = {"create_alias": {"collection_name": scene.legacy.collection, "alias_name": scene.alias}}
    assert aliases(scene, made).status == 409
    assert aliases(scene, {"delete_alias": {"alias_name": scene.alias}}).status in (200, 404)
    scene.legacy.alias(scene.alias)
    scene.proxy.stop()
    scene.proxy.start()
    assert aliases(scene, {"delete_alias": {"alias_name": scene.alias}}).status == 409
    assert aliases(scene, {"rename_alias": {"old_alias_name": scene.alias, "new_alias_name": "e2e-other"}}).status == 409
    assert aliases(scene, {"create_alias": {"collection_name": "e2e-elsewhere", "alias_name": "x"}}).status == 404


def test_all_of_it_is_possible_before_dual_writing(start_scene):
    scene = start_scene(dual_write=0)
    made = {"create_alias": {"collection_name": scene.legacy.collection, "alias_name": scene.alias}}
    assert aliases(scene, made).status == 200
    assert aliases(scene, {"delete_alias": {"alias_name": scene.alias}}).status == 200
    assert scene.http("DELETE", "").status == 200
    assert scene.legacy.server.request("GET", f"/collections/{scene.legacy.collection}")[0] == 404
    assert scene.new.ids() == []


def test_deleting_the_new_collection_never_deletes_the_legacy_one(start_scene):
    scene = start_scene(dual_write=0)
    scene.legacy.put(points.some(3))
    answer = scene.http("DELETE", "", collection=scene.new.collection)
    assert answer.status == 409 and "new collection" in answer.error
    assert len(scene.legacy.ids()) == 3


def test_unsafe_requests_can_be_allowed(start_scene):
    scene = start_scene(migration={"allow_unsafe": "true"})
    assert scene.http("DELETE", "", collection=scene.new.collection).status == 200
    assert scene.legacy.ids() == []
    assert scene.legacy.server.request("GET", f"/collections/{scene.new.collection}")[0] == 404
