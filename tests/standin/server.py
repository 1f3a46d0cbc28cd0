# SPDX-License-Identifier: Apache-2.0
"""The server: every request passes here, from its head to its answer.

On the head: the body limit and faults that answer early. On the whole request: the test's own endpoints, the log,
faults, then unpacking, keys, routing and the handler. A handler returns a result, a ready Response, or a coroutine for
one of them; a Refusal from anywhere becomes the error answer.
"""
import asyncio
import inspect
import random
import time
import uuid
from collections import Counter, defaultdict
from datetime import datetime, timezone

from . import control, encodings, jsonio
from .auth import Keys
from .collection import Store
from .context import Context
from .errors import Refusal, no_route
from .faults import FaultBoard
from .http import Connection, refusal_response, sweep_forever
from .messages import Request, Response
from .operations import Behaviour
from .record import Record
from .routing import Router
from .updates import Pace
from .version import Version

JSON = "application/json"
CORS_METHODS = "GET,POST,PUT,PATCH,DELETE,OPTIONS,HEAD"


class Server:
    def __init__(self, behaviour: Behaviour, pace: Pace, keys: Keys, body_max: int, is_logging: bool, seed: int):
        self.behaviour = behaviour
        self.pace = pace
        self.keys = keys
        self.body_max = body_max
        self.given = (behaviour.merge_chance, pace.apply_delay_ms, pace.default_wait_ms, seed)
        self.store = Store(behaviour, pace)
        self.router = Router(behaviour.version)
        self.faults = FaultBoard(random.Random(seed))
        self.record = Record(is_logging)
        self.connections: set[Connection] = set()
        self.counts: dict[str, Counter] = defaultdict(Counter)
        self.request_count = 0
        self.peer_id = random.getrandbits(52)
        self.server_id = str(uuid.uuid4())
        self.started_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def listen(self, host: str, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Connection(self, self.connections), host, port, backlog=1024)
        self.sweeper = loop.create_task(sweep_forever(self.connections))
        return listener

    def forget_everything(self) -> None:
        """Back to an empty server with the switches of the command line."""
        self.behaviour.merge_chance, self.pace.apply_delay_ms, self.pace.default_wait_ms, seed = self.given
        self.behaviour.chance.seed(seed)
        self.faults.chance.seed(seed)
        self.store = Store(self.behaviour, self.pace)
        self.counts.clear()

    # ---- called by Connection

    def body_limit(self, request: Request) -> int | None:
        """Uploads of snapshots have none."""
        return None if request.path.endswith("/snapshots/upload") else self.body_max

    def on_head(self, request: Request) -> Response | None:
        if request.path.startswith(control.PREFIX):
            return None
        rule = self.faults.match(request.method, request.path, is_early=True)
        if rule is not None:
            self.record.add(request, is_early=True)
            return rule.error_response(close=True)
        limit = self.body_limit(request)
        if limit is not None and request.length is not None and request.length > limit:
            self.record.add(request, is_early=True)
            return self.too_large(request, request.length)
        return None

    def too_large(self, request: Request, length: int | None) -> Response:
        """400 at once, and the connection is closed with the rest of the body unread."""
        text = (f"JSON payload has exceeded limit ({self.body_max} bytes)." if length is None else
                f"JSON payload ({length} bytes) is larger than allowed (limit: {self.body_max} bytes).")
        return refusal_response(Refusal(400, text, close=True), 0.0, jsonio.encode)

    def on_request(self, request: Request):
        if request.path.startswith(control.PREFIX):
            return self.serve_control(request)
        self.request_count += 1
        self.record.add(request)
        rule = self.faults.match(request.method, request.path, is_early=False) if self.faults.rules else None
        if rule is not None:
            return self.faults.play(rule, lambda: self.serve_async(request))
        return self.serve(request)

    # ---- answering

    def serve_control(self, request: Request) -> Response:
        try:
            return Response(200, jsonio.encode({"result": control.handle(self, request), "status": "ok"}), JSON)
        except Refusal as refusal:
            return refusal_response(refusal, 0.0, jsonio.encode)
        except (KeyError, TypeError, ValueError) as problem:
            return refusal_response(Refusal(400, f"bad request to the stand-in: {problem!r}"), 0.0, jsonio.encode)

    async def serve_async(self, request: Request) -> Response:
        answer = self.serve(request)
        return answer if isinstance(answer, Response) else await answer

    def serve(self, request: Request):
        """A Response, or a coroutine for one."""
        started = time.perf_counter()
        if is_preflight(request):
            return preflight(request)
        try:
            pattern = "unmatched"
            coding = encodings.choose(request.first("accept-encoding"))
            route, captured, may_write = self.find(request)
            pattern = route.pattern
            self.unpack(request)
            result = route.handler(Context(self, request, route, captured, may_write))
            if inspect.iscoroutine(result):
                return self.serve_later(result, request, pattern, coding, started)
            response = self.success(result, started)
        except Exception as problem:
            coding = "identity"
            response = self.failure(problem, started)
        return self.finish(response, request, pattern, coding)

    async def serve_later(self, pending, request: Request, pattern: str, coding: str, started: float) -> Response:
        try:
            response = self.success(await pending, started)
        except Exception as problem:
            coding = "identity"
            response = self.failure(problem, started)
        return self.finish(response, request, pattern, coding)

    def find(self, request: Request):
        """Keys before routes: with keys in force an unknown path is 401, not 404."""
        may_write = self.keys.may_write(request)
        found = self.router.find(request.method, request.path)
        if found is None:
            raise no_route()
        return *found, may_write

    def unpack(self, request: Request) -> None:
        coding = request.first("content-encoding")
        if coding is None or not request.body:
            return
        try:
            request.body = encodings.decode_body(request.body, coding, self.body_max)
        except encodings.TooLarge:
            raise Refusal(400, f"JSON payload has exceeded limit ({self.body_max} bytes).", close=True) from None

    def success(self, result, started: float) -> Response:
        if isinstance(result, Response):
            return result
        body = jsonio.encode({"result": result, "status": "ok", "time": time.perf_counter() - started})
        return Response(200, body, JSON)

    def failure(self, problem: Exception, started: float) -> Response:
        if not isinstance(problem, Refusal):
            problem = Refusal(500, f"Service internal error: {problem!r}")
        return refusal_response(problem, time.perf_counter() - started, jsonio.encode)

    def finish(self, response: Response, request: Request, pattern: str, coding: str) -> Response:
        self.counts[f"{request.method} {pattern}"][response.status] += 1
        if coding != "identity" and response.body:
            response.body = encodings.encode_body(response.body, coding)
            response.headers += [("content-encoding", coding), ("transfer-encoding", "chunked"),
                                 ("vary", "accept-encoding, Origin, Access-Control-Request-Method, "
                                          "Access-Control-Request-Headers")]
        return response


def is_preflight(request: Request) -> bool:
    return (request.method == "OPTIONS" and request.first("origin") is not None
            and request.first("access-control-request-method") is not None)


def preflight(request: Request) -> Response:
    return Response(200, headers=[("access-control-allow-origin", request.first("origin")),
                                  ("access-control-allow-methods", CORS_METHODS)])


def make_server(arguments) -> Server:
    """A server as the parsed command line wants it."""
    version = Version(arguments.version)
    behaviour = Behaviour(version, arguments.merge_upserts, random.Random(arguments.seed))
    wait_ms = arguments.default_wait_ms if arguments.default_wait_ms is not None else version.default_wait_ms
    pace = Pace(arguments.apply_delay_ms, wait_ms)
    keys = Keys(arguments.api_key, arguments.read_only_key)
    return Server(behaviour, pace, keys, arguments.body_max_mb << 20, not arguments.no_log, arguments.seed)
