# SPDX-License-Identifier: Apache-2.0
"""Waiting for conditions. The bounds are there to end a test that can no longer pass; no test measures time.

E2E_WAIT_S sets another bound, for looking into a failure."""
import os
import random
import socket
import time

LONG_S = float(os.environ.get("E2E_WAIT_S", "90"))


def until(look, is_right=bool, seconds: float = LONG_S):
    """What look() gave when is_right first said yes to it; asks again and again until then."""
    end = time.monotonic() + seconds
    while True:
        got = look()
        if is_right(got):
            return got
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s it is still {got!r}")
        time.sleep(0.01)


_given_out: set[int] = set()


def free_port() -> int:
    """A port nobody listens on, below the range from which the system hands out ports for outgoing connections; never the
    same twice."""
    for _ in range(200):
        port = random.randint(21000, 32000)
        if port in _given_out:
            continue
        _given_out.add(port)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port below 32000")
