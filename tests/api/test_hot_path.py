"""With and without the hot path: the same answers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from gzip import compress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from api.body_room import BodyRoom, Room
from api.hot_path import HotPath
from api.observing import observe_requests
from api.problems import install_problem_handlers
from catalog.snapshot_content import ApiKeyPrincipal
from core.clock import ManualClock
from core.errors import AuthenticationError, DependencyDownError
from core.ids import TenantId
from core.rate_limits import Rate, RateLimits
from identity.api_keys import EVENTS_WRITE
from ingest.gathering import Body
from ingest.intake import Intake
from ingest.limits.account import Defaults
from ingest.limits.limiter import Limiter, Sender
from ingest.limits.shared_slots import SharedSlots
from ingest.router import EVENTS_PATH, create_router
from ingest.settings import BODY_BYTES_MAX

TENANT = TenantId(UUID("0190aaaa-0190-7aaa-8aaa-0190aaaa0190"))
PRINCIPAL = ApiKeyPrincipal(TENANT, UUID(int=1), frozenset({EVENTS_WRITE}))
LIMITED = replace(PRINCIPAL, key_id=UUID(int=2), limits=RateLimits(events=Rate(1, 3)))
SPENT = replace(LIMITED, key_id=UUID(int=3))
GOOD = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "subject": "s", "data": {}}
BAD = GOOD | {"type": ""}
JSON = {"content-type": "application/json"}
IN_FRONT = {"application/json", "application/cloudevents-batch+json"}


class _Publisher:
    """Takes everything, but for what a test asks to fail."""

    def publish_body(self, body: Body) -> asyncio.Future[bool]:
        """Later: single good events are clean, and other bodies are read alone."""
        loop = asyncio.get_running_loop()
        settled = loop.create_future()
        if b"broken" in body.text:
            loop.call_soon(settled.set_exception, RuntimeError("secret"))
        else:
            body.events = int(body.text.startswith(b"{") and body.text.endswith(b"}"))
            loop.call_soon(settled.set_result, bool(body.events))
        return settled

    async def publish(self, batch: pa.RecordBatch, size_bytes: int) -> None:
        assert size_bytes
        subject = batch.column("subject")[0].as_py() if batch.num_rows else ""
        if subject == "down":
            raise DependencyDownError("Kafka does not answer", retry_after_seconds=5)
        if subject == "broken":
            raise RuntimeError("secret")


def make_app(folder: Path, passed: list[str], *, hot: bool) -> ASGIApp:
    limiter = Limiter(SharedSlots(folder / str(hot)), Defaults(), clock_ns=lambda: 0)
    limiter.sender(SPENT, 0).spend(3, 0)
    principals = {"Bearer x": PRINCIPAL, "Bearer limited": LIMITED, "Bearer spent": SPENT}

    def sender_of(authorization: str, declared_bytes: int) -> Sender:
        if not authorization:
            raise AuthenticationError("authorization: expected a key")
        return limiter.sender(principals[authorization], declared_bytes)

    clock = ManualClock(datetime(2026, 11, 21, 12, tzinfo=UTC))
    intake = Intake(_Publisher(), clock)  # type: ignore[arg-type]  # all that Intake calls
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(create_router(lambda: intake, sender_of))
    room = Room(BODY_BYTES_MAX)
    app.add_middleware(BodyRoom, room=room)
    observe_requests(app)

    async def passing(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["path"])
        await app(scope, receive, send)

    return HotPath(passing, lambda: intake, sender_of, room) if hot else app


async def _ask(app: ASGIApp, request: dict[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {"authorization": "Bearer x", "x-request-id": "r-1"} | request.pop(
            "headers", JSON
        )
        headers = {name: value for name, value in headers.items() if value is not None}
        method, path = request.pop("method", "POST"), request.pop("path", EVENTS_PATH)
        return await client.request(method, path, headers=headers, **request)


def _body(*events: dict[str, Any]) -> bytes:
    return json.dumps(events).encode()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": _body(GOOD)}, 202),
        ({"content": _body(GOOD, BAD)}, 202),
        ({"content": _body(BAD)}, 400),
        ({"content": b"[]"}, 202),
        (
            {
                "content": _body(GOOD),
                "headers": {"content-type": "application/cloudevents-batch+json"},
            },
            202,
        ),
        (
            {
                "content": _body(GOOD),
                "headers": {"content-type": "application/json; charset=utf-8"},
            },
            202,
        ),
        ({"content": b"{"}, 400),
        ({"content": b"\xff"}, 400),
        ({"content": b""}, 400),
        ({"content": b" " * (BODY_BYTES_MAX + 1)}, 413),
        ({"content": _body(GOOD), "headers": {"content-type": "text/html"}}, 415),
        ({"content": _body(GOOD), "headers": JSON | {"content-encoding": "br"}}, 415),
        ({"content": _body(GOOD), "headers": JSON | {"content-encoding": "gzip"}}, 400),
        (
            {"content": compress(_body(GOOD)), "headers": JSON | {"content-encoding": "gzip"}},
            202,
        ),
        ({"content": _body(GOOD), "headers": JSON | {"authorization": None}}, 401),
        ({"content": _body(GOOD), "headers": JSON | {"authorization": "Bearer limited"}}, 202),
        ({"content": _body(GOOD), "headers": JSON | {"authorization": "Bearer spent"}}, 429),
        (
            {"content": _body(*[GOOD] * 4), "headers": JSON | {"authorization": "Bearer limited"}},
            413,
        ),
        ({"content": _body(GOOD), "headers": JSON | {"accept": "application/problem+json"}}, 202),
        ({"content": b"{", "headers": JSON | {"accept": "application/problem+json"}}, 400),
        ({"content": _body(GOOD | {"subject": "down"})}, 503),
        ({"content": _body(GOOD | {"subject": "broken"})}, 500),
        ({"content": _body(GOOD), "path": EVENTS_PATH + "?x=1"}, 202),
        ({"content": _body(GOOD), "path": EVENTS_PATH + "/"}, 307),
        ({"content": _body(GOOD), "path": "/v1/event"}, 404),
        ({"content": _body(GOOD), "path": "/v1/%65vents"}, 202),
        ({"method": "GET"}, 405),
        ({"method": "HEAD"}, 405),
        ({"method": "PUT", "content": _body(GOOD)}, 405),
        ({"method": "OPTIONS"}, 405),
    ],
)
def test_answers_are_alike(request_: dict[str, Any], status: int, tmp_path: Path) -> None:
    passed: list[str] = []
    plain, hot = (
        asyncio.run(_ask(make_app(tmp_path, passed, hot=hot), dict(request_)))
        for hot in (False, True)
    )
    assert plain.status_code == hot.status_code == status
    assert hot.content == plain.content
    assert hot.headers == plain.headers
    assert "secret" not in hot.text
    headers = request_.get("headers", JSON)
    is_plain = headers["content-type"] in IN_FRONT and "content-encoding" not in headers
    is_hot = is_plain and request_.get("method", "POST") == "POST" and status not in {307, 404}
    assert passed == ([] if is_hot else [request_.get("path", EVENTS_PATH).partition("?")[0]])
