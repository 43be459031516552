"""Sends the events of records of use to the log, and those that a dead process left unsent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from prometheus_client import Counter

from core import metric_names
from core.acting import Acting
from core.clock import Clock
from core.cloudevents.contract import admit
from core.errors import InternalError, TollbookError
from db.postgres import Database
from entitlements.tracking import Tracking, Unsent, tenants_with_unsent
from ingest.kafka_log import KafkaLog
from ingest.publisher import Publisher
from ingest.settings import IngestSettings

_log: Final = logging.getLogger(__name__)
_SWEPT: Final = Counter(
    metric_names.ENTITLEMENT_UNSENT_RECORDS, "Records of use that a later sweep sent."
)
_SWEEP_SECONDS: Final = 2.0
_LEFT_AFTER: Final = timedelta(seconds=10)
"""Older records that are not sent are nobody's work any more."""


class UsageSending:
    """The events of records of use, on their way to Kafka. For one event loop.

    Connects to Kafka when the first event is to be sent, not before.
    """

    def __init__(
        self, settings: IngestSettings, tracking: Tracking, snapshot: Database, clock: Clock
    ) -> None:
        self._settings = settings
        self._tracking = tracking
        self._snapshot = snapshot
        self._clock = clock
        self._opening = asyncio.Lock()
        self._log: KafkaLog | None = None
        self._publisher: Publisher | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look for records that were left unsent, now and every two seconds."""
        self._task = asyncio.create_task(self._sweep_on(), name="usage-sweep")

    async def stop(self) -> None:
        """End the sweep and wait for what is on its way."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._log is not None:
            await self._log.close()

    async def send(self, acting: Acting, record: str) -> None:
        """Return once Kafka has the event of a record. Raises `DependencyDownError`."""
        unsent = await asyncio.to_thread(self._tracking.unsent, acting, record)
        await self._send(acting, unsent)

    async def sweep(self) -> int:
        """Send what is left unsent, of all tenants; how many records that was."""
        swept = 0
        for tenant_id in await asyncio.to_thread(tenants_with_unsent, self._snapshot):
            acting = Acting(tenant_id)
            try:
                unsent = await asyncio.to_thread(self._tracking.unsent, acting, None, _LEFT_AFTER)
                await self._send(acting, unsent)
            except TollbookError as error:  # the others' are sent all the same
                _log.warning("records of use wait to be sent: %s", error.message)
                continue
            _SWEPT.inc(len(unsent))
            swept += len(unsent)
        return swept

    async def _send(self, acting: Acting, unsent: Sequence[Unsent]) -> None:
        if not unsent:
            return
        publisher = await self._connected()
        events = [each.event for each in unsent]
        micros = self._clock.now_micros()
        admitted = admit(events, str(acting.tenant_id), micros, escaped=True)
        if admitted.rejections:
            raise InternalError(f"a record's event was rejected: {admitted.rejections[0].message}")
        size_bytes = sum(len(bytes(event.data)) for event in events)
        await publisher.publish(admitted.columns.as_batch(), size_bytes)
        await asyncio.to_thread(self._tracking.sent, acting, [each.record_id for each in unsent])

    async def _connected(self) -> Publisher:
        async with self._opening:
            if self._publisher is None:
                self._log = KafkaLog(self._settings)
                self._publisher = Publisher(self._log, self._settings)
                await self._log.first_probe()
            return self._publisher

    async def _sweep_on(self) -> None:
        while True:
            try:
                await self.sweep()
            except TollbookError as error:
                _log.debug("cannot see what was left unsent: %s", error.message)
            except Exception:  # noqa: BLE001 - a dead task would leave records unsent for good
                _log.exception("could not send what was left unsent")
            await asyncio.sleep(_SWEEP_SECONDS)
