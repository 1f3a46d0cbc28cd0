# SPDX-License-Identifier: Apache-2.0
"""A client that puts exactly the bytes it is told on the wire and keeps exactly those that come back."""
import socket
from dataclasses import dataclass, field

WAIT_S = 90.0


@dataclass
class RawAnswer:
    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[str] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key.lower() == name]
        return ", ".join(values) if values else None


class Raw:
    """One connection. Use as a context manager."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *problem) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes | str) -> "Raw":
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def finish(self) -> "Raw":
        """Nothing more comes from this side; answers can still be read."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """End the connection as a crashed client would: by a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.file.close()
        self.socket.close()

    def is_closed_by_peer(self) -> bool:
        """Waits until the peer has closed; bytes that come instead are an error."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    # ---- reading

    def head(self) -> RawAnswer:
        """The next head, interim or final."""
        line = self.file.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        answer = RawAnswer(int(line.split()[1]), [])
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            answer.fields.append((name, value.strip()))
        return answer

    def answer(self, method: str = "GET") -> RawAnswer:
        """The next final answer, whole; interim ones before it are passed over."""
        answer = self.head()
        while answer.status < 200:
            answer = self.head()
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        answer.body = b"".join(self.pieces(answer))
        return answer

    def pieces(self, answer: RawAnswer):
        """The body behind a head, piece by piece; an early end is an error."""
        if answer.get("transfer-encoding"):
            yield from self._chunks(answer)
        elif (length := answer.get("content-length")) is not None:
            left = int(length)
            while left:
                piece = self.file.read(min(left, 1 << 20))
                assert piece, f"the body ends {left} bytes early"
                left -= len(piece)
                yield piece
        else:
            yield self.file.read()

    def _chunks(self, answer: RawAnswer):
        while True:
            line = self.file.readline()
            assert line.endswith(b"\r\n"), f"the chunked body ends early, after {line!r}"
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            piece = self.file.read(size)
            assert len(piece) == size and self.file.read(2) == b"\r\n", "a chunk ends early"
            yield piece
        while (line := self.file.readline()) not in (b"\r\n", b""):
            answer.trailers.append(line.decode("latin-1").strip())


def one(port: int, request: bytes | str, method: str = "GET") -> RawAnswer:
    """Send one request and read its answer."""
    with Raw(port) as raw:
        return raw.send(request).answer(method)
