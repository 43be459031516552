"""The first baseline: the same job as plain, idiomatic Faust, one JSON event per record.

Tuned once: uvloop, Faust's own compiled parts, large buffers and fetches, blocking inserts off the
event loop.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

import faust
import uvloop

from benchmarks.plain_metering import TOPIC, Metering
from core.endpoints import Endpoints

_IDLE_SECONDS: Final = 0.1


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
    idle = True

    async def meter_events(stream: Any) -> None:
        nonlocal idle
        async for body in stream:
            idle = False
            if metering.add(body):
                await asyncio.to_thread(metering.store)

    async def store_if_idle() -> None:
        """Store the last, partly filled batch soon after the last event."""
        nonlocal idle
        if idle:
            await asyncio.to_thread(metering.store)
        idle = True

    app.agent(topic, name="meter_events")(meter_events)
    app.timer(_IDLE_SECONDS)(store_if_idle)
    return app


def main() -> None:
    """Run until SIGTERM, on the servers that the environment names."""
    asyncio.set_event_loop(uvloop.new_event_loop())
    app = build_app(Endpoints.from_environment(os.environ))
    loop = asyncio.get_event_loop()
    faust.Worker(app, loop=loop, loglevel="INFO", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
