# SPDX-License-Identifier: Apache-2.0
"""Processes a measurement starts, watched and ended by their own ids, and small talk with them."""
import ctypes
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1


def free_port():
    while True:
        port = random.randint(20000, 32000)  # below the range from which the system takes client ports
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def get_json(port, path, method="GET", body=None):
    """(parsed) answer; RuntimeError if it is not 2xx or nobody is there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body),
                           headers={} if body is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise RuntimeError(f"{method} {path}: {problem}")
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        raise RuntimeError(f"{method} {path}: not JSON: {text[:100]!r}")


def download_slowly(port, path, size, pause_s=0.001, piece=65536):
    """Reads an answer in small bites with pauses between them; (seconds, whether all of it came)."""
    started, got = time.monotonic(), 0
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(60)
        try:
            client.connect(("127.0.0.1", port))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
            while data := client.recv(piece):
                got += len(data)
                time.sleep(pause_s)
        except OSError:
            pass
    return time.monotonic() - started, size <= got <= size + 4096


def proc_field(pid, file, key):
    with open(f"/proc/{pid}/{file}") as lines:
        for line in lines:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


class Process:
    """One started program and what it forked. Measured together: nginx works in a child of its master."""

    def __init__(self, name, popen, log):
        self.name, self.popen, self.log = name, popen, log

    def pids(self):
        pids = [self.popen.pid]
        for pid in pids:
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as children:
                    pids += map(int, children.read().split())
            except OSError:
                pass
        return pids

    def cpu_s(self):
        ticks = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_S

    def worker_pid(self):
        return self.pids()[-1]

    def rss_bytes(self):
        return proc_field(self.worker_pid(), "status", "VmRSS")

    def peak_bytes(self):
        return proc_field(self.worker_pid(), "status", "VmHWM")

    def reset_peak(self):
        with open(f"/proc/{self.worker_pid()}/clear_refs", "w") as clear:
            clear.write("5")

    def tail(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-800:].strip()

    def stop(self):
        pids = self.pids()
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                for pid in pids:  # children first would be made anew by their master
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                self.popen.wait()


class Keeper:
    """Starts processes and ends every one of them, whatever happens; if this program is killed, the kernel does."""

    def __init__(self, scratch):
        self.scratch, self.processes, self.count = scratch, [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()

    def start(self, name, command, port=None, cpu=None, env=None):
        libc = ctypes.CDLL(None)
        parent = os.getpid()

        def before_exec():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        self.count += 1
        log = os.path.join(self.scratch, f"{name}-{self.count}.log")
        with open(log, "w") as out:
            popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=before_exec,
                                     env={**os.environ, **(env or {})})
        process = Process(name, popen, log)
        self.processes.append(process)
        if port:
            self.wait_for(process, port)
        return process

    @staticmethod
    def wait_for(process, port, bound_s=30):
        until = time.monotonic() + bound_s
        while time.monotonic() < until:
            if process.popen.poll() is not None:
                raise RuntimeError(f"{process.name} ended with {process.popen.returncode}: {process.tail()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{process.name} does not listen on {port}: {process.tail()}")

    def stop_all(self):
        while self.processes:
            self.processes.pop().stop()
