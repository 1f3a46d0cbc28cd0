# SPDX-License-Identifier: Apache-2.0
"""What a handler gets: the request's captured names, query and body, each read with the server's checks."""
import re

from . import auth, jsonio
from .collection import Collection, Store
from .errors import format_error, invalid_path
from .messages import Request
from .urls import Query
from .version import Version

REFUSED_AT_CREATION = re.compile("[<>:\"/\\\\|?*\0\x1f]")
REFUSED_LATER = re.compile("[/\0]")
NAME_MAX = 255
ORDERINGS = ("weak", "medium", "strong")


class Context:
    """One request on its way through a handler. `server` is the Server it came to."""

    def __init__(self, server, request: Request, route, captured: list[str], may_write: bool):
        self.server = server
        self.request = request
        self.route = route
        self.captured = captured
        self.may_write = may_write
        self.query = Query(request.query)

    @property
    def store(self) -> Store:
        return self.server.store

    @property
    def version(self) -> Version:
        return self.server.behaviour.version

    def name(self, is_creation: bool = False) -> str:
        """The collection name in the path, or 422."""
        name, parameter = self.captured[0], self.version.name_parameter
        if is_creation or self.version.checks_names_everywhere:
            refused = (REFUSED_AT_CREATION if is_creation else REFUSED_LATER).search(name)
            if refused:
                raise invalid_path(f"{parameter}: collection name cannot contain \"{refused.group()}\" char")
        if not 1 <= len(name) <= NAME_MAX:
            raise invalid_path(f"{parameter}: value \"{name}\" invalid, must be from 1 to {NAME_MAX} characters")
        return name

    def collection(self) -> Collection:
        return self.store.resolve(self.name())

    def write_options(self) -> tuple[bool, float | None]:
        """wait and timeout; ordering is checked and, on one node, means nothing."""
        wait = self.query.flag("wait", False)
        self.query.choice("ordering", ORDERINGS)
        timeout_s = self.query.seconds("timeout") if self.version.has_write_timeout else None
        return wait, timeout_s

    def read_options(self) -> None:
        self.query.seconds("timeout")

    def body(self, *required: str) -> dict:
        """The body of a read or a configuration change: an object with the required fields."""
        raw = self.request.body
        value = jsonio.decode(raw)
        if not isinstance(value, dict):
            raise format_error(f"invalid type: expected a struct {jsonio.end_position(raw)}")
        for field in required:
            if field not in value:
                raise format_error(f"missing field `{field}` {jsonio.end_position(raw)}")
        return value

    def allow(self) -> None:
        """Called after the body and the collection were found good: rights are checked last."""
        auth.check(self.may_write, self.route.access, self.captured[0] if self.captured else None)
