# SPDX-License-Identifier: Apache-2.0
"""One collection (configuration, rows, payload indexes, queue) and the store that holds them with their aliases."""
import os
from copy import deepcopy
from datetime import datetime

from qdrant_client.local.payload_value_extractor import value_by_key
from qdrant_client.local.qdrant_local import QdrantLocal

from . import config as collection_config
from . import operations
from .errors import Refusal, format_error, no_collection, wrong_input
from .ids import parse_uuid
from .operations import Behaviour
from .rows import Rows
from .updates import Pace, Updates

SCHEMA_TYPES = ("keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid")
MATCHABLE = ("keyword", "integer", "uuid", "bool")
RANGED = ("integer", "float", "datetime")


class Collection:
    def __init__(self, name: str, body: dict, behaviour: Behaviour, pace: Pace):
        self.name = name
        self.behaviour = behaviour
        self.config = collection_config.from_create(body, behaviour.version)
        self.rows = Rows(collection_config.to_local_mode(self.config))
        self.schema: dict[str, dict] = {}
        self.updates = Updates(behaviour.version.first_operation, pace)
        self.snapshots: dict[str, dict] = {}

    # ---- writing

    def submit(self, operation, wait: bool, timeout_s: float | None):
        """Queue one decoded write; refusals that need no queue come at once."""
        operations.check_at_once(self.rows, operation, self.behaviour.version)
        return self.updates.submit(
            lambda number: operations.apply(self.rows, operation, number, self.behaviour), wait, timeout_s)

    def submit_change(self, wait: bool, timeout_s: float | None):
        """An index or vector-name change: the configuration is already changed, the shard only takes note."""
        self.updates.take_number()
        return self.updates.submit(lambda number: None, wait, timeout_s)

    def set_index(self, key: str, schema) -> None:
        self.schema[key] = decode_schema(schema)

    # ---- showing

    def info(self) -> dict:
        count = self.rows.alive_count()
        shown = {"status": "green", "optimizer_status": "ok", "indexed_vectors_count": 0, "points_count": count,
                 "segments_count": 2, "config": self.config,
                 "payload_schema": {key: self.show_index(key) for key in sorted(self.schema)}}
        if self.behaviour.version.has_update_queue:
            shown["update_queue"] = {"length": len(self.updates.queue)}
        return shown

    def show_index(self, key: str) -> dict:
        points = sum(1 for _, row in self.rows.scan(None, None) if self.is_indexed(key, row))
        return {**self.schema[key], "points": points}

    def is_indexed(self, key: str, row: int) -> bool:
        values = value_by_key(self.rows.payload[row], key) or []
        return any(fits_index(value, self.schema[key]["data_type"]) for value in values)

    def index_type(self, key: str) -> str | None:
        return self.schema[key]["data_type"] if key in self.schema else None

    # ---- payload and vector selection of reads

    def show_point(self, point_id, row: int, with_payload, with_vector) -> dict:
        shown = {"id": point_id}
        if with_payload is not False:
            shown["payload"] = Rows._process_payload(self.rows.payload[row], with_payload)
        if with_vector is not False:
            shown["vector"] = self.rows.vectors_of(row, with_vector)
        return shown


def fits_index(value, data_type: str) -> bool:
    """Whether a payload value would be in an index of this type."""
    if data_type == "bool":
        return isinstance(value, bool)
    if data_type == "integer":
        return type(value) is int and -2**63 <= value < 2**63
    if data_type == "float":
        return type(value) in (int, float)
    if data_type == "geo":
        return isinstance(value, dict) and {"lat", "lon"} <= value.keys()
    if data_type == "uuid":
        return isinstance(value, str) and parse_uuid(value) is not None
    return isinstance(value, str)


def decode_schema(schema) -> dict:
    """What payload_schema shows for a field_schema: the type, and the parameters where some were given."""
    if isinstance(schema, str) and schema in SCHEMA_TYPES:
        return {"data_type": schema}
    if isinstance(schema, dict) and schema.get("type") in SCHEMA_TYPES:
        params = deepcopy(schema)
        if schema["type"] == "integer":
            params = {"type": "integer", "lookup": None, "range": None, "is_principal": None, **schema}
        return {"data_type": schema["type"], "params": params}
    raise format_error("data did not match any variant of untagged enum PayloadFieldSchema")


class Store:
    """All collections and aliases. Local mode sees the same dictionaries, so its lookups find the same names."""

    def __init__(self, behaviour: Behaviour, pace: Pace):
        self.behaviour = behaviour
        self.pace = pace
        self.collections: dict[str, Collection] = {}
        self.local = QdrantLocal(":memory:")
        self.aliases: dict[str, str] = self.local.aliases

    def resolve(self, name: str) -> Collection:
        """By alias first, then by real name, as the server does."""
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise no_collection(name)
        return found

    def create(self, name: str, body: dict) -> None:
        if name in self.collections:
            raise Refusal(409, f"Wrong input: Collection `{name}` already exists!")
        if name in self.aliases:
            raise wrong_input(f"Can't create collection with name {name}. Alias with the same name already exists")
        collection = Collection(name, body, self.behaviour, self.pace)
        self.collections[name] = collection
        self.local.collections[name] = collection.rows

    def delete(self, name: str) -> bool:
        if name not in self.collections:
            return False
        del self.collections[name]
        del self.local.collections[name]
        for alias in [alias for alias, target in self.aliases.items() if target == name]:
            del self.aliases[alias]
        return True

    def names(self) -> list[str]:
        return sorted(self.collections, key=lambda name: name.encode())

    def change_aliases(self, actions) -> None:
        """In order, without taking back what was done when a later one fails."""
        if not isinstance(actions, list):
            raise format_error("missing field `actions`")
        for action in actions:
            if not isinstance(action, dict) or len(action) != 1:
                raise format_error("data did not match any variant of untagged enum AliasOperations")
            (kind, body), = action.items()
            if kind not in ALIAS_ACTIONS or not isinstance(body, dict):
                raise format_error("data did not match any variant of untagged enum AliasOperations")
            ALIAS_ACTIONS[kind](self, body)

    def create_alias(self, body: dict) -> None:
        target, alias = body.get("collection_name"), body.get("alias_name")
        if target not in self.collections:
            raise no_collection(target)
        if alias in self.collections:
            raise Refusal(409, f"Wrong input: Collection `{alias}` already exists!")
        self.aliases[alias] = target

    def delete_alias(self, body: dict) -> None:
        self.aliases.pop(body.get("alias_name"), None)

    def rename_alias(self, body: dict) -> None:
        old, new = body.get("old_alias_name"), body.get("new_alias_name")
        if old not in self.aliases:
            raise Refusal(404, f"Not found: Alias {old} does not exists!")
        self.aliases[new] = self.aliases.pop(old)

    def take_snapshot(self, collection: Collection, content: bytes, checksum: str) -> dict:
        now = datetime.now()
        name = f"{collection.name}-{int.from_bytes(os.urandom(6))}-{now:%Y-%m-%d-%H-%M-%S}.snapshot"
        shown = {"name": name, "creation_time": f"{now:%Y-%m-%dT%H:%M:%S}", "size": len(content),
                 "checksum": checksum}
        collection.snapshots[name] = {"shown": shown, "content": content}
        return shown


ALIAS_ACTIONS = {"create_alias": Store.create_alias, "delete_alias": Store.delete_alias,
                 "rename_alias": Store.rename_alias}
