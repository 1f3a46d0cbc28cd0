# SPDX-License-Identifier: Apache-2.0
"""Several replicas of the proxy that serve one migration, each with a state_dir, ports and a network of its own."""
import shutil
from pathlib import Path

from . import http_json
from .crossfade import Crossfade
from .relay import Relay
from .scene import Scene
from .waiting import until


class Replica(Crossfade):
    """One of several. `to_redis` and `to` (by upstream) are its network: only this replica notices what breaks there."""

    def __init__(self, folder: Path, scene: Scene):
        self.to_redis = Relay(scene.redis.port)
        self.to = {name: Relay(server.port, getattr(server, "host", "127.0.0.1")) for name, server in scene.servers.items()}
        super().__init__(folder, *scene.configuration(self.to_redis.port, {
            name: f"http://127.0.0.1:{relay.port}" for name, relay in self.to.items()}))
        self.id: str | None = None  # as it is known to the others; it keeps it over restarts

    def start(self, is_ready=None) -> "Replica":
        super().start(is_ready)
        if not is_ready:
            self.learn_id()
        return self

    def learn_id(self) -> None:
        self.id = self.id or self.status()["replica"]

    def lose_state(self) -> None:
        """Its disk is gone: the next start is another replica."""
        shutil.rmtree(self.folder / "state", ignore_errors=True)
        self.id = None

    @property
    def relays(self) -> list[Relay]:
        return [self.to_redis, *self.to.values()]

    def leads(self) -> bool:
        """As far as it knows."""
        status = self.status()
        return status["leader"] == status["replica"]

    def sees(self, other: "Replica") -> dict | None:
        """How the other stands in this one's list; None where it does not."""
        return next((row for row in self.status()["replicas"] if row["id"] == other.id), None)


class Group(Scene):
    """A Scene with several proxies: `proxy` is the first of them, commands go to the one that leads."""

    def __init__(self, folder: Path, count: int, *arguments, **settings):
        self.folder, self.replicas = folder, []
        super().__init__(folder, *arguments, **settings)
        while len(self.replicas) < count:
            self.make_proxy(folder)

    def make_proxy(self, folder: Path) -> Replica:
        """One more."""
        own = folder / f"replica{len(self.replicas)}"
        own.mkdir()
        self.replicas.append(Replica(own, self))
        return self.replicas[-1]

    @property
    def running(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.is_running]

    def leader(self) -> Replica | None:
        return next((replica for replica in self.running if replica.leads()), None)

    @property
    def boss(self) -> Replica:
        return until(self.leader)

    def others(self, *but: Replica) -> list[Replica]:
        return [replica for replica in self.replicas if replica not in but]

    def command(self, verb: str, body: dict | None = None) -> http_json.Answer:
        """To whoever leads, also while that changes and while the one that leads has not noticed yet."""
        return until(lambda: self.boss.verb(verb, body), lambda answer: answer.status != 409)

    def forget(self, replica: Replica) -> http_json.Answer:
        """Declare it dead."""
        return self.boss.admin("POST", f"/api/v1/migrations/m/replicas/{replica.id}/forget", {})

    # ---- waiting for what the replicas see

    def backfill(self, **options) -> None:
        assert self.command("backfill", options).status == 202
        self.wait_for_backfill("done")

    def wait_for_phase(self, name: str) -> None:
        for replica in self.running:
            until(lambda: replica.status()["phase"], lambda phase: phase == name)

    def wait_for_state(self, replica: Replica, state: str) -> None:
        """Until every other running one sees it so: joined, lapsed."""
        for other in self.running:
            if other is not replica:
                until(lambda: other.sees(replica), lambda row: row and row["state"] == state)

    def wait_until_joined(self) -> None:
        for replica in self.running:
            until(replica.status, lambda status: not status["cut_off"] and not any(
                row["state"] != "joined" for row in status["replicas"]))

    def wait_until_in_sync(self) -> None:
        """Every running replica says that it knows what differs, and that nothing does."""
        for replica in self.running:
            until(replica.status, is_in_sync)


def is_in_sync(status: dict) -> bool:
    """Whether a replica says that both sides hold the same."""
    return not (status["dirty"]["unknown"] or status["dirty"]["listed"] or status["in_flight"] or status["copies"] or
                status["held"] or status["cut_off"] or any(row["state"] != "joined" for row in status["replicas"]))
