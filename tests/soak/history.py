# SPDX-License-Identifier: Apache-2.0
"""What was done in a soak test, so that a point that came out wrong can be explained: who wrote what through which replica,
when, with what outcome; what each server was then asked; and what broke meanwhile."""
import json
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

LINES_PER_ID, WRITES_MAX, TEXT_MAX = 24, 200_000, 260


@dataclass
class Write:
    writer: int
    replica: int
    method: str
    suffix: str
    body: bytes
    began: float
    ended: float = 0.0
    outcome: str = "open"


class History:
    def __init__(self):
        self.began = time.time()
        self.writes: deque[Write] = deque(maxlen=WRITES_MAX)
        self.events: list[tuple[float, str, str]] = []
        self.outcomes: Counter[str] = Counter()
        self.lock = threading.Lock()

    def begin(self, writer: int, replica: int, method: str, suffix: str, body: bytes) -> Write:
        write = Write(writer, replica, method, suffix, body, time.time())
        self.writes.append(write)
        return write

    def end(self, write: Write, outcome: str) -> None:
        write.ended, write.outcome = time.time(), outcome
        with self.lock:
            self.outcomes[outcome.split(" ")[0]] += 1

    def event(self, kind: str, text: str) -> None:
        self.events.append((time.time(), kind, text))

    def clock(self, when: float) -> str:
        return f"{when - self.began:8.3f}"

    # ---- the report

    def about(self, number, sides: dict[str, list[dict]]) -> list[str]:
        """The last that happened to a point, as lines in order of time; `sides` are the logs of the two servers."""
        lines = [(write.began, f"writer {write.writer} through {write.replica}: {write.method} {write.suffix} "
                               f"-> {write.outcome} at {self.clock(write.ended).strip()}: {excerpt(write.body, number)}")
                 for write in list(self.writes) if write.outcome != "ConnectionRefusedError" and mentions(write.body, number)]
        for side, log in sides.items():
            lines += [(entry["time"], f"  {side} is asked: {entry['method']} {entry['path'].split('/', 3)[-1]}"
                                      f"{'?' + entry['query'] if entry['query'] else ''} {excerpt(entry['body'].encode(), number)}")
                      for entry in log if entry["body"] and entry["method"] != "GET" and "scroll" not in entry["path"]
                      and mentions(entry["body"].encode(), number)]
        return [f"{self.clock(when)} {text}" for when, text in sorted(lines)[-LINES_PER_ID:]]

    def last_events(self, count: int = 30) -> list[str]:
        return [f"{self.clock(when)} {kind}: {text}" for when, kind, text in self.events[-count:]]

    def summary(self) -> str:
        kinds = Counter(kind for _, kind, _ in self.events)
        return (f"{self.outcomes['200']} writes acknowledged, {sum(self.outcomes.values()) - self.outcomes['200']} not "
                f"({', '.join(f'{key} {count}' for key, count in sorted(self.outcomes.items()) if key != '200')}); "
                f"{len(self.events)} faults ({', '.join(f'{kind} {count}' for kind, count in sorted(kinds.items()))})")


def mentions(body: bytes, number) -> bool:
    """Whether a body names the point, or chooses by a filter, which may mean any."""
    if b'"filter"' in body:
        return b'"has_id":[]' not in body  # a barrier
    spelled = json.dumps(number).encode()
    return spelled in body and number in set(ids_of(json.loads(body)))


def ids_of(value):
    """Every id in a body, however deep in a batch."""
    if isinstance(value, list):
        for each in value:
            yield from ids_of(each)
    elif isinstance(value, dict):
        if "id" in value:
            yield value["id"]
        for key in ("points", "ids"):
            if isinstance(value.get(key), list):
                yield from (each for each in value[key] if not isinstance(each, dict))
        for key, each in value.items():
            if key not in ("payload", "payloads", "vector", "vectors", "filter"):
                yield from ids_of(each)


def excerpt(body: bytes, number) -> str:
    """The part about the point where a body is long."""
    text = body.decode(errors="replace")
    if len(text) <= TEXT_MAX:
        return text
    at = max(text.find(json.dumps(number)) - 20, 0)
    return f"({len(text)} bytes) ..{text[at:at + TEXT_MAX]}.."
