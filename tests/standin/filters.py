# SPDX-License-Identifier: Apache-2.0
"""Filters: decoded by the official client's models, evaluated by local mode."""
from pydantic import ValidationError
from qdrant_client.http import models
from qdrant_client.local.payload_filters import validate_filter

from .errors import format_error, invalid_body


class NotAFilter(ValueError):
    """The JSON is no filter; where several shapes are allowed, the next one is tried."""


def decode(value) -> models.Filter:
    """The filter, or NotAFilter. An empty `min_should` selects everything and is left out."""
    if not isinstance(value, dict):
        raise NotAFilter("invalid type: expected struct Filter")
    try:
        condition = models.Filter.model_validate(value)
    except ValidationError as problem:
        raise NotAFilter(first_problem(problem)) from None
    if condition.min_should is not None and not condition.min_should.conditions:
        condition.min_should = None
    try:
        validate_filter(condition)
    except ValueError as problem:
        raise invalid_body(f"filter: {problem}") from None
    return condition


def decode_required(value) -> models.Filter:
    try:
        return decode(value)
    except NotAFilter as problem:
        raise format_error(str(problem)) from None


def decode_optional(value) -> models.Filter | None:
    return None if value is None else decode_required(value)


def first_problem(problem: ValidationError) -> str:
    error = problem.errors()[0]
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown field `{error['loc'][-1]}`, expected one of `should`, `min_should`, `must`, `must_not`"
    return f"{where}: {error['msg']}"
