"""Topics, tables, jobs and readers of the executable model of the data plane."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from tests.model.lanes import Lane, Writer
from tests.model.log import (
    CHUNK,
    HORIZON,
    KEYS,
    LEVELS,
    NEVER,
    PARTITIONS,
    ROLL,
    VERDICTS,
    Event,
    Held,
    LedgerRow,
    Look,
    Part,
    Position,
    Record,
    Rows,
    Table,
    Totals,
    aggregate,
    judge,
)


class World:
    """Topics, tables, writers and readers."""

    def __init__(self) -> None:
        self.clock, self.events, self.usage, self.ledger = 0, Table(), Table(), Table()
        self.log: dict[Part, list[Record]] = {}  # the log by definition: never truncated
        self.topics: dict[
            Part, list[Record]
        ] = {}  # what the broker holds under the topic's name, from `first` on
        self.first, self.ids, self.committed = (dict[Part, int]() for _ in range(3))
        self.bound: dict[int, int] = {}  # generation -> topic id
        self.writers: list[Any] = []
        self.visible, self.catalogs = {1}, [0, 1]
        self.verdicts: set[tuple[Position, str]] = set()
        self.looks, self.claims = (
            [Look({}, {})],
            list[tuple[int, dict[Part, int], Totals]](),
        )  # meter, cut, served
        self.create_topic(1)

    def create_topic(self, generation: int) -> None:
        """A generation is bound to its first topic id; a topic created again has the name only."""
        new_id = max(self.ids.values(), default=0) + 1
        self.bound.setdefault(generation, new_id)
        for part in (Part(generation, number) for number in range(PARTITIONS[generation])):
            self.ids[part], self.topics[part], self.first[part] = new_id, [], 0
            self.committed.pop(part, None)
            self.log.setdefault(part, self.topics[part])

    def right_topic(self, part: Part) -> bool:
        return self.ids[part] == self.bound[part.generation]

    def append(self, rng: Random) -> None:
        """A sender's record. What comes after the end marker is carried over to the
        next generation by the bridge.
        """
        part = rng.choice(list(self.topics))
        keys = [key for key in range(KEYS) if key % PARTITIONS[part.generation] == part.number]
        values = {key: rng.choice((0, *[key + 1] * 6, key + 11)) for key in keys}
        events = [
            Event(key, values[key], key % 4) for key in rng.choices(keys, k=rng.randint(1, 2))
        ]
        self.clock += rng.choice((0, 1, 2, HORIZON // 2))
        record = Record(
            self.clock - rng.choice((0, 0, 3)), events
        )  # broker clocks differ by some ticks
        self.topics[part].append(record)
        for other in (
            other
            for other in self.topics
            if self.end(part) < NEVER and other.generation > part.generation
        ):
            if mine := [
                event
                for event in events
                if event.key % PARTITIONS[other.generation] == other.number
            ]:
                self.topics[other].append(Record(record.time, mine))

    def lose_power(self, rng: Random) -> None:
        for table in (self.events, self.usage, self.ledger):
            table.lose(rng)

    def retain(self, rng: Random) -> None:
        """The broker forgets the oldest records: longer ago than any insert that is not on disk."""
        for table in (self.events, self.usage, self.ledger):
            table.unsynced.clear()
        self.first = {
            part: max(self.first[part], self.covered(part) - rng.randint(0, 3))
            for part in self.topics
        }

    def end(self, part: Part) -> int:
        """What comes after the end marker of a generation is not part of the log."""
        return next(
            (offset + 1 for offset, record in enumerate(self.log[part]) if not record.events), NEVER
        )

    def mark_end(self, part: Part) -> None:
        if self.end(part) == NEVER and part.generation < max(self.bound):
            self.topics[part].append(Record(self.clock, []))

    def create_meter(self, ahead: int) -> None:
        """Meters are numbered when created but appear in any order; version n is in use
        once 1..n have all appeared.
        """
        self.visible.add([meter for meter in range(1, 99) if meter not in self.visible][ahead])
        self.catalogs.append(max(n for n in self.visible if {*range(1, n)} <= self.visible))

    def meters(self, catalog: int) -> set[int]:
        return {meter for meter in self.visible if meter <= catalog}

    def cell(self, part: Part, level: int, run: int) -> Any:
        """Key of a run of CHUNK * ROLL**level offsets."""
        return *part, level, run

    def usage_and_ledger(
        self, cell: Any, totals: Totals, row: LedgerRow
    ) -> list[tuple[Table, Rows]]:
        usage: Rows = [((*key, cell), row.last, total) for key, total in totals.items()]
        return [(self.usage, usage), (self.ledger, [(cell, row.last * 100 + row.catalog, row)])]

    def stored(self, part: Part, start: int, end: int) -> list[Event]:
        return [
            held.event
            for at, held in self.events.read().items()
            if at.part == part and start <= at.offset < end
        ]

    def covered(self, part: Part) -> int:
        """Offsets that the ledger covers without a hole: complete chunks, then the head
        of the open one.
        """
        ledger, end = self.ledger.read(), 0
        while end % CHUNK == 0 and (row := ledger.get(self.cell(part, 0, end // CHUNK))):
            end = row.last + 1
        return end

    def start(self, part: Part) -> int:
        """Where to resume: at a chunk start; where the log has lost that, right after
        the ledger's last offset.
        """
        covered = self.covered(part)
        start = (
            min(self.committed.get(part, self.first[part]), covered) // CHUNK * CHUNK
        )  # never after a hole
        return covered if start < self.first[part] else start

    def assign(self, part: Part, catalog: int) -> Lane | None:
        """A worker takes a partition over. None: refused, ended, or an older generation
        has not ended yet.
        """
        start, before = self.start(part), None
        older = all(
            self.covered(other) >= self.end(other)
            for other in self.log
            if other.generation < part.generation
        )
        if start:
            before = self.ledger.read()[self.cell(part, 0, (start - 1) // CHUNK)]
        head = self.stored(part, start // CHUNK * CHUNK, start)
        lost = start < self.first[part] or (
            before and start % CHUNK and before.counts[0] != len(head)
        )
        if lost or not older or self.covered(part) >= self.end(part) or not self.right_topic(part):
            return None
        self.writers.append(lane := Lane(self, part, start, before, catalog))
        return lane

    def job(self, part: Part, level: int, run: int) -> Writer | None:
        """Bring a complete run to a newer catalog: level 0 is back-fill, a higher level
        merges ROLL runs below it.
        """
        ledger, none, span = self.ledger.read(), LedgerRow(-1, 0, -1, []), CHUNK * ROLL**level
        cell, last, job, totals = (
            self.cell(part, level, run),
            (run + 1) * span - 1,
            Writer(self),
            Totals(),
        )
        old, row = ledger.get(cell, none), LedgerRow(last, 0, self.catalogs[-1], [])
        below = {
            self.cell(part, level - 1, run * ROLL + n): last - span // ROLL * (ROLL - 1 - n)
            for n in range(ROLL)
        }
        if level == 0:
            complete, row = old.last == last, old._replace(catalog=row.catalog)
            missing = self.meters(row.catalog) - self.meters(old.catalog)
            totals = aggregate(self.stored(part, run * span, last + 1), missing)
        else:
            complete = all(ledger.get(child, none).last == end for child, end in below.items())
            row = row._replace(catalog=min(ledger.get(child, none).catalog for child in below))
            for (meter, hour, child), total in self.usage.read().items():
                totals[meter, hour] += total * (child in below and meter <= row.catalog)
        if not complete or row.catalog <= old.catalog:
            return None
        job.queue += self.usage_and_ledger(cell, +totals, row)
        self.writers.append(job)
        return job

    def look(self) -> None:
        """A reader's first query: it fixes the cut that the reader claims."""
        self.looks.append(
            Look(self.ledger.read(), {part: self.covered(part) for part in self.topics})
        )

    def usable(self, look: Look, cell: Any, end: int, cut: int, meter: int) -> bool:
        """May a reader take the run that ends here from meter_usage? Not beyond the
        cut, nor if it lacks the meter.
        """
        return end <= cut and cell in look.ledger and look.ledger[cell].catalog >= meter

    def serve(self, meter: int, look: Look) -> Totals:
        """A meter at the cut of a look: the coarsest usable runs, the rest from usage_events."""
        served, usage = Totals(), self.usage.read()
        for part, cut in look.cut.items():
            offset = 0
            while offset < cut:
                sizes = {
                    n: CHUNK * ROLL**n for n in range(LEVELS) if offset % (CHUNK * ROLL**n) == 0
                }
                cells = {size: self.cell(part, n, offset // size) for n, size in sizes.items()}
                usable = [
                    size
                    for size, cell in cells.items()
                    if self.usable(look, cell, offset + size, cut, meter)
                ]
                size = max(usable, default=CHUNK)
                found = {
                    key[:2]: usage[key]
                    for key in usage
                    if key[0] == meter and key[2] == cells[size]
                }
                events = self.stored(part, offset, min(cut, offset + size))
                served.update(found if usable else aggregate(events, [meter]))
                offset += size
        return served

    def answer(self, look: Look) -> None:
        """A reader's second query, at any time after its look."""
        self.claims += [(meter, look.cut, self.serve(meter, look)) for meter in self.visible]

    def settle(self) -> None:
        """Every other zombie finishes before the last owners, the rest after them; then
        the jobs and a last read.
        """
        for part in self.topics:
            self.mark_end(part)
        zombies = list(self.writers)
        for turn in (*zombies[::2], *sorted(self.topics), *zombies[1::2]):
            writer = self.assign(turn, self.catalogs[-1]) if isinstance(turn, Part) else turn
            if isinstance(writer, Lane):
                writer.read()
                writer.flush()
            if writer:
                writer.write()
        for level, (part, records) in (
            (level, log) for level in range(LEVELS) for log in self.log.items()
        ):
            for run in range(len(records) // (CHUNK * ROLL**level)):
                if job := self.job(part, level, run):
                    job.write()
        self.look()
        self.answer(self.looks[-1])

    def verify(self) -> None:
        """Recount the log, and compare whatever was judged, stored and served."""
        truth, index, ledger, usage = {}, dict[int, Held](), self.ledger.read(), self.usage.read()
        for part, log in sorted(self.log.items()):
            now = 0
            for offset, record in enumerate(log[: self.end(part)]):
                now, verdicts = judge(index, now, record)
                truth.update(
                    {Position(part, offset, row): verdict for row, verdict in enumerate(verdicts)}
                )
        wrong = (self.verdicts | {(at, "accepted") for at in self.events.read()}) - set(
            truth.items()
        )
        assert not wrong, f"judged or stored wrongly: {wrong}"
        accepted = {
            at: self.log[at.part][at.offset].events[at.row]
            for at in truth
            if truth[at] == "accepted"
        }
        for meter, cut, served in self.claims:
            total = aggregate(
                [event for at, event in accepted.items() if at.offset < cut.get(at.part, 0)],
                [meter],
            )
            assert served == total, f"meter {meter} at {cut} was served as {served}, is {total}"
        for part, log in self.log.items():
            for start in range(0, len(log), CHUNK):
                if row := ledger.get(cell := self.cell(part, 0, start // CHUNK)):
                    inside = [
                        at for at in truth if at.part == part and start <= at.offset <= row.last
                    ]
                    counts = Counter(truth[at] for at in inside)
                    assert row.counts == [counts[verdict] for verdict in VERDICTS], (
                        f"{cell}: {row}, not {counts}"
                    )
                    total = aggregate(
                        [accepted[at] for at in inside if at in accepted], self.meters(row.catalog)
                    )
                    rows = {
                        key[:2]: usage[key]
                        for key in usage
                        if key[2] == cell and key[0] <= row.catalog
                    }
                    assert row.last + 1 < start + CHUNK or rows == total, (
                        f"meter_usage {cell}: {rows}, not {total}"
                    )
            covered, end = self.covered(part), min(self.end(part), len(log))
            assert covered == end or not all(map(self.right_topic, self.log)), (
                f"{part} stopped at {covered} of {end}"
            )
