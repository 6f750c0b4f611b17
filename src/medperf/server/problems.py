"""Which HTTP status says which error: RFC 9457 problem documents with a stable code."""

from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from medperf.domain import errors

CONTENT_TYPE = "application/problem+json"

STATUS: dict[type[errors.MedPerfError], int] = {
    errors.MedPerfError: 500,
    errors.InvalidRequestError: 400,
    errors.TooLargeError: 413,
    errors.NotFoundError: 404,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.ConflictError: 409,
    errors.UntrustedError: 422,
    errors.StepFailedError: 500,
    errors.SandboxUnavailableError: 500,
    errors.UnavailableError: 503,
    errors.WithheldError: 422,
}
"""Families, and the few classes that have a status of their own."""

PROBLEM_RESPONSE: dict[str, Any] = {
    "description": "What went wrong: the code is stable, the detail is one sentence for people.",
    "content": {
        CONTENT_TYPE: {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code", "hint", "context"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "hint": {"type": "string"},
                    "context": {"type": "object"},
                },
            }
        }
    },
}
"""How the OpenAPI document describes every error."""


def status_of(error: type[errors.MedPerfError]) -> int:
    """The status of a class: its own or that of its family."""
    return next(STATUS[base] for base in error.__mro__ if base in STATUS)


def problem(error: errors.MedPerfError, status: int | None = None) -> Response:
    """The document that says what went wrong; the client raises the same class again."""
    status = status or status_of(type(error))
    body: dict[str, Any] = {
        "type": f"urn:medperf:problem:{error.code}",
        "title": error.title(),
        "status": status,
        "detail": error.detail,
        "code": error.code,
        "hint": error.advice,
        "context": error.context,
    }
    headers = {}
    if status == STATUS[errors.UnauthenticatedError]:
        headers["WWW-Authenticate"] = "Bearer, MedPerf-Signature"
    if status == STATUS[errors.UnavailableError]:
        headers["Retry-After"] = "1"
    return Response(to_json(body, fallback=str), status, headers, CONTENT_TYPE)
