"""Usage events of an imaginary gateway, and their recount in plain Python while they are made.

The recount knows what became of each event because it made the event: it looks at no key, envelope
or table.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from catalog.meter_definition import Aggregation
from core.events import event_key, partition_of

SOURCE: Final = "gateway/eu-1"
EVENT_TYPE: Final = "llm.completion"
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
DIMENSIONS: Final = {"model": "model", "region": "region"}
METERS: Final[dict[str, tuple[Aggregation, str | None]]] = {
    "requests": ("count", None),
    "units": ("sum", "n"),
    "tokens": ("sum", "usage.tokens"),
    "cached": ("sum", "usage.cached"),
    "largest": ("max", "usage.tokens"),
}
"""Slug -> aggregation and value; each by the two dimensions."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_START_US: Final = (START - _EPOCH) // timedelta(microseconds=1)
HOUR_US: Final = 3_600_000_000
_LATE_US: Final = 300_000_000
_RECENT: Final = 1 << 16
_MODELS: Final = ("gpt-4o-mini", "llama-3-70b", "mistral-large")
_REGIONS: Final = ("eu-1", "eu-2", "us-1")
_CENTS: Final = 100


@dataclass(frozen=True, slots=True)
class Traffic:
    """What to make: `events` in all, the same number for each of `partitions`, from `seed`."""

    events: int
    tenant_id: str
    partitions: int = 4
    seed: int = 1
    subjects: int = 500
    hours: int = 6
    copy_percent: int = 10
    conflict_per_mille: int = 1

    def __post_init__(self) -> None:
        if self.events % self.partitions:
            raise ValueError(f"events: {self.events} is no multiple of {self.partitions}")

    @property
    def end(self) -> datetime:
        """After the latest event time, on the hour."""
        return START + timedelta(hours=self.hours)


class Event(NamedTuple):
    """One event on its way; `partition` is where its key belongs, `time_us` since 1970."""

    id: str
    key: bytes
    partition: int
    subject: str
    time_us: int
    time_text: str
    data: bytes


class Drawn(NamedTuple):
    """What an event says, drawn at random."""

    model: str
    region: str
    cents: int
    tokens: int
    cached: int


Cell = tuple[int, str, str, str]
"""Hour in microseconds since 1970, subject, model, region."""


@dataclass(slots=True)
class Recount:
    """What has to come out. `cells`: events, cents, tokens, cached, largest."""

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    cells: dict[Cell, list[int]] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """All events made."""
        return self.accepted + self.duplicates + self.conflicts

    def count(self, event: Event, drawn: Drawn) -> None:
        """Count an event that is accepted."""
        self.accepted += 1
        hour = event.time_us // HOUR_US * HOUR_US
        key = (hour, event.subject, drawn.model, drawn.region)
        cell = self.cells.setdefault(key, [0, 0, 0, 0, 0])
        cell[0] += 1
        cell[1] += drawn.cents
        cell[2] += drawn.tokens
        cell[3] += drawn.cached
        cell[4] = max(cell[4], drawn.tokens)

    def quantities(self) -> dict[tuple[str, Cell], tuple[Decimal, int]]:
        """(slug, cell) -> quantity and number of events."""
        found = {}
        for cell, (events, cents, tokens, cached, largest) in self.cells.items():
            found["requests", cell] = (Decimal(events), events)
            found["units", cell] = (Decimal(cents) / _CENTS, events)
            found["tokens", cell] = (Decimal(tokens), events)
            found["cached", cell] = (Decimal(cached), events)
            found["largest", cell] = (Decimal(largest), events)
        return found


def generate(traffic: Traffic, recount: Recount) -> Iterator[Event]:
    """Make the events in the order of the log, and keep `recount`.

    A copy repeats one of the last 65,536 accepted events; a conflict does so with another body.
    """
    rng = random.Random(traffic.seed)  # noqa: S311 - a seeded benchmark, no secret
    room = [traffic.events // traffic.partitions] * traffic.partitions
    recent: list[Event] = []
    number = 0
    while recount.events < traffic.events:
        draw = rng.getrandbits(64)
        if recent and draw % 100 < traffic.copy_percent:
            event = recent[(draw >> 8) % len(recent)]
            if not room[event.partition]:
                continue
            if (draw >> 32) % 1000 < traffic.conflict_per_mille * 100 // traffic.copy_percent:
                event = event._replace(data=event.data.replace(b'"n":', b'"n":7'))
                recount.conflicts += 1
            else:
                recount.duplicates += 1
        else:
            drawn = Drawn(
                _MODELS[draw % 3], _REGIONS[(draw >> 4) % 3], (draw >> 8) % 100_000,
                (draw >> 28) % 4_000, draw >> 54,
            )  # fmt: skip
            event = _new_event(traffic, number, draw, recount.events, drawn)
            if not room[event.partition]:
                number += 1
                continue
            recount.count(event, drawn)
            if len(recent) < _RECENT:
                recent.append(event)
            else:
                recent[number % _RECENT] = event
            number += 1
        room[event.partition] -= 1
        yield event


def _new_event(traffic: Traffic, number: int, draw: int, made: int, drawn: Drawn) -> Event:
    event_id = f"r-{traffic.seed}-{number:012d}"
    key = event_key(traffic.tenant_id, SOURCE, event_id)
    span_us = traffic.hours * HOUR_US - _LATE_US
    time_us = _START_US + made * span_us // traffic.events + (draw >> 40) % _LATE_US
    data = (
        f'{{"model":"{drawn.model}","n":{drawn.cents // _CENTS}.{drawn.cents % _CENTS:02d},'
        f'"usage":{{"tokens":{drawn.tokens},"cached":{drawn.cached}}},'
        f'"region":"{drawn.region}","attempt":1}}'
    )
    return Event(
        event_id,
        key,
        partition_of(key, traffic.partitions),
        f"customer-{(draw >> 16) % traffic.subjects}",
        time_us,
        (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds"),
        data.encode(),
    )
