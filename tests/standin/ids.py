# SPDX-License-Identifier: Apache-2.0
"""Point ids as the server reads them from bodies and from paths.

A number from 0 to 2^64-1 stays a Python int (never a float); every spelling of a UUID becomes the lower-case
hyphenated text, so that one point has one key.
"""
import re
import uuid

from .errors import Refusal, format_error

U64_MAX = 2**64 - 1
HYPHENATED = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
SIMPLE = re.compile(r"[0-9a-fA-F]{32}\Z")
DECIMAL = re.compile(r"\+?[0-9]+\Z")
UUID_BYTES = 16


def parse_uuid(text: str) -> str | None:
    """The normal spelling of a UUID given in any of the four accepted ones, else None."""
    if text.startswith("urn:uuid:"):
        hyphenated = text[len("urn:uuid:"):]
    elif text.startswith("{") and text.endswith("}"):
        hyphenated = text[1:-1]
    elif SIMPLE.match(text):
        return str(uuid.UUID(text))
    else:
        hyphenated = text
    return hyphenated.lower() if HYPHENATED.match(hyphenated) else None


def spell_refused(value) -> str:
    """How the server quotes a value that is no id: floats without a needless fraction, text without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        digits = repr(value)
        return str(int(value)) if "e" not in digits else spell_exponent(digits)
    return str(value)


def spell_exponent(digits: str) -> str:
    """1.8446744073709552e+19 written out in full with the digits it shows, then zeros."""
    mantissa, exponent = digits.split("e")
    whole, _, fraction = mantissa.partition(".")
    return whole + fraction.ljust(int(exponent), "0")


def refuse(value) -> Refusal:
    return format_error(f"value {spell_refused(value)} is not a valid point ID, "
                        "valid values are either an unsigned integer or a UUID")


def is_uuid_bytes(value) -> bool:
    return (isinstance(value, list) and len(value) >= UUID_BYTES
            and all(type(item) is int and 0 <= item <= 255 for item in value))


def from_body(value):
    """The id in a JSON body, or a Refusal with the server's text."""
    if type(value) is int and 0 <= value <= U64_MAX:
        return value
    if isinstance(value, str):
        text = parse_uuid(value)
        if text is not None:
            return text
    if is_uuid_bytes(value):
        return str(uuid.UUID(bytes=bytes(value[:UUID_BYTES])))
    raise refuse(value)


def list_from_body(values) -> list:
    if not isinstance(values, list):
        raise format_error("invalid type: expected a sequence")
    return [from_body(value) for value in values]


def from_path(text: str):
    """The id in a URL: decimal with an optional plus and leading zeros, or a UUID."""
    if DECIMAL.match(text) and text.isascii() and int(text) <= U64_MAX:
        return int(text)
    spelled = parse_uuid(text)
    if spelled is None:
        raise Refusal(400, f"Wrong input: Can not recognize \"{text}\" as point id")
    return spelled
