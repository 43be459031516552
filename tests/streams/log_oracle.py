"""The log, recounted by hand: dicts, lists and Fractions. It shares no code with what it checks."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

HORIZON_MS = 35 * 24 * 3600 * 1000


@dataclass(frozen=True)
class Sent:
    """An event as it was sent."""

    tenant: str
    source: str
    id: str
    type: str
    subject: str
    time: datetime
    data: str


@dataclass(frozen=True)
class LogRecord:
    """A record of one partition; no events: something that is no envelope."""

    timestamp_ms: int
    events: tuple[Sent, ...] | None


@dataclass
class Recount:
    """Verdicts by (offset, row); counts by chunk; by cell (count, voided, unmeterable, sum)."""

    verdicts: dict[tuple[int, int], str] = field(default_factory=dict)
    counts: dict[int, dict[str, int]] = field(default_factory=dict)
    cells: dict[tuple[Any, ...], tuple[int, int, int, Fraction]] = field(default_factory=dict)


def value_of(data: str, path: tuple[str, ...]) -> Fraction | None:
    """The exact value at a path, or None where it cannot be metered."""
    found = json.loads(data, parse_int=Decimal, parse_float=Decimal)
    for name in path:
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    if not isinstance(found, Decimal):
        return None
    value = Fraction(found)
    exact = (value * 10**12).denominator == 1
    return value if exact and abs(value) < 10**15 else None


def recount(records: list[LogRecord], chunk: int, meters: list[dict[str, Any]]) -> Recount:
    """Judge and meter a whole partition. A meter: id, tenant, type, path (None: counts)."""
    result = Recount()
    held: dict[tuple[str, str, str], tuple[int, Sent]] = {}
    voided: set[tuple[str, str, str]] = set()
    cells: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, 0, 0, Fraction(0)])
    now = 0
    for offset, record in enumerate(records):
        now = max(now, record.timestamp_ms)
        names = ("records", "events", "accepted", "duplicates", "conflicts", "rejected")
        counts = result.counts.setdefault(offset // chunk, dict.fromkeys(names, 0))
        counts["records"] += 1
        if record.events is None:
            counts["events"] += 1
            counts["rejected"] += 1
            continue
        for row, event in enumerate(record.events):
            key = (event.tenant, event.source, event.id)
            if not event.subject:
                verdict = "rejected"
            elif event.type == "tollbook.void":
                named = json.loads(event.data)
                key = (event.tenant, named["source"], named["id"])
                verdict = "duplicates" if key in voided else "accepted"
                if key not in held:
                    verdict = "rejected"
                elif key not in voided:
                    voided.add(key)
                    _meter(cells, held[key][1], offset // chunk, meters, sign=-1)
            elif key in held and held[key][0] >= now - HORIZON_MS:
                same = (held[key][1].type, held[key][1].subject, held[key][1].data) == (
                    event.type, event.subject, event.data
                )  # fmt: skip
                verdict = "duplicates" if same else "conflicts"
            else:
                verdict = "accepted"
                held[key] = (now, event)
                voided.discard(key)
                _meter(cells, event, offset // chunk, meters, sign=1)
            result.verdicts[offset, row] = verdict
            counts["events"] += 1
            counts[verdict] += 1
    result.cells = {key: (cell[0], cell[1], cell[2], cell[3]) for key, cell in cells.items()}
    return result


def _meter(
    cells: defaultdict[tuple[Any, ...], list[Any]],
    event: Sent,
    run: int,
    meters: list[dict[str, Any]],
    *,
    sign: int,
) -> None:
    hour = event.time - timedelta(
        minutes=event.time.minute, seconds=event.time.second, microseconds=event.time.microsecond
    )
    for meter in meters:
        if (meter["tenant"], meter["type"]) != (event.tenant, event.type):
            continue
        cell = cells[run, meter["id"], event.subject, hour]
        value = Fraction(0) if meter["path"] is None else value_of(event.data, meter["path"])
        if value is None:
            cell[2] += sign
        else:
            cell[0 if sign > 0 else 1] += 1
            cell[3] += sign * value
