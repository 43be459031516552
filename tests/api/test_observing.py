from __future__ import annotations

import asyncio
import json
import logging
import re

import httpx
import pytest
from fastapi import FastAPI

from api.observing import observe_requests
from api.problems import install_problem_handlers
from core.errors import DependencyDownError
from telemetry.correlation import current_request


def _ask(
    path: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> tuple[httpx.Response, list[logging.LogRecord]]:
    app = FastAPI()
    install_problem_handlers(app)
    observe_requests(app)

    @app.get("/things/{number}")
    async def thing(number: int) -> str:
        return f"{number} {current_request.get().text}"

    @app.get("/down")
    async def down() -> None:
        raise DependencyDownError("gone")

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret")

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=headers)

    with caplog.at_level(logging.DEBUG):
        answer = asyncio.run(get())
    return answer, [record for record in caplog.records if record.name == "api.observing"]


def test_an_id_that_is_brought_comes_back_and_is_logged_at_info(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer, (line,) = _ask("/things/7", {"X-Request-Id": "r-1"}, caplog)
    assert (answer.json(), answer.headers["X-Request-Id"]) == ("7 r-1", "r-1")
    assert line.levelno == logging.INFO
    context = line.__dict__["context"]
    assert (context["route"], context["status"]) == ("/things/{number}", 200)
    assert json.dumps(context)


def test_an_id_is_made_where_none_is_brought_and_logged_at_debug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer, (line,) = _ask("/things/7", {}, caplog)
    made = answer.headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert answer.json() == f"7 {made}"
    assert line.levelno == logging.DEBUG


@pytest.mark.parametrize(("path", "status"), [("/down", 503), ("/broken", 500), ("/else", 404)])
def test_an_error_carries_the_id_and_what_is_our_fault_is_a_warning(
    caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    answer, (line,) = _ask(path, {"X-Request-Id": "r-2"}, caplog)
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, "r-2")
    assert line.levelno == (logging.WARNING if status >= 500 else logging.INFO)
    if status == 500:
        assert answer.json()["error"]["details"] == {"trace_id": "r-2"}
        assert any("secret" in str(record.exc_info) for record in caplog.records)
