"""The normal way into the log, in this process: contract, partitions, envelopes, answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from core.clock import Clock
from core.cloudevents.contract import admit
from core.cloudevents.wire import WireEvent
from core.endpoints import Endpoints
from core.errors import DependencyDownError, InternalError
from core.ids import TenantId
from ingest.kafka_log import KafkaLog
from ingest.publisher import Publisher
from ingest.settings import IngestSettings

_LOG: Final = logging.getLogger(__name__)
_UNDER_WAY: Final = 4
"""Blocks that may wait for Kafka together."""

_TRIES: Final = 30
_UNUSED: Final = Path("unused")

Progress = Callable[[int], None]
"""Told the number of events that Kafka has acknowledged, block by block."""


class Poster:
    """Posts blocks of events of one tenant, each until Kafka has it."""

    def __init__(self, endpoints: Endpoints, clock: Clock, tenant_id: TenantId) -> None:
        self._settings = IngestSettings(endpoints, _UNUSED)
        self._clock, self._tenant_id = clock, tenant_id

    def post(self, blocks: Iterator[Sequence[WireEvent]], progress: Progress) -> int:
        """Post everything; returns the number of events.

        Raises `DependencyDownError` when Kafka stays away: whatever was posted by then is found
        again by its ids.
        """
        return asyncio.run(self._post(blocks, progress))

    async def _post(self, blocks: Iterator[Sequence[WireEvent]], progress: Progress) -> int:
        log = KafkaLog(self._settings)
        try:
            await log.first_probe()
            publisher = Publisher(log, self._settings)
            count = 0
            under_way: set[asyncio.Task[int]] = set()
            while (block := await asyncio.to_thread(next, blocks, None)) is not None:
                under_way.add(asyncio.create_task(self._block(publisher, block)))
                if len(under_way) >= _UNDER_WAY:
                    done, under_way = await asyncio.wait(
                        under_way, return_when=asyncio.FIRST_COMPLETED
                    )
                    for task in done:
                        count += task.result()
                        progress(count)
            for task in under_way:
                count += await task
            progress(count)
            return count
        finally:
            await log.close()

    async def _block(self, publisher: Publisher, events: Sequence[WireEvent]) -> int:
        now = self._clock.now_micros()
        admitted = admit(events, str(self._tenant_id), now, escaped=False)
        if admitted.rejections:
            raise InternalError(f"an event of a correction: {admitted.rejections[0].message}")
        batch = admitted.columns.as_batch()
        size = sum(map(len, admitted.columns.data)) + len(events)
        for remaining in reversed(range(_TRIES)):
            try:
                await publisher.publish(batch, size)
                break
            except DependencyDownError as error:
                if not remaining:
                    raise
                _LOG.warning("waiting for Kafka: %s", error.message)
                await asyncio.sleep(1)
        return len(events)
