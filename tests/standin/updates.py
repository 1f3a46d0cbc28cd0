# SPDX-License-Identifier: Apache-2.0
"""The update queue of a collection: one order for all writes, applied by one worker.

A write with wait=false is acknowledged when it is queued; its later failure is only counted. A write with wait=true
is answered when it was applied, which is after everything queued before it: that is the barrier the real server gives.
The worker can be made slow (delay of acknowledged writes) or paused, and then a write with wait=true ends as
`wait_timeout` when its time is over - it stays queued and is applied later all the same.
"""
import asyncio
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import Callable

from .errors import Refusal

BURST = 64


@dataclass
class Pace:
    """Shared by all collections of a server; set from the command line and from /__standin__."""

    apply_delay_ms: float = 0.0
    default_wait_ms: float | None = None
    is_paused: bool = False


@dataclass(slots=True)
class Queued:
    ready_at: float
    number: int
    run: Callable[[int], None]
    done: asyncio.Future | None


def result(number: int, status: str) -> dict:
    return {"operation_id": number, "status": status}


class Updates:
    """One collection's queue. `submit` returns the result at once, or a coroutine where it has to wait."""

    def __init__(self, first_number: int, pace: Pace):
        self.next_number = first_number
        self.pace = pace
        self.queue: deque[Queued] = deque()
        self.is_scheduled = False
        self.failed_later = 0

    def take_number(self) -> int:
        self.next_number += 1
        return self.next_number - 1

    def submit(self, run: Callable[[int], None], wait: bool, timeout_s: float | None):
        number = self.take_number()
        if not wait:
            self.put(run, number, self.pace.apply_delay_ms, None)
            return result(number, "acknowledged")
        if not self.queue and not self.pace.is_paused:
            run(number)
            return result(number, "completed")
        done = asyncio.get_running_loop().create_future()
        self.put(run, number, 0.0, done)
        return self.wait_for(number, done, timeout_s)

    def put(self, run: Callable[[int], None], number: int, delay_ms: float, done: asyncio.Future | None) -> None:
        self.queue.append(Queued(time.monotonic() + delay_ms / 1000, number, run, done))
        self.schedule()

    async def wait_for(self, number: int, done: asyncio.Future, timeout_s: float | None) -> dict:
        if timeout_s is None and self.pace.default_wait_ms is not None:
            timeout_s = self.pace.default_wait_ms / 1000
        finished, _ = await asyncio.wait([done], timeout=timeout_s)
        if not finished:
            return result(number, "wait_timeout")
        done.result()
        return result(number, "completed")

    def schedule(self) -> None:
        """See to it that the worker runs when the first operation is ready."""
        if self.is_scheduled or self.pace.is_paused or not self.queue:
            return
        self.is_scheduled = True
        asyncio.get_running_loop().call_later(max(0.0, self.queue[0].ready_at - time.monotonic()), self.drain)

    def drain(self) -> None:
        self.is_scheduled = False
        for _ in range(BURST):
            if self.pace.is_paused or not self.queue or self.queue[0].ready_at > time.monotonic():
                break
            self.apply(self.queue.popleft())
        self.schedule()

    def apply(self, queued: Queued) -> None:
        try:
            queued.run(queued.number)
        except Refusal as refusal:
            self.report(queued, refusal)
        except Exception as problem:
            self.report(queued, Refusal(500, f"Service internal error: {problem!r}"))
        else:
            if queued.done is not None and not queued.done.done():
                queued.done.set_result(None)

    def report(self, queued: Queued, refusal: Refusal) -> None:
        """A failure reaches the client that waits; else it is only counted and logged, as on the server."""
        if queued.done is not None:
            queued.done.set_exception(refusal)
            queued.done.exception()
            return
        self.failed_later += 1
        print(f"standin: operation {queued.number} failed later: {refusal.text}", file=sys.stderr)
