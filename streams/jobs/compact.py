"""All jobs of all partitions, in the foreground."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

from catalog.snapshot_content import CatalogSnapshot
from streams.jobs.plan import Job
from streams.jobs.store import JobStore, Part
from streams.jobs.work import PartWork, Tally

_PARTS_AT_ONCE: Final = 2
"""Partitions worked on side by side: ClickHouse reads for one while the other is metered."""


def compact(
    clickhouse_url: str,
    catalog: CatalogSnapshot,
    progress: Callable[[Part, int], None] = lambda _part, _left: None,
    stop: threading.Event | None = None,
) -> Tally:
    """Bring every complete run to the catalog, and roll up what is complete.

    `progress` is told a partition and how many of its runs are left, as far as one plan reaches.
    Safe beside workers and beside itself. Raises `Stopped` once `stop` is set.
    """
    with closing(JobStore(clickhouse_url, stop or threading.Event())) as store:

        def work_off(part: Part) -> Tally:
            tally, work = Tally(), PartWork(store, part, catalog.meters, catalog.version)
            left = sum(len(job.ledger) for job in work.jobs())
            progress(part, left)

            def goes_on(job: Job) -> bool:
                nonlocal left
                left = max(0, left - len(job.ledger))
                progress(part, left)
                return True

            work.work_off(tally, goes_on)
            return tally

        with ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="compact") as pool:
            return Tally.sum(pool.map(work_off, store.parts()))
