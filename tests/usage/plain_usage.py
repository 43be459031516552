"""Usage recounted by hand from the events of a log: plain loops, dicts and Fractions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from catalog.meter_definition import MeterDefinition
from core.period import Period
from tests.usage.written_log import Stored

Data = dict[str, Any]
Group = tuple[str, str, str]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROS = {"second": 10**6, "hour": 3600 * 10**6, "day": 24 * 3600 * 10**6}


@dataclass(frozen=True)
class Told:
    """A meter, and in Python what it says: the value of an event, None where it cannot be read."""

    meter: MeterDefinition
    value: Callable[[Data], Fraction | str | None]
    counts: Callable[[Data], bool] = lambda _data: True


@dataclass(frozen=True)
class Used:
    """A line of an answer."""

    quantity: Fraction
    event_count: int
    unmeterable_count: int


def number(found: object) -> Fraction | None:
    """An exact value: a number or a numeric text of at most 12 decimals, below 10^15."""
    if isinstance(found, bool) or not isinstance(found, str | Decimal):
        return None
    try:
        value = Fraction(Decimal(found))
    except (ArithmeticError, ValueError):
        return None
    return value if (value * 10**12).denominator == 1 and abs(value) < 10**15 else None


def at(data: Data, path: str) -> object:
    """What lies at a path, None where there is nothing."""
    found: object = data
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def dimension(found: object) -> str | None:
    """The text of a dimension: content of a text, a number or boolean as written."""
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, str | Decimal) else None


def net(events: Sequence[Stored]) -> list[Stored]:
    """The events that no void takes back, in the order of the log."""
    left: dict[tuple[int, int, int, int], Stored] = {}
    newest: dict[int, tuple[int, int, int, int]] = {}
    for event in sorted(events, key=lambda e: (e.generation, e.offset, e.row)):
        place = (event.generation, event.partition, event.offset, event.row)
        if event.sign > 0:
            left[place] = event
            newest[event.key] = place
        else:
            del left[newest[event.key]]
    return list(left.values())


def usage(
    events: Sequence[Stored], told: Told, windows: Sequence[Period], *, by_dimensions: bool
) -> dict[tuple[int, str, str, str], Used]:
    """(window, meter id, subject, dimensions) -> what was used of one meter."""
    meter = told.meter
    metered: defaultdict[str | tuple[str, str], list[tuple[Any, Any]]] = defaultdict(list)
    lost: defaultdict[Any, list[datetime]] = defaultdict(list)
    for event in net(events):
        data = json.loads(event.data, parse_int=Decimal, parse_float=Decimal)
        mine = event.tenant_id == str(meter.tenant_id) and event.type in meter.event_types
        if not mine or not told.counts(data):
            continue
        texts = [dimension(at(data, path)) for _, path in meter.dimensions]
        shown = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
        group = (event.subject, shown if by_dimensions and meter.dimensions else "")
        value = told.value(data)
        if value is None:
            lost[group].append(event.time)
        else:
            place = (event.generation, event.partition, event.offset, event.row)
            metered[group].append(((event.time, place), value))
    found = {}
    for number_of, window in enumerate(windows):
        for group in {*metered, *lost}:
            inside = [(when, value) for when, value in metered[group] if when[0] in window]
            unread = sum(time in window for time in lost[group])
            before = [(when, value) for when, value in metered[group] if when[0] < window.start]
            quantity = _quantity(meter, inside, before, window)
            if inside or unread or (meter.aggregation == "weighted_sum" and quantity):
                if meter.conversion is not None:
                    quantity = _converted(meter, quantity)
                used = Used(rounded(quantity, 12), len(inside), unread)
                found[number_of, str(meter.id), *group] = used
    return found


def _quantity(
    meter: MeterDefinition, inside: list[Any], before: list[Any], window: Period
) -> Fraction:
    values = [value for _, value in sorted(inside, key=lambda pair: pair[0])]
    if meter.aggregation == "count":
        return Fraction(len(values))
    if meter.aggregation == "weighted_sum":
        return _weighted(meter, inside, before, window)
    if not values:
        return Fraction(0)
    if meter.aggregation == "unique_count":
        return Fraction(len(set(values)))
    if meter.aggregation == "percentile":
        rank = -(-Fraction(meter.percentile or 0) * len(values) // 100)
        return Fraction(sorted(values)[int(rank) - 1])
    total = sum(values, Fraction(0))
    chosen: dict[str, Fraction] = {
        "sum": total,
        "avg": total / len(values),
        "min": min(values),
        "max": max(values),
        "latest": values[-1],
    }
    return chosen[meter.aggregation]


def _weighted(
    meter: MeterDefinition, inside: list[Any], before: list[Any], window: Period
) -> Fraction:
    level: Fraction = max(before)[1] if before else Fraction(0)
    total: Fraction = Fraction(0)
    since = window.start
    for (time, _), value in sorted(inside, key=lambda pair: pair[0]):
        total += level * _micros(since, time)
        level, since = value, time
    total += level * _micros(since, window.end)
    per: int = MICROS[meter.per or ""]
    return total / per


def _micros(start: datetime, end: datetime) -> int:
    delta = end - start
    return (delta.days * 86400 + delta.seconds) * 10**6 + delta.microseconds


def _converted(meter: MeterDefinition, quantity: Fraction) -> Fraction:
    assert meter.conversion is not None
    quantity *= Fraction(meter.conversion.factor)
    if meter.conversion.rounding is None:
        return quantity
    assert meter.conversion.rounding == "up"
    scaled = abs(quantity) * 10 ** (meter.conversion.decimals or 0)
    away = Fraction(-(-scaled.numerator // scaled.denominator))
    ten: int = 10 ** (meter.conversion.decimals or 0)
    return (away if quantity >= 0 else -away) / ten


def rounded(exact: Fraction, decimals: int) -> Fraction:
    """Half away from zero."""
    scaled = abs(exact) * 10**decimals
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    whole += 2 * rest >= scaled.denominator
    return Fraction(whole if exact >= 0 else -whole, 10**decimals)
