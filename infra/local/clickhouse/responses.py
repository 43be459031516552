"""Answers on the wire: ClickHouse's headers, errors before and in the middle of an answer."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from infra.local.clickhouse import formats
from infra.local.clickhouse.channels import ClientGoneError
from infra.local.clickhouse.engine import Summary
from infra.local.clickhouse.errors import EngineError

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SERVER_NAME = "tollbook-local"
_TEXT = "text/plain; charset=UTF-8"
_TAG_BYTES = 8


class Reply:
    """The answer to one request."""

    def __init__(self, send: Send, idle_seconds: float, *, head_only: bool = False) -> None:
        self._send = send
        self._idle_seconds = idle_seconds
        self._head_only = head_only
        self._tag = secrets.token_hex(_TAG_BYTES)
        self.headers: dict[str, str] = {"X-ClickHouse-Server-Display-Name": SERVER_NAME}
        self.started = False

    async def text(self, status: int, body: str, content_type: str = _TEXT) -> None:
        """A short text."""
        await self.whole(status, [body.encode()], {"Content-Type": content_type})

    async def whole(self, status: int, pieces: Iterable[bytes], headers: Mapping[str, str]) -> None:
        """An answer that is complete, so that its length is known."""
        parts = list(pieces)
        length_bytes = sum(map(len, parts))
        await self._start(status, dict(headers) | {"Content-Length": str(length_bytes)})
        if not self._head_only:
            for part in parts:
                await self.piece(part)
        await self.end()

    async def begin(self, headers: Mapping[str, str]) -> None:
        """The start of an answer that comes in pieces."""
        await self._start(200, dict(headers) | {"X-ClickHouse-Exception-Tag": self._tag})

    async def piece(self, data: bytes) -> None:
        """The next piece. Raises `ClientGoneError` if the client stops taking what is sent."""
        try:
            async with asyncio.timeout(self._idle_seconds):
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except TimeoutError:
            raise ClientGoneError from None

    async def end(self) -> None:
        """The end of the answer."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def error(self, error: EngineError) -> None:
        """An error, as the whole answer."""
        await self.whole(
            error.http_status,
            [f"{error}\n".encode()],
            {"Content-Type": _TEXT, "X-ClickHouse-Exception-Code": str(error.exception_code)},
        )

    def exception_block(self, error: EngineError) -> bytes:
        """What a server of version 25.11 and later appends to an answer that broke off."""
        message = f"{error}\n".encode()
        tag = self._tag.encode()
        head = b"\r\n__exception__\r\n" + tag + b"\r\n"
        return head + message + b"%d %s\r\n__exception__\r\n" % (len(message), tag)

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.started = True
        raw = [
            (name.lower().encode(), value.encode("latin-1", "replace"))
            for name, value in (self.headers | dict(headers)).items()
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


def answer_headers(
    output_format: str | None, encoding: str | None, summary: Summary | None
) -> dict[str, str]:
    """The headers that describe an answer; no format is named where a statement gives none."""
    headers = {"Content-Type": formats.content_type(output_format or formats.DEFAULT_OUTPUT)}
    if output_format is not None:
        headers["X-ClickHouse-Format"] = output_format
    if encoding is not None:
        headers |= {"Content-Encoding": encoding, "Vary": "Accept-Encoding"}
    if summary is not None:
        headers["X-ClickHouse-Summary"] = summary_json(summary)
    return headers


def summary_json(summary: Summary) -> str:
    """The value of X-ClickHouse-Summary: every number as a string, as the server writes them."""
    return json.dumps(
        {
            "read_rows": str(summary.read_rows),
            "read_bytes": str(summary.read_bytes),
            "written_rows": str(summary.written_rows),
            "written_bytes": str(summary.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(summary.result_rows),
            "result_bytes": str(summary.result_bytes),
            "elapsed_ns": str(summary.elapsed_nanos),
        }
    )
