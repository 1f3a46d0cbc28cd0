# SPDX-License-Identifier: Apache-2.0
"""The connection: one asyncio protocol per client, so that framing, keep-alive and resets are ours to decide.

A connection is in one of three states: reading a head, reading a body, busy (the application has the request). Bytes
that come while it is busy wait in the buffer: pipelined requests are answered in order. One sweep over all
connections, four times a second, closes those idle for too long and answers 408 to a head that does not arrive.
"""
import asyncio
import socket
import struct
import time
from email.utils import formatdate

from .errors import Refusal
from .messages import HEAD_MAX, BadHead, ChunkReader, Request, Response, parse_head

IDLE_S = 5.0
SWEEP_S = 0.25
READ_AHEAD_MAX = 1 << 20
PIECES = 10
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 413: "Payload Too Large",
           422: "Unprocessable Entity", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
           504: "Gateway Timeout"}


class Connection(asyncio.Protocol):
    """`app` gives on_head(request) -> Response | None, on_request(request) -> Response | coroutine, body_limit."""

    def __init__(self, app, connections: set):
        self.app = app
        self.connections = connections
        self.buffer = bytearray()
        self.request: Request | None = None
        self.chunks: ChunkReader | None = None
        self.parts: list[bytes] = []
        self.missing = 0
        self.is_busy = False
        self.is_closing = False
        self.task: asyncio.Task | None = None
        self.quiet_since = time.monotonic()

    def connection_made(self, transport) -> None:
        self.transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.add(self)

    def connection_lost(self, problem) -> None:
        self.is_closing = True
        self.connections.discard(self)

    def eof_received(self) -> bool:
        """A half-closed client still gets its answer; an idle one is closed."""
        return self.is_busy

    def data_received(self, data: bytes) -> None:
        if self.is_closing:
            return
        if self.request is not None and not self.is_busy and self.chunks is None:
            self.add_body(data)
            return
        self.buffer += data
        if self.is_busy:
            if len(self.buffer) > READ_AHEAD_MAX:
                self.transport.pause_reading()
            return
        self.advance()

    def advance(self) -> None:
        """Read on from the buffer until it runs dry or a request is with the application."""
        while self.buffer and not self.is_busy and not self.is_closing:
            try:
                if self.chunks is not None:
                    if not self.read_chunks():
                        return
                elif not self.read_head():
                    return
            except BadHead as bad:
                self.finish(Response(bad.status, close=True))

    def read_head(self) -> bool:
        while self.buffer[:2] == b"\r\n":
            del self.buffer[:2]
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or end > HEAD_MAX:
            if len(self.buffer) > HEAD_MAX:
                raise BadHead(431)
            return False
        head = bytes(self.buffer[:end])
        del self.buffer[:end + 4]
        self.request = parse_head(head)
        early = self.app.on_head(self.request)
        if early is not None:
            self.finish(early)
            return False
        if self.request.expects_continue:
            self.transport.write(CONTINUE)
        self.start_body()
        return True

    def start_body(self) -> None:
        request = self.request
        if request.is_chunked:
            self.chunks = ChunkReader(self.app.body_limit(request))
        elif request.length:
            self.missing = request.length
            ready = bytes(self.buffer[:self.missing])
            del self.buffer[:self.missing]
            self.add_body(ready)
        else:
            self.hand_over(b"")

    def add_body(self, data: bytes) -> None:
        if len(data) > self.missing:
            self.buffer += data[self.missing:]
            data = data[:self.missing]
        self.parts.append(data)
        self.missing -= len(data)
        if self.missing == 0:
            body = b"".join(self.parts)
            self.parts = []
            self.hand_over(body)
            self.advance()

    def read_chunks(self) -> bool:
        is_complete = self.chunks.feed(self.buffer)
        if self.chunks.is_too_large():
            self.finish(self.app.too_large(self.request, None))
            return False
        if not is_complete:
            return False
        body = b"".join(self.chunks.parts)
        self.chunks = None
        self.hand_over(body)
        return True

    def hand_over(self, body: bytes) -> None:
        self.request.body = body
        self.is_busy = True
        answer = self.app.on_request(self.request)
        if isinstance(answer, Response) and answer.pace_ms == 0 and answer.close_silently_ms is None:
            self.finish(answer)
        else:
            self.task = asyncio.get_running_loop().create_task(self.answer_later(answer))

    async def answer_later(self, answer) -> None:
        """The slow path: an operation that waits, or a fault that takes its time."""
        response = answer if isinstance(answer, Response) else await answer
        if self.is_closing:
            return
        if response.pace_ms:
            await self.send_slowly(response)
        if response.close_silently_ms is not None and not response.pace_ms:
            self.transport.write(self.render(response))
        if response.close_silently_ms is not None:
            await asyncio.sleep(response.close_silently_ms / 1000)
            self.close()
            return
        if not response.pace_ms:
            self.finish(response)
        else:
            self.go_on(response)
        self.advance()

    async def send_slowly(self, response: Response) -> None:
        head, body = self.render_parts(response)
        self.transport.write(head)
        size = max(1, -(-len(body) // PIECES))
        for start in range(0, len(body), size):
            await asyncio.sleep(response.pace_ms / 1000)
            if self.is_closing:
                return
            self.transport.write(body[start:start + size])

    def finish(self, response: Response) -> None:
        """Send the answer and get ready for the next request. Never blocks."""
        if self.is_closing:
            return
        if response.reset:
            self.reset()
            return
        self.transport.write(self.render(response))
        if response.cut_after is not None:
            self.close()
            return
        self.go_on(response)

    def go_on(self, response: Response) -> None:
        must_close = response.close or self.request is None or not self.request.keep_alive or response.raw is not None
        self.request = None
        self.chunks = None
        self.is_busy = False
        self.quiet_since = time.monotonic()
        if must_close:
            self.close()
        elif not self.is_closing:
            self.transport.resume_reading()

    def render(self, response: Response) -> bytes:
        if response.raw is not None:
            return response.raw
        head, body = self.render_parts(response)
        whole = head + body
        return whole if response.cut_after is None else whole[:len(head) + response.cut_after]

    def render_parts(self, response: Response) -> tuple[bytes, bytes]:
        lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
        is_chunked = any(name == "transfer-encoding" for name, _ in response.headers)
        body = response.body
        if is_chunked:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            lines.append(f"content-length: {len(body)}")
        if response.content_type:
            lines.append(f"content-type: {response.content_type}")
        if not any(name == "vary" for name, _ in response.headers):
            lines.append(f"vary: {VARY}")
        lines.extend(f"{name}: {value}" for name, value in response.headers)
        if response.close or self.request is None or not self.request.keep_alive:
            lines.append("connection: close")
        lines.append(f"date: {http_date()}")
        if self.request is not None and self.request.method == "HEAD":
            body = b""
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n", body

    def reset(self) -> None:
        """Close with RST instead of FIN, as a crashed or overloaded server does."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.is_closing = True
        self.transport.abort()

    def close(self) -> None:
        self.is_closing = True
        self.transport.close()

    def sweep(self, now: float) -> None:
        if self.is_busy or self.is_closing or now - self.quiet_since < IDLE_S:
            return
        if self.request is not None:
            return
        if self.buffer:
            self.finish(Response(408, close=True))
        else:
            self.close()


_date_cache = (0, "")


def http_date() -> str:
    global _date_cache
    now = int(time.time())
    if _date_cache[0] != now:
        _date_cache = (now, formatdate(now, usegmt=True))
    return _date_cache[1]


async def sweep_forever(connections: set) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        now = time.monotonic()
        for connection in list(connections):
            connection.sweep(now)


def refusal_response(refusal: Refusal, seconds: float, encode) -> Response:
    """The answer for a refusal: JSON in Qdrant's shape, or the bare text of the layers above it."""
    if refusal.plain:
        content_type = None
        return Response(refusal.status, refusal.text.encode(), content_type, close=refusal.close)
    body = encode({"status": {"error": refusal.text}, "time": seconds})
    return Response(refusal.status, body, "application/json", close=refusal.close)
