"""Walks the phases: fill, dual write, backfill, validate, canary, switch, finish. The flags are flipped as an operator does, with
redis-cli; everything else is asked of the crossfade command.

SPDX-License-Identifier: Apache-2.0
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy
from qdrant_client import QdrantClient, models

from .application import COLLECTION, DIMENSIONS, Application, vector

MIGRATION, NEW = "project-1", "project-1"
POINTS = 2000
CONFIG = """\
listen: 127.0.0.1:{data}
threads: 2
admin: {{listen: 127.0.0.1:{admin}}}
redis: {{url: redis://127.0.0.1:{redis}/0}}
state_dir: {state}
upstreams:
  main: {{url: {qdrant}{key}}}
worker: {{batch_points: 100, points_per_s_max: 400}}  # slow enough to be watched
migrations:
  - name: {name}
    legacy: {{upstream: main, collection: {legacy}}}
    new: {{upstream: main, collection: {new}}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what: str, condition, seconds=120):
    """A generous bound: a machine may be slow, but not for ever."""
    for _ in range(seconds * 20):
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"gave up waiting for {what}")


def get_json(url: str):
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


class Walk:
    def __init__(self, options):
        self.options, self.work = options, pathlib.Path(options.work)
        self.data, self.admin = free_port(), free_port()
        self.key = os.environ.get("QDRANT_API_KEY")
        self.qdrant = os.environ["QDRANT_URL"].rstrip("/")
        self.direct = QdrantClient(url=self.qdrant, api_key=self.key, timeout=60, check_compatibility=False)
        self.proxy = None

    def say(self, text: str):
        print(f"   {text}", flush=True)

    def cli(self, *words: str, ok=(0,)) -> int:
        command = [self.options.binary, *words, "--admin", f"http://127.0.0.1:{self.admin}"]
        print(f"   $ crossfade {' '.join(words)}", flush=True)
        status = subprocess.run(command).returncode
        if status not in ok:
            raise SystemExit(f"crossfade {words[0]} ended with status {status}")
        return status

    def set_flag(self, flag: str, value: str):
        key = f"crossfade:{{{MIGRATION}}}:{flag}"
        print(f"   $ redis-cli SET '{key}' {value}", flush=True)
        subprocess.run(["redis-cli", "-p", str(self.options.redis_port), "SET", key, value], check=True, stdout=subprocess.DEVNULL)

    def status(self) -> dict:
        return get_json(f"http://127.0.0.1:{self.admin}/api/v1/migrations/{MIGRATION}")

    def reach(self, phase: str):
        wait_until(f"phase {phase}", lambda: self.status()["phase"] == phase)
        self.say(f"phase: {phase}")

    def fill(self):
        for name in (COLLECTION, NEW):
            if self.direct.collection_exists(name):
                self.direct.delete_collection(name)
        self.direct.create_collection(
            COLLECTION, vectors_config=models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE))
        self.direct.create_payload_index(COLLECTION, "path", models.PayloadSchemaType.KEYWORD)
        rng = numpy.random.default_rng(1)
        for start in range(1, POINTS + 1, 100):
            self.direct.upsert(COLLECTION, wait=True, points=[
                models.PointStruct(id=i, vector=vector(rng), payload={"version": 0, "path": f"src/file_{i}.c"})
                for i in range(start, start + 100)])
        self.say(f"{COLLECTION}: {POINTS} points of {DIMENSIONS} dimensions")

    def start_proxy(self):
        config = self.work / "crossfade.yaml"
        key = ", api_key_env: QDRANT_API_KEY" if self.key else ""
        config.write_text(CONFIG.format(data=self.data, admin=self.admin, redis=self.options.redis_port, key=key,
                                        state=self.work / "state", qdrant=self.qdrant, name=MIGRATION, legacy=COLLECTION, new=NEW))
        log = open(self.work / "crossfade.log", "wb")
        self.proxy = subprocess.Popen([self.options.binary, "serve", "--config", str(config)], stderr=log)
        wait_until("the proxy", lambda: self.proxy.poll() is not None or
                   urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=2))
        if self.proxy.poll() is not None:
            raise SystemExit((self.work / "crossfade.log").read_text())
        self.say(f"crossfade on port {self.data}, its admin API on port {self.admin}")

    def run(self) -> int:
        self.fill()
        self.start_proxy()
        application = Application(f"http://127.0.0.1:{self.data}", first_id=POINTS + 1, api_key=self.key)
        application.start()
        try:
            self.phases()
        finally:
            application.stop()
        return self.report(application)

    def phases(self):
        self.say("the application writes and searches from here on, through the proxy, by the old name")
        time.sleep(1)
        print("\n-- prepare: the new collection, made like the legacy one", flush=True)
        self.cli("prepare", MIGRATION, "--wait")
        wait_until("the new collection", lambda: self.direct.collection_exists(NEW))
        print("\n-- dual write: every write goes to both, the legacy answer counts", flush=True)
        self.set_flag("ENABLE_DUAL_WRITE", "1")
        self.reach("dual_write")
        print("\n-- backfill: what was there before", flush=True)
        self.cli("backfill", MIGRATION, "--follow")
        print("\n-- validate: counts, searches, points", flush=True)
        self.cli("validate", MIGRATION, "--wait")
        print("\n-- canary: a quarter of the reads goes to the new collection", flush=True)
        self.set_flag("ENABLE_NEW_READS", "25%")
        self.reach("canary")
        time.sleep(2)
        print("\n-- switch: all reads", flush=True)
        self.set_flag("ENABLE_NEW_READS", "1")
        self.reach("switched")
        time.sleep(2)
        print("\n-- the last proof, point by point, while both are still written", flush=True)
        self.cli("validate", MIGRATION, "--full", "--wait")
        self.cli("status", MIGRATION)
        print("\n-- finish: the legacy collection is no longer written", flush=True)
        self.set_flag("ENABLE_DUAL_WRITE", "0")
        self.reach("new_only")
        time.sleep(1)

    def report(self, application: Application) -> int:
        application.check(self.direct, NEW)
        print("\n-- what the application saw", flush=True)
        self.say(f"{application.writes} upserts, {application.deletes} deletes, {application.searches} searches")
        self.say(f"{len(application.errors)} errors, {len(application.lost)} lost writes")
        for line in (application.errors + application.lost)[:10]:
            self.say(f"  {line}")
        return 1 if application.errors or application.lost else 0

    def close(self):
        if self.proxy and self.proxy.poll() is None:
            self.proxy.send_signal(signal.SIGTERM)
            self.proxy.wait(60)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--redis-port", type=int, required=True)
    parser.add_argument("--work", required=True)
    walk = Walk(parser.parse_args())
    try:
        return walk.run()
    finally:
        walk.close()


if __name__ == "__main__":
    sys.exit(main())
