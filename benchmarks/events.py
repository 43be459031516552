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

from core.events import event_key, partition_of

SOURCE: Final = "gateway/eu-1"
EVENT_TYPE: Final = "llm.completion"
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
METERS: Final[dict[str, tuple[str, ...] | None]] = {
    "requests": None,
    "units": ("n",),
    "tokens": ("usage", "tokens"),
}
"""Slug -> path of the value that is summed; None counts events."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_START_US: Final = (START - _EPOCH) // timedelta(microseconds=1)
HOUR_US: Final = 3_600_000_000
_LATE_US: Final = 300_000_000
_RECENT: Final = 1 << 16
_MODELS: Final = ("gpt-4o-mini", "llama-3-70b", "mistral-large")
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


@dataclass(slots=True)
class Recount:
    """What has to come out. `hours`: (hour in us since 1970, subject) -> events, cents, tokens."""

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    hours: dict[tuple[int, str], list[int]] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """All events made."""
        return self.accepted + self.duplicates + self.conflicts

    def count(self, event: Event, cents: int, tokens: int) -> None:
        """Count an event that is accepted."""
        self.accepted += 1
        hour = self.hours.setdefault((event.time_us // HOUR_US * HOUR_US, event.subject), [0, 0, 0])
        hour[0] += 1
        hour[1] += cents
        hour[2] += tokens

    def quantities(self) -> dict[tuple[str, int, str], tuple[Decimal, int]]:
        """(slug, hour in us, subject) -> quantity and number of events."""
        found = {}
        for (hour, subject), (events, cents, tokens) in self.hours.items():
            found["requests", hour, subject] = (Decimal(events), events)
            found["units", hour, subject] = (Decimal(cents) / _CENTS, events)
            found["tokens", hour, subject] = (Decimal(tokens), events)
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
            cents, tokens = (draw >> 8) % 100_000, (draw >> 28) % 4_000
            event = _new_event(traffic, number, draw, recount.events, cents, tokens)
            if not room[event.partition]:
                number += 1
                continue
            recount.count(event, cents, tokens)
            if len(recent) < _RECENT:
                recent.append(event)
            else:
                recent[number % _RECENT] = event
            number += 1
        room[event.partition] -= 1
        yield event


def _new_event(
    traffic: Traffic, number: int, draw: int, made: int, cents: int, tokens: int
) -> Event:
    event_id = f"r-{traffic.seed}-{number:012d}"
    key = event_key(traffic.tenant_id, SOURCE, event_id)
    span_us = traffic.hours * HOUR_US - _LATE_US
    time_us = _START_US + made * span_us // traffic.events + (draw >> 40) % _LATE_US
    data = (
        f'{{"model":"{_MODELS[draw % 3]}","n":{cents // _CENTS}.{cents % _CENTS:02d},'
        f'"usage":{{"tokens":{tokens},"cached":{draw >> 54}}},"region":"eu-1","attempt":1}}'
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
