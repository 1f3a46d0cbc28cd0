# SPDX-License-Identifier: Apache-2.0
"""The requests that came in, for tests that want to know what a proxy really sent."""
import hashlib
import time
from collections import deque

from .messages import Request

ENTRIES_MAX = 20_000
TEXT_MAX = 4096


class Record:
    """The last ENTRIES_MAX requests in order of arrival; `is_on` False keeps none."""

    def __init__(self, is_on: bool):
        self.is_on = is_on
        self.entries: deque[dict] = deque(maxlen=ENTRIES_MAX)
        self.seq = 0

    def add(self, request: Request, is_early: bool = False) -> None:
        if not self.is_on:
            return
        self.seq += 1
        self.entries.append({"seq": self.seq, "time": time.time(), "method": request.method, "path": request.path,
                             "query": request.query, "headers": request.headers, "body_length": len(request.body),
                             "body_sha256": hashlib.sha256(request.body).hexdigest(), "body": text(request.body),
                             "answered_early": is_early})

    def show(self) -> list[dict]:
        return list(self.entries)

    def clear(self) -> None:
        self.entries.clear()


def text(body: bytes) -> str | None:
    if len(body) > TEXT_MAX:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
