# SPDX-License-Identifier: Apache-2.0
"""The proxies under test, each set up for speed on one thread: no access log, kept-alive connections to the backend, bodies
streamed rather than collected, as many requests per connection as the client likes. Body buffers are what was fastest
with 800 kB upserts: nginx 3.2 k/s with 256 KiB (16 KiB 3.0 k, 64 KiB 1.6 k, collected first 1.8 k), HAProxy 4.3 k/s with
splicing (buffers of 16 KiB 1.9 k, 64 KiB 4.0 k, 256 KiB 2.0 k)."""
import os
import shutil
import socket
import time

import procs

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin"

NGINX = """
daemon off;
worker_processes 1;
pid {scratch}/nginx-{port}.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    server_tokens off;
    tcp_nodelay on;
    keepalive_timeout 300;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_buffer_size {body_buffer};
    client_body_temp_path {scratch}/nginx-body-{port};
    proxy_temp_path {scratch}/nginx-proxy-{port};
    fastcgi_temp_path {scratch}/nginx-f-{port};
    uwsgi_temp_path {scratch}/nginx-u-{port};
    scgi_temp_path {scratch}/nginx-s-{port};
    upstream backend {{
        server 127.0.0.1:{backend};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 300;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_max_temp_file_size 0;
        location / {{
            proxy_request_buffering off;
            proxy_pass http://backend;
        }}
        {mirror}
    }}
}}
"""

# nginx's mirror needs the whole body before it sends anything: its buffer is made large enough to stay in memory.
NGINX_MIRROR = """
        location /collections/{first}/ {{
            mirror /mirror;
            proxy_request_buffering on;
            proxy_pass http://backend;
        }}
        location = /mirror {{
            internal;
            proxy_pass http://backend/collections/{second}/points$is_args$args;
        }}
"""

HAPROXY = """
global
    nbthread 1
    tune.pipesize 262144
    maxpipes 256
    maxconn 4096
defaults
    mode http
    timeout connect 10s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
    option http-no-delay
    http-reuse always
    retries 0
    option splice-request
    option splice-response
frontend front
    bind 127.0.0.1:{port} backlog 4096
    default_backend back
backend back
    server sink 127.0.0.1:{backend} pool-max-conn -1 pool-purge-delay 300s
"""

# listen, admin and migrations as documented in docs/configuration.md.
CROSSFADE = """
listen: 127.0.0.1:{port}
threads: 1
admin:
  listen: 127.0.0.1:{admin_port}
redis:
  url: redis://127.0.0.1:{redis_port}/0
  prefix: crossfade
state_dir: {state_dir}
upstreams:
  main: {{url: "http://127.0.0.1:{backend}"}}
migrations:
  - name: bench
    legacy: {{upstream: main, collection: {legacy}}}
    new: {{upstream: main, collection: {new}}}
    ack: both
"""


def write(path, text):
    with open(path, "w") as out:
        out.write(text)
    return path


def start_nginx(bench, backend, mirror=None):
    port = procs.free_port()
    location = NGINX_MIRROR.format(first=mirror[0], second=mirror[1]) if mirror else ""
    config = write(f"{bench.scratch}/nginx-{port}.conf",
                   NGINX.format(port=port, backend=backend, scratch=bench.scratch, mirror=location,
                                body_buffer="2m" if mirror else "256k"))
    if os.geteuid() == 0:  # its worker must reach the scratch folder
        with open(config, "a") as out:
            out.write("user root;\n")
    process = bench.keeper.start("nginx", [shutil.which("nginx", path=PATH), "-c", config, "-p", bench.scratch],
                                 port=port, cpu=bench.args.proxy_cpu)
    return process, port


def start_haproxy(bench, backend):
    port = procs.free_port()
    config = write(f"{bench.scratch}/haproxy-{port}.cfg", HAPROXY.format(port=port, backend=backend))
    process = bench.keeper.start("haproxy", [shutil.which("haproxy", path=PATH), "-db", "-f", config],
                                 port=port, cpu=bench.args.proxy_cpu)
    return process, port


class Crossfade:
    """crossfade with a Redis of its own. Phases and work are driven as an operator would: flags in Redis, verbs at the
    admin port."""

    def __init__(self, bench, backend, legacy, new, *options):
        self.redis_port, self.admin_port = procs.free_port(), procs.free_port()
        self.port, self.backend, self.new = procs.free_port(), backend, new
        redis = shutil.which("redis-server", path=PATH)
        if not redis:
            raise SystemExit("bench/run: redis-server is not installed")
        self.redis = bench.keeper.start(
            "redis", [redis, "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                      "--dir", bench.scratch], port=self.redis_port, cpu=bench.args.load_cpu)
        state_dir = f"{bench.scratch}/state-{self.port}"
        os.mkdir(state_dir)
        config = write(f"{bench.scratch}/crossfade-{self.port}.yaml",
                       CROSSFADE.format(port=self.port, admin_port=self.admin_port, redis_port=self.redis_port,
                                        state_dir=state_dir, backend=backend, legacy=legacy, new=new))
        self.process = bench.keeper.start("crossfade", [bench.args.binary, "serve", "--config", config, *options],
                                          port=self.port, cpu=bench.args.proxy_cpu)
        bench.keeper.wait_for(self.process, self.admin_port)

    def bytes_at_new(self):
        stats = procs.get_json(self.backend, "/sink/stats")["collections"]
        return stats.get(self.new, {}).get("write_bytes", 0)

    def status(self):
        answer = procs.get_json(self.admin_port, "/api/v1/migrations/bench")
        return answer.get("migration", answer.get("result", answer))

    def verb(self, name):
        return procs.get_json(self.admin_port, f"/api/v1/migrations/bench/{name}", method="POST", body={})

    def set_flag(self, flag, value):
        key = f"crossfade:{{bench}}:{flag}"
        parts = ["SET", key, value]
        command = f"*{len(parts)}\r\n" + "".join(f"${len(part)}\r\n{part}\r\n" for part in parts)
        with socket.create_connection(("127.0.0.1", self.redis_port), timeout=10) as redis:
            redis.sendall(command.encode())
            if not redis.recv(64).startswith(b"+OK"):
                raise RuntimeError(f"redis refused SET {key}")

    def wait_until(self, what, is_so, bound_s):
        until = time.monotonic() + bound_s
        while True:
            status = self.status()
            if is_so(status):
                return status
            if time.monotonic() > until:
                raise RuntimeError(f"waited {bound_s} s for {what}; status {str(status)[:600]}")
            time.sleep(0.02)

    def dual_write_on(self):
        self.verb("prepare")
        self.wait_until("prepare", lambda s: self.job_is_over(s, "prepare"), 60)
        self.set_flag("ENABLE_DUAL_WRITE", "1")
        self.wait_until("phase dual_write", lambda s: s.get("phase") == "dual_write", 30)

    @staticmethod
    def job_is_over(status, job):
        report = status.get(job) or {}
        if report.get("state") in ("failed", "cancelled"):
            raise RuntimeError(f"{job} {report['state']}: {str(report)[:600]}")
        return report.get("state") == "done"

    def backfill(self, points, point_bytes_min):
        """Points per second from the request to the end, once the sink has seen as many bytes as that many points have."""
        before = self.bytes_at_new()
        started = time.monotonic()
        self.verb("backfill")
        status = self.wait_until("the backfill", lambda s: self.job_is_over(s, "backfill"), 600)
        seconds = time.monotonic() - started
        copied, came = status["backfill"].get("copied"), self.bytes_at_new() - before
        if copied != points or came < points * point_bytes_min:
            raise RuntimeError(f"backfill says {copied} points copied of {points}; {came} bytes came to the new collection")
        return points / seconds

    def stop(self):
        self.process.stop()
        self.redis.stop()
