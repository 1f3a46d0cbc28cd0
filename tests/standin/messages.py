# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as values, and the reading of a request head; no sockets here."""
import re
from dataclasses import dataclass, field

TARGET_MAX = 64 * 1024
HEAD_MAX = 128 * 1024
HEADERS_MAX = 96
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
REFUSED_IN_TARGET = re.compile(rb"[\x00-\x20\x7f-\xff<>`]")
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class BadHead(Exception):
    """A head the HTTP layer answers itself: a status without a body, then the connection closes."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class Request:
    """`headers` keeps order and repeats; `first` finds the first of a name (names are lower case)."""

    method: str
    target: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    keep_alive: bool
    length: int | None
    is_chunked: bool
    expects_continue: bool
    body: bytes = b""
    early: object = None

    def first(self, name: str) -> str | None:
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(slots=True)
class Response:
    """What to send. `raw` replaces everything; `pace_ms` spreads the body; `reset` sends nothing and aborts."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    close: bool = False
    close_silently_ms: float | None = None
    reset: bool = False
    raw: bytes | None = None
    pace_ms: float = 0.0
    cut_after: int | None = None


def parse_head(head: bytes) -> Request:
    """The request whose head (without the empty line) is given."""
    lines = head.split(b"\r\n")
    parts = lines[0].split(b" ")
    if len(lines) - 1 > HEADERS_MAX:
        raise BadHead(431)
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadHead(400)
    method = parts[0].decode("latin-1")
    if not TOKEN.match(method) or len(parts[1]) > TARGET_MAX or REFUSED_IN_TARGET.search(parts[1]) or not parts[1]:
        raise BadHead(400)
    headers = [parse_header(line) for line in lines[1:]]
    return describe(method, parts[1].decode("ascii"), headers, parts[2] == b"HTTP/1.1")


def parse_header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.decode("latin-1").partition(":")
    if not colon or not TOKEN.match(name):
        raise BadHead(400)
    return name.lower(), value.strip(" \t")


def describe(method: str, target: str, headers: list, is_new: bool) -> Request:
    path, query = split_target(target)
    lengths, codings, connection, expect = [], [], "", ""
    for name, value in headers:
        if name == "content-length":
            lengths.append(value)
        elif name == "transfer-encoding":
            codings.append(value.lower())
        elif name == "connection":
            connection = value.lower()
        elif name == "expect":
            expect = value.lower()
    if len(lengths) > 1 or (lengths and codings) or (codings and not is_new):
        raise BadHead(400)
    if lengths and not (lengths[0].isascii() and lengths[0].isdigit()):
        raise BadHead(400)
    if codings not in ([], ["chunked"]):
        raise BadHead(400)
    keep_alive = "close" not in connection if is_new else "keep-alive" in connection
    return Request(method, target, path, query, headers, keep_alive, int(lengths[0]) if lengths else None,
                   bool(codings), is_new and expect.startswith("100-"))


def split_target(target: str) -> tuple[str, str]:
    """Path and query; a raw '#' cuts the rest off, an absolute form loses its scheme and host."""
    target = target.partition("#")[0]
    absolute = ABSOLUTE.match(target)
    if absolute:
        target = target[absolute.end():] or "/"
    path, _, query = target.partition("?")
    return path, query


class ChunkReader:
    """Undoes chunked transfer coding as bytes come in. `feed` eats what it can from the buffer."""

    def __init__(self, limit: int | None):
        self.parts: list[bytes] = []
        self.size = 0
        self.limit = limit
        self.wanted: int | None = None
        self.in_trailer = False

    def feed(self, buffer: bytearray) -> bool:
        """True when the last chunk and the trailer are read. Raises BadHead on broken framing or too much body."""
        while True:
            if self.in_trailer:
                return self.skip_trailer(buffer)
            if self.wanted is None:
                if not self.read_size(buffer):
                    return False
            elif len(buffer) < self.wanted + 2:
                return False
            else:
                self.take_chunk(buffer)

    def read_size(self, buffer: bytearray) -> bool:
        end = buffer.find(b"\r\n")
        if end < 0:
            if len(buffer) > 4096:
                raise BadHead(400)
            return False
        digits = bytes(buffer[:end]).split(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", digits):
            raise BadHead(400)
        del buffer[:end + 2]
        self.wanted = int(digits, 16)
        self.in_trailer = self.wanted == 0
        return True

    def take_chunk(self, buffer: bytearray) -> None:
        if buffer[self.wanted:self.wanted + 2] != b"\r\n":
            raise BadHead(400)
        self.parts.append(bytes(buffer[:self.wanted]))
        self.size += self.wanted
        del buffer[:self.wanted + 2]
        self.wanted = None

    def skip_trailer(self, buffer: bytearray) -> bool:
        while True:
            end = buffer.find(b"\r\n")
            if end < 0:
                return False
            del buffer[:end + 2]
            if end == 0:
                return True

    def is_too_large(self) -> bool:
        coming = self.wanted or 0
        return self.limit is not None and self.size + coming > self.limit
