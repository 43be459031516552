"""Error families to HTTP: status, headers and body of every answer that is not 2xx."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from core import errors
from core.errors import TollbookError
from ingest.errors import UnsupportedMediaTypeError
from telemetry.correlation import REQUEST_ID_HEADER

_log: Final = logging.getLogger(__name__)
PROBLEM_TYPE: Final = "application/problem+json"
REQUEST_ID_IN_SCOPE: Final = "tollbook.request_id"
"""Where a request's scope has its id."""

STATUS: Final[Mapping[type[TollbookError], int]] = {
    errors.ValidationError: 400,
    errors.AuthenticationError: 401,
    errors.AuthorizationError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.PreconditionError: 412,
    errors.TooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    errors.BusinessLogicError: 422,
    errors.RateLimitError: 429,
    errors.InternalError: 500,
    errors.DependencyDownError: 503,
}
"""A family, or the nearest one above it, names the status."""


class ErrorDetail(BaseModel):
    """What went wrong: `code` for programs, `message` for people, `details` by code."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorBody(BaseModel):
    """The native error body."""

    success: bool
    error: ErrorDetail


class Problem(BaseModel):
    """The same as a problem document (RFC 9457), sent where Accept asks for it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is not 2xx, before it has a body; `error` is None for the framework's own."""

    status: int
    code: str
    message: str
    details: Mapping[str, object]
    headers: Mapping[str, str]
    error: TollbookError | None = None


ErrorStyle = Callable[[Request, Failure], Response]
"""Gives the failures of some routes another body, and maybe another status."""


class ErrorResponse(JSONResponse):
    """An answer that may quote whatever was sent, halves of surrogate pairs included."""

    def render(self, content: Any) -> bytes:
        """UTF-8, with a question mark for what it has no form for."""
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")


def status_of(error: TollbookError) -> int:
    """The HTTP status of an error's family; 500 where none is known."""
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)


def install_problem_handlers(app: FastAPI, styles: Mapping[str, ErrorStyle] | None = None) -> None:
    """Make every error of `app` answer in the native form, below a path of `styles` in its style.

    A path has no slash at its end.
    """
    app.state.error_styles = dict(styles or {})
    app.add_exception_handler(TollbookError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_request_validation)
    app.add_exception_handler(Exception, _on_error)


def error_response(request: Request, error: Exception) -> Response:
    """The answer to any error: those that are not ours are unexpected."""
    status = status_of(error) if isinstance(error, TollbookError) else 500
    if not isinstance(error, TollbookError) or status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    headers = dict(getattr(error, "headers", {}))
    retry_after = getattr(error, "retry_after_seconds", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    failure = Failure(status, error.code, error.message, error.details, headers, error)
    return _answer(request, failure)


async def _on_error(request: Request, error: Exception) -> Response:
    """Those of ours, and all that nobody expected."""
    return error_response(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """The framework's own errors: no such route, wrong method."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    message = f"{request.method} {request.url.path}: {status.phrase.lower()}"
    return _answer(request, Failure(status, status.name.lower(), message, {}, error.headers or {}))


async def _on_request_validation(request: Request, error: Exception) -> Response:
    """Parameters of a route that do not have their declared types."""
    assert isinstance(error, RequestValidationError)
    problems = [
        {"field": ".".join(map(str, problem["loc"])), "message": problem["msg"]}
        for problem in error.errors()
    ]
    message = "; ".join(f"{problem['field']}: {problem['message']}" for problem in problems)
    details = {"problems": problems}
    return _answer(request, Failure(400, "validation_error", message, details, {}))


def _unexpected(request: Request, error: Exception) -> Response:
    """Anything else is ours to find: the trace id stands in the answer and in the log."""
    trace_id = request.scope.get(REQUEST_ID_IN_SCOPE) or uuid4().hex
    _log.error("%s %s failed, trace %s", request.method, request.url.path, trace_id, exc_info=error)
    message = "an unexpected error; quote the trace id when you report it"
    headers = {REQUEST_ID_HEADER: trace_id}
    details = {"trace_id": trace_id}
    return _answer(request, Failure(500, "internal_error", message, details, headers))


def _answer(request: Request, failure: Failure) -> Response:
    app = request.scope.get("app")
    path = request.url.path
    styles: Mapping[str, ErrorStyle] = app.state.error_styles if app else {}
    for prefix, style in styles.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return style(request, failure)
    return _native(request, failure)


def _native(request: Request, failure: Failure) -> Response:
    status, code, message = failure.status, failure.code, failure.message
    content = jsonable_encoder(failure.details)
    if PROBLEM_TYPE in request.headers.get("accept", ""):
        problem = Problem(
            type=f"urn:tollbook:error:{code}",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=message,
            code=code,
            details=content,
        )
        return ErrorResponse(problem.model_dump(), status, failure.headers, PROBLEM_TYPE)
    body = ErrorBody(success=False, error=ErrorDetail(code=code, message=message, details=content))
    return ErrorResponse(body.model_dump(), status, failure.headers)
