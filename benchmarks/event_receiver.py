"""`python -m benchmarks.event_receiver`: says 202 to batches of events, and counts their ids.

Prints its port. For the client's benchmark, whose cost is that of the sender: so this takes as
little of the machine as a server can that checks what it gets. `GET /` answers what came.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import httptools
import msgspec
import uvloop


class Sent(msgspec.Struct):
    """What matters of an event."""

    id: str


class Counted(msgspec.Struct):
    """What came so far."""

    events: int
    distinct: int


_DECODER: Final = msgspec.json.Decoder(list[Sent])


class Counting(asyncio.Protocol):
    """One connection; the parser calls the methods that begin with `on_`."""

    ids: Final[set[str]] = set()
    events = 0

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Gather the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Count and answer."""
        if body := b"".join(self._body):
            events = _DECODER.decode(body)
            Counting.events += len(events)
            Counting.ids.update(event.id for event in events)
            self._answer(b"202 Accepted", b'{"accepted":%d,"rejected":[]}' % len(events))
        else:
            counted = Counted(Counting.events, len(Counting.ids))
            self._answer(b"200 OK", msgspec.json.encode(counted))
        self._body.clear()

    def _answer(self, status: bytes, body: bytes) -> None:
        assert self._transport is not None
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        self._transport.write(head + body)


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Counting, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
