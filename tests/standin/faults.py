# SPDX-License-Identifier: Apache-2.0
"""Faults that tests switch on over HTTP: which requests they hit, and how often.

A rule is a JSON object: `action` (required), and to choose requests `method`, `path_regex` (searched in the path as
sent), `times` (how many hits, default without end), `skip` (let that many pass first), `chance` (0 to 1, seeded).
`ms`, `status`, `body` belong to the action; see README.md for each.
"""
import asyncio
import random
import re
from dataclasses import dataclass

from .errors import Refusal
from .jsonio import encode
from .messages import Response

EARLY = "early_answer"
ACTIONS = ("delay", "error", "reset_before", "reset_after_apply", "hang", EARLY, "garbage", "slow_body", "close_idle",
           "truncate")
FIELDS = {"action", "method", "path_regex", "times", "skip", "chance", "ms", "status", "body", "apply"}
GARBAGE = b"\x16\x03\x01 this is not HTTP\r\n\r\n"


@dataclass
class Rule:
    action: str
    method: str | None = None
    path_regex: str | None = None
    times: int | None = None
    skip: int = 0
    chance: float = 1.0
    ms: float | None = None
    status: int = 500
    body: object = None
    apply: bool = False
    hits: int = 0

    def fits(self, method: str, path: str) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        if self.method is not None and self.method != method:
            return False
        return self.path_regex is None or re.search(self.path_regex, path) is not None

    def body_bytes(self, default: bytes) -> bytes:
        if self.body is None:
            return default
        return self.body.encode() if isinstance(self.body, str) else encode(self.body)

    def error_response(self, close: bool = False) -> Response:
        default = encode({"status": {"error": "Service internal error: fault switched on by a test"}, "time": 0.0})
        return Response(self.status, self.body_bytes(default), "application/json", close=close)


def parse_rules(value) -> list[Rule]:
    rules = value if isinstance(value, list) else [value]
    for rule in rules:
        if not isinstance(rule, dict) or rule.get("action") not in ACTIONS:
            raise Refusal(400, f"a rule needs an action, one of {', '.join(ACTIONS)}")
        unknown = rule.keys() - FIELDS
        if unknown:
            raise Refusal(400, f"unknown rule field {sorted(unknown)[0]}, known are {', '.join(sorted(FIELDS))}")
    return [Rule(**rule) for rule in rules]


class FaultBoard:
    """The rules in force, oldest first; the first that fits a request is taken."""

    def __init__(self, chance: random.Random):
        self.rules: list[Rule] = []
        self.chance = chance
        self.released = asyncio.Event()

    def add(self, rules: list[Rule]) -> None:
        self.rules.extend(rules)

    def clear(self) -> None:
        """Also lets go of every request that hangs."""
        self.rules = []
        self.released.set()
        self.released = asyncio.Event()

    def match(self, method: str, path: str, is_early: bool) -> Rule | None:
        for rule in self.rules:
            if (rule.action == EARLY) != is_early or not rule.fits(method, path):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.chance < 1.0 and self.chance.random() >= rule.chance:
                continue
            rule.hits += 1
            return rule
        return None

    async def play(self, rule: Rule, serve) -> Response:
        """Do what the rule says; `serve()` is the normal answer (awaitable), applying included."""
        seconds = (rule.ms or 0.0) / 1000
        if rule.action == "error":
            await asyncio.sleep(seconds)
            return rule.error_response()
        if rule.action == "reset_before":
            await asyncio.sleep(seconds)
            return Response(0, reset=True)
        if rule.action == "garbage":
            await asyncio.sleep(seconds)
            return Response(0, raw=rule.body_bytes(GARBAGE), close=True)
        if rule.action == "hang":
            return await self.hang(rule, serve)
        if rule.action == "delay":
            await asyncio.sleep(seconds)
        response = await serve()
        return await self.spoil(rule, response, seconds)

    async def spoil(self, rule: Rule, response: Response, seconds: float) -> Response:
        """Faults that come after the request was applied."""
        if rule.action == "reset_after_apply":
            await asyncio.sleep(seconds)
            response.reset = True
        elif rule.action == "slow_body":
            response.pace_ms = rule.ms or 100.0
        elif rule.action == "close_idle":
            response.close_silently_ms = rule.ms or 0.0
        elif rule.action == "truncate":
            response.cut_after = len(response.body) // 2
        return response

    async def hang(self, rule: Rule, serve) -> Response:
        if rule.apply:
            await serve()
        released = self.released
        try:
            await asyncio.wait_for(released.wait(), None if rule.ms is None else rule.ms / 1000)
        except asyncio.TimeoutError:
            pass
        return Response(0, reset=True)

    def show(self) -> list[dict]:
        return [{"action": rule.action, "method": rule.method, "path_regex": rule.path_regex, "times": rule.times,
                 "hits": rule.hits} for rule in self.rules]
