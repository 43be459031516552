"""The baseline of ingest: idiomatic FastAPI and pydantic, one record for each event.

`python -m benchmarks.plain_ingest TOPIC PORT_FILE`. As honest as ours: it answers once Kafka has
acknowledged every event. Tuned once: uvloop, httptools, lingering, lz4.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from threading import Event as Flag
from threading import Thread
from typing import Annotated, Any, Literal

from confluent_kafka import KafkaError, Message, Producer
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, StringConstraints

from benchmarks.serving import serve
from core.endpoints import Endpoints
from identity.api_keys import hash_api_key

Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class CloudEvent(BaseModel):
    """What a sender may send."""

    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Text
    subject: Text
    time: datetime | None = None
    data: dict[str, Any] = {}


def create_app(endpoints: Endpoints, topic: str, key: str) -> FastAPI:
    """One route; `key` is the only one that is known."""
    producer = Producer(
        {
            "bootstrap.servers": endpoints.kafka, "acks": "all", "enable.idempotence": True,
            "linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000,
        }
    )  # fmt: skip
    stop, known = Flag(), {hash_api_key(key)}

    def poll() -> None:
        while not stop.is_set():
            producer.poll(0.1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        thread = Thread(target=poll, daemon=True)
        thread.start()
        yield
        stop.set()
        thread.join()
        producer.flush(10)

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/events", status_code=202)
    async def record(
        events: list[CloudEvent], authorization: Annotated[str, Header()]
    ) -> dict[str, Any]:
        if hash_api_key(authorization.removeprefix("Bearer ")) not in known:
            raise HTTPException(401)
        loop = asyncio.get_running_loop()
        acknowledged = [loop.create_future() for _ in events]
        for event, future in zip(events, acknowledged, strict=True):
            producer.produce(
                topic,
                key=event.id,
                value=event.model_dump_json(),
                on_delivery=partial(_delivered, loop, future),
            )
        await asyncio.gather(*acknowledged)
        return {"accepted": len(events), "rejected": []}

    return app


def _delivered(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[None],
    error: KafkaError | None,
    _message: Message,
) -> None:
    if error is None:
        loop.call_soon_threadsafe(future.set_result, None)
    else:
        loop.call_soon_threadsafe(future.set_exception, RuntimeError(str(error)))


if __name__ == "__main__":
    _, name, api_key = sys.argv
    serve(create_app(Endpoints.from_environment(os.environ), name, api_key))
