# SPDX-License-Identifier: Apache-2.0
"""A seeded storm on the data plane: clients and servers that misbehave in every way at once.

Run it: build/venv/bin/python tests/soak/dataplane.py --seconds 300 [--seed N] [--ack both|authority] [--phase dual_write|canary|switched]
(the program is found as by the end-to-end tests: CROSSFADE_BINARY, else the usual builds; best with sanitizers).

Each request carries its number and says how either server is to treat it. It is checked that
- every request gets one well-framed answer, its own, or a closed connection where a fault allows that;
- no server ever reads anything but whole heads of requests that were sent, each write at most once on each side, with the
  body as it was sent; a "success" means that the write got there; without legacy's consent nothing reaches new;
- afterwards nothing is left: no request in flight, no connection, no descriptor, no finding of a sanitizer.
"""
import argparse
import asyncio
import gzip
import hashlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

OK_BODY = b'{"result":{"operation_id":1,"status":"completed"},"status":"ok","time":0.0}'
FINE = ["ok"] * 10 + ["slow", "chunked", "interim", "slow_bytes", "late_body", "close_idle", "close_told"]
REFUSING = ["400", "500", "404", "401"]
EARLY = ["early_close", "early_read", "early_reset", "early_stuck"]
SILENT = ["reset_head", "reset_body", "reset_after", "fin_after", "garbage", "endless_head", "two_lengths", "switching", "stuck_reset"]
CUT = ["truncated", "chunked_cut", "chunked_bad"]
HANG = ["hang"]
READS_ONLY = ["big", "big_chunked", "until_eof", "extra", "no_content", "early_ok"]
FAULTS = {"read": FINE + REFUSING + EARLY + SILENT + CUT + READS_ONLY * 2, "write": FINE * 2 + REFUSING + EARLY + SILENT + CUT + ["extra"]}

OWN_DESCRIPTORS = 8  # how many the control thread and the worker may have come to hold meanwhile


class Wrong(Exception):
    pass


class Request:
    def __init__(self, number: int, method: str, target: str, kind: str, body: bytes | None, chaos: random.Random):
        self.number, self.method, self.target, self.kind, self.body = number, method, target, kind, body
        faults = FAULTS["write" if kind in ("dual", "write") else "read"]
        self.faults = {"legacy": chaos.choice(faults) if chaos.random() < .6 else "ok",
                       "new": chaos.choice(faults) if chaos.random() < .6 else "ok"}
        if chaos.random() < .003:
            self.faults[chaos.choice(["legacy", "new"])] = "hang"
        self.minor = 0 if chaos.random() < .05 else 1
        self.is_chunked = body is not None and self.minor == 1 and chaos.random() < .4
        self.expects = body is not None and self.minor == 1 and chaos.random() < .1
        self.coding = "gzip" if body and kind == "dual" and chaos.random() < .1 else None
        self.key = None
        self.is_bad_json = False
        self.is_accepted = False  # legacy has said yes to it
        self.heads = {"legacy": 0, "new": 0}
        self.whole = {"legacy": 0, "new": 0}
        self.wire = gzip.compress(body) if self.coding else body
        self.digest = hashlib.sha1(self.wire or b"").hexdigest()

    def head(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.{self.minor}", "Host: q", f"X-Number: {self.number}",
                 f"X-Legacy: {self.faults['legacy']}", f"X-New: {self.faults['new']}"]
        if self.key:
            lines.append(f"api-key: {self.key}")
        if self.coding:
            lines.append(f"Content-Encoding: {self.coding}")
        if self.expects:
            lines.append("Expect: 100-continue")
        if self.body is not None:
            lines.append("Transfer-Encoding: chunked" if self.is_chunked else f"Content-Length: {len(self.wire)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def body_pieces(self, chaos: random.Random):
        data, at = self.wire or b"", 0
        typical = chaos.choice([7, 1000, 60000, 1 << 20])
        while at < len(data):
            size = chaos.randint(1, typical) if len(data) < 3000 or typical > 500 else chaos.randint(1, 50000)
            piece = data[at:at + size]
            at += size
            yield b"%x\r\n%s\r\n" % (len(piece), piece) if self.is_chunked else piece
        if self.is_chunked:
            yield b"0\r\n\r\n"

    def __repr__(self):
        return (f"#{self.number} {self.method} {self.target} {self.kind} {self.faults} body={len(self.wire) if self.wire is not None else None} "
                f"chunked={self.is_chunked} 1.{self.minor} key={self.key} heads={self.heads} whole={self.whole}")


class Storm:
    def __init__(self, options):
        self.options = options
        self.chaos = random.Random(options.seed)
        self.requests: dict[int, Request] = {}
        self.number = 0
        self.wrong: list[str] = []
        self.answered = self.closed = 0
        self.statuses: dict[int, int] = {}
        self.authority = "new" if options.phase == "switched" else "legacy"

    def blame(self, text: str) -> None:
        self.wrong.append(text)
        print("WRONG:", text, flush=True)

    # ---- servers

    async def serve(self, side: str, reader, writer) -> None:
        try:
            while await self.serve_one(side, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        except asyncio.LimitOverrunError as problem:
            self.blame(f"{side}: an endless head: {problem}")
        finally:
            writer.close()

    def reset(self, writer) -> bool:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

    async def read_body(self, request, fields, reader) -> None:
        digest = hashlib.sha1()
        if fields.get("transfer-encoding"):
            while size := int(await reader.readuntil(b"\r\n"), 16):
                digest.update(await reader.readexactly(size))
                if await reader.readexactly(2) != b"\r\n":
                    raise Wrong("a chunk is not framed")
            if await reader.readexactly(2) != b"\r\n":
                raise Wrong("trailers were relayed")
        else:
            left = int(fields.get("content-length", 0))
            while left:
                piece = await reader.read(min(left, 1 << 16))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", left)
                digest.update(piece)
                left -= len(piece)
        if digest.hexdigest() != request.digest:
            self.blame(f"the body differs: {request}")

    async def serve_one(self, side: str, reader, writer) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        names = [line.split(":")[0].lower() for line in lines[1:-2]]
        fields = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:-2]}
        if "via" not in fields and "x-number" not in fields and "evil" not in lines[0]:
            await reader.readexactly(int(fields.get("content-length", 0)))
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")  # asked by the program itself, not for a client
            return True
        request = self.requests.get(int(fields.get("x-number", -1)))
        if not request or "evil" in lines[0] or names.count("content-length") + names.count("transfer-encoding") > 1:
            self.blame(f"{side} got a request nobody sent: {head!r}")
            return False
        request.heads[side] += 1
        most = 1 if request.kind in ("dual", "write") else 2
        if request.heads[side] > most:
            self.blame(f"{side} got it {request.heads[side]} times: {request}")
        if side == "new" and request.key and request.key.startswith("never") and fields.get("api-key") == request.key:
            self.blame(f"the client's key went to the other server: {request}")
        fault = request.faults[side]
        echo = f"x-echo: {request.number}\r\n".encode()
        if fault in EARLY or fault == "early_ok":
            return await self.answer_early(fault, echo, request, fields, reader, writer)
        if fault == "reset_head":
            return self.reset(writer)
        if fault in ("reset_body", "stuck_reset"):
            if fault == "stuck_reset":
                await asyncio.sleep(.2)
            else:
                await asyncio.wait_for(reader.read(1000), .05) if request.wire else None
            return self.reset(writer)
        await self.read_body(request, fields, reader)
        request.whole[side] += 1
        if fault in FINE + CUT + ["extra"] and side == "legacy":
            request.is_accepted = True
        return await self.answer(fault, echo, request, reader, writer)

    async def answer_early(self, fault, echo, request, fields, reader, writer) -> bool:
        status = b"200 OK" if fault == "early_ok" else b"400 Bad Request"
        body = b'{"status":{"error":"too large"},"time":0.0}'
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + echo + b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        if fault == "early_reset":
            return self.reset(writer)
        if fault == "early_stuck":
            await asyncio.sleep(.3)
            return False
        if fault == "early_close":
            return False
        await self.read_body(request, fields, reader)
        return True

    async def answer(self, fault, echo, request, reader, writer) -> bool:
        async def say(data):
            writer.write(data)
            await writer.drain()
        def whole(status, body, more=b""):
            return b"HTTP/1.1 %s\r\n%s%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
                status, echo, more, len(body), b"" if request.method == "HEAD" else body)
        is_head = request.method == "HEAD"
        fine = whole(b"200 OK", OK_BODY)
        chunk_head = b"HTTP/1.1 200 OK\r\n" + echo + b"transfer-encoding: chunked\r\n\r\n"
        match fault:
            case "ok":
                await say(fine)
            case "slow":
                await asyncio.sleep(.1)
                await say(fine)
            case "chunked":
                await say(chunk_head if is_head else chunk_head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (OK_BODY[:9], OK_BODY[9:])) + b"0\r\n\r\n")
            case "interim":
                await say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + fine)
            case "slow_bytes":
                for at in range(0, len(fine), 8):
                    await say(fine[at:at + 8])
                    await asyncio.sleep(0)
            case "late_body":
                cut = fine.index(b"\r\n\r\n") + 4
                await say(fine[:cut])
                await asyncio.sleep(.1)
                await say(fine[cut:])
            case "close_idle":
                await say(fine)
                return False
            case "close_told":
                await say(whole(b"200 OK", OK_BODY, b"connection: close\r\n"))
                return False
            case "400" | "404" | "500" | "401":
                await say(whole(fault.encode() + b" No", b'{"status":{"error":"no"},"time":0.0}'))
            case "reset_after":
                return self.reset(writer)
            case "fin_after":
                return False
            case "garbage":
                await say(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
                return False
            case "endless_head":
                await say(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9000)
                return False
            case "two_lengths":
                await say(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd")
                return False
            case "switching":
                await say(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n")
                return False
            case "truncated":
                await say(fine if is_head else fine[:-20])
                return False
            case "chunked_cut":
                await say(chunk_head + (b"" if is_head else b"ff\r\nabc"))
                return False
            case "chunked_bad":
                await say(chunk_head + (b"" if is_head else b"3\r\nabc\r\nzz\r\n"))
                return False
            case "big":
                await say(whole(b"200 OK", b"x" * 3_000_000))
            case "big_chunked":
                await say(chunk_head + (b"" if is_head else (b"%x\r\n" % 70_000 + b"y" * 70_000 + b"\r\n") * 40 + b"0\r\n\r\n"))
            case "until_eof":
                await say(b"HTTP/1.1 200 OK\r\n" + echo + b"\r\n" + (b"" if is_head else b"z" * 100_000))
                return False
            case "extra":
                await say(fine + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
                return False
            case "no_content":
                await say(b"HTTP/1.1 204 No Content\r\n" + echo + b"\r\n")
            case "hang":
                await asyncio.sleep(8)
                return False
        return True

    # ---- clients

    def make(self) -> Request:
        chaos = self.chaos
        self.number += 1
        name = chaos.choice(["legacy", "new"])
        ids = [chaos.randint(1, 10 ** 6) for _ in range(chaos.choice([1, 3, 200]))]
        evil = "\r\n\r\nGET /evil HTTP/1.1\r\nHost: q\r\n\r\n"
        pad = chaos.choice([0, 0, 100, 5000, 70_000, 400_000, 3_000_000 if chaos.random() < .3 else 0])
        draw = chaos.random()
        if draw < .4:
            points = [{"id": n, "vector": {}, "payload": {"x": evil + "p" * (pad // len(ids))}} for n in ids]
            body, method, target, kind = {"points": points}, "PUT", f"/collections/{name}/points?wait=true", "dual"
        elif draw < .5:
            body, method, target, kind = {"points": ids}, "POST", f"/collections/{name}/points/delete", "dual"
        elif draw < .55:
            body, method, target, kind = None, "DELETE", f"/collections/{name}/index/field{self.number}", "dual"
        elif draw < .6:
            body, method, target, kind = {"field_name": "f", "x": "i" * min(pad, 70_000)}, "PUT", f"/collections/{name}/index", "dual"
        elif draw < .7:
            body, method, target, kind = {"vector": [1, 2], "limit": 3, "x": evil + "s" * pad}, "POST", f"/collections/{name}/points/search", "read"
        elif draw < .8:
            body, method, target, kind = {"x": evil + "o" * pad}, "POST", "/collections/other/points/search", "read"
        elif draw < .85:
            body, method, target, kind = {"x": evil + "w" * pad}, "PUT", "/collections/other/points", "write"
        elif draw < .9:
            body, method, target, kind = None, "GET", "/collections/other", "read"
        elif draw < .93:
            body, method, target, kind = None, "HEAD", "/collections/other", "read"
        elif draw < .96:
            body, method, target, kind = None, "DELETE", f"/collections/{name}", "refused"
        else:
            body, method, target, kind = {"x": evil}, "POST", f"/collections/{name}/nonsense", "refused"
        data = None if body is None else json.dumps(body).encode()
        is_bad = kind == "dual" and data and chaos.random() < .05
        if is_bad:
            data = data[:-1]
        if data and kind != "dual" and chaos.random() < .05:
            data = b""
        request = Request(self.number, method, target, kind, data, chaos)
        request.is_bad_json = bool(is_bad)
        request.key = chaos.choice([None, "legacykey", f"never{self.number}", f"own{self.number % 5}"])
        self.requests[self.number] = request
        return request

    async def read_answer(self, request: Request, reader):
        """Status and whether the connection goes on; None where it was closed before an answer had begun."""
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as end:
                if end.partial:
                    raise Wrong(f"half a head: {end.partial!r}")
                return None
            lines = head.decode("latin-1").split("\r\n")
            if not re.fullmatch(r"HTTP/1\.1 \d\d\d .*", lines[0]):
                raise Wrong(f"not an answer: {head[:300]!r}")
            status = int(lines[0][9:12])
            if status >= 200:
                break
            if request.minor == 0:
                raise Wrong("an interim answer to HTTP/1.0")
        fields = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:-2]}
        if fields.get("x-echo", str(request.number)) != str(request.number):
            raise Wrong(f"the answer to {fields['x-echo']}")
        is_last = fields.get("connection", "keep-alive" if request.minor else "close").lower() == "close"
        if request.method == "HEAD" or status in (204, 304):
            pass
        elif "transfer-encoding" in fields:
            if request.minor == 0 or "content-length" in fields:
                raise Wrong("framing")
            while size := int(await reader.readuntil(b"\r\n"), 16):
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        elif "content-length" in fields:
            left = int(fields["content-length"])
            while left:
                piece = await reader.read(min(left, 1 << 16))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", left)
                left -= len(piece)
        else:
            if not is_last:
                raise Wrong("no length and no close")
            await reader.read()
        return status, not is_last

    def check(self, request: Request, status: int) -> None:
        self.answered += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        follower = "legacy" if self.authority == "new" else "new"
        if request.kind == "refused" and status not in (409, 501):
            self.blame(f"{status} instead of a refusal: {request}")
        if request.kind == "dual" and 200 <= status < 300:
            sides = [self.authority] + ([follower] if self.options.ack == "both" and not request.is_bad_json else [])
            for side in sides:
                if request.whole[side] != 1:
                    self.blame(f"{status}, but {side} has not got it: {request}")
        if request.kind in ("dual", "read", "write") and status >= 400:
            good = request.faults["legacy"] in FINE and request.faults["new"] in FINE
            asked = ("legacy", "new") if request.kind == "dual" else ("legacy",)
            was_stale = status == 502 and not all(request.heads[side] for side in asked)  # met a kept-alive connection's end
            if good and not was_stale and not request.is_bad_json:
                self.blame(f"{status} though nothing is wrong: {request}")

    def may_be_cut(self, request: Request) -> bool:
        """Whether a connection that ends without a whole answer is one of the fates of this request."""
        relayed_late = CUT + ["until_eof"]
        return request.kind != "dual" and any(fault in relayed_late for fault in request.faults.values())

    async def client(self, end: float) -> None:
        while time.monotonic() < end and len(self.wrong) < 20:
            batch = [self.make() for _ in range(self.chaos.choice([1, 1, 1, 2, 5]))]
            manner = self.chaos.choice(["good"] * 6 + ["abort_head", "abort_body", "abort_sent", "half_close", "slow_read", "reset", "trickle"])
            try:
                await asyncio.wait_for(self.connect(batch, manner), 60)
            except TimeoutError:
                self.blame(f"no end in 60 s, {manner}: {batch}")
            for request in batch:
                key = request.key or ""
                if request.kind == "dual" and request.whole["new"] and not request.is_accepted and key.startswith("never"):
                    self.blame(f"new got it without legacy's consent: {request}")

    async def connect(self, batch, manner) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.options.port, limit=1 << 17)
        except OSError as problem:
            self.blame(f"cannot connect: {problem}")
            return
        sending = asyncio.create_task(self.send(batch, manner, writer))
        at = 0
        try:
            if manner == "slow_read":
                await asyncio.sleep(.3)
            if manner in ("abort_head", "abort_body", "abort_sent", "reset"):
                await sending
                return
            for at, request in enumerate(batch):
                got = await self.read_answer(request, reader)
                if got is None:
                    if not self.may_be_cut(request):
                        self.blame(f"closed without an answer, {manner}, {at} of {len(batch)}: {request}")
                    return
                self.check(request, got[0])
                if not got[1]:
                    sending.cancel()
                    if rest := await reader.read(1000):
                        self.blame(f"bytes behind the last answer: {rest!r}: {request}")
                    return
            await sending
        except (ConnectionError, asyncio.IncompleteReadError) as problem:
            self.closed += 1
            sent_all = sending.done() and not sending.cancelled() and not sending.exception()
            was_reset = any(request.minor == 0 and self.may_be_cut(request) for request in batch[at:])
            if not self.may_be_cut(batch[at]) and not was_reset and sent_all and not any(f in EARLY for r in batch for f in r.faults.values()):
                self.blame(f"{problem!r}, {manner}, {at} of {len(batch)}: {batch[at]}")
        except Wrong as problem:
            self.blame(f"{problem}, {manner}, {at} of {len(batch)}: {batch[at]}")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            if manner == "reset" and not writer.is_closing():
                self.reset(writer)
            writer.close()

    async def send(self, batch, manner, writer) -> None:
        chaos = random.Random(batch[0].number)
        async def say(data):
            writer.write(data)
            await writer.drain()
        stop = chaos.randrange(len(batch))
        for at, request in enumerate(batch):
            head = request.head()
            if manner == "abort_head" and at == stop:
                await say(head[:chaos.randrange(len(head))])
                return
            if manner == "trickle":
                for byte in range(0, len(head), 9):
                    await say(head[byte:byte + 9])
                head = b""
            pieces = list(request.body_pieces(chaos))
            if request.expects or chaos.random() < .3:
                await say(head)
                head = b""
                await asyncio.sleep(chaos.choice([0, .02]))
            if manner == "abort_body" and at == stop and pieces:
                await say(head + b"".join(pieces[:-1]))
                return
            if len(pieces) > 60 or chaos.random() < .6:
                await say(head + b"".join(pieces))
                continue
            await say(head)
            for piece in pieces:
                await say(piece)
                if chaos.random() < .1:
                    await asyncio.sleep(.01)
        if manner == "half_close":
            writer.write_eof()
        if manner == "abort_sent":
            await asyncio.sleep(chaos.choice([0, .01, .1]))

    # ---- the program

    async def run(self, start) -> None:
        servers = [await asyncio.start_server(lambda r, w, side=side: self.serve(side, r, w), "127.0.0.1", 0, limit=1 << 17)
                   for side in ("legacy", "new")]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        program = await asyncio.to_thread(start, self.options, ports)
        self.options.port = program.port
        fds = program.descriptors()
        end = time.monotonic() + self.options.seconds
        await asyncio.gather(*(self.client(end) for _ in range(self.options.clients)))
        print(f"{self.number} requests, {self.answered} answers, {self.closed} cut; {dict(sorted(self.statuses.items()))}", flush=True)
        deadline = time.monotonic() + 60
        while (gauges := await asyncio.to_thread(program.gauges)) and any(gauges.values()) or program.descriptors() > fds + OWN_DESCRIPTORS:
            if time.monotonic() > deadline:
                self.blame(f"left behind: {gauges}, descriptors {fds} -> {program.descriptors()}")
                break
            await asyncio.sleep(.2)
        if problem := await asyncio.to_thread(program.stop):
            self.blame(problem)
        for server in servers:
            server.close()


class Program:
    """`crossfade serve` with a Redis of its own, in the phase wanted."""

    def __init__(self, options, ports):
        from drivers.crossfade import Crossfade
        from drivers.redis_server import Redis
        from drivers.waiting import until
        folder = Path(tempfile.mkdtemp(prefix="crossfade-soak-"))
        (folder / "redis").mkdir()
        self.redis = Redis(folder / "redis").start()
        config = {"redis": {"url": f"redis://127.0.0.1:{self.redis.port}/0"}, "threads": 2,
                  "timeouts": {"answer": "3s", "body": "3s", "head": "3s"},
                  "upstreams": {"main": {"url": f"http://127.0.0.1:{ports[0]}"}, "second": {"url": f"http://127.0.0.1:{ports[1]}"}},
                  "default_upstream": "main",
                  "migrations": [{"name": "m", "legacy": {"upstream": "main", "collection": "legacy"},
                                  "new": {"upstream": "second", "collection": "new"}, "ack": options.ack}]}
        self.redis.cli("SET", "crossfade:{m}:ENABLE_DUAL_WRITE", "1")
        self.redis.cli("SET", "crossfade:{m}:ENABLE_NEW_READS", {"dual_write": "0", "canary": "50%", "switched": "1"}[options.phase])
        self.proxy = Crossfade(folder, config).start()
        self.port = self.proxy.port
        until(lambda: self.proxy.status()["phase"] == options.phase)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.proxy.process.pid}/fd"))

    def gauges(self) -> dict:
        return {name: self.proxy.metric(f"crossfade_{name}") for name in
                ("requests_in_flight", "upstream_connections", "client_connections")}

    def stop(self) -> str | None:
        try:
            self.proxy.stop()
        except AssertionError as problem:
            return str(problem)
        finally:
            self.redis.stop()
        return None


def options_of(arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--ack", choices=("both", "authority"), default="both")
    parser.add_argument("--phase", choices=("dual_write", "canary", "switched"), default="dual_write")
    options = parser.parse_args(arguments)
    options.seed = random.randrange(1 << 30) if options.seed is None else options.seed
    return options


def main(arguments=None, start=Program) -> int:
    options = options_of(arguments)
    print(f"seed {options.seed}, {options.seconds:.0f} s, ack {options.ack}, phase {options.phase}", flush=True)
    storm = Storm(options)
    asyncio.run(storm.run(start))
    print("nothing found" if not storm.wrong else f"{len(storm.wrong)} findings", flush=True)
    return bool(storm.wrong)


if __name__ == "__main__":
    sys.exit(main())
