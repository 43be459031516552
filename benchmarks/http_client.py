"""`python -m benchmarks.http_client FILE URL CONNECTIONS [RATE]`: sends what was made in advance.

A process of its own with many connections, each with one request under way, as SDKs of many senders
would hold them. Bodies come from a file, so what is measured is not the making of JSON. With RATE
it sends so many events a second, evenly. Prints one JSON object; ends with 1 when an answer is not
a 202 for all events of its request.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec
import numpy as np
import uvloop

from benchmarks.errors import BenchmarkError
from benchmarks.machine import ProcessCost
from benchmarks.requests_file import Prepared, read_requests
from core.clock import monotonic_seconds

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_ACCEPTED: Final = b"HTTP/1.1 202 "
_MILLIS: Final = 1000


class Answer(msgspec.Struct):
    """What matters of the body of a `202`."""

    accepted: int


class Load:
    """The requests, shared by all connections; when each is due; what came back."""

    def __init__(self, requests: Iterator[Prepared], rate: float | None) -> None:
        self._requests, self._rate = requests, rate
        self.done = asyncio.get_running_loop().create_future()
        self.began_seconds = 0.0
        self.taken = self.accepted = 0
        self.latencies: list[float] = []
        self.connections = 0

    def next(self) -> tuple[Prepared, float] | None:
        """The next request, and the instant when it is due; None when all are taken."""
        prepared = next(self._requests, None)
        if prepared is None:
            return None
        due_seconds = monotonic_seconds()
        if self._rate is not None:
            due_seconds = self.began_seconds + self.taken / self._rate
        self.taken += prepared.events
        return prepared, due_seconds

    def answered(self, prepared: Prepared, seconds: float, head: bytes, body: bytes) -> bool:
        """Count an answer; whether it was a good one."""
        if not head.startswith(_ACCEPTED):
            self.fail(f"the server answered {(head + body)[:300]!r}")
            return False
        accepted = msgspec.json.decode(body, type=Answer).accepted
        if accepted != prepared.events:
            self.fail(f"{accepted} of {prepared.events} events accepted: {body[:300]!r}")
            return False
        self.accepted += accepted
        self.latencies.append(seconds)
        return True

    def fail(self, message: str) -> None:
        """End with an error."""
        if not self.done.done():
            self.done.set_exception(BenchmarkError(message))

    def left(self) -> None:
        """A connection has nothing more to do."""
        self.connections -= 1
        if not self.connections and not self.done.done():
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, load: Load) -> None:
        self._load, self._buffer = load, bytearray()
        self._transport: asyncio.Transport | None = None
        self._sent: tuple[Prepared, float] | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the others."""
        self._transport = cast("asyncio.Transport", transport)  # that of uvloop is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """End the load with an error, unless all is done."""
        if not self._ended:
            self._load.fail(f"the connection was lost: {exc}")

    def data_received(self, data: bytes) -> None:
        """Take an answer, or a part of one."""
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0 or self._sent is None:
            return
        head = bytes(self._buffer[: end + 2])
        at = head.lower().index(_LENGTH) + len(_LENGTH)
        size = int(head[at : head.index(b"\r\n", at)])
        begin = end + len(_HEAD_END)
        if len(self._buffer) < begin + size:
            return
        body = bytes(self._buffer[begin : begin + size])
        self._buffer.clear()
        prepared, sent_seconds = self._sent
        if self._load.answered(prepared, monotonic_seconds() - sent_seconds, head, body):
            self.next()

    def next(self) -> None:
        """Send the next request, once it is due."""
        found = self._load.next()
        if found is None:
            self._ended = True
            assert self._transport is not None
            self._transport.close()
            self._load.left()
            return
        prepared, due_seconds = found
        wait_seconds = due_seconds - monotonic_seconds()
        if wait_seconds > 0:
            asyncio.get_running_loop().call_later(wait_seconds, self._send, prepared, due_seconds)
        else:
            self._send(prepared, due_seconds)

    def _send(self, prepared: Prepared, due_seconds: float) -> None:
        """A latency counts from when the request was due: a late one waited for the server."""
        assert self._transport is not None
        self._sent = prepared, due_seconds
        self._transport.write(prepared.request)


async def send(file: Path, url: str, connections: int, rate: float | None) -> dict[str, float]:
    """Send a whole file. Raises `BenchmarkError` when an answer is not a good one."""
    where = urlsplit(url)
    host, port = where.hostname or "", where.port or 0
    cost = ProcessCost(os.getpid())
    cost.begin()
    load = Load(read_requests(file), rate)
    load.connections = connections
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: load.fail(repr(context)))
    made = [
        await loop.create_connection(lambda: Connection(load), host, port)
        for _ in range(connections)
    ]
    load.began_seconds = monotonic_seconds()  # a request due while others connect would be late
    for _, connection in made:
        connection.next()
    await load.done
    ended_seconds = monotonic_seconds()
    cost.sample()
    middle, late = np.quantile(load.latencies, (0.5, 0.99)) * _MILLIS
    return {
        "accepted": load.accepted,
        "began_seconds": load.began_seconds,
        "ended_seconds": ended_seconds,
        "cpu_seconds": cost.cpu_seconds,
        "acknowledged_ms_p50": round(float(middle), 2),
        "acknowledged_ms_p99": round(float(late), 2),
    }


def main() -> None:
    """Send, and print what came of it."""
    file, url, connections, *rate = sys.argv[1:]
    limit = float(rate[0]) if rate else None
    gc.disable()  # its pauses would be taken for those of the server
    print(json.dumps(uvloop.run(send(Path(file), url, int(connections), limit))))


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
