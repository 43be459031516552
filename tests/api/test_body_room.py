"""Bodies being read count against one bound, with what has arrived of them and what it becomes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx
from fastapi import APIRouter, FastAPI, Request, Response

from api.body_room import BodyRoom, Room
from api.problems import install_problem_handlers
from ingest.reading import read_body


def _app(
    bytes_max: int, held: asyncio.Event | None = None, goes_on: asyncio.Event | None = None
) -> FastAPI:
    """`/inflated` says in `held` that it has read a body, and answers once `goes_on` is set."""
    router = APIRouter()
    held, goes_on = held or asyncio.Event(), goes_on or asyncio.Event()

    @router.post("/bodies")
    async def read(request: Request) -> Response:
        return Response(str(len(await request.body())))

    @router.post("/inflated")
    async def inflated(request: Request) -> Response:
        body = await read_body(request)
        held.set()
        await goes_on.wait()
        return Response(str(len(body)))

    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router)
    app.add_middleware(BodyRoom, room=Room(bytes_max))
    return app


class _Body:
    """A body in two halves: the second comes when it is told to."""

    def __init__(self, size: int) -> None:
        self._half = b"x" * (size // 2)
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._half
        self.begun.set()
        await self.goes_on.wait()
        yield self._half


async def _post(app: FastAPI, body: _Body) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {"content-length": "1000000"}  # what is promised takes no room
        return await client.post("/bodies", content=aiter(body), headers=headers)


def test_many_slow_bodies_are_refused_where_there_is_no_room_and_then_there_is() -> None:
    async def main() -> None:
        app, slow = _app(1_000), [_Body(600) for _ in range(3)]
        waiting = [asyncio.create_task(_post(app, body)) for body in slow]
        for body in slow:
            await body.begun.wait()
        late = _Body(300)
        late.goes_on.set()
        refused = await _post(app, late)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert "more bodies are being read" in refused.json()["error"]["message"]
        slow[0].goes_on.set()
        assert (await waiting[0]).status_code == 503  # its own second half is too much, too
        assert (await _post(app, late)).text == "300"
        for body in slow[1:]:
            body.goes_on.set()
        assert [(await task).text for task in waiting[1:]] == ["600", "600"]
        alone = _Body(5_000)  # one alone may be as large as its own limit lets it
        alone.goes_on.set()
        assert (await _post(app, alone)).text == "5000"

    asyncio.run(main())


def test_a_body_counts_as_it_is_inflated_until_its_request_is_answered() -> None:
    async def main() -> None:
        held, goes_on = asyncio.Event(), asyncio.Event()
        app, body = _app(1_000, held, goes_on), gzip.compress(bytes(900))
        transport = httpx.ASGITransport(app)
        headers = {"content-encoding": "gzip"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            first = asyncio.create_task(client.post("/inflated", content=body, headers=headers))
            await held.wait()
            refused = await client.post("/inflated", content=body, headers=headers)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "1"
            assert "more bodies are being read" in refused.json()["error"]["message"]
            goes_on.set()
            assert (await first).text == "900"
            large = gzip.compress(bytes(5_000))  # alone it may be as large as its own limit lets it
            alone = await client.post("/inflated", content=large, headers=headers)
            assert alone.text == "5000"

    asyncio.run(main())
