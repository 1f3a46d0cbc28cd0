# SPDX-License-Identifier: Apache-2.0
"""One migration, ready to be tested: a legacy and a new collection, and a proxy and a Redis between them and the test."""
import uuid
from pathlib import Path
from urllib.parse import quote

from qdrant_client import QdrantClient

from . import http_json, points
from .crossfade import Crossfade
from .waiting import until

KEY_ENV = "CROSSFADE_E2E_KEY"


class Side:
    """One of the two collections, seen past the proxy."""

    def __init__(self, server, collection: str):
        self.server, self.collection = server, collection

    def call(self, method: str, suffix: str = "", body=None):
        return self.server.call(method, f"/collections/{quote(self.collection, safe='')}{suffix}", body)

    def create(self, config: dict | None = None) -> "Side":
        self.call("PUT", "", config or points.CONFIG)
        return self

    def put(self, some: list[dict]) -> None:
        if some:
            self.call("PUT", "/points?wait=true", {"points": some})

    def alias(self, name: str) -> None:
        self.server.call("POST", "/collections/aliases", {"actions": [
            {"create_alias": {"collection_name": self.collection, "alias_name": name}}]})

    def dump(self) -> list[dict]:
        """Every point, in an order and a form in which equal contents are equal."""
        self.server.wait_until_applied(self.collection)
        return points.normal(self.server.dump(self.collection))

    def ids(self) -> list:
        return [point["id"] for point in self.dump()]

    def point(self, number) -> dict | None:
        return next((point for point in self.dump() if point["id"] == number), None)

    def log(self, method: str | None = None, part: str = "") -> list[dict]:
        """What the stand-in has been asked about this collection's points by whomever."""
        return self.server.log(method, f"/collections/{self.collection}{part}")


class Scene:
    """`legacy` and `new` may live on one server or on two; both exist already unless a test says otherwise."""

    def __init__(self, folder: Path, redis, legacy_server, new_server=None, **settings):
        new_server = new_server or legacy_server
        tag = uuid.uuid4().hex[:10]
        self.redis, self.prefix = redis, f"e2e{tag}"
        self.legacy = Side(legacy_server, f"e2e_{tag}_legacy")
        self.new = Side(new_server, f"e2e-{tag}-new")
        self.alias = f"e2e {tag} alias"
        self.servers = {"main": legacy_server} | ({"other": new_server} if new_server is not legacy_server else {})
        self.migration, self.settings = settings.pop("migration", {}), settings
        self.proxy = self.make_proxy(folder)

    def make_proxy(self, folder: Path) -> Crossfade:
        return Crossfade(folder, *self.configuration(self.redis.port, {name: server.url for name, server in self.servers.items()}))

    def configuration(self, redis_port: int, urls: dict[str, str]) -> tuple[dict, dict]:
        """What a proxy of this migration is told that reaches Redis and the servers there: configuration and environment."""
        keys = {name: key for name, server in self.servers.items() if (key := server.options.get("api_key"))}
        upstreams = {name: {"url": url, **({"api_key_env": f"{KEY_ENV}_{name.upper()}"} if name in keys else {})}
                     for name, url in urls.items()}
        return {
            "redis": {"url": f"redis://127.0.0.1:{redis_port}/0", "prefix": self.prefix},
            "threads": 2, "upstreams": upstreams, "default_upstream": "main",
            "migrations": [{"name": "m", "legacy": {"upstream": "main", "collection": self.legacy.collection},
                            "new": {"upstream": list(urls)[-1], "collection": self.new.collection}, **self.migration}],
            **self.settings}, {f"{KEY_ENV}_{name.upper()}": key for name, key in keys.items()}

    def create_both(self, config: dict | None = None) -> None:
        self.legacy.create(config)
        self.new.create(config)

    def clean(self) -> None:
        """What a shared server must not keep."""
        for side in (self.legacy, self.new):
            side.server.request("DELETE", f"/collections/{quote(side.collection, safe='')}")

    # ---- flags, as an operator flips them

    def set_flag(self, name: str, value, is_global: bool = False) -> None:
        place = self.prefix if is_global else f"{self.prefix}:{{m}}"
        self.redis.cli("SET", f"{place}:{name}", str(value))

    def flags(self, dual_write, new_reads=0) -> None:
        """Set both and wait until they are in force in every thread: the one that turns writes on or reads back first."""
        pair = [("ENABLE_DUAL_WRITE", dual_write), ("ENABLE_NEW_READS", new_reads)]
        for name, value in pair if str(dual_write) == "1" else reversed(pair):
            self.set_flag(name, value)
        share = {"0": 0, "1": 100}.get(str(new_reads)) if "%" not in str(new_reads) else int(str(new_reads)[:-1])
        self.wait_for_phase(phase_of(str(dual_write) == "1", share))

    def phase(self) -> str:
        return self.proxy.status()["phase"]

    def wait_for_phase(self, name: str) -> None:
        until(self.phase, lambda phase: phase == name)

    # ---- requests through the proxy

    def http(self, method: str, suffix: str, body=None, headers: dict | None = None,
             collection: str | None = None, through: Crossfade | None = None) -> http_json.Answer:
        """A request to a collection by one of its names, the legacy one unless said otherwise."""
        name = quote(collection or self.legacy.collection, safe="")
        key = self.legacy.server.options.get("api_key")
        return (through or self.proxy).http(method, f"/collections/{name}{suffix}", body,
                                            {**({"api-key": key} if key else {}), **(headers or {})})

    def upsert(self, *some: dict, **more) -> http_json.Answer:
        return self.http("PUT", "/points?wait=true", {"points": list(some)}, **more)

    def client(self, **options) -> QdrantClient:
        options.setdefault("api_key", self.legacy.server.options.get("api_key"))
        return QdrantClient(url=f"http://127.0.0.1:{self.proxy.port}", timeout=120, check_compatibility=False, **options)

    # ---- expectations

    def assert_equal(self) -> list[dict]:
        """Both sides hold the same points; gives them."""
        assert self.differences() == []
        return self.legacy.dump()

    def wait_until_equal(self) -> list[dict]:
        until(self.differences, lambda found: found == [])
        return self.legacy.dump()

    def differences(self) -> list[tuple]:
        """The first few points that differ, as (legacy's, new's); None stands for a missing one."""
        legacy, new = ({point["id"]: point for point in side.dump()} for side in (self.legacy, self.new))
        return [(legacy.get(number), new.get(number)) for number in [*legacy, *new.keys() - legacy.keys()]
                if not points.same(legacy.get(number), new.get(number))][:5]

    def dirty(self) -> int:
        """How many points are listed as maybe different."""
        return self.boss.status()["dirty"]["listed"]

    def knows(self) -> bool:
        """Whether the list is all there is: not after a start, until a backfill or a reconcile has been through."""
        return not self.boss.status()["dirty"]["unknown"]

    def reconcile(self) -> None:
        """Until it is believed: one that began while requests of an earlier process could still land is not."""
        def ask() -> bool:
            until(lambda: self.boss.verb("reconcile").status, lambda status: status == 202)  # not before all dual write
            until(lambda: self.boss.status()["reconcile"]["state"], lambda state: state in ("done", "failed"))
            return self.knows()
        until(ask)

    def wait_until_clean(self) -> None:
        """What became of a write is recorded after its answer: until then it is in flight."""
        until(lambda: self.boss.status(), lambda status: not status["dirty"]["listed"] and not status["in_flight"])

    # ---- the worker

    @property
    def boss(self) -> Crossfade:
        """The proxy that takes commands."""
        return self.proxy

    def backfill(self, **options) -> None:
        """Start it and see it through."""
        answer = self.boss.verb("backfill", options)
        assert answer.status == 202, answer
        self.wait_for_backfill("done")

    def wait_for_backfill(self, *states: str) -> dict:
        return until(lambda: self.boss.status()["backfill"], lambda seen: seen["state"] in states)

    def validate(self, **options) -> dict:
        """Run it and give the report."""
        before = (self.boss.status()["validation"] or {}).get("at")
        answer = self.boss.verb("validate", options)
        assert answer.status == 202, answer
        return until(lambda: self.boss.status()["validation"],
                     lambda report: report and report["state"] in ("done", "failed") and report.get("at") != before)


def phase_of(dual_write: bool, share: int) -> str:
    if dual_write:
        return "dual_write" if share == 0 else "switched" if share == 100 else "canary"
    return "legacy_only" if share == 0 else "new_only"
