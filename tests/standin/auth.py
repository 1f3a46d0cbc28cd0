# SPDX-License-Identifier: Apache-2.0
"""API keys: who may send what. Tokens (JWT) are not imitated."""
from .errors import forbidden, unauthorized
from .messages import Request

EXEMPT = ("/", "/healthz", "/readyz", "/livez")
BEARER = "Bearer "
NO_KEY = "Must provide an API key or an Authorization bearer token"
BAD_KEY = "Invalid API key or JWT"


class Keys:
    """The keys of one server; without any, everything is allowed."""

    def __init__(self, read_write: str | None, read_only: str | None):
        self.read_write = read_write
        self.read_only = read_only

    def is_on(self) -> bool:
        return self.read_write is not None or self.read_only is not None

    def may_write(self, request: Request) -> bool:
        """Whether the request's key is the read-write one; 401 when it has no known key at all."""
        if not self.is_on() or request.path in EXEMPT or request.path.startswith("/dashboard"):
            return True
        key = given_key(request)
        if key is None:
            raise unauthorized(NO_KEY)
        if self.read_write is not None and key == self.read_write:
            return True
        if self.read_only is not None and key == self.read_only:
            return False
        raise unauthorized(BAD_KEY)


def given_key(request: Request) -> str | None:
    """`api-key`, and only without it the bearer token, whose scheme is spelled exactly so."""
    key = request.first("api-key")
    if key is not None:
        return key
    authorization = request.first("authorization")
    if authorization is not None and authorization.startswith(BEARER):
        return authorization[len(BEARER):]
    return None


def check(may_write: bool, access: str, name: str | None) -> None:
    """403 in JSON where a read-only key asks for more than reading."""
    if may_write or access in ("none", "read"):
        return
    if access == "write" and name is not None:
        raise forbidden(f"Write access to collection {name} is required")
    raise forbidden("Global manage access is required")
