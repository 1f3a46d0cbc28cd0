# SPDX-License-Identifier: Apache-2.0
"""The stand-in as a test sees it: started on a free port, its switches as methods, stopped by its process id.

    with Standin(version="1.12.4") as qdrant:
        qdrant.fault("reset_after_apply", method="PUT", path_regex="/points$", times=1)
        ...
        assert qdrant.dump("legacy") == qdrant.dump("new")

Uses the standard library only, so that any test process can import it.
"""
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

PACKAGE_PARENT = Path(__file__).resolve().parent.parent
START_S = 60.0
STOP_S = 20.0
REQUEST_S = 120.0


class Standin:
    """One running stand-in. `python` must have tests/requirements.txt installed (default: this interpreter)."""

    def __init__(self, version: str = "1.18.3", python: str | None = None, log_path: Path | None = None, **options):
        """Options are the command line's, with underscores: api_key="k", apply_delay_ms=50, merge_upserts=0.5. What it has to
        say goes to log_path, or to where this process says things."""
        self.version = version
        self.options = options
        self.log_path = log_path
        self.python = python or os.environ.get("STANDIN_PYTHON", sys.executable)
        self.process: subprocess.Popen | None = None
        self.port = 0

    def __enter__(self) -> "Standin":
        return self.start()

    def __exit__(self, *problem) -> None:
        self.stop()

    # ---- life

    def command(self) -> list[str]:
        command = [self.python, "-m", "standin", "--port", str(self.port), "--version", self.version]
        for name, value in self.options.items():
            flag = "--" + name.replace("_", "-")
            command += [flag] if value is True else [] if value in (None, False) else [flag, str(value)]
        return command

    def start(self) -> "Standin":
        """Start it and wait until it says on which port it is ready; a later start uses the same port."""
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "PYTHONUNBUFFERED": "1"}
        with open(self.log_path, "ab") if self.log_path else contextlib.nullcontext() as log:
            self.process = subprocess.Popen(self.command(), env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if "ready on" not in line:
            self.process.wait(START_S)
            raise RuntimeError(f"the stand-in did not start: {' '.join(self.command())}")
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def stop(self) -> None:
        """Ask it to end, by its own process id; kill it when it does not."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process = None

    def kill(self) -> None:
        """End it at once, as a crash would; what it held is lost."""
        self.process.kill()
        self.stop()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # ---- requests

    def request(self, method: str, path: str, body=None, headers: dict | None = None) -> tuple[int, object]:
        """Status and body (parsed where it is JSON) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_S)
        try:
            raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            connection.request(method, path, raw, self.with_key(headers))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        is_json = (response.getheader("content-type") or "").startswith("application/json")
        return response.status, json.loads(text) if is_json else text

    def with_key(self, headers: dict | None) -> dict:
        key = self.options.get("api_key")
        return {**({"api-key": key} if key else {}), **(headers or {})}

    def call(self, method: str, path: str, body=None):
        """The `result` of a request that has to succeed."""
        status, answer = self.request(method, path, body)
        if status != 200:
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return answer["result"]

    # ---- switches

    def fault(self, action: str, **rule) -> None:
        """Switch a fault on; the rule's fields are in README.md."""
        self.call("POST", "/__standin__/faults", [{"action": action, **rule}])

    def faults(self) -> list[dict]:
        return self.call("GET", "/__standin__/faults")

    def clear_faults(self) -> None:
        self.call("DELETE", "/__standin__/faults")

    def log(self, method: str | None = None, path_part: str = "") -> list[dict]:
        """Requests recorded so far, oldest first."""
        return [entry for entry in self.call("GET", "/__standin__/log")
                if method in (None, entry["method"]) and path_part in entry["path"]]

    def clear_log(self) -> None:
        self.call("DELETE", "/__standin__/log")

    def apply_delay(self, ms: float) -> None:
        self.call("POST", "/__standin__/apply_delay", {"ms": ms})

    def default_wait(self, ms: float | None) -> None:
        self.call("POST", "/__standin__/default_wait", {"ms": ms})

    def merge_upserts(self, chance: float) -> None:
        self.call("POST", "/__standin__/merge_upserts", {"chance": chance})

    def pause(self) -> None:
        self.call("POST", "/__standin__/pause")

    def resume(self) -> None:
        self.call("POST", "/__standin__/resume")

    def state(self) -> dict:
        return self.call("GET", "/__standin__/state")

    def reset(self) -> None:
        """Back to an empty server without faults, as after the start."""
        self.call("POST", "/__standin__/reset")

    # ---- what it holds

    def dump(self, collection: str) -> list[dict]:
        """Every point with payload and vectors, in scroll order."""
        return self.call("GET", f"/__standin__/dump/{quote(collection, safe='')}")

    def ids(self, collection: str) -> list:
        return [point["id"] for point in self.dump(collection)]

    def wait_until_applied(self, collection: str) -> None:
        """Return when nothing is queued any more."""
        limit = time.monotonic() + REQUEST_S
        while self.state()["collections"][collection]["queued"]:
            if time.monotonic() > limit:
                raise AssertionError(f"operations on {collection} stay queued")
            time.sleep(0.005)
