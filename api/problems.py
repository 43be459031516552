"""Error families to HTTP: status, headers and body of every answer that is not 2xx."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from core import errors
from core.errors import TollbookError
from ingest.errors import UnsupportedMediaTypeError

_log: Final = logging.getLogger(__name__)
PROBLEM_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[type[TollbookError], int]] = {
    errors.ValidationError: 400,
    errors.AuthenticationError: 401,
    errors.AuthorizationError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
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


def status_of(error: TollbookError) -> int:
    """The HTTP status of an error's family; 500 where none is known."""
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` answer in the native form."""
    app.add_exception_handler(TollbookError, _on_tollbook_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_request_validation)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_tollbook_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TollbookError)
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return await _on_unexpected(request, error)
    headers = {}
    retry_after = getattr(error, "retry_after_seconds", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(request, status, error.code, error.message, error.details, headers)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """The framework's own errors: no such route, wrong method."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    message = f"{request.method} {request.url.path}: {status.phrase.lower()}"
    return _answer(request, status, status.name.lower(), message, {}, error.headers)


async def _on_request_validation(request: Request, error: Exception) -> JSONResponse:
    """Parameters of a route that do not have their declared types."""
    assert isinstance(error, RequestValidationError)
    problems = [
        {"field": ".".join(map(str, problem["loc"])), "message": problem["msg"]}
        for problem in error.errors()
    ]
    message = "; ".join(f"{problem['field']}: {problem['message']}" for problem in problems)
    return _answer(request, 400, "validation_error", message, {"problems": problems})


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    """Anything else is ours to find: the trace id stands in the answer and in the log."""
    trace_id = uuid4().hex
    _log.error("%s %s failed, trace %s", request.method, request.url.path, trace_id, exc_info=error)
    message = "an unexpected error; quote the trace id when you report it"
    return _answer(request, 500, "internal_error", message, {"trace_id": trace_id})


def _answer(
    request: Request,
    status: int,
    code: str,
    message: str,
    details: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    content = jsonable_encoder(details)
    if PROBLEM_TYPE in request.headers.get("accept", ""):
        problem = Problem(
            type=f"urn:tollbook:error:{code}",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=message,
            code=code,
            details=content,
        )
        return JSONResponse(problem.model_dump(), status, headers, PROBLEM_TYPE)
    body = ErrorBody(success=False, error=ErrorDetail(code=code, message=message, details=content))
    return JSONResponse(body.model_dump(), status, headers)
