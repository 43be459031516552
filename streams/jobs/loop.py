"""The jobs of a worker's own partitions, done in the background of its live work."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from catalog.snapshot_content import CatalogSnapshot
from core.clock import monotonic_seconds
from streams.generation import Generation
from streams.jobs.plan import Job
from streams.jobs.store import JobStore, Part
from streams.jobs.work import PartWork, Tally
from streams.settings import StreamSettings
from streams.sink import Stopped

_LOG = logging.getLogger(__name__)
_NICE: Final = 10
_REST_PER_WORK: Final = 1.0
"""Seconds of rest for each second of work: live events come first."""


class Catalog(Protocol):
    """Whoever knows the newest meters."""

    snapshot: CatalogSnapshot


class JobLoop(threading.Thread):
    """Looks again and again for jobs of the worker's partitions, and does them.

    Partitions of older generations are shared out by their number mod the partitions of the
    worker's generation. Two workers that both hold a partition for a moment write the same rows.
    """

    def __init__(
        self,
        settings: StreamSettings,
        generation: Generation,
        catalog: Catalog,
        partitions: Callable[[], set[int]],
        stop: threading.Event,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name="jobs", daemon=True)
        self._settings, self._generation, self._catalog = settings, generation, catalog
        self._partitions, self._stop_event, self._on_failure = partitions, stop, on_failure

    def run(self) -> None:
        """Work until `stop` is set; a failure is handed to `on_failure`."""
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            store = JobStore(self._settings.endpoints.clickhouse, self._stop_event)
            try:
                while not self._stop_event.wait(self._settings.job_interval_seconds):
                    self._look(store)
            finally:
                store.close()
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - panics of Polars are no `Exception`
            if not self._stop_event.is_set():
                self._on_failure(error)

    def _look(self, store: JobStore) -> None:
        for part in store.parts():
            if not self._mine(part):
                continue
            snapshot, tally = self._catalog.snapshot, Tally()
            began = monotonic_seconds()

            def goes_on(_: Job, part: Part = part) -> bool:
                nonlocal began
                rest = _REST_PER_WORK * (monotonic_seconds() - began)
                stopped = self._stop_event.wait(rest)
                began = monotonic_seconds()
                return not stopped and self._mine(part)

            PartWork(store, part, snapshot.meters, snapshot.version).work_off(tally, goes_on)
            if tally.runs:
                _LOG.info(
                    "generation %d, partition %d: runs by level brought to catalog %d: %s",
                    part.generation, part.partition, snapshot.version, tally.runs,
                )  # fmt: skip

    def _mine(self, part: Part) -> bool:
        if part.generation > self._generation.number:
            return False
        return part.partition % self._generation.partitions in self._partitions()
