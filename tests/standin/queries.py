# SPDX-License-Identifier: Apache-2.0
"""Searches: every form (search, recommend, discover, query, and their batches and groups) becomes a query that local
mode runs. Payloads, vectors and versions of the hits are added here from the rows.
"""
import re

import numpy as np
from pydantic import ValidationError
from qdrant_client.http import models

from . import filters, reads
from .collection import Collection, Store
from .errors import (Refusal, format_error, no_collection, no_point_to_update, unknown_vector, wrong_dimension,
                     wrong_input)

MISSING_POINT = re.compile(r"Point (\S+) is not found in the collection")
MISSING_VECTOR = re.compile(r"[Vv]ector (\S*) (?:is )?not found")
QUERY_KEYS = frozenset(models.QueryRequest.model_fields) - {"with_payload", "with_vector", "shard_key"}
GROUP_KEYS = frozenset(models.QueryGroupsRequest.model_fields) - {"with_payload", "with_vector", "shard_key"}
PREFETCH_KEYS = frozenset(models.Prefetch.model_fields)
COMMON_KEYS = ("filter", "params", "limit", "offset", "score_threshold", "with_payload", "with_vector", "group_by",
               "group_size", "with_lookup")


def require(body: dict, field: str):
    if not isinstance(body, dict):
        raise format_error("invalid type: expected a struct")
    if field not in body:
        raise format_error(f"missing field `{field}`")
    return body[field]


# ---- the older forms, rewritten as queries

def from_search(body: dict) -> dict:
    vector, using = require(body, "vector"), None
    if isinstance(vector, dict):
        vector, using = require(vector, "vector"), require(vector, "name")
    return {**common(body), "query": vector, "using": using}


def from_recommend(body: dict) -> dict:
    positive, negative = body.get("positive") or [], body.get("negative") or []
    if not positive and not negative:
        raise wrong_input("At least one positive or negative vector ID required")
    recommend = {"positive": positive, "negative": negative}
    if body.get("strategy"):
        recommend["strategy"] = body["strategy"]
    return {**common(body), "query": {"recommend": recommend}, "using": body.get("using"),
            "lookup_from": body.get("lookup_from")}


def from_discover(body: dict) -> dict:
    context = body.get("context") or []
    query = {"context": context}
    if body.get("target") is not None:
        query = {"discover": {"target": body["target"], "context": context}}
    return {**common(body), "query": query, "using": body.get("using"), "lookup_from": body.get("lookup_from")}


def common(body: dict) -> dict:
    return {key: body[key] for key in COMMON_KEYS if key in body}


def searches(body: dict) -> list:
    """The requests of a batch."""
    if not isinstance(body["searches"], list) or not all(isinstance(search, dict) for search in body["searches"]):
        raise format_error("invalid type: expected a sequence of structs")
    return body["searches"]


# ---- running a query

def run(store: Store, collection: Collection, body: dict, where: str) -> list[dict]:
    """The hits of one query as JSON."""
    if not isinstance(body, dict):
        raise format_error("invalid type: expected a struct")
    reads.positive(body, "limit", 10, where)
    request = decode(models.QueryRequest, body, QUERY_KEYS)
    check(store, collection, body)
    hits = guarded(lambda: store.local.query_points(
        collection.name, query=request.query, using=request.using, prefetch=request.prefetch,
        query_filter=request.filter, search_params=request.params, limit=request.limit or 10, offset=request.offset,
        with_payload=False, with_vectors=False, score_threshold=request.score_threshold,
        lookup_from=request.lookup_from)).points
    return show_hits(collection, body, hits)


def run_groups(store: Store, collection: Collection, body: dict, where: str) -> dict:
    require(body, "group_by")
    reads.positive(body, "limit", 10, where)
    request = decode(models.QueryGroupsRequest, body, GROUP_KEYS)
    check(store, collection, body)
    found = guarded(lambda: store.local.query_points_groups(
        collection.name, group_by=request.group_by, query=request.query, using=request.using,
        prefetch=request.prefetch, query_filter=request.filter, search_params=request.params,
        limit=request.limit or 10, group_size=request.group_size or 3, with_payload=False, with_vectors=False,
        score_threshold=request.score_threshold, with_lookup=request.with_lookup, lookup_from=request.lookup_from))
    return {"groups": [show_group(collection, body, group) for group in found.groups]}


def run_matrix(collection: Collection, body: dict, as_offsets: bool) -> dict:
    search = collection.rows.search_matrix_offsets if as_offsets else collection.rows.search_matrix_pairs
    found = guarded(lambda: search(
        query_filter=filters.decode_optional(body.get("filter")), limit=body.get("limit") or 3,
        sample=body.get("sample") or 10, using=body.get("using")))
    return found.model_dump()


def decode(model, body: dict, keys: frozenset):
    """The client's model of the request; like the server it does not mind unknown keys."""
    known = {key: value for key, value in body.items() if key in keys and value is not None}
    if "prefetch" in known:
        known["prefetch"] = strip_prefetch(known["prefetch"])
    filters.decode_optional(known.get("filter"))
    try:
        return model.model_validate(known)
    except ValidationError as problem:
        raise format_error(filters.first_problem(problem)) from None


def strip_prefetch(value):
    if isinstance(value, list):
        return [strip_prefetch(item) for item in value]
    if not isinstance(value, dict):
        raise format_error("invalid type: expected struct Prefetch")
    known = {key: item for key, item in value.items() if key in PREFETCH_KEYS and item is not None}
    if "prefetch" in known:
        known["prefetch"] = strip_prefetch(known["prefetch"])
    return known


def check(store: Store, collection: Collection, body: dict) -> None:
    """What local mode does not refuse, or not with the server's words: names and sizes."""
    lookup = body.get("lookup_from")
    if isinstance(lookup, dict):
        store.resolve(lookup.get("collection"))
    with_lookup = body.get("with_lookup")
    if with_lookup is not None:
        store.resolve(with_lookup if isinstance(with_lookup, str) else require(with_lookup, "collection"))
    prefetch = body.get("prefetch") or []
    for item in prefetch if isinstance(prefetch, list) else [prefetch]:
        check(store, collection, item)
    query = body.get("query")
    query = query.get("nearest") if isinstance(query, dict) and "nearest" in query else query
    name = body.get("using") or ""
    if isinstance(query, list) and query and not isinstance(query[0], list) and name in collection.rows.vectors:
        size = collection.rows.get_vector_params(name).size
        if len(query) != size:
            raise wrong_dimension(size, len(query))
    if body.get("using") and name not in collection.rows.vector_names():
        raise unknown_vector(name)


def guarded(call):
    """Run local mode and say its complaints with the server's status and, where known, its words."""
    try:
        return call()
    except Refusal:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AssertionError) as problem:
        text = str(problem)
        point = MISSING_POINT.search(text)
        if point:
            raise no_point_to_update(point.group(1)) from None
        if re.fullmatch(r"Collection .* not found", text):
            raise no_collection(text[len("Collection "):-len(" not found")]) from None
        vector = MISSING_VECTOR.search(text)
        if vector:
            raise unknown_vector(vector.group(1)) from None
        raise wrong_input(text) from None


# ---- showing

def show_hits(collection: Collection, body: dict, hits: list) -> list[dict]:
    with_payload = reads.payload_selector(body.get("with_payload"), default=False)
    with_vector = reads.vector_selector(body.get("with_vector"))
    query = body.get("query")
    is_sample = isinstance(query, dict) and "sample" in query
    shown = []
    for hit in hits:
        row = collection.rows.ids[hit.id]
        point = {"id": hit.id, "version": 0 if is_sample else collection.rows.versions[row],
                 "score": sample_score(collection) if is_sample else np.float32(hit.score)}
        rest = collection.show_point(hit.id, row, with_payload, with_vector)
        rest.pop("id")
        shown.append({**point, **rest})
    return shown


def sample_score(collection: Collection) -> float:
    return 1.0 if collection.behaviour.version.has_update_queue else 0.0


def show_group(collection: Collection, body: dict, group) -> dict:
    shown = {"hits": show_hits(collection, body, group.hits), "id": group.id}
    if group.lookup is not None:
        shown["lookup"] = group.lookup.model_dump(exclude_none=True, exclude={"shard_key"})
    return shown
