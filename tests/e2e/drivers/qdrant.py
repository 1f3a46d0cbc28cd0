# SPDX-License-Identifier: Apache-2.0
"""A real Qdrant, with as much of the stand-in's driver as a server without switches can have."""
import os
from urllib.parse import quote, urlsplit

from . import http_json


class RealQdrant:
    """The server that QDRANT_URL names."""
    version = "real"

    def __init__(self, url: str, api_key: str | None):
        parts = urlsplit(url)
        if parts.scheme != "http":
            raise RuntimeError("QDRANT_URL has to be http://host:port; the proxy speaks no TLS to an upstream")
        self.host, self.port = parts.hostname, parts.port or 6333
        self.url = f"http://{self.host}:{self.port}"
        self.options = {"api_key": api_key} if api_key else {}

    @classmethod
    def from_environment(cls) -> "RealQdrant | None":
        url = os.environ.get("QDRANT_URL")
        return cls(url, os.environ.get("QDRANT_API_KEY")) if url else None

    def with_key(self, headers: dict | None = None) -> dict:
        key = self.options.get("api_key")
        return {**({"api-key": key} if key else {}), **(headers or {})}

    def request(self, method: str, path: str, body=None, headers: dict | None = None) -> tuple[int, object]:
        answer = http_json.request(self.port, method, path, body, self.with_key(headers), self.host)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return answer.status, answer.json if is_json else answer.body

    def call(self, method: str, path: str, body=None):
        status, answer = self.request(method, path, body)
        assert status == 200, f"{method} {path}: {status} {answer}"
        return answer["result"]

    def wait_until_applied(self, collection: str) -> None:
        """A filter that matches nothing, waited for, comes after everything acknowledged before it."""
        self.call("POST", f"/collections/{quote(collection, safe='')}/points/payload/delete?wait=true",
                  {"keys": [], "filter": {"must": [{"has_id": []}]}})

    def dump(self, collection: str) -> list[dict]:
        """Every point with payload and vectors, in scroll order."""
        points, offset = [], None
        while True:
            page = self.call("POST", f"/collections/{quote(collection, safe='')}/points/scroll", {
                "limit": 1000, "with_payload": True, "with_vector": True, **({"offset": offset} if offset else {})})
            points += page["points"]
            offset = page["next_page_offset"]
            if offset is None:
                return points

    def ids(self, collection: str) -> list:
        return [point["id"] for point in self.dump(collection)]
