# SPDX-License-Identifier: Apache-2.0
"""How the server reads a path and a query string: two rounds of percent decoding, and strict booleans."""
import re

from .errors import query_error

ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
PROTECTED = frozenset(b"%/+")
SLASHES = re.compile(r"//+")


def decode_once(path: bytes) -> bytes:
    """The first round, over the whole path: everything but %25, %2F and %2B; broken escapes stay."""
    def unescape(match):
        byte = int(match.group(1), 16)
        return match.group(0) if byte in PROTECTED else bytes([byte])
    return ESCAPE.sub(unescape, path)


def decode_parameter(segment: bytes) -> str:
    """The second round, over one captured segment: nothing is protected; bad UTF-8 becomes U+FFFD."""
    plain = ESCAPE.sub(lambda match: bytes([int(match.group(1), 16)]), segment)
    return plain.decode("utf-8", "replace")


def segments(path: str, merges_slashes: bool) -> list[bytes] | None:
    """The path cut at its slashes after the first round; None when it does not start with one."""
    if not path.startswith("/"):
        return None
    if merges_slashes:
        path = SLASHES.sub("/", path)
        if len(path) > 1:
            path = path.rstrip("/")
    return decode_once(path.encode()).split(b"/")[1:]


def decode_form(text: str) -> str:
    plain = ESCAPE.sub(lambda match: bytes([int(match.group(1), 16)]), text.replace("+", " ").encode())
    return plain.decode("utf-8", "replace")


def parse_query(query: str) -> list[tuple[str, str]]:
    pairs = []
    for item in query.split("&"):
        if item:
            key, _, value = item.partition("=")
            pairs.append((decode_form(key), decode_form(value)))
    return pairs


class Query:
    """The query of one request, read by field so that the server's complaints can be made."""

    def __init__(self, text: str):
        self.pairs = parse_query(text) if text else []

    def text(self, name: str) -> str | None:
        found = [value for key, value in self.pairs if key == name]
        if len(found) > 1:
            raise query_error(f"duplicate field `{name}`")
        return found[0] if found else None

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise query_error("provided string was not `true` or `false`")
        return value == "true"

    def seconds(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit()):
            raise query_error("invalid digit found in string")
        if int(value) < 1:
            raise query_error(f"invalid value: integer `{value}`, expected a nonzero u64")
        return int(value)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name)
        if value is None:
            return choices[0]
        if value not in choices:
            listed = ", ".join(f"`{choice}`" for choice in choices)
            raise query_error(f"unknown variant `{value}`, expected one of {listed}")
        return value
