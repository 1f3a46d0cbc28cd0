# SPDX-License-Identifier: Apache-2.0
"""The endpoints for collections: creation, settings, aliases, indexes, vector names, snapshots."""
import hashlib

from . import config as collection_config
from . import jsonio
from .context import Context
from .errors import Refusal, format_error, wrong_input
from .messages import Response


def list_names(ctx: Context):
    return {"collections": [{"name": name} for name in ctx.store.names()]}


def create(ctx: Context):
    name = ctx.name(is_creation=True)
    ctx.read_options()
    body = ctx.body()
    ctx.allow()
    ctx.store.create(name, body)
    return True


def patch(ctx: Context):
    name = ctx.name()
    ctx.read_options()
    body = ctx.body()
    ctx.allow()
    collection_config.patch(ctx.store.resolve(name).config, body, ctx.version)
    return True


def delete(ctx: Context):
    name = ctx.name()
    ctx.read_options()
    ctx.allow()
    return ctx.store.delete(name)


def info(ctx: Context):
    return ctx.collection().info()


def exists(ctx: Context):
    try:
        ctx.collection()
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        return {"exists": False}
    return {"exists": True}


# ---- aliases

def change_aliases(ctx: Context):
    ctx.read_options()
    body = ctx.body("actions")
    ctx.allow()
    ctx.store.change_aliases(body["actions"])
    return True


def show_aliases(pairs) -> dict:
    return {"aliases": [{"alias_name": alias, "collection_name": target} for alias, target in pairs]}


def all_aliases(ctx: Context):
    return show_aliases(sorted(ctx.store.aliases.items()))


def aliases(ctx: Context):
    """Only by the real name: asking with an alias shows none."""
    name = ctx.name()
    ctx.store.resolve(name)
    return show_aliases((alias, target) for alias, target in sorted(ctx.store.aliases.items()) if target == name)


# ---- payload indexes and vector names

def create_index(ctx: Context):
    name = ctx.name()
    wait, timeout_s = ctx.write_options()
    body = ctx.body("field_name")
    schema = body.get("field_schema", body.get("field_type"))
    collection = ctx.store.resolve(name)
    ctx.allow()
    if not isinstance(body["field_name"], str):
        raise format_error("invalid type for `field_name`, expected a string")
    if schema is None:
        raise wrong_input("Field schema is required")
    collection.set_index(body["field_name"], schema)
    return collection.submit_change(wait, timeout_s)


def delete_index(ctx: Context):
    name = ctx.name()
    wait, timeout_s = ctx.write_options()
    collection = ctx.store.resolve(name)
    ctx.allow()
    collection.schema.pop(ctx.captured[1], None)
    return collection.submit_change(wait, timeout_s)


def add_vector(ctx: Context):
    name, vector_name = ctx.name(), ctx.captured[1]
    wait, timeout_s = ctx.write_options()
    body = ctx.body()
    collection = ctx.store.resolve(name)
    ctx.allow()
    collection_config.add_vector(collection.config, vector_name, body)
    try:
        collection.rows.add_vector_name(vector_name, body)
    except ValueError as problem:
        raise wrong_input(str(problem)) from None
    return collection.submit_change(wait, timeout_s)


def delete_vector(ctx: Context):
    name, vector_name = ctx.name(), ctx.captured[1]
    wait, timeout_s = ctx.write_options()
    collection = ctx.store.resolve(name)
    ctx.allow()
    collection.rows.delete_vector_name(vector_name)
    collection_config.remove_vector(collection.config, vector_name)
    return collection.submit_change(wait, timeout_s)


# ---- shards and optimisations of a single node

def cluster(ctx: Context):
    collection = ctx.collection()
    shard = {"shard_id": 0, "points_count": collection.rows.alive_count(), "state": "Active"}
    return {"peer_id": ctx.server.peer_id, "shard_count": 1, "local_shards": [shard], "remote_shards": [],
            "shard_transfers": []}


def shard_keys(ctx: Context):
    ctx.collection()
    return {"shard_keys": None}


def optimizations(ctx: Context):
    ctx.collection()
    return {"running": [], "summary": {"queued_optimizations": 0, "queued_segments": 0, "queued_points": 0,
                                       "idle_segments": 2}}


# ---- snapshots: a name, a size and bytes that can be downloaded; not the server's format

def dump(collection) -> bytes:
    points = [collection.show_point(point_id, row, True, True) for point_id, row in collection.rows.scan(None, None)]
    return jsonio.encode({"config": collection.config, "points": points})


def create_snapshot(ctx: Context):
    ctx.query.flag("wait", True)
    collection = ctx.collection()
    ctx.allow()
    content = dump(collection)
    return ctx.store.take_snapshot(collection, content, hashlib.sha256(content).hexdigest())


def list_snapshots(ctx: Context):
    return [snapshot["shown"] for snapshot in ctx.collection().snapshots.values()]


def download_snapshot(ctx: Context):
    collection = ctx.collection()
    snapshot = collection.snapshots.get(ctx.captured[1])
    if snapshot is None:
        raise Refusal(404, f"Not found: Snapshot {ctx.captured[1]} not found")
    return Response(200, snapshot["content"], "application/octet-stream")


def delete_snapshot(ctx: Context):
    ctx.query.flag("wait", True)
    collection = ctx.collection()
    ctx.allow()
    if collection.snapshots.pop(ctx.captured[1], None) is None:
        raise Refusal(404, f"Not found: Snapshot {ctx.captured[1]} not found")
    return True
