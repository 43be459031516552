"""One round: an installation, a log that grows, workers that die, and the laws at the end."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from catalog.meter_definition import Aggregation, MeterDefinition
from catalog.meters import create_meter
from core.clock import SystemClock, monotonic_seconds
from core.endpoints import Endpoints
from core.ids import TenantId
from db.postgres import Database
from tests.faults.arena import Arena
from tests.faults.journal import Journal
from tests.faults.laws import Meters, check_laws
from tests.faults.recount import read_log, recount
from tests.faults.sending import Sender
from tests.faults.traffic import HOT_COPIES, Traffic
from tests.faults.workers import ForkedWorker, how
from tests.scenarios.world import set_up
from usage.reader import UsageReader

PROVED_SECONDS: Final = 180.0
_NOT_LINEAR: Final[tuple[tuple[str, Aggregation, str], ...]] = (
    ("largest", "max", "usage.tokens"),
    ("models", "unique_count", "model"),
)
_HALTED: Final = r"is halted: workers die at the record 1/(\d+)/(\d+)"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a round is made of, all of it drawn from its seed."""

    seed: int
    events: int
    portions: int
    partitions: int
    chunk_records: int

    @classmethod
    def drawn(cls, seed: int, events: int, portions: int) -> Shape:
        """The shape of a seed."""
        rng = random.Random(f"shape {seed}")
        return cls(seed, events, portions, rng.choice((1, 2, 3, 4)), rng.choice((3, 8, 16, 64)))


@dataclass(slots=True)
class Tally:
    """What was done: faults by kind, processes that died by how, points proven reached."""

    faults: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    log: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add another tally."""
        for name in ("faults", "crashes", "points", "notes", "log"):
            getattr(self, name).update(getattr(other, name))

    def as_json(self) -> dict[str, dict[str, int]]:
        """Plain dicts, sorted."""
        names = ("faults", "crashes", "points", "notes", "log")
        return {name: dict(sorted(getattr(self, name).items())) for name in names}


class Lane:
    """A round under way: what the kinds of faults work on."""

    def __init__(
        self, arena: Arena, endpoints: Endpoints, shape: Shape, folder: Path, meters: Meters
    ) -> None:
        self.arena, self.endpoints, self.shape = arena, endpoints, shape
        self.outage_seconds, self.long_outage_seconds = (1.0, 2.0), 0.0
        self.rng = random.Random(f"faults {shape.seed}")
        self.tally = Tally()
        self.meters = meters
        self._folder = folder
        tenants = [str(tenant) for tenant in meters]
        self.traffic = Traffic(
            random.Random(f"traffic {shape.seed}"), (tenants[0], tenants[1]), shape.partitions
        )
        self.journal = Journal(folder / "journal.jsonl")
        self._sender = Sender(endpoints.kafka, endpoints.usage_events_topic(), self.journal)
        self.named: set[tuple[int, int]] = set()
        self._sending: threading.Thread | None = None
        self._watched: ForkedWorker | None = None
        self.first, self.second = (self._worker(name) for name in ("a", "b"))

    def _worker(self, name: str) -> ForkedWorker:
        through = self.arena.through(self.endpoints)
        return ForkedWorker(name, self.arena.nursery, through, self._folder)

    def feed(self) -> None:
        """Send the next portion of the log in the background."""
        self.join()
        share = self.shape.portions
        records = list(self.traffic.records(self.shape.events // share, -(-HOT_COPIES // share)))
        self._sending = self._sender.in_background(records)

    def join(self) -> None:
        """Wait until the last portion is in the log."""
        if self._sending is not None:
            self._sending.join()
            self._sending = None

    def ensure(self, worker: ForkedWorker) -> None:
        """Have a worker run, unarmed. That one ended by itself meanwhile is noted."""
        if not worker.alive():
            if worker is self._watched:
                self.tally.notes[f"worker {how(worker.ended())}, started again"] += 1
            worker.start()
            self._watched = worker

    def crashed(self, worker: ForkedWorker, kind: str) -> None:
        """Note that a process of a worker died."""
        assert not worker.alive()
        self._watched = None
        self.tally.crashes[kind] += 1

    def log_ends(self) -> dict[int, int]:
        """Offset after the last record of each partition."""
        consumer = Consumer(
            {"bootstrap.servers": self.endpoints.kafka, "group.id": "watch", "log_level": 0}
        )
        topic = self.endpoints.usage_events_topic()
        try:
            return {
                partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), 30)[1]
                for partition in range(self.shape.partitions)
            }
        finally:
            consumer.close()

    def proved(self) -> dict[int, int]:
        """Partition -> offsets that the ledger proves."""
        reader = UsageReader(self.endpoints.clickhouse)
        try:
            cut = reader.cut().offsets
        finally:
            reader.close()
        return {int(name.removeprefix("1/")): end for name, end in cut.items()}

    def run(self, *arguments: str) -> int:
        """Run `tollbook ARGUMENTS` to its end; returns its exit code."""
        environ = {**os.environ, **self.endpoints.as_environment()}
        pid = self.arena.nursery.start([*arguments], environ, self._folder / "commands.log")
        while (code := self.arena.nursery.status(pid)) is None:
            time.sleep(0.05)
        return code

    def settle_halt(self, partition: int, offset: int, *, rejects: bool) -> None:
        """Decide about a record at which a partition may stand still, as an operator does."""
        where = ["--generation", "1", "--partition", str(partition), "--offset", str(offset)]
        where += ["--state-dir", str(self._folder / "state")]
        if rejects and self.run("dlq", "decide", *where, "--reason", "kills workers") == 0:
            self.named.add((partition, offset))
            self.tally.notes["halts ended by rejecting the record"] += 1
        elif self.run("dlq", "retry", *where) == 0:
            self.tally.notes["halts ended by trying again"] += 1

    def settle(self) -> None:
        """Heal everything, and let one worker prove the whole log."""
        self.arena.heal()
        self.join()
        ends = {f"1/{partition}": end for partition, end in self.log_ends().items() if end}
        deadline = monotonic_seconds() + PROVED_SECONDS
        reader = UsageReader(self.endpoints.clickhouse)
        try:
            while (covered := reader.cut().offsets) != ends:
                self.ensure(self.first)
                if halted := re.findall(_HALTED, self.first.read_log()):
                    partition, offset = map(int, halted[-1])
                    self.settle_halt(partition, offset, rejects=False)
                assert monotonic_seconds() < deadline, (
                    f"{covered} of {ends}; {self.first.read_log()[-3000:]}"
                )
                time.sleep(0.2)
        finally:
            reader.close()

    def check(self) -> None:
        """The laws, against the raw log; adds the counts of the log to the tally."""
        log = read_log(
            self.endpoints.kafka, self.endpoints.usage_events_topic(), self.shape.partitions
        )
        again = recount(log, self.shape.chunk_records, self.named)
        known = self.journal.read()
        totals = check_laws(
            self.endpoints, self.meters, log, again, known, self.shape.chunk_records
        )
        self.tally.log.update(totals)
        self.tally.log.update({f"sent: {name}": count for name, count in self.traffic.made.items()})
        self.tally.log["acknowledged records"] += len(known.acknowledged)
        self.tally.log["unknown records"] += known.unknown
        for worker in (self.first, self.second):
            self.tally.points.update(worker.points_reached())

    def end(self) -> None:
        """End what runs."""
        self.join()
        self.journal.close()
        for worker in (self.first, self.second):
            worker.end()


def _more_meters(endpoints: Endpoints, tenant: TenantId) -> list[MeterDefinition]:
    """Two that do not add up: they have to read events where events were voided."""
    with Database(endpoints.postgres) as db, db.transaction() as conn:
        return [
            create_meter(
                conn, SystemClock(), tenant, slug=slug, name=slug, event_type="request",
                aggregation=aggregation, value=value,
            )
            for slug, aggregation, value in _NOT_LINEAR
        ]  # fmt: skip


@contextmanager
def open_lane(arena: Arena, shape: Shape, folder: Path) -> Iterator[Lane]:
    """A lane with an installation of its own."""
    folder.mkdir(parents=True)
    with arena.installer.installation(shape.partitions, shape.chunk_records) as endpoints:
        meters: dict[Any, Any] = {}
        for slug in ("acme", "globex"):
            tenant, _, mine = set_up(endpoints, slug)
            meters[tenant] = [*mine, *_more_meters(endpoints, tenant)]
        lane = Lane(arena, endpoints, shape, folder, meters)
        try:
            yield lane
        finally:
            lane.end()
