# SPDX-License-Identifier: Apache-2.0
"""An upstream that plays a script: a function per test gets each request and the connection, and answers as it likes.

For what no Qdrant does on purpose: odd framing, interim answers, connections that die at a chosen byte."""
import contextlib
import socket
import threading
from dataclasses import dataclass

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Heard:
    """One request as it came: `body` reads the rest of it, decoded from chunks, as an iterator of pieces."""
    method: str
    target: str
    fields: list[tuple[str, str]]
    file: object

    def get(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key.lower() == name]
        return ", ".join(values) if values else None

    def pieces(self, size: int = 65536):
        if self.get("transfer-encoding"):
            while length := int(self.file.readline().split(b";")[0], 16):
                yield self.file.read(length)
                self.file.readline()
            while self.file.readline() not in (b"\r\n", b""):
                pass
            return
        left = int(self.get("content-length") or 0)
        while left and (piece := self.file.read(min(size, left))):
            left -= len(piece)
            yield piece

    def body(self) -> bytes:
        return b"".join(self.pieces())


class Scripted:
    """`script(heard, connection)` runs once per request, in a thread per connection; a true result closes it."""

    def __init__(self, script):
        self.script = script
        self.heard: list[Heard] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *problem) -> None:
        self.listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                self.open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as file:
            while heard := self._read_head(file):
                if heard.target.startswith(("/aliases", "/collections/scripted-")) and heard.method == "GET":
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                    continue
                self.heard.append(heard)
                if self.script(heard, connection):
                    return

    @staticmethod
    def _read_head(file) -> Heard | None:
        line = file.readline().decode("latin-1")
        if not line:
            return None
        method, target, _ = line.split(" ")
        fields = []
        while (line := file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            fields.append((name, value.strip()))
        return Heard(method, target, fields, file)
