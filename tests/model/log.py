"""The log, its verdicts and the tables of the executable model of the data plane.

Claim under test: every verdict and every stored number is a pure function of the log. A schedule is
a seeded list of small steps (append, read, flush, kill, rebalance, power loss, ...; see
`schedules`). After it everything settles, and whatever was judged, stored or served to a reader is
compared with a plain recount of the log, for readers up to the cut that they claim.

Sizes are tiny so that boundaries are met often. A meter adds up `value` by hour; count, min, max,
latest and distinct values merge in the same way, and so do days. `Any` stands for the key of a row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any, NamedTuple

CHUNK, ROLL, LEVELS, HORIZON, KEYS = (
    3,
    2,
    3,
    12,
    6,
)  # records a chunk, runs a roll-up, levels, ticks, event keys
PARTITIONS = {1: 2, 2: 3}  # of each topic generation
VERDICTS = ("accepted", "duplicate", "conflict", "rejected")
NEVER = 10**6


class Part(NamedTuple):
    generation: int
    number: int


class Position(NamedTuple):
    part: Part
    offset: int
    row: int


class Event(NamedTuple):
    key: int
    value: int
    hour: int  # value 0 breaks the contract


class Record(NamedTuple):
    time: int
    events: list[Event]  # no event: end marker of the generation


class Held(NamedTuple):
    time: int
    event: Event  # log time and content of the copy that holds a key


class LedgerRow(NamedTuple):
    last: int
    time: int
    catalog: int
    counts: list[int]


class Look(NamedTuple):
    ledger: dict[Any, LedgerRow]
    cut: dict[Part, int]  # a reader's first query


Totals = Counter[tuple[int, int]]  # (meter, hour) -> sum
Rows = list[tuple[Any, int, Any]]  # key, version, value


def judge(index: dict[int, Held], now: int, record: Record) -> tuple[int, list[str]]:
    """Log time and verdicts of a record, given the keys held before it. Lanes and the
    recount share this fold.

    Log time is the running maximum of broker time. Only an accepted copy holds its key.
    """
    now, verdicts = max(now, record.time), []
    for event in record.events:
        held = index.get(event.key)
        if event.value == 0:
            verdict = "rejected"
        elif held is None or held.time < now - HORIZON:
            verdict, index[event.key] = "accepted", Held(now, event)
        else:
            verdict = "duplicate" if held.event == event else "conflict"
        verdicts.append(verdict)
    return now, verdicts


def aggregate(events: Iterable[Event], meters: Iterable[int]) -> Totals:
    """The one kernel: for lanes, back-fill, reads of events and the recount."""
    totals = Totals()
    for event in events:
        totals.update(
            {(meter, event.hour): event.value for meter in meters if (event.key + meter) % 3}
        )
    return totals


class Table:
    """ReplacingMergeTree: of the rows of one key the highest version is read, of equal
    versions the last inserted.
    """

    def __init__(self) -> None:
        self.rows: defaultdict[Any, list[tuple[int, int, Any]]] = defaultdict(
            list
        )  # version, serial, value
        self.unsynced: list[tuple[Any, tuple[int, int, Any]]] = []
        self.serial = 0

    def insert(self, rows: Rows, acknowledged: bool) -> None:
        """What is acknowledged is on disk."""
        for key, version, value in rows:
            others = [
                old
                for at, _, old in self.rows[key]
                if at == version and not isinstance(old, LedgerRow)
            ]
            assert all(old == value for old in others), (
                f"writers disagree on {key} at {version}: {value}, {others}"
            )
            self.serial += 1
            self.rows[key].append((version, self.serial, value))
            self.unsynced += [] if acknowledged else [(key, (version, self.serial, value))]

    def lose(self, rng: Random) -> None:
        """Power loss: any subset of what was not on disk is gone."""
        for key, row in (pair for pair in self.unsynced if rng.random() < 0.5):
            self.rows[key].remove(row)
        self.unsynced.clear()

    def read(self) -> dict[Any, Any]:
        return {key: max(rows)[2] for key, rows in self.rows.items() if rows}
