from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from fastapi import FastAPI

from api.problems import ErrorBody, Problem, install_problem_handlers, status_of
from core import errors
from ingest.errors import UnsupportedMediaTypeError

FAMILIES: list[tuple[errors.TollbookError, int]] = [
    (errors.ValidationError("m", field="name"), 400),
    (errors.AuthenticationError("m"), 401),
    (errors.AuthorizationError("m"), 403),
    (errors.NotFoundError("m"), 404),
    (errors.ConflictError("m"), 409),
    (errors.TooLargeError("m"), 413),
    (UnsupportedMediaTypeError("m"), 415),
    (errors.BusinessLogicError("m"), 422),
    (errors.RateLimitError("m", 3), 429),
    (errors.DependencyDownError("m", 5), 503),
]


def _ask(error: Exception, path: str = "/fail", accept: str = "*/*") -> httpx.Response:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/fail")
    async def fail() -> None:
        raise error

    @app.get("/count/{number}")
    async def count(number: int) -> int:
        return number

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers={"Accept": accept})

    return asyncio.run(get())


@pytest.mark.parametrize(("error", "status"), FAMILIES)
def test_a_family_has_its_status_and_the_native_body(
    error: errors.TollbookError, status: int
) -> None:
    answer = _ask(error)
    assert (answer.status_code, status_of(error)) == (status, status)
    assert answer.json() == {
        "success": False,
        "error": {"code": error.code, "message": "m", "details": error.details},
    }
    ErrorBody.model_validate(answer.json(), strict=True)
    retry_after = getattr(error, "retry_after_seconds", None)
    assert answer.headers.get("Retry-After") == (retry_after and str(retry_after))
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(("error", "status"), FAMILIES)
def test_a_problem_document_is_sent_where_it_is_asked_for(
    error: errors.TollbookError, status: int
) -> None:
    answer = _ask(error, accept="application/problem+json")
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json(), strict=True)
    assert (problem.status, answer.status_code) == (status, status)
    assert problem.code == error.code


@pytest.mark.parametrize("error", [RuntimeError("secret"), errors.InternalError("secret")])
def test_an_unexpected_error_tells_a_trace_id_and_nothing_else(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = _ask(error)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    body = answer.json()["error"]
    assert body["code"] == "internal_error"
    assert body["details"]["trace_id"] in caplog.text
    assert "secret" in caplog.text


def test_the_frameworks_own_errors_have_the_same_form() -> None:
    missing = _ask(RuntimeError(), "/nowhere")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = _ask(RuntimeError(), "/count/x")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "validation_error")
    assert "path.number" in wrong.json()["error"]["message"]
