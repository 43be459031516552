"""What was decided about single positions of the log: halts by workers, the rest by operators.

A record at which workers die again and again halts its partition. An operator names it as rejected,
which is for good and the same for every replay, or has it tried once more. Only a position where a
partition is halted can be decided: what the ledger covers is history.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import pyarrow as pa
from clickhouse_connect.driver.client import Client

import sql
from core.clock import Clock, monotonic_seconds
from core.endpoints import Endpoints
from core.errors import ConflictError, NotFoundError, ValidationError
from db.clickhouse import connect_clickhouse
from streams.generation import Generation, load_generation
from streams.ledger import load_ledger

HALTED: Final = "halted"
RETRIED: Final = "retried"
REJECTED: Final = "rejected"

REASON_CHARACTERS_MAX: Final = 500
_FRESH_SECONDS: Final = 2.0
_TICK: Final = timedelta(milliseconds=1)
"""The least by which the times of two decisions differ."""


class Decision(NamedTuple):
    """One decision about one position."""

    generation: int
    partition: int
    offset: int
    decision: str
    reason: str
    decided_by: str
    decided_at: datetime


@dataclass(slots=True)
class Decided:
    """What stands for one partition: offset -> the decision that rejects it, or that halts it."""

    rejected: dict[int, Decision] = field(default_factory=dict)
    halted: dict[int, Decision] = field(default_factory=dict)


def load_decisions(client: Client) -> list[Decision]:
    """Every decision, ordered by position, then time."""
    rows = client.query(sql.load("clickhouse/queries/load_decisions")).result_rows
    return [Decision._make((*row[:-1], row[-1].replace(tzinfo=UTC))) for row in rows]


def in_force(decisions: Iterable[Decision]) -> dict[tuple[int, int], Decided]:
    """(generation, partition) -> what stands. `decisions` are ordered by position, then time."""
    found: dict[tuple[int, int], Decided] = {}
    for each in decisions:
        of_partition = found.setdefault((each.generation, each.partition), Decided())
        if each.decision == REJECTED:
            of_partition.rejected[each.offset] = each
        elif each.decision == HALTED:
            of_partition.halted[each.offset] = each
        else:
            of_partition.halted.pop(each.offset, None)
    for of_partition in found.values():
        for offset in of_partition.rejected:
            of_partition.halted.pop(offset, None)
    return found


def store_decision(client: Client, decision: Decision) -> Decision:
    """Write a decision, dated after all others about its position, whoever's clock is ahead.

    Returns what is on disk afterwards.
    """
    before = [each.decided_at for each in load_decisions(client) if each[:3] == decision[:3]]
    earliest = max(before, default=decision.decided_at - _TICK) + _TICK
    decision = decision._replace(decided_at=max(decision.decided_at, earliest))
    columns = {name: [value] for name, value in decision._asdict().items()}
    table = pa.table(columns)
    at = table.schema.get_field_index("decided_at")
    millis = table.column(at).cast(pa.timestamp("ms", tz="UTC"), safe=False)
    client.insert_arrow("stream_decisions", table.set_column(at, "decided_at", millis))
    return decision


class DecisionLog:
    """The decisions of one generation as a worker sees them. Threads may share it."""

    def __init__(self, endpoints: Endpoints, generation: int, worker_id: str, clock: Clock) -> None:
        self._endpoints, self._generation = endpoints, generation
        self._worker_id, self._clock = worker_id, clock
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._found: dict[tuple[int, int], Decided] = {}
        self._read_at = float("-inf")

    def of(self, partition: int) -> Decided:
        """What stands for a partition, at most two seconds old. Lets errors of the client out."""
        with self._lock:
            if monotonic_seconds() - self._read_at > _FRESH_SECONDS:
                self._found = in_force(load_decisions(self._connected()))
                self._read_at = monotonic_seconds()
            return self._found.get((self._generation, partition)) or Decided()

    def halt(self, partition: int, offset: int, reason: str) -> None:
        """Say that the partition goes no further than before `offset`.

        Nothing is said about a record that another worker has counted since.
        """
        with self._lock:
            generation = load_generation(self._connected(), self._generation)
            assert generation is not None, "a worker reads a generation that there is"
            if offset < load_ledger(self._connected(), generation, partition).covered:
                return
            now = self._clock.now()
            by = f"worker {self._worker_id}"
            store_decision(
                self._connected(),
                Decision(self._generation, partition, offset, HALTED, reason, by, now),
            )
            self._read_at = float("-inf")

    def _connected(self) -> Client:
        if self._client is None:
            self._client = connect_clickhouse(self._endpoints.clickhouse)
        return self._client


def decide(
    endpoints: Endpoints,
    clock: Clock,
    position: tuple[int, int, int],
    decision: str,
    reason: str,
    decided_by: str,
) -> Decision:
    """Decide a position (generation, partition, offset) where a partition is halted.

    `decision` is `REJECTED` or `RETRIED`. Raises `NotFoundError` for a position outside the log,
    `ConflictError` where nothing is to be decided, and `ValidationError` for a bad reason.
    """
    number, partition, offset = position
    if not 1 <= len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise ValidationError(
            f"reason: 1 to {REASON_CHARACTERS_MAX} characters that say why", field="reason"
        )
    client = connect_clickhouse(endpoints.clickhouse)
    try:
        generation = load_generation(client, number)
        if generation is None or not 0 <= partition < generation.partitions:
            raise NotFoundError(f"there is no partition {partition} of generation {number}")
        _check(client, generation, partition, offset)
        text, now = reason.strip(), clock.now()
        return store_decision(
            client, Decision(number, partition, offset, decision, text, decided_by, now)
        )
    finally:
        client.close()


def _check(client: Client, generation: Generation, partition: int, offset: int) -> None:
    """Raise `ConflictError` unless the partition is halted at this offset, undecided."""
    where = f"{generation.number}/{partition}/{offset}"
    decided = in_force(load_decisions(client)).get((generation.number, partition), Decided())
    if before := decided.rejected.get(offset):
        raise ConflictError(
            f"{where} was rejected by {before.decided_by} at {before.decided_at.isoformat()}"
            f" ({before.reason}); that is for good"
        )
    covered = load_ledger(client, generation, partition).covered
    if offset < covered:
        raise ConflictError(
            f"{where} is counted already: the ledger covers all offsets before {covered}, and"
            " history never changes. To take an event back, send a void"
        )
    if offset not in decided.halted:
        halted = ", ".join(map(str, decided.halted)) or "nowhere"
        raise ConflictError(
            f"{where}: the partition is not halted there (it is halted at: {halted}); only the"
            " record that halts a partition can be decided"
        )
