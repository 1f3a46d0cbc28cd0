# SPDX-License-Identifier: Apache-2.0
"""A Redis server of a test's own, and as much of its protocol as the journal's scripts need."""
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "proxy" / "journal"
VERBS = [line.rstrip(")").split(", ")[1] for line in (FOLDER / "scripts.def").read_text().splitlines()
         if line.startswith("XF_SCRIPT(")]


class RedisError(Exception):
    pass


class Client:
    """One connection; arguments are bytes, text or integers, answers bytes, integers, lists or None."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def __call__(self, *args):
        self.send(*args)
        answer = self.read()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def send(self, *args):
        out = [b"*%d\r\n" % len(args)]
        for arg in args:
            data = arg if isinstance(arg, bytes) else str(arg).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.socket.sendall(b"".join(out))

    def read(self):
        """An error is returned here, not raised: it may stand inside a list."""
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise EOFError(line)

    def close(self):
        self.file.close()
        self.socket.close()


class Server:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="journal_redis_")
        self.path = os.path.join(self.folder.name, "redis.sock")
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no", "--dir", self.folder.name,
             "--daemonize", "no"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while True:
            try:
                self.client = Client(self.path)
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, "redis-server did not start"
                time.sleep(0.01)

    def close(self):
        self.client.close()
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Scripts:
    """The real texts, put together as the build does; `patches` are (verb or common, old, new), where old must be there once."""

    def __init__(self, client, patches=()):
        self.client = client
        texts = {name: (FOLDER / "lua" / f"{name}.lua").read_text() for name in ["common", *VERBS]}
        for name, old, new in patches:
            assert texts[name].count(old) == 1, f"{name}.lua does not say once: {old}"
            texts[name] = texts[name].replace(old, new)
        self.sha = {verb: client("SCRIPT", "LOAD", texts["common"] + texts[verb]) for verb in VERBS}

    def __call__(self, verb, base, *args):
        return self.client("EVALSHA", self.sha[verb], 1, base, *args)


class Out(Exception):
    """LAPSED, EMPTY or OTHER: the replica has to join again."""


class Answer:
    def __init__(self, parts):
        self.status = parts[0].decode()
        if len(parts) > 1:
            self.seq, self.unknown, self.dirty, self.ops, self.held, self.hold_all, self.rolled = parts[1:8]
        self.extra = parts[8:]


class Replica:
    """The caller's side of the scripts: incarnation, sessions and their counters, and the largest seq it was told."""

    def __init__(self, scripts, base, name):
        self.scripts, self.base, self.name = scripts, base, name
        self.inc, self.boot, self.beat, self.seq = "", 0, 0, 0
        self.counters = {}

    def join(self, inc_new, links=2, was_dual=0, in_doubt=0, alive=0, peers="", dual=1):
        answer = Answer(self.scripts("join", self.base, self.name, links, inc_new, self.inc, self.beat, was_dual, in_doubt, alive,
                                     peers, dual, self.seq, sum(self.counters.values())))
        self.inc, self.boot, self.beat = answer.extra[0].decode(), answer.extra[1], answer.extra[2]
        self.seq, self.counters = answer.seq, {}
        return answer

    def __call__(self, verb, *args, link=0):
        counter = self.counters.get(link, 0) + 1
        parts = self.scripts(verb, self.base, self.inc, f"{self.name}/{self.boot}/{link}", counter, *args)
        answer = Answer(parts)
        if len(parts) == 1:
            raise Out(answer.status)
        self.counters[link] = counter
        self.seq = max(self.seq, answer.seq)
        return answer


def pack(ids):
    """Numbers, or 16 bytes of a UUID."""
    return b"".join(b"u" + i if isinstance(i, bytes) else b"n" + i.to_bytes(8, "big") for i in ids)


def unpack(packed):
    ids, at = [], 0
    while at < len(packed):
        size = {b"n": 8, b"u": 16}[packed[at:at + 1]]
        part = packed[at + 1:at + 1 + size]
        assert len(part) == size
        ids.append(int.from_bytes(part, "big") if size == 8 else part)
        at += 1 + size
    return ids


def save(client, base):
    keys = client("KEYS", base + "*")
    return {key: client("DUMP", key) for key in keys}


def restore(client, base, saved):
    empty(client, base)
    for key, value in saved.items():
        client("RESTORE", key, 0, value)


def empty(client, base):
    keys = client("KEYS", base + "*")
    if keys:
        client("DEL", *keys)
