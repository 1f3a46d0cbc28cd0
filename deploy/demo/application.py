"""The application: writes, deletes and searches through the proxy without a pause, knows nothing of any migration, and keeps
a book of what was acknowledged to it, so that a lost write can be told at the end.

SPDX-License-Identifier: Apache-2.0
"""

import random
import threading

import numpy
from qdrant_client import QdrantClient, models

DIMENSIONS = 768
COLLECTION = "project_1_code"  # the name it has always used


def vector(rng) -> list:
    return rng.standard_normal(DIMENSIONS).astype(numpy.float32).tolist()


class Application:
    def __init__(self, url: str, first_id: int, api_key=None):
        self.url, self.api_key, self.first_id = url, api_key, first_id
        self.book: dict[int, int | None] = {}  # id -> version acknowledged, None when its delete was
        self.writes = self.deletes = self.searches = 0
        self.errors: list[str] = []
        self.lost: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in (self._write, self._search)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work):
        client = QdrantClient(url=self.url, api_key=self.api_key, timeout=60, check_compatibility=False)
        rng, numpy_rng = random.Random(7), numpy.random.default_rng(7)
        while not self._stop.wait(0.01):
            try:
                work(client, rng, numpy_rng)
            except Exception as error:  # whatever an application could see is what is being counted
                self.errors.append(f"{type(error).__name__}: {error}"[:300])

    def _write(self, client, rng, numpy_rng):
        """New points, changed ones and deletes; then it reads what it has just written."""
        point = rng.choice((self.first_id + len(self.book), rng.randrange(1, 500)))
        if rng.random() < 0.15:
            client.delete(COLLECTION, points_selector=[point], wait=True)
            self.book[point] = None
            self.deletes += 1
        else:
            version = (self.book.get(point) or 0) + self.writes + 1
            payload = {"version": version, "path": f"src/file_{point}.c", "big": 2**53 + point}
            client.upsert(COLLECTION, [models.PointStruct(id=point, vector=vector(numpy_rng), payload=payload)], wait=True)
            self.book[point] = version
            self.writes += 1
        self._compare(point, client.retrieve(COLLECTION, [point], with_payload=True), "just after the write")

    def _search(self, client, rng, numpy_rng):
        found = client.query_points(COLLECTION, query=vector(numpy_rng), limit=5).points
        if len(found) != 5:
            self.errors.append(f"a search found {len(found)} points instead of 5")
        self.searches += 1

    def _compare(self, point, records, when):
        wanted, got = self.book[point], records[0].payload["version"] if records else None
        if wanted != got:
            self.lost.append(f"point {point} {when}: version {got}, acknowledged was {wanted}")

    def check(self, client, collection):
        """Every acknowledged write, read straight from a collection."""
        points = list(self.book)
        for start in range(0, len(points), 500):
            part = points[start:start + 500]
            records = {r.id: r for r in client.retrieve(collection, part, with_payload=True)}
            for point in part:
                self._compare(point, [records[point]] if point in records else [], f"at the end, in {collection}")
