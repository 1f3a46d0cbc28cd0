# SPDX-License-Identifier: Apache-2.0
"""Sends recorded exchanges to a server, byte for byte and in order, and keeps what it answers."""
import base64
import gzip
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent
VERSIONS = ("1.12.4", "1.18.3")
TIMEOUT_S = 120


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    def body(self):
        """Parsed where it says it is JSON."""
        raw = gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw
        return json.loads(raw) if self.headers.get("content-type") == "application/json" else raw.decode()


def load(version: str) -> list[dict]:
    return json.loads((HERE / f"contract-{version}.json").read_text())["exchanges"]


def names_created(exchanges: list[dict]) -> set[str]:
    """The collections a replay makes."""
    made = set()
    for exchange in exchanges:
        path = exchange["request"]["path"]
        if exchange["request"]["method"] == "PUT" and path.count("/") == 2 and exchange["response"]["status"] == 200:
            made.add(unquote(path.removeprefix("/collections/")))
    return made


class Replay:
    """One server, spoken to over kept-alive connections."""

    def __init__(self, url: str, api_key: str | None = None):
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connect = lambda: kind(parts.hostname, parts.port or 6333, timeout=TIMEOUT_S)
        self.key = {"api-key": api_key} if api_key else {}
        self.snapshot = ""

    def send(self, method: str, path: str, body: bytes | None, headers: dict) -> Answer:
        connection = self.connect()
        try:
            connection.request(method, path, body, {**headers, **self.key})
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, raw)

    def run(self, exchanges: list[dict]) -> dict[str, Answer]:
        """Answers by exchange name; names are unique in a file."""
        answers = {}
        for exchange in exchanges:
            request = exchange["request"]
            path = request["path"]
            if exchange["name"] == "snapshot delete":
                path = f"/collections/quant/snapshots/{self.snapshot}?wait=true"
            answer = self.send(request["method"], path, body_of(request), request.get("headers", {}))
            if exchange["name"] == "snapshot create" and answer.status == 200:
                self.snapshot = answer.body()["result"]["name"]
            answers[exchange["name"]] = answer
        return answers


def body_of(request: dict) -> bytes | None:
    if "body_b64" in request:
        return base64.b64decode(request["body_b64"])
    if "body_text" in request:
        return request["body_text"].encode()
    if request.get("body") is not None:
        return json.dumps(request["body"], separators=(",", ":"), ensure_ascii=False).encode()
    return None
