# SPDX-License-Identifier: Apache-2.0
"""A collection's configuration: from a create body to what collection info shows, and the changes PATCH makes.

What info shows can be sent back to create another collection (params one level up), so the answer keeps the body's
own values and adds the server's defaults.
"""
from copy import deepcopy

from qdrant_client.http import models

from .errors import Refusal, format_error, invalid_body, wrong_input
from .version import Version

PARAMS = ("shard_number", "sharding_method", "replication_factor", "write_consistency_factor", "read_fan_out_factor",
          "on_disk_payload")
DISTANCES = ("Cosine", "Euclid", "Dot", "Manhattan")
DATATYPES = (None, "float32", "float16", "uint8")
FULL_SCAN_MIN = 10


def defaults(version: Version) -> dict:
    """Sections a create body can change, with the server's defaults."""
    optimizer = {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0,
                 "max_segment_size": None, "memmap_threshold": None,
                 "indexing_threshold": version.indexing_threshold, "flush_interval_sec": 5,
                 "max_optimization_threads": None}
    wal = {"wal_capacity_mb": 32, "wal_segments_ahead": 0}
    if version.has_update_queue:
        optimizer["prevent_unoptimized"] = None
        wal["wal_retain_closed"] = 1
    return {
        "params": {"shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1, "on_disk_payload": True},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "max_indexing_threads": 0,
                        "on_disk": False},
        "optimizer_config": optimizer,
        "wal_config": wal,
        "quantization_config": None,
    }


def section(body: dict, field: str) -> dict | None:
    """A field that, where it is given, has to be a map."""
    value = body.get(field)
    if value is not None and not isinstance(value, dict):
        raise format_error(f"invalid type for `{field}`, expected a map")
    return value


def from_create(body: dict, version: Version) -> dict:
    """The stored configuration for the body of PUT /collections/{name}."""
    if not isinstance(body, dict):
        raise format_error("invalid type: expected struct CreateCollection")
    config = defaults(version)
    check_vectors(body.get("vectors") or {})
    config["params"] = {"vectors": deepcopy(body.get("vectors") or {}), **config["params"]}
    for field in PARAMS:
        if body.get(field) is not None:
            config["params"][field] = body[field]
    if section(body, "sparse_vectors"):
        config["params"]["sparse_vectors"] = deepcopy(body["sparse_vectors"])
    merge_section(config["hnsw_config"], body.get("hnsw_config"))
    merge_section(config["wal_config"], body.get("wal_config"))
    merge_section(config["optimizer_config"], body.get("optimizers_config") or body.get("optimizer_config"))
    if type(config["hnsw_config"]["full_scan_threshold"]) is not int:
        raise format_error("invalid type for `full_scan_threshold`, expected usize")
    if config["hnsw_config"]["full_scan_threshold"] < FULL_SCAN_MIN:
        raise invalid_body(f"hnsw_config.full_scan_threshold: value {config['hnsw_config']['full_scan_threshold']} "
                           f"invalid, must be {FULL_SCAN_MIN} or larger")
    config["quantization_config"] = deepcopy(body.get("quantization_config"))
    set_strict_mode(config, section(body, "strict_mode_config"), version)
    metadata = section(body, "metadata")
    if version.has_metadata and metadata:
        config["metadata"] = deepcopy(metadata)
    return config


def set_strict_mode(config: dict, given: dict | None, version: Version) -> None:
    if given is not None:
        config["strict_mode_config"] = {"enabled": False, **given}
    elif version.shows_strict_mode:
        config["strict_mode_config"] = {"enabled": False}


def merge_section(section: dict, given: dict | None) -> None:
    if given is not None:
        if not isinstance(given, dict):
            raise format_error("invalid type: expected a map")
        section.update({key: value for key, value in given.items() if value is not None and key in section})


def check_vectors(vectors) -> None:
    if not isinstance(vectors, dict):
        raise format_error("data did not match any variant of untagged enum VectorsConfig")
    is_single = "size" in vectors and "distance" in vectors
    for name, params in ([("", vectors)] if is_single else vectors.items()):
        check_vector(name, params)


def check_vector(name: str, params) -> None:
    if not isinstance(params, dict) or type(params.get("size")) is not int:
        raise format_error("data did not match any variant of untagged enum VectorsConfig")
    if params.get("distance") not in DISTANCES or params.get("datatype") not in DATATYPES:
        raise format_error("data did not match any variant of untagged enum VectorsConfig")
    if not 1 <= params["size"] <= 65536:
        where = f"vectors.{name}.size" if name else "vectors.size"
        raise invalid_body(f"{where}: value {params['size']} invalid, must be from 1 to 65536")


def is_single_vector(config: dict) -> bool:
    return "size" in config["params"]["vectors"]


def dense_params(config: dict) -> dict[str, dict]:
    """Parameters by vector name; the unnamed vector has the name ""."""
    vectors = config["params"]["vectors"]
    return {"": vectors} if is_single_vector(config) else vectors


def to_local_mode(config: dict) -> models.CreateCollection:
    """The same collection as local mode wants to hear of it."""
    params = config["params"]
    try:
        return models.CreateCollection.model_validate({
            "vectors": params["vectors"], "sparse_vectors": params.get("sparse_vectors") or None})
    except ValueError:
        raise format_error("data did not match any variant of untagged enum VectorsConfig") from None


def patch(config: dict, body: dict, version: Version) -> None:
    """Apply the body of PATCH /collections/{name} in place."""
    if not isinstance(body, dict):
        raise format_error("invalid type: expected struct UpdateCollection")
    patch_vectors(config, section(body, "vectors"))
    patch_sparse(config, section(body, "sparse_vectors"))
    merge_section(config["optimizer_config"], body.get("optimizers_config") or body.get("optimizer_config"))
    merge_section(config["hnsw_config"], body.get("hnsw_config"))
    for field, value in (section(body, "params") or {}).items():
        if value is not None:
            config["params"][field] = value
    quantization = body.get("quantization_config")
    if quantization is not None:
        config["quantization_config"] = None if quantization == "Disabled" else quantization
    strict_mode = section(body, "strict_mode_config")
    if strict_mode is not None:
        config["strict_mode_config"] = {**config.get("strict_mode_config", {"enabled": False}), **strict_mode}
    metadata = section(body, "metadata")
    if version.has_metadata and metadata:
        config["metadata"] = {**config.get("metadata", {}), **metadata}


def patch_vectors(config: dict, changes: dict | None) -> None:
    known = dense_params(config)
    for name in changes or {}:
        if name not in known:
            raise wrong_input(f"Not existing vector name error: {name}")
        for field, value in section(changes, name).items():
            if isinstance(value, dict) and isinstance(known[name].get(field), dict):
                known[name][field].update(value)
            elif value is not None:
                known[name][field] = value


def patch_sparse(config: dict, changes: dict | None) -> None:
    known = config["params"].get("sparse_vectors", {})
    for name, change in (changes or {}).items():
        if name not in known:
            raise wrong_input(f"Not existing vector name error: {name}")
        known[name].update({field: value for field, value in change.items() if value is not None})


def add_vector(config: dict, name: str, body: dict) -> None:
    """PUT .../vectors/{name}: after this a single unnamed vector shows as a map with the key ""."""
    params = config["params"]
    if isinstance(body.get("dense"), dict):
        check_vector(name, body["dense"])
        params["vectors"] = {**dense_params(config), name: body["dense"]}
    elif isinstance(body.get("sparse"), dict):
        params["sparse_vectors"] = {**params.get("sparse_vectors", {}), name: body["sparse"]}
    else:
        raise Refusal(400, "Format error in JSON body: data did not match any variant of untagged enum "
                           "VectorNameConfig")


def remove_vector(config: dict, name: str) -> None:
    params = config["params"]
    params.get("sparse_vectors", {}).pop(name, None)
    if not is_single_vector(config):
        params["vectors"].pop(name, None)
