"""What writes: the lanes of the executable model, and the writers that jobs are."""

from __future__ import annotations

from collections import Counter, deque
from random import Random
from typing import TYPE_CHECKING, Any

from tests.model.log import (
    CHUNK,
    HORIZON,
    NEVER,
    PARTITIONS,
    VERDICTS,
    Held,
    LedgerRow,
    Part,
    Position,
    Rows,
    Table,
    Totals,
    aggregate,
    judge,
)

if TYPE_CHECKING:
    from tests.model.world import World


class Writer:
    """Whatever writes: its inserts (table, rows) and commits go out in order, steps of
    others in between.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.queue: deque[tuple[Any, Any]] = deque()

    def write(self, count: int = NEVER) -> None:
        while self.queue and count:
            (target, what), count = self.queue.popleft(), count - 1
            if isinstance(target, Table):
                target.insert(what, acknowledged=True)
            else:
                self.world.committed[target] = what

    def half_write(self, rng: Random) -> None:
        """Cut off inside an insert: any subset of its rows arrived, none is acknowledged."""
        if self.queue and isinstance(self.queue[0][0], Table):
            self.queue[0][0].insert(
                [row for row in self.queue[0][1] if rng.random() < 0.5], acknowledged=False
            )

    def stop(self) -> None:
        self.world.writers = [writer for writer in self.world.writers if writer is not self]
        self.queue.clear()


class Lane(Writer):
    """One worker's processing of one partition. A lane that was replaced but lives on is a
    zombie.
    """

    def __init__(
        self, world: World, part: Part, start: int, before: LedgerRow | None, catalog: int
    ) -> None:
        super().__init__(world)
        self.part, self.offset, self.written, self.ended, self.new_catalog = (
            part,
            start,
            start,
            False,
            catalog,
        )
        self.now = before.time if before else 0
        self.index = self.load_keys(start, self.now - HORIZON)
        self.new_chunk()
        if (
            before and start % CHUNK
        ):  # the head of the chunk comes from usage_events, its counts from the ledger
            self.counts.update(dict(zip(VERDICTS, before.counts, strict=True)))
            self.totals = aggregate(
                world.stored(part, start - start % CHUNK, start), world.meters(catalog)
            )

    def load_keys(self, start: int, since: int) -> dict[int, Held]:
        """Keys held before `start`, in this partition or in an older generation, back
        from the log time there.
        """
        index, generation = dict[int, Held](), self.part.generation
        for at, held in sorted(self.world.events.read().items()):
            older = (
                at.part.generation < generation
                and held.event.key % PARTITIONS[generation] == self.part.number
            )
            if held.time >= since and (older or (at.part == self.part and at.offset < start)):
                index[held.event.key] = held
        return index

    def new_chunk(self) -> None:
        """A chunk is aggregated under one catalog version: a newer one takes effect here."""
        self.counts, self.totals, self.catalog = Counter[str](), Totals(), self.new_catalog
        self.fresh: list[tuple[Position, str, Held]] = []  # judged and not yet written

    def learn(self, catalog: int) -> None:
        self.new_catalog = catalog

    def read(self, count: int = NEVER) -> None:
        records = self.world.topics[self.part]
        while (
            count and self.offset < len(records) and not self.ended and self in self.world.writers
        ):
            if (
                self.offset < self.world.first[self.part]
            ):  # offsets must be consecutive; the next lane asks the ledger
                return self.stop()
            record, count = records[self.offset], count - 1
            self.now, verdicts = judge(self.index, self.now, record)
            self.index = {
                key: held for key, held in self.index.items() if held.time >= self.now - HORIZON
            }
            for row, (event, verdict) in enumerate(zip(record.events, verdicts, strict=True)):
                self.fresh.append(
                    (Position(self.part, self.offset, row), verdict, Held(self.now, event))
                )
                if verdict == "accepted":
                    self.totals.update(aggregate([event], self.world.meters(self.catalog)))
            self.counts.update(verdicts)
            self.offset, self.ended = self.offset + 1, not record.events
            if self.offset % CHUNK == 0 or self.ended:
                self.flush()
        return None

    def flush(self) -> None:
        """Queue what has arrived, the ledger last, and at a chunk end the commit."""
        world, last = self.world, self.offset - 1
        if not world.right_topic(self.part):  # asked after reading, before writing
            self.stop()
        elif self in world.writers and last >= self.written:
            cell, counts = (
                world.cell(self.part, 0, last // CHUNK),
                [self.counts[verdict] for verdict in VERDICTS],
            )
            accepted: Rows = [
                (at, 0, held) for at, verdict, held in self.fresh if verdict == "accepted"
            ]
            self.queue.append((world.events, accepted))
            self.queue += world.usage_and_ledger(
                cell, self.totals, LedgerRow(last, self.now, self.catalog, counts)
            )
            world.verdicts |= {(at, verdict) for at, verdict, _ in self.fresh}
            self.fresh, self.written = [], self.offset
            if self.offset % CHUNK == 0:
                self.queue.append((self.part, self.offset))
                self.new_chunk()
