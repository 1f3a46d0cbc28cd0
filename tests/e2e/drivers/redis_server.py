# SPDX-License-Identifier: Apache-2.0
"""A Redis of the test's own, and redis-cli, which is what operators flip flags with."""
import os
import shutil
import signal
import subprocess
from pathlib import Path

from .waiting import free_port, until


class Redis:
    def __init__(self, folder: Path):
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    def start(self) -> "Redis":
        """A later start uses the same port; what it held is gone, unless save() was called before."""
        program = shutil.which("redis-server") or "redis-server"
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
             "--appendonly", "no"], stdout=subprocess.DEVNULL)
        until(lambda: self.process.poll() is not None or self.answers())
        if self.process.poll() is not None:
            raise RuntimeError(f"redis-server ended with {self.process.returncode}")
        return self

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(60)
        self.process = None

    def end(self) -> None:
        """In good order: the next start has all that it ever answered."""
        self.cli("SHUTDOWN", "SAVE", check=False)
        self.process.wait(60)
        self.process = None

    def kill(self) -> None:
        """As a crash would end it."""
        self.process.kill()
        self.process.wait(60)
        self.process = None

    def freeze(self) -> None:
        """It keeps its connections and answers nothing until thaw()."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def forget(self) -> None:
        """What save() wrote is gone: the next start is an empty one."""
        (self.folder / "dump.rdb").unlink(missing_ok=True)

    def answers(self) -> bool:
        return self.cli("PING", check=False) == "PONG"

    def cli(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *words], capture_output=True,
                              text=True, timeout=60)
        if check and (done.returncode or done.stdout.startswith("ERR")):
            raise AssertionError(f"redis-cli {words}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def save(self) -> None:
        self.cli("SAVE")

    def flush(self) -> None:
        self.cli("FLUSHALL")
