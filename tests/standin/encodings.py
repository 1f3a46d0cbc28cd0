# SPDX-License-Identifier: Apache-2.0
"""Content codings: what a request body may be packed in, and which coding an answer gets."""
import gzip
import zlib

import brotli
import zstandard

from .errors import Refusal

GZIP_WBITS = 31
OFFERED = ("br", "gzip", "deflate", "zstd")


class TooLarge(Exception):
    """The body unpacks to more than the limit."""


def decode_body(body: bytes, coding: str, limit: int) -> bytes:
    """The plain body. A coding the server does not know is no coding at all, as there."""
    coding = coding.strip().lower()
    try:
        if coding == "gzip":
            return inflate(body, GZIP_WBITS, limit)
        if coding == "deflate":
            return inflate(body, zlib.MAX_WBITS, limit)
        if coding == "br":
            return checked(brotli.decompress(body), limit)
        if coding == "zstd":
            return unpack_zstd(body, limit)
    except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as problem:
        raise Refusal(400, f"Error while decoding the {coding} body: {problem}") from None
    return body


def inflate(body: bytes, wbits: int, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits)
    plain = unpacker.decompress(body, limit + 1)
    if not unpacker.eof and len(plain) <= limit:
        raise EOFError("stream ends early")
    return checked(plain, limit)


def unpack_zstd(body: bytes, limit: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        return checked(reader.read(limit + 1), limit)


def checked(plain: bytes, limit: int) -> bytes:
    if len(plain) > limit:
        raise TooLarge
    return plain


def choose(accept: str | None) -> str:
    """The coding for an answer: the best liked of OFFERED, else identity; Refusal 406 when nothing is left."""
    if accept is None:
        return "identity"
    liked = parse_accept(accept)
    best = max(OFFERED, key=lambda coding: liked.get(coding, liked.get("*", 0.0)))
    quality = liked.get(best, liked.get("*", 0.0))
    plain_quality = liked.get("identity", 0.0 if liked.get("*") == 0.0 else 0.001)
    if quality > 0.0 and quality >= plain_quality:
        return best
    if plain_quality > 0.0:
        return "identity"
    raise Refusal(406, "Supported encodings: br, gzip, deflate, zstd", plain=True)


def parse_accept(accept: str) -> dict[str, float]:
    liked = {}
    for item in accept.split(","):
        coding, _, rest = item.strip().partition(";")
        quality = rest.strip().removeprefix("q=")
        try:
            liked[coding.strip().lower()] = float(quality) if quality else 1.0
        except ValueError:
            liked[coding.strip().lower()] = 0.0
    return liked


def encode_body(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, 1)
    if coding == "deflate":
        return zlib.compress(body, 1)
    if coding == "br":
        return brotli.compress(body, quality=1)
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(body)
    return body
