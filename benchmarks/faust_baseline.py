"""The baseline: the same job as plain, idiomatic Faust, one JSON event per record.

A set of keys against copies, a dictionary of totals by meter, hour and subject, inserts of 10,000
events. Tuned once: compiled JSON decoding, uvloop, Faust's own compiled parts, large buffers and
fetches, blocking inserts off the event loop. It promises less: a crash loses keys and totals.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import faust
import msgspec
import uvloop

from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse

TOPIC: Final = "baseline"
_BATCH_EVENTS: Final = 10_000
_IDLE_SECONDS: Final = 0.1


class Usage(msgspec.Struct):
    """`data.usage`."""

    tokens: Decimal


class Data(msgspec.Struct):
    """`data`."""

    n: Decimal
    usage: Usage


class Event(msgspec.Struct):
    """One event; the names are the fields of its JSON form."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Data


METERS: Final = (
    ("requests", lambda _: Decimal(1)),
    ("units", lambda event: event.data.n),
    ("tokens", lambda event: event.data.usage.tokens),
)


class Metering:
    """The state of the agent."""

    def __init__(self, clickhouse_url: str) -> None:
        self._client = connect_clickhouse(clickhouse_url)
        self._decoder = msgspec.json.Decoder(Event)
        self._seen: set[tuple[str, str]] = set()
        self._rows: list[tuple[str, str, str, str, datetime, bytes]] = []
        self._totals: dict[tuple[str, str, datetime], list[Any]]
        self._totals = defaultdict(lambda: [0, Decimal()])
        self._idle = True

    def add(self, body: bytes) -> bool:
        """Count an event unless it is a copy; whether a batch is full."""
        self._idle = False
        event = self._decoder.decode(body)
        key = (event.source, event.id)
        if key in self._seen:
            return False
        self._seen.add(key)
        hour = event.time.replace(minute=0, second=0, microsecond=0)
        for meter, read in METERS:
            total = self._totals[meter, event.subject, hour]
            total[0] += 1
            total[1] += read(event)
        self._rows.append((event.id, event.source, event.type, event.subject, event.time, body))
        return len(self._rows) >= _BATCH_EVENTS

    async def flush(self) -> None:
        """Store what has gathered."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        totals = [[*key, *total] for key, total in self._totals.items()]
        self._totals.clear()
        await asyncio.to_thread(self._client.insert, "baseline_usage", totals)
        await asyncio.to_thread(self._client.insert, "baseline_events", rows)

    async def flush_if_idle(self) -> None:
        """Store the last, partly filled batch soon after the last event."""
        if self._idle:
            await self.flush()
        self._idle = True


def build_app(endpoints: Endpoints) -> faust.App:
    """One agent over the topic, one timer."""
    app = faust.App(
        f"{endpoints.topic_prefix}{TOPIC}",
        broker=f"kafka://{endpoints.kafka}",
        store="memory://",
        cython_optimizations=True,
        topic_disable_leader=True,
        web_enabled=False,
        stream_buffer_maxsize=16_384,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        value_serializer="raw",
        worker_redirect_stdouts=False,
    )
    topic = app.topic(f"{endpoints.topic_prefix}{TOPIC}", value_type=bytes, internal=False)
    metering = Metering(endpoints.clickhouse)

    async def meter_events(stream: Any) -> None:
        async for body in stream:
            if metering.add(body):
                await metering.flush()

    app.agent(topic, name="meter_events")(meter_events)
    app.timer(_IDLE_SECONDS)(metering.flush_if_idle)
    return app


def main() -> None:
    """Run until SIGTERM, on the servers that the environment names."""
    asyncio.set_event_loop(uvloop.new_event_loop())
    app = build_app(Endpoints.from_environment(os.environ))
    loop = asyncio.get_event_loop()
    faust.Worker(app, loop=loop, loglevel="INFO", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
