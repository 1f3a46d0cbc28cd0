# SPDX-License-Identifier: Apache-2.0
"""The program under test: writes its configuration, starts it, asks its admin port, stops it and reads what it said."""
import os
import re
import signal
import subprocess
from pathlib import Path

from . import http_json
from .waiting import free_port, until

ROOT = Path(__file__).resolve().parents[3]
STOP_S = 90.0
SANITIZERS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|UndefinedBehaviorSanitizer")


def binary() -> str:
    """CROSSFADE_BINARY, or the first of the usual builds."""
    named = os.environ.get("CROSSFADE_BINARY")
    found = [path for preset in ("asan", "dev", "release")
             if (path := ROOT / "build" / preset / "proxy" / "crossfade").exists()]
    if not named and not found:
        raise RuntimeError("no crossfade to test: build the preset asan, or name one in CROSSFADE_BINARY")
    return named or str(found[0])


def to_yaml(value, indent: int = 0) -> str:
    """Block YAML of dictionaries, lists of dictionaries and plain values, as an operator would write it."""
    blank = " " * indent
    if isinstance(value, dict):
        return "".join(f"{blank}{key}:{_after_key(item, indent)}" for key, item in value.items())
    return "".join(f"{blank}- {to_yaml(item, indent + 2).lstrip()}" for item in value)


def _after_key(item, indent: int) -> str:
    return "\n" + to_yaml(item, indent + 2) if isinstance(item, (dict, list)) else f" {item}\n"


def run(*arguments: str, environment: dict | None = None) -> subprocess.CompletedProcess:
    """The program as a command that ends by itself."""
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **(environment or {})})


class Crossfade:
    """`crossfade serve` with a configuration of its own under `folder`."""

    def __init__(self, folder: Path, config: dict, environment: dict | None = None):
        self.folder = folder
        self.port = free_port()
        self.config = {"listen": f"127.0.0.1:{self.port}", "admin": {"listen": f"127.0.0.1:{free_port()}"},
                       "state_dir": str(folder / "state"), **config}
        self.admin_port = int(self.config["admin"]["listen"].rsplit(":", 1)[1])
        self.environment = environment or {}
        self.log_path = folder / "crossfade.log"
        self.process: subprocess.Popen | None = None
        self.is_frozen = False

    # ---- life

    @property
    def config_path(self) -> Path:
        return self.folder / "crossfade.yaml"

    def start(self, is_ready=None) -> "Crossfade":
        """Returns when it says that it is ready, or when is_ready() says so. A later start keeps ports, configuration and state_dir."""
        self.config_path.write_text(to_yaml(self.config))
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [binary(), "serve", "--config", str(self.config_path)], stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=16", **self.environment})
        until(lambda: self.process.poll() is not None or (is_ready or self.is_ready)())
        if self.process.poll() is not None:
            raise AssertionError(f"crossfade ended with {self.process.returncode}:\n{self.log()}")
        return self

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end, and insist on a clean end: status 0, nothing found by a sanitizer."""
        if self.process is None:
            return
        self.thaw()
        self.process.send_signal(number)
        self.wait_for_end()

    def wait_for_end(self) -> None:
        process, self.process = self.process, None
        try:
            status = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"crossfade did not end within {STOP_S} s:\n{self.log()[-4000:]}")
        assert status == 0 and not SANITIZERS.search(self.log()), f"ended with {status}:\n{self.log()[-8000:]}"

    def kill(self) -> None:
        """As a crash would end it."""
        self.process.kill()
        self.process.wait()
        self.process, self.is_frozen = None, False

    def freeze(self) -> None:
        """It keeps its connections and does nothing until thaw()."""
        self.process.send_signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        if self.is_frozen:
            self.process.send_signal(signal.SIGCONT)
            self.is_frozen = False

    @property
    def is_running(self) -> bool:
        return self.process is not None and not self.is_frozen

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def rss_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    # ---- the data port

    def http(self, method: str, path: str, body=None, headers: dict | None = None) -> http_json.Answer:
        return http_json.request(self.port, method, path, body, headers)

    # ---- the admin port

    def admin(self, method: str, path: str, body=None, headers: dict | None = None) -> http_json.Answer:
        return http_json.request(self.admin_port, method, path, body, headers)

    def is_ready(self, path: str = "/readyz") -> bool:
        try:
            return self.admin("GET", path).status == 200
        except OSError:
            return False

    def is_alive(self) -> bool:
        return self.is_ready("/healthz")

    def status(self, migration: str = "m") -> dict:
        answer = self.admin("GET", f"/api/v1/migrations/{migration}")
        assert answer.status == 200, answer
        return answer.json

    def verb(self, verb: str, body: dict | None = None, migration: str = "m") -> http_json.Answer:
        """Asked again where the answer is to ask again in a moment: nobody leads yet, or writes of before are in flight."""
        return until(lambda: self.verb_once(verb, body, migration),
                     lambda answer: "retry-after" not in answer.headers and b"in a moment" not in answer.body)

    def verb_once(self, verb: str, body: dict | None = None, migration: str = "m") -> http_json.Answer:
        return self.admin("POST", f"/api/v1/migrations/{migration}/{verb}", body if body is not None else {})

    def metric(self, name: str, **labels: str) -> float:
        """One sample of /metrics; 0 where there is none yet."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        text = self.admin("GET", "/metrics").body.decode()
        for line in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE):
            if wanted <= set(line[0].split(",")):
                return float(line[1])
        return 0.0

    def wait_for_metric(self, name: str, value: float, **labels: str) -> None:
        """Counters move a moment after the answer has gone out."""
        until(lambda: self.metric(name, **labels), lambda seen: seen == value)
