"""Records of the log, made with everything in them that a log may hold, known by construction.

Among the events: copies (also a thousand of one), copies with other content, the same id under two
tenants and two sources, voids of events and of nothing, events that break the contract; among the
records some that are no envelope.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import pyarrow as pa

from core.envelope import ENVELOPE_SCHEMA, encode_envelope
from core.events import TEXT_BYTES_MAX, VOID_TYPE, content_hash, event_key, partition_of
from core.period import Period

START: Final = datetime(2026, 11, 1, tzinfo=UTC)
PERIOD: Final = Period(START, START + timedelta(hours=30))
TYPES: Final = ("request", "request", "request", "other")
HOT_COPIES: Final = 1000
"""Copies of one event, spread over a whole round."""

_START_US: Final = int(START.timestamp()) * 1_000_000
_SPAN_US: Final = 29 * 3_600_000_000
_FAR_US: Final = 4_000_000_000_000_000
_RECENT: Final = 20_000
_JUNK: Final = (b"", b"no envelope", b"\xff\xff\xff\xff\x10\x00\x00\x00" + b"\x00" * 24)


class Event(NamedTuple):
    """An event as its sender made it; `moved`: put into a partition where it does not belong."""

    tenant: str
    source: str
    id: str
    type: str
    subject: str
    time_us: int
    data: bytes
    key: bytes
    content: int
    moved: bool = False


class LogRecord(NamedTuple):
    """A record to be produced, and how many events it carries."""

    partition: int
    value: bytes
    events: int


MIX: Final = {"copies": 100, "conflicts": 10, "twins": 10, "voids": 8, "broken": 3}
"""What comes how often among a thousand events; all others are new."""

_JUNK_PER_MILLE: Final = 10


class Traffic:
    """An endless log from a seed, for `tenants` (two), over `partitions`."""

    def __init__(self, rng: random.Random, tenants: tuple[str, str], partitions: int) -> None:
        self._rng, self._tenants, self._partitions = rng, tenants, partitions
        self._mix = MIX
        self._ways: dict[str, Callable[[Event], Event]] = {
            "copies": lambda known: known,
            "conflicts": _conflict,
            "twins": self._twin,
            "voids": self._void,
            "broken": self._break,
        }
        self._number = 0
        self._recent: list[Event] = []
        self._hot = self._new()
        names = ("events", "hot copies", "junk records", *MIX)
        self.made: dict[str, int] = dict.fromkeys(names, 0)

    def records(self, events: int, hot_copies: int) -> Iterator[LogRecord]:
        """Records with about so many events, in an order in which they may be sent."""
        filling: list[list[Event]] = [[] for _ in range(self._partitions)]
        sizes = [self._size() for _ in filling]
        made = 0
        hot_left = hot_copies
        while made < events:
            event = self._next()
            if hot_left and self._rng.randrange(events) < hot_copies:
                event, hot_left = self._hot, hot_left - 1
                self.made["hot copies"] += 1
            made += 1
            at = (partition_of(event.key, self._partitions) + event.moved) % self._partitions
            filling[at].append(event)
            if len(filling[at]) >= sizes[at]:
                yield LogRecord(at, _envelope(filling[at]), len(filling[at]))
                filling[at], sizes[at] = [], self._size()
                yield from self._junk()
        for at, rows in enumerate(filling):
            if rows:
                yield LogRecord(at, _envelope(rows), len(rows))
        self.made["events"] += made

    def _size(self) -> int:
        return self._rng.choice((1, 20, 100, 300, 600))

    def _junk(self) -> Iterator[LogRecord]:
        if self._rng.randrange(1000) < _JUNK_PER_MILLE:
            value = self._rng.choice(_JUNK) or self._rng.randbytes(self._rng.randrange(300))
            if self._rng.random() < 0.3 and self._recent:
                whole = _envelope(self._recent[-3:])
                value = whole[: self._rng.randrange(len(whole) // 2)]
            self.made["junk records"] += 1
            yield LogRecord(self._rng.randrange(self._partitions), value, 1)

    def _next(self) -> Event:
        draw = self._rng.randrange(1000)
        for kind, many in self._mix.items():
            if draw < many and self._recent:
                self.made[kind] += 1
                return self._ways[kind](self._rng.choice(self._recent))
            draw -= many
        event = self._new()
        if len(self._recent) < _RECENT:
            self._recent.append(event)
        else:
            self._recent[self._rng.randrange(_RECENT)] = event
        return event

    def _twin(self, known: Event) -> Event:
        """The same id, of another tenant or source."""
        if self._rng.random() < 0.5:
            other = self._tenants[known.tenant == self._tenants[0]]
            return _hashed(known._replace(tenant=other))
        return _hashed(known._replace(source="another/source"))

    def _void(self, known: Event) -> Event:
        """A void of an event in the log before it; of one in eight, that was never sent."""
        self._number += 1
        target = known.id if self._rng.randrange(8) else f"{known.id}-never-sent"
        data = json.dumps({"source": known.source, "id": target}).encode()
        void = _hashed(known._replace(id=f"void-{self._number}", type=VOID_TYPE, data=data))
        return void._replace(key=event_key(known.tenant, known.source, target))

    def _new(self) -> Event:
        self._number += 1
        draw = self._rng.getrandbits(128)
        kind, tokens = draw % 100, str((draw >> 8) % 10**6)
        if kind < 30:
            tokens = f'"{tokens}.{(draw >> 28) % 10**12:012d}"'
        elif kind < 32:
            tokens = "null"
        return _hashed(
            Event(
                self._tenants[(draw >> 70) % 5 == 0],
                "faults",
                f"event-{self._number}",
                TYPES[(draw >> 73) % 4],
                f"subject-{(draw >> 75) % 40}",
                _START_US + (draw >> 80) % _SPAN_US,
                f'{{"usage":{{"tokens":{tokens}}},"model":"m-{self._number % 7}"}}'.encode(),
                b"",
                0,
            )
        )

    def _break(self, known: Event) -> Event:
        """An event that breaks one rule of the contract; its key is its own, and never held."""
        self._number += 1
        event = known._replace(id=f"broken-{self._number}")
        ways: list[dict[str, Any]] = [
            {"subject": ""}, {"subject": "s" * 257}, {"time_us": _FAR_US}, {"time_us": -1},
            {"data": b"[1]"}, {"data": b"{"}, {"data": b""}, {"data": b'{"usage":NaN}'},
            {"moved": self._partitions > 1, "subject": "" if self._partitions == 1 else "moved"},
        ]  # fmt: skip
        return _hashed(event._replace(**self._rng.choice(ways)))


def _conflict(known: Event) -> Event:
    return _hashed(known._replace(data=b'{"usage":{"tokens":7},"model":"m-9"}'))


def _hashed(event: Event) -> Event:
    """With the key and the content hash that ingest would give it."""
    tenant, source, id_, type_, subject, time_us, data, *_ = event
    keeps = 1 <= len(subject) <= TEXT_BYTES_MAX["subject"]
    content = content_hash(type_, subject, str(time_us), data) if keeps else 0
    return event._replace(key=event_key(tenant, source, id_), content=content)


def _envelope(rows: list[Event]) -> bytes:
    tenants, sources, ids, types, subjects, times, data, keys, contents, _ = zip(*rows, strict=True)
    instants = pa.array(times, pa.int64())
    columns: dict[str, Any] = {
        "tenant_id": tenants, "key": keys, "content_hash": contents, "id": ids, "source": sources,
        "type": types, "subject": subjects, "time": instants, "received_at": instants, "data": data,
    }  # fmt: skip
    arrays = [
        values.cast(field.type) if values is instants else pa.array(values, field.type)
        for field in ENVELOPE_SCHEMA
        for values in (columns[field.name],)
    ]
    return encode_envelope(pa.RecordBatch.from_arrays(arrays, schema=ENVELOPE_SCHEMA))
