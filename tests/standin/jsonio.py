# SPDX-License-Identifier: Apache-2.0
"""JSON in and out, with the server's limits and its error texts.

orjson decodes: like serde_json it keeps 64-bit integers exact, turns larger ones into doubles, refuses NaN, 1e400,
byte order marks and lone surrogates. Only when it refuses a body is the text read again, slowly, to find out where and
how the server would have complained. Doubled keys need a second look too: orjson lets the last one win, which is right
for upserts and payloads but not for the plain structs of the other bodies (see decode_structs).
"""
import json

import numpy as np
import orjson

from .errors import Refusal, format_error

DEPTH_MAX = 127
NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
NEWLINE = b"\n"
KEY_END = b'":'
SPACED_KEY_ENDS = (b'" :', b'"\t', b'"\r', b'"\n')
SPACE = b" \t\r\n"
I64_MIN, U64_MAX = -2**63, 2**64 - 1
NUMPY = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class Doc(dict):
    """A JSON object that remembers which of its keys were given twice."""

    doubled: frozenset = frozenset()


def encode(value) -> bytes:
    """JSON text; float32 arrays and scalars come out in their shortest float32 spelling."""
    return orjson.dumps(value, default=encode_other, option=NUMPY)


def encode_other(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def decode(raw: bytes):
    """The value of a body, last doubled key winning; a Refusal with the server's text when it is not JSON."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise format_error(explain(raw)) from None
    if looks_deep(raw):
        Reader(raw).read_all()
    return value


def decode_structs(raw: bytes):
    """Like decode, but where a key may have been given twice the objects are Docs, which know."""
    value = decode(raw)
    if not may_have_doubled_keys(raw, value):
        return value
    return json.loads(raw, object_pairs_hook=make_doc, parse_int=parse_int)


def may_have_doubled_keys(raw: bytes, value) -> bool:
    """Whether the text shows more ends of keys (`":`) than the value has keys: a doubled key, or just such a string.

    Where a space could hide the end of a key from the count, the answer is a careful yes.
    """
    if any(spelling in raw for spelling in SPACED_KEY_ENDS):
        return True
    return raw.count(KEY_END) > count_keys(value)


def count_keys(value) -> int:
    """Keys of all objects in a value, except those in lists that start with a number: vectors, nearly always."""
    count, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += len(value)
            waiting.extend(value.values())
        elif isinstance(value, list) and value and not isinstance(value[0], (int, float)):
            waiting.extend(value)
    return count


def make_doc(pairs: list) -> Doc:
    doc = Doc(pairs)
    if len(doc) != len(pairs):
        seen: set = set()
        doc.doubled = frozenset(key for key, _ in pairs if key in seen or seen.add(key))
    return doc


def parse_int(digits: str):
    number = int(digits)
    return number if I64_MIN <= number <= U64_MAX else float(digits)


def looks_deep(raw: bytes) -> bool:
    """Whether the brackets of the text, those in strings included, nest deeper than the server follows."""
    depth = 0
    for bracket in raw.translate(None, NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH_MAX:
            return True
    return False


def end_position(raw: bytes) -> str:
    """Where the outermost value ends: the place serde names for a field it misses there."""
    return position(raw, len(raw.rstrip(SPACE)))


def position(raw: bytes, at: int) -> str:
    start = raw.rfind(NEWLINE, 0, at) + 1
    return f"at line {raw.count(NEWLINE, 0, at) + 1} column {at - start}"


def explain(raw: bytes) -> str:
    try:
        Reader(raw).read_all()
    except Refusal as refusal:
        return refusal.text.partition(": ")[2]
    return f"invalid unicode code point {position(raw, len(raw))}"


class Reader:
    """A plain JSON reader that fails where and with the words serde_json does."""

    def __init__(self, raw: bytes):
        self.raw = raw
        self.at = 0

    def fail(self, text: str, at: int | None = None) -> Refusal:
        at = self.at if at is None else at
        return format_error(f"{text} {position(self.raw, min(at, len(self.raw)))}")

    def fail_here(self, text: str) -> Refusal:
        """A complaint about the byte that is next."""
        return self.fail(text, self.at + 1)

    def next_byte(self) -> int | None:
        while self.at < len(self.raw) and self.raw[self.at] in SPACE:
            self.at += 1
        return self.raw[self.at] if self.at < len(self.raw) else None

    def read_all(self) -> None:
        self.read_value(0)
        if self.next_byte() is not None:
            raise self.fail_here("trailing characters")

    def read_value(self, depth: int) -> None:
        byte = self.next_byte()
        if byte is None:
            raise self.fail("EOF while parsing a value")
        if byte in b"[{":
            if depth >= DEPTH_MAX:
                raise self.fail_here("recursion limit exceeded")
            self.at += 1
            self.read_list(depth + 1) if byte == ord("[") else self.read_object(depth + 1)
        elif byte == ord('"'):
            self.read_string()
        elif byte in b"-0123456789":
            self.read_number()
        else:
            self.read_word()

    def read_list(self, depth: int) -> None:
        first = True
        while True:
            byte = self.next_byte()
            if byte is None:
                raise self.fail("EOF while parsing a list")
            if byte == ord("]") and first:
                break
            self.read_value(depth)
            first = False
            byte = self.next_byte()
            if byte is None:
                raise self.fail("EOF while parsing a list")
            if byte == ord("]"):
                break
            if byte != ord(","):
                raise self.fail_here("expected `,` or `]`")
            self.at += 1
            if self.next_byte() == ord("]"):
                raise self.fail_here("trailing comma")
        self.at += 1

    def read_object(self, depth: int) -> None:
        first = True
        while True:
            byte = self.next_byte()
            if byte is None:
                raise self.fail("EOF while parsing an object")
            if byte == ord("}") and first:
                break
            if byte != ord('"'):
                raise self.fail_here("key must be a string")
            self.read_string()
            self.read_colon()
            self.read_value(depth)
            first = False
            byte = self.next_byte()
            if byte is None:
                raise self.fail("EOF while parsing an object")
            if byte == ord("}"):
                break
            if byte != ord(","):
                raise self.fail_here("expected `,` or `}`")
            self.at += 1
            byte = self.next_byte()
            if byte is None:
                raise self.fail("EOF while parsing a value")
            if byte == ord("}"):
                raise self.fail_here("trailing comma")
        self.at += 1

    def read_colon(self) -> None:
        byte = self.next_byte()
        if byte is None:
            raise self.fail("EOF while parsing an object")
        if byte != ord(":"):
            raise self.fail_here("expected `:`")
        self.at += 1

    def read_string(self) -> None:
        start = self.at
        self.at += 1
        while True:
            if self.at >= len(self.raw):
                raise self.fail("EOF while parsing a string")
            byte = self.raw[self.at]
            if byte == ord('"'):
                break
            if byte < 0x20:
                raise self.fail_here("control character (\\u0000-\\u001F) found while parsing a string")
            self.at += 2 if byte == ord("\\") else 1
        self.at += 1
        try:
            orjson.loads(self.raw[start:self.at])
        except orjson.JSONDecodeError:
            raise self.fail("invalid escape" if b"\\" in self.raw[start:self.at]
                            else "invalid unicode code point") from None

    def read_number(self) -> None:
        start = self.at
        while self.at < len(self.raw) and self.raw[self.at] in b"+-.0123456789eE":
            self.at += 1
        digits = self.raw[start:self.at]
        try:
            orjson.loads(digits)
        except orjson.JSONDecodeError:
            if self.at == len(self.raw) and digits[-1:] in (b"-", b"e", b"E", b".", b"+"):
                raise self.fail("EOF while parsing a value") from None
            try:
                is_huge = float(digits) in (float("inf"), float("-inf"))
            except ValueError:
                is_huge = False
            raise self.fail("number out of range" if is_huge else "invalid number") from None

    def read_word(self) -> None:
        for word in (b"true", b"false", b"null"):
            if self.raw[self.at] != word[0]:
                continue
            for byte in word:
                if self.at >= len(self.raw):
                    raise self.fail("EOF while parsing a value")
                if self.raw[self.at] != byte:
                    raise self.fail_here("expected ident")
                self.at += 1
            return
        raise self.fail_here("expected value")
