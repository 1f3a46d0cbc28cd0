# SPDX-License-Identifier: Apache-2.0
"""The refusals of the server: a status, a text, and Qdrant's JSON shape around it.

Handlers raise Refusal and the server turns it into an answer at one place. A refusal may also be plain text (wrong
API key) or empty (no such route): those are the answers that never reach Qdrant's own error formatter.
"""

VALIDATION_STATUS = 422


class Refusal(Exception):
    """An answer other than success; `plain` refusals are sent as text instead of JSON."""

    def __init__(self, status: int, text: str, plain: bool = False, close: bool = False):
        super().__init__(text)
        self.status = status
        self.text = text
        self.plain = plain
        self.close = close


def format_error(text: str) -> Refusal:
    """The body is not JSON, or not JSON of the type the endpoint decodes."""
    return Refusal(400, f"Format error in JSON body: {text}")


def query_error(text: str) -> Refusal:
    return Refusal(400, f"Deserialize error in query parameters: {text}")


def invalid_body(text: str) -> Refusal:
    """The body decodes, but breaks a rule of its type."""
    return Refusal(VALIDATION_STATUS, f"Validation error in JSON body: [{text}]")


def invalid_path(text: str) -> Refusal:
    return Refusal(VALIDATION_STATUS, f"Validation error in path parameters: [{text}]")


def wrong_input(text: str) -> Refusal:
    return Refusal(400, f"Wrong input: {text}")


def bad_request(text: str) -> Refusal:
    return Refusal(400, f"Bad request: {text}")


def no_collection(name: str) -> Refusal:
    return Refusal(404, f"Not found: Collection `{name}` doesn't exist!")


def no_point_to_show(point_id) -> Refusal:
    return Refusal(404, f"Not found: Point with id {point_id} does not exists!")


def no_point_to_update(point_id) -> Refusal:
    return Refusal(404, f"Not found: No point with id {point_id} found")


def no_route() -> Refusal:
    return Refusal(404, "", plain=True)


def unauthorized(text: str) -> Refusal:
    return Refusal(401, text, plain=True)


def forbidden(text: str) -> Refusal:
    return Refusal(403, f"Forbidden: {text}")


def wrong_dimension(expected: int, got: int) -> Refusal:
    return wrong_input(f"Vector dimension error: expected dim: {expected}, got {got}")


def unknown_vector(name: str) -> Refusal:
    return wrong_input(f"Not existing vector name error: {name}")
