"""Works a partition off: plan, do, plan again, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from catalog.meters import MeterDefinition
from streams.jobs.backfill import back_fill
from streams.jobs.missing import Missing, missing_meters
from streams.jobs.plan import BATCH_EVENTS, Job, plan
from streams.jobs.rollup import roll_up
from streams.jobs.store import JobStore, Part


@dataclass(slots=True)
class Tally:
    """What was done: runs by level, events read back; and the chunks that stood in the way."""

    runs: dict[int, int] = field(default_factory=dict)
    events: int = 0
    blocked: list[tuple[int, int, int]] = field(default_factory=list)
    """(generation, partition, run)"""

    @classmethod
    def sum(cls, tallies: Iterable[Tally]) -> Tally:
        """All of them together."""
        whole = cls()
        for tally in tallies:
            for level, runs in tally.runs.items():
                whole.runs[level] = whole.runs.get(level, 0) + runs
            whole.events += tally.events
            whole.blocked += tally.blocked
        return whole

    def add(self, job: Job) -> None:
        """Count a job that was done."""
        self.runs[job.level] = self.runs.get(job.level, 0) + len(job.ledger)
        self.events += job.accepted if job.level == 0 else 0


class PartWork:
    """The jobs of one partition under one catalog."""

    def __init__(
        self,
        store: JobStore,
        part: Part,
        meters: Sequence[MeterDefinition],
        version: int,
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        self._store, self._part, self._batch_events = store, part, batch_events
        self._meters, self._version = meters, version
        self._missing: dict[tuple[int, int], Missing] = {}
        self._blocked: set[int] = set()

    def jobs(self) -> list[Job]:
        """What is to do now, in order; never on chunks that stood in the way before."""
        ledger = self._store.ledger(self._part, self._version)
        stuck = pl.Series(sorted(self._blocked), dtype=pl.UInt64).implode()
        ledger = ledger.filter((pl.col("level") > 0) | ~pl.col("run").is_in(stuck))
        return plan(
            ledger, self._version, self._part.chunk_records, batch_events=self._batch_events
        )

    def work_off(self, tally: Tally, goes_on: Callable[[Job], bool] = lambda _: True) -> None:
        """Do jobs until none is left, or `goes_on`, asked after each job, says no.

        Ends, too, when ClickHouse does not show what was written: a lagging replica.
        """
        before: list[tuple[int, int, int]] = []
        while True:
            jobs = self.jobs()
            shape = [(job.level, job.first_run, job.end_run) for job in jobs]
            if not jobs or shape == before:
                return
            before = shape
            if not self._round(jobs, tally, goes_on):
                return

    def _round(self, jobs: list[Job], tally: Tally, goes_on: Callable[[Job], bool]) -> bool:
        for job in jobs:
            missing = self._lack(job)
            if job.level == 0:
                if wrong := back_fill(self._store, self._part, job, missing):
                    self._blocked.update(wrong)
                    where = (self._part.generation, self._part.partition)
                    tally.blocked += [(*where, run) for run in wrong]
                    # What comes next counts on this job: plan again without these chunks.
                    return True
            else:
                roll_up(self._store, self._part, job, missing)
            tally.add(job)
            if not goes_on(job):
                return False
        return True

    def _lack(self, job: Job) -> Missing:
        versions = (job.known, job.catalog_version)
        if versions not in self._missing:
            self._missing[versions] = missing_meters(self._meters, *versions)
        return self._missing[versions]
