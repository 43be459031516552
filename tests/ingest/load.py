"""Requests over many connections, also at a rate that does not ask how the server is."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from core.clock import monotonic_seconds
from tests.ingest.service import BATCH

_MARK: Final = b"@@@@@@@@"
_TICK_SECONDS: Final = 0.01


class Template:
    """A request of `events` events; its number is the subject of all of them."""

    def __init__(self, api_key: str, events: int, data_bytes: int = 60) -> None:
        self.events = events
        one = (
            '{"specversion":"1.0","id":"@@@@@@@@-%d","source":"/load","type":"t",'
            '"subject":"@@@@@@@@","data":{"n":1,"text":"%s"}}'
        )
        text = ",".join(one % (number, "x" * data_bytes) for number in range(events))
        self._body = f"[{text}]".encode()
        self._head = (
            f"POST /v1/events HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {api_key}\r\n"
            f"Content-Type: {BATCH}\r\nContent-Length: {len(self._body)}\r\n\r\n"
        ).encode()

    def request(self, number: int) -> bytes:
        """The request with this number."""
        return self._head + self._body.replace(_MARK, b"%08d" % number)


@dataclass
class Answers:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    without_retry_after: int = 0
    unanswered: int = 0
    unsent: int = 0


class Load:
    """A pool of connections to one server."""

    def __init__(self, url: str, first_number: int = 0) -> None:
        where = urlsplit(url)
        self._host, self._port = where.hostname or "", where.port or 0
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._tasks: set[asyncio.Task[int]] = set()
        self.number = first_number

    async def closed(self, template: Template, connections: int, seconds: float) -> Answers:
        """Each connection sends its next request when the one before is answered."""
        answers, end = Answers(), monotonic_seconds() + seconds

        async def go_on() -> None:
            while monotonic_seconds() < end:
                await self.send(template, answers)

        await asyncio.gather(*(go_on() for _ in range(connections)))
        return answers

    async def open(
        self, template: Template, per_second: float, most: int, seconds: float
    ) -> Answers:
        """So many requests a second, whatever becomes of them; at most `most` under way."""
        answers, began, sent = Answers(), monotonic_seconds(), 0
        while (passed := monotonic_seconds() - began) < seconds:
            while sent < passed * per_second:
                sent += 1
                if len(self._tasks) >= most:
                    answers.unsent += 1
                    continue
                task = asyncio.create_task(self.send(template, answers))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(_TICK_SECONDS)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=60)
        return answers

    async def send(self, template: Template, answers: Answers) -> int:
        """One request; its status, 0 without an answer."""
        self.number += 1
        number = self.number
        began = monotonic_seconds()
        try:
            pair = self._idle.pop() if self._idle else await self._connect()
            reader, writer = pair
            writer.write(template.request(number))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            answers.unanswered += 1
            return 0
        status = int(head[9:12])
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append(pair)
        answers.statuses[status] += 1
        if status == 202:
            answers.accepted.append(number)
            answers.seconds.append(monotonic_seconds() - began)
        elif b"retry-after:" not in head:
            answers.without_retry_after += 1
        return status

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port)

    async def close(self) -> None:
        """End all connections."""
        for _, writer in self._idle:
            writer.close()
        for _, writer in self._idle:
            try:
                await writer.wait_closed()
            except OSError:
                continue
        self._idle.clear()
