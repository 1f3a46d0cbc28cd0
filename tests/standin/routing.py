# SPDX-License-Identifier: Apache-2.0
"""The table of endpoints, and the choice of one for a method and a path.

Methods and literal segments are compared exactly; a captured segment is decoded a second time and may not be empty.
Nothing found means 404 with an empty body, also for a known path with another method. Order matters once: the alias
endpoint comes before a collection called "aliases".
"""
from dataclasses import dataclass
from typing import Callable

from . import handlers_collections as collections
from . import handlers_points as points
from . import handlers_service as service
from .urls import decode_parameter, segments
from .version import Version

C = "/collections/{collection_name}"


@dataclass(frozen=True, slots=True)
class Route:
    """`access` is none, read, write (points, indexes) or manage (collections, aliases, snapshots in)."""

    method: str
    pattern: str
    handler: Callable
    access: str


def table(version: Version) -> list[Route]:
    rows = [
        ("GET", "/", service.root, "none"),
        ("GET", "/healthz", service.healthz, "none"),
        ("GET", "/livez", service.healthz, "none"),
        ("GET", "/readyz", service.readyz, "none"),
        ("GET", "/telemetry", service.telemetry, "read"),
        ("GET", "/metrics", service.metrics, "read"),
        ("GET", "/issues", service.issues, "read"),
        ("DELETE", "/issues", service.clear_issues, "manage"),
        ("GET", "/cluster", service.cluster, "read"),
        ("POST", "/collections/aliases", collections.change_aliases, "manage"),
        ("GET", "/aliases", collections.all_aliases, "read"),
        ("GET", "/collections", collections.list_names, "read"),
        ("PUT", C, collections.create, "manage"),
        ("PATCH", C, collections.patch, "manage"),
        ("DELETE", C, collections.delete, "manage"),
        ("GET", C, collections.info, "read"),
        ("GET", f"{C}/exists", collections.exists, "read"),
        ("GET", f"{C}/aliases", collections.aliases, "read"),
        ("GET", f"{C}/cluster", collections.cluster, "read"),
        ("PUT", f"{C}/index", collections.create_index, "write"),
        ("DELETE", f"{C}/index/{{field_name}}", collections.delete_index, "write"),
        ("GET", f"{C}/snapshots", collections.list_snapshots, "read"),
        ("POST", f"{C}/snapshots", collections.create_snapshot, "write"),
        ("GET", f"{C}/snapshots/{{snapshot_name}}", collections.download_snapshot, "read"),
        ("DELETE", f"{C}/snapshots/{{snapshot_name}}", collections.delete_snapshot, "write"),
        ("PUT", f"{C}/snapshots/recover", service.not_imitated, "manage"),
        ("POST", f"{C}/snapshots/upload", service.not_imitated, "manage"),
        ("POST", f"{C}/cluster", service.not_imitated, "manage"),
        ("PUT", f"{C}/shards", service.not_imitated, "manage"),
        ("POST", f"{C}/shards/delete", service.not_imitated, "manage"),
        ("GET", "/snapshots", service.no_full_snapshots, "read"),
        ("POST", "/snapshots", service.not_imitated, "manage"),
        ("PUT", f"{C}/points", points.upsert, "write"),
        ("POST", f"{C}/points", points.retrieve, "read"),
        ("POST", f"{C}/points/delete", points.delete, "write"),
        ("POST", f"{C}/points/batch", points.batch, "write"),
        ("PUT", f"{C}/points/vectors", points.update_vectors, "write"),
        ("POST", f"{C}/points/vectors/delete", points.delete_vectors, "write"),
        ("POST", f"{C}/points/payload", points.set_payload, "write"),
        ("PUT", f"{C}/points/payload", points.overwrite_payload, "write"),
        ("POST", f"{C}/points/payload/delete", points.delete_payload, "write"),
        ("POST", f"{C}/points/payload/clear", points.clear_payload, "write"),
        ("POST", f"{C}/points/scroll", points.scroll, "read"),
        ("POST", f"{C}/points/count", points.count, "read"),
        ("POST", f"{C}/facet", points.facet, "read"),
        ("POST", f"{C}/points/search", points.search, "read"),
        ("POST", f"{C}/points/search/batch", points.search_batch, "read"),
        ("POST", f"{C}/points/search/groups", points.search_groups, "read"),
        ("POST", f"{C}/points/search/matrix/pairs", points.matrix_pairs, "read"),
        ("POST", f"{C}/points/search/matrix/offsets", points.matrix_offsets, "read"),
        ("POST", f"{C}/points/recommend", points.recommend, "read"),
        ("POST", f"{C}/points/recommend/batch", points.recommend_batch, "read"),
        ("POST", f"{C}/points/recommend/groups", points.recommend_groups, "read"),
        ("POST", f"{C}/points/discover", points.discover, "read"),
        ("POST", f"{C}/points/discover/batch", points.discover_batch, "read"),
        ("POST", f"{C}/points/query", points.query, "read"),
        ("POST", f"{C}/points/query/batch", points.query_batch, "read"),
        ("POST", f"{C}/points/query/groups", points.query_groups, "read"),
        ("GET", f"{C}/points/{{id}}", points.get_point, "read"),
    ]
    if version.has_locks:
        rows.append(("GET", "/locks", service.locks, "read"))
    if version.has_shard_list:
        rows.append(("GET", f"{C}/shards", collections.shard_keys, "read"))
    if version.has_optimizations:
        rows.append(("GET", f"{C}/optimizations", collections.optimizations, "read"))
    if version.has_vector_names:
        rows.append(("PUT", f"{C}/vectors/{{vector_name}}", collections.add_vector, "write"))
        rows.append(("DELETE", f"{C}/vectors/{{vector_name}}", collections.delete_vector, "write"))
    return [Route(*row) for row in rows]


class Router:
    """find(method, path) -> (route, captured parameters), or None."""

    def __init__(self, version: Version):
        self.merges_slashes = version.merges_slashes
        self.by_shape: dict[tuple[str, int], list] = {}
        for route in table(version):
            parts = route.pattern.encode().split(b"/")[1:]
            self.by_shape.setdefault((route.method, len(parts)), []).append((route, parts))

    def find(self, method: str, path: str) -> tuple[Route, list[str]] | None:
        found = segments(path, self.merges_slashes)
        if found is None:
            return None
        for route, parts in self.by_shape.get((method, len(found)), ()):
            captured = capture(parts, found)
            if captured is not None:
                return route, captured
        return None


def capture(parts: list[bytes], found: list[bytes]) -> list[str] | None:
    captured = []
    for part, segment in zip(parts, found):
        if part[:1] == b"{":
            if not segment:
                return None
            captured.append(decode_parameter(segment))
        elif part != segment:
            return None
    return captured
