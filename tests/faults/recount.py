"""The raw log, read from Kafka and recounted by hand: dicts, JSON and Decimals, nothing of ours.

It knows what the documentation promises (what is rejected, what is a copy, what a meter counts) and
shares no code with what it checks.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa
from confluent_kafka import Consumer, Message, TopicPartition

from core.clock import monotonic_seconds

COUNTS: Final = ("records", "events", "accepted", "duplicates", "conflicts", "rejected")
_HORIZON_MS: Final = 35 * 24 * 3600 * 1000
_AHEAD_US: Final = 25 * 3600 * 1_000_000
_YEAR_2100_US: Final = 4_102_444_800_000_000
_COLUMNS: Final = (
    "tenant_id", "key", "content_hash", "id", "source", "type", "subject", "time", "received_at",
    "data",
)  # fmt: skip
_WAIT_SECONDS: Final = 60
_VOID: Final = "tollbook.void"


class RawRecord(NamedTuple):
    """A record as the broker keeps it."""

    timestamp_ms: int
    value: bytes


Log = dict[int, list[RawRecord]]
"""Partition -> its records from offset 0 on."""


@dataclass(slots=True)
class Cell:
    """What a tenant's subject used: events of type `request`, their tokens, those without any.

    Voids are counted beside requests and metered events, and taken off the other figures.
    """

    requests: int = 0
    requests_voided: int = 0
    metered: int = 0
    metered_voided: int = 0
    unmeterable: int = 0
    tokens: Decimal = Decimal(0)

    def add(self, other: Cell) -> None:
        """Add another cell's figures."""
        for name in ("requests", "requests_voided", "metered", "metered_voided", "unmeterable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.tokens += other.tokens


Name = tuple[str, str, str]
"""Tenant, source, id: what tells an event from all others."""


class Held(NamedTuple):
    """The copy of an event that counts, and how often it was voided."""

    log_time_ms: int
    content: tuple[Any, ...]
    voids: int = 0


@dataclass(slots=True)
class Recount:
    """Positions by verdict, (partition, offset, row); a record that is no envelope has the row -1.

    chunks: (partition, run) -> counts; cells: (partition, run, tenant, subject) -> what was used;
    standing: (tenant, subject) -> the `data` of every event of type `request` that is not void.
    """

    positions: dict[str, set[tuple[int, int, int]]] = field(
        default_factory=lambda: {"accepted": set(), "conflicts": set(), "rejected": set()}
    )
    chunks: dict[tuple[int, int], dict[str, int]] = field(default_factory=dict)
    cells: defaultdict[tuple[int, int, str, str], Cell] = field(
        default_factory=lambda: defaultdict(Cell)
    )
    standing: defaultdict[tuple[str, str], list[dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def totals(self) -> dict[str, int]:
        """The counts of all chunks together."""
        return {name: sum(counts[name] for counts in self.chunks.values()) for name in COUNTS}

    def usage(self) -> dict[tuple[str, str], Cell]:
        """(tenant, subject) -> what was used in the whole log."""
        found: defaultdict[tuple[str, str], Cell] = defaultdict(Cell)
        for (_, _, tenant, subject), cell in self.cells.items():
            found[tenant, subject].add(cell)
        return dict(found)


def read_log(kafka: str, topic: str, partitions: int) -> Log:
    """Every record of a topic. A gap in its offsets is an error."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "recount", "log_level": 0})
    log: Log = {}
    try:
        for partition in range(partitions):
            where = TopicPartition(topic, partition)
            low, high = consumer.get_watermark_offsets(where, timeout=_WAIT_SECONDS)
            assert low == 0, f"partition {partition} begins at {low}"
            consumer.assign([TopicPartition(topic, partition, 0)])
            log[partition] = _read_partition(consumer, high)
    finally:
        consumer.close()
    return log


def _read_partition(consumer: Consumer, high: int) -> list[RawRecord]:
    found: list[RawRecord] = []
    deadline = monotonic_seconds() + _WAIT_SECONDS
    while len(found) < high:
        messages: list[Message] = consumer.consume(min(500, high - len(found)), 1.0)
        for message in messages:
            assert message.error() is None, message.error()
            assert message.offset() == len(found), (message.offset(), len(found))
            found.append(RawRecord(message.timestamp()[1], message.value() or b""))
        assert messages or monotonic_seconds() < deadline, f"{len(found)} of {high} records"
    return found


def recount(log: Log, chunk_records: int, named: AbstractSet[tuple[int, int]]) -> Recount:
    """Judge and meter everything, from the first record on.

    named: (partition, offset) of records that an operator named as rejected.
    """
    result = Recount()
    log = {
        partition: [
            record._replace(value=b"") if (partition, offset) in named else record
            for offset, record in enumerate(records)
        ]
        for partition, records in log.items()
    }
    for partition, records in log.items():
        _recount_partition(result, partition, len(log), records, chunk_records)
    return result


def _recount_partition(
    result: Recount, partition: int, partitions: int, records: list[RawRecord], chunk_records: int
) -> None:
    held: dict[Name, Held] = {}
    now = 0
    for offset, record in enumerate(records):
        now = max(now, record.timestamp_ms)
        run = offset // chunk_records
        counts = result.chunks.setdefault((partition, run), dict.fromkeys(COUNTS, 0))
        counts["records"] += 1
        columns = _columns(record.value)
        if columns is None:
            counts["events"] += 1
            counts["rejected"] += 1
            result.positions["rejected"].add((partition, offset, -1))
            continue
        rows = zip(*(columns[name] for name in _COLUMNS), strict=True)
        for row, (tenant, key, _, id_, source, type_, subject, time_us, _, data) in enumerate(rows):
            counts["events"] += 1
            text = (tenant, id_, source, type_, subject)
            placed = int.from_bytes(key, "big") % partitions == partition
            body = _object(data)
            verdict = "rejected"
            if placed and body is not None and _keeps_contract(text, time_us, now, data):
                copy = Held(now, (type_, subject, time_us, data))
                where = (partition, run, tenant)
                verdict = _count(result, held, where, (tenant, source, id_), copy, body)
            counts[verdict] += 1
            if verdict in result.positions:
                result.positions[verdict].add((partition, offset, row))
    for (tenant, _, _), copy in held.items():
        if not copy.voids and copy.content[0] == "request":
            result.standing[tenant, copy.content[1]].append(_object(copy.content[3]) or {})


def _count(
    result: Recount,
    held: dict[Name, Held],
    where: tuple[int, int, str],
    name: Name,
    copy: Held,
    body: dict[str, Any],
) -> str:
    """Judge an event that keeps the contract, and meter what it adds or takes back."""
    type_, subject, _, _ = copy.content
    if type_ != _VOID:
        verdict = _judge(held, name, copy)
        if verdict == "accepted" and type_ == "request":
            _meter(result.cells[*where, subject], body, 1)
        return verdict
    verdict, voided = _void(held, (name[0], body["source"], body["id"]))
    if voided is not None and voided[0] == "request":
        _meter(result.cells[*where, voided[1]], _object(voided[3]), -1)
    return verdict


def _judge(held: dict[Name, Held], name: Name, copy: Held) -> str:
    known = held.get(name)
    if known is None or known.log_time_ms < copy.log_time_ms - _HORIZON_MS:
        held[name] = copy
        return "accepted"
    return "duplicates" if known.content == copy.content else "conflicts"


def _void(held: dict[Name, Held], target: Name) -> tuple[str, tuple[Any, ...] | None]:
    """The verdict of a void, and the content that it takes back."""
    known = held.get(target)
    if known is None:
        return "rejected", None
    held[target] = known._replace(voids=known.voids + 1)
    return ("duplicates", None) if known.voids else ("accepted", known.content)


def _columns(value: bytes) -> dict[str, list[Any]] | None:
    """The columns of an envelope, or None for anything that is none."""
    try:
        with pa.ipc.open_stream(value) as reader:
            batches = list(reader)
            names = tuple(reader.schema.names)
        if names != _COLUMNS or len(batches) != 1:
            return None
        batches[0].validate(full=True)
        return {
            name: (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column)
            .to_pylist()
            for name, column in zip(names, batches[0].columns, strict=True)
        }  # fmt: skip
    except (pa.ArrowException, OSError, ValueError):
        return None


def _keeps_contract(text: tuple[str, ...], time_us: int, now_ms: int, data: bytes) -> bool:
    return (
        all(1 <= len(part.encode()) <= 256 for part in text)
        and 0 <= time_us < _YEAR_2100_US
        and time_us <= now_ms * 1000 + _AHEAD_US
        and len(data) <= 256 * 1024
    )


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data, parse_int=Decimal, parse_float=Decimal, parse_constant=_refuse)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _meter(cell: Cell, body: dict[str, Any] | None, sign: int) -> None:
    value = tokens_of(body or {})
    cell.requests += sign > 0
    cell.requests_voided += sign < 0
    if value is None:
        cell.unmeterable += sign
    else:
        cell.metered += sign > 0
        cell.metered_voided += sign < 0
        cell.tokens += sign * value


def tokens_of(body: dict[str, Any]) -> Decimal | None:
    """`usage.tokens`, a number or the text of one."""
    value = body.get("usage", {}).get("tokens")
    return None if value is None else Decimal(value)
