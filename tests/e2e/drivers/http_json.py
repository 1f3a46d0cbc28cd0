# SPDX-License-Identifier: Apache-2.0
"""One HTTP request on a connection of its own, for tests that are about JSON and not about HTTP."""
import http.client
import json
from dataclasses import dataclass

REQUEST_S = 120.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def result(self):
        assert self.status in (200, 202), f"{self.status} {self.body!r}"
        return self.json["result"]

    @property
    def error(self) -> str:
        """The text of an error in Qdrant's shape; anything else fails the test."""
        answer = self.json
        assert set(answer) == {"status", "time"} and set(answer["status"]) == {"error"}, answer
        return answer["status"]["error"]


def request(port: int, method: str, path: str, body=None, headers: dict | None = None,
            host: str = "127.0.0.1") -> Answer:
    """`body` is bytes, or anything JSON, or None for none."""
    raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    sent = {**({"content-type": "application/json"} if raw is not None else {}), **(headers or {})}
    connection = http.client.HTTPConnection(host, port, timeout=REQUEST_S)
    try:
        connection.request(method, path, raw, sent)
        response = connection.getresponse()
        text = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
    finally:
        connection.close()
