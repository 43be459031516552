"""What meters make of events, worked out plainly: dicts, Fractions, Python's own JSON reader.

Imports nothing of what it checks. A meter is its document (`aggregation`, `value`, `filter`,
`dimensions`, `per`, `percentile`, as in a set-up file) with `id`, `tenant_id`, `event_types`. An
event is an `Event`; a list of them is in any order, voids among them.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
REASONS = ("missing", "not_a_number", "too_large", "too_precise", "too_long")
MICROS = {"second": 10**6, "hour": 3600 * 10**6, "day": 24 * 3600 * 10**6}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Meter = dict[str, Any]
Position = tuple[int, int, int, int]


class Unmeterable(Exception):  # noqa: N818 - an answer, not an error
    """Why an event cannot be metered: one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Event:
    """A stored event; with sign -1 a void, which is a copy of what it takes back.

    `position`: generation, partition, offset, row.
    """

    tenant_id: str
    type: str
    subject: str
    time: datetime
    data: str
    position: Position
    sign: int = 1
    key: str = ""


@dataclass
class Cell:
    """What one usage row says; `values` are the metered events' (time, position, value)."""

    events: int = 0
    voided: int = 0
    reasons: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    net: Fraction = Fraction(0)
    values: list[tuple[datetime, Position, Fraction]] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)


class Raw(str):
    """A number as it was sent."""

    __slots__ = ()


def read(data: str) -> Any:
    """The object, numbers as `Raw`, half surrogates replaced; a repeated key has its last value."""
    return json.loads(data, parse_int=Raw, parse_float=Raw)


def at(found: Any, path: Sequence[str]) -> Any:
    """What stands at a path, None where there is nothing or null."""
    for step in path:
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    return found


def text_at(found: Any, path: Sequence[str]) -> str | None:
    """The text at a path: a string's content, a number or boolean as it was sent."""
    thing = at(found, path)
    if isinstance(thing, bool):
        return "true" if thing else "false"
    if not isinstance(thing, str):
        return None
    return re.sub("[\ud800-\udfff]", "\ufffd", thing)


def number_at(found: Any, path: Sequence[str]) -> Fraction:
    """The number at a path, whatever its size. Raises `Unmeterable`."""
    thing = at(found, path)
    if thing is None:
        raise Unmeterable("missing")
    if not isinstance(thing, str) or not NUMBER.fullmatch(thing):
        raise Unmeterable("not_a_number")
    return Fraction(thing)


def bounded(value: Fraction) -> Fraction:
    """The value itself. Raises `Unmeterable` where it is outside what a value may be."""
    if abs(value) >= 10**15:
        raise Unmeterable("too_large")
    if (value * 10**12).denominator != 1:
        raise Unmeterable("too_precise")
    return value


def steps_of(path: str) -> list[str]:
    """The keys of a path: names with dots between them, or JSON strings."""
    parts = re.findall(r'"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*', path)
    return [json.loads(part) if part.startswith('"') else part for part in parts]


def value_of(found: Any, expression: str) -> Fraction:
    """The exact value of an expression, each step of it within the limits.

    The expression is read by Python's own parser: paths become names first.
    """
    paths: list[str] = []

    def name(match: re.Match[str]) -> str:
        if match["function"]:
            return match["function"]
        paths.append(match["path"])
        return f"p{len(paths) - 1}"

    step = r'(?:"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*)'
    plain = re.sub(rf"(?P<function>\w+(?=\())|(?P<path>{step}(?:\.{step})*)", name, expression)
    return _Reckoner(found, paths, plain).work(ast.parse(plain, mode="eval").body)


class _Reckoner:
    """Works out one expression for one event."""

    def __init__(self, found: Any, paths: list[str], source: str) -> None:
        self.found, self.paths, self.source = found, paths, source

    def work(self, node: ast.expr) -> Fraction:  # noqa: PLR0911 - one for each kind of step
        match node:
            case ast.Name(id=word):
                return bounded(number_at(self.found, steps_of(self.paths[int(word[1:])])))
            case ast.Constant():
                return Fraction(str(ast.get_source_segment(self.source, node)))
            case ast.UnaryOp(operand=of):
                return bounded(-self.work(of))
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.work(left), self.work(right)
                sums = {"Add": a + b, "Sub": a - b, "Mult": a * b}
                return bounded(sums[type(op).__name__])
            case ast.Call(func=ast.Name(id="coalesce"), args=of):
                return self.coalesce(of)
            case ast.Call(func=ast.Name(id=word), args=of):
                values = [self.work(each) for each in of]
                if word in {"ceil", "floor"}:
                    whole = math.ceil(values[0]) if word == "ceil" else math.floor(values[0])
                    return bounded(Fraction(whole))
                return min(values) if word == "min" else max(values)
        raise AssertionError(ast.dump(node))

    def coalesce(self, of: list[ast.expr]) -> Fraction:
        for each in of[:-1]:
            try:
                return self.work(each)
            except Unmeterable as why:
                if why.reason != "missing":
                    raise
        return self.work(of[-1])


def passes(  # noqa: PLR0911 - one for each test
    found: Any, chosen: dict[str, Any] | None
) -> bool:
    """Whether a filter takes an event."""
    if chosen is None:
        return True
    if "and" in chosen:
        return all(passes(found, each) for each in chosen["and"])
    if "or" in chosen:
        return any(passes(found, each) for each in chosen["or"])
    path = steps_of(chosen["path"])
    ((word, operand),) = ((word, operand) for word, operand in chosen.items() if word != "path")
    text = text_at(found, path)
    match word:
        case "exists":
            return (at(found, path) is not None) is bool(operand)
        case "equals":
            return text == plain_text(operand)
        case "in":
            return text in [plain_text(each) for each in operand]
        case "not_in":
            return text not in [plain_text(each) for each in operand]
        case "prefix":
            return text is not None and text.startswith(plain_text(operand))
    try:
        number = number_at(found, path)
    except Unmeterable:
        return False
    bound = Fraction(operand)
    compared = {
        "gt": number > bound, "gte": number >= bound, "lt": number < bound, "lte": number <= bound
    }  # fmt: skip
    return compared[word]


def plain_text(operand: object) -> str:
    """An operand of a filter as text."""
    return json.dumps(operand) if isinstance(operand, bool) else str(operand)


def dimensions_of(found: Any, dimensions: dict[str, str]) -> tuple[str, bool]:
    """The `dimensions` of a usage row, and whether one of them is too long."""
    if not dimensions:
        return "", False
    texts = [text_at(found, steps_of(path)) for _, path in sorted(dimensions.items())]
    long = [text is not None and len(text.encode()) > 256 for text in texts]
    kept = [None if is_long else text for text, is_long in zip(texts, long, strict=True)]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")), any(long)


def meters_event(meter: Meter, event: Event) -> bool:
    """Whether an event is one of a meter's."""
    mine = (meter["tenant_id"] == event.tenant_id) and event.type in meter["event_types"]
    return mine and passes(read(event.data), meter.get("filter"))


def measured(meter: Meter, event: Event) -> tuple[str, Fraction | str | None, str | None]:
    """Dimensions, value (or text) and reason of an event that a meter counts."""
    found = read(event.data)
    dimensions, is_long = dimensions_of(found, meter.get("dimensions") or {})
    try:
        value: Fraction | str | None = None
        if meter["aggregation"] == "unique_count":
            value = text_at(found, steps_of(meter["value"]))
            if value is None:
                raise Unmeterable("missing")  # noqa: TRY301 - one way out for every reason
            if len(value.encode()) > 256:
                raise Unmeterable("too_long")  # noqa: TRY301 - as above
        elif meter["aggregation"] != "count":
            value = value_of(found, meter["value"])
        if is_long:
            raise Unmeterable("too_long")  # noqa: TRY301 - as above
    except Unmeterable as why:
        return dimensions, None, why.reason
    return dimensions, value, None


def hour_of(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def cells(
    meters: Iterable[Meter], events: Iterable[Event]
) -> dict[tuple[str, str, str, datetime], Cell]:
    """(meter id, subject, dimensions, hour) -> what the usage row says."""
    found: defaultdict[tuple[str, str, str, datetime], Cell] = defaultdict(Cell)
    events = list(events)
    for meter in meters:
        for event in events:
            if not meters_event(meter, event):
                continue
            dimensions, value, reason = measured(meter, event)
            cell = found[meter["id"], event.subject, dimensions, hour_of(event.time)]
            if reason is not None:
                cell.reasons[reason] += event.sign
                continue
            number = value if isinstance(value, Fraction) else Fraction(0)
            cell.net += event.sign * number
            if event.sign < 0:
                cell.voided += 1
                continue
            cell.events += 1
            if isinstance(value, str):
                cell.texts.add(value)
            elif value is not None:
                cell.values.append((event.time, event.position, number))
    return dict(found)


def usage_rows(meters: Iterable[Meter], events: Iterable[Event]) -> list[dict[str, Any]]:
    """The usage rows of events, in the words of `meter_usage`, sums as Fractions, sorted."""
    known = {meter["id"]: meter for meter in meters}
    rows = []
    for (meter_id, subject, dimensions, hour), cell in sorted(
        cells(known.values(), events).items()
    ):
        aggregation = known[meter_id]["aggregation"]
        numbers = [value for _, _, value in cell.values]
        last = max(cell.values, default=None)
        levels = last is not None and aggregation in {"latest", "weighted_sum"}
        rows.append(
            {
                "tenant_id": known[meter_id]["tenant_id"],
                "meter_id": meter_id,
                "subject": subject,
                "dimensions": dimensions,
                "hour": hour,
                "event_count": cell.events,
                "voided_count": cell.voided,
                "unmeterable_count": sum(cell.reasons.values()),
                **{f"{reason}_count": count for reason, count in cell.reasons.items()},
                "sum": cell.net if aggregation in {"sum", "avg"} else Fraction(0),
                "min": min(numbers, default=None) if aggregation == "min" else None,
                "max": max(numbers, default=None) if aggregation == "max" else None,
                "latest": last[2] if last and levels else None,
                "latest_time": last[0] if last and levels else None,
                "latest_position": position_text(last[1]) if last and levels else "",
                "distinct_values": sorted(cell.texts, key=str.encode),
            }
        )
    return sorted(rows, key=lambda row: tuple(str(row[name]).encode() for name in KEY))


KEY = ("tenant_id", "meter_id", "subject", "dimensions", "hour")


def position_text(position: Position) -> str:
    generation, partition, offset, row = position
    return f"{generation:04x}{partition:04x}{offset:016x}{row:08x}"


def standing(events: Iterable[Event]) -> list[Event]:
    """The events that no void takes back: a void takes the copy of its key right before it."""
    left: list[Event] = []
    taken: defaultdict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda each: each.position):
        if event.sign > 0:
            left.append(event)
            taken[event.key].append(event)
        elif taken[event.key]:
            left.remove(taken[event.key].pop())
    return left


def quantity(
    meter: Meter,
    events: Iterable[Event],
    start: datetime,
    end: datetime,
    subject: str,
    dimensions: str | None = None,
) -> Fraction | None:
    """The quantity of a meter and subject over [start, end), before its unit is converted.

    `events`: everything in the log up to the cut. `dimensions`: those of a usage row, None: all.
    None: there is nothing to tell.
    """
    values: list[tuple[datetime, Position, Any]] = []
    for event in standing(events):
        if event.subject != subject or not meters_event(meter, event) or event.time >= end:
            continue
        of_event, value, reason = measured(meter, event)
        if reason is None and dimensions in {None, of_event}:
            values.append((event.time, event.position, value))
    if meter["aggregation"] == "weighted_sum":
        return weighted_sum(values, start, end, meter["per"])
    return _of_values(meter, [each for each in values if each[0] >= start])


def _of_values(meter: Meter, inside: list[tuple[datetime, Position, Any]]) -> Fraction | None:
    values: list[Any] = [value for _, _, value in inside]
    name = meter["aggregation"]
    if name in {"count", "unique_count"}:
        return Fraction(len(values if name == "count" else set(values)))
    if name == "sum" or not inside:
        return sum(values, Fraction(0)) if name == "sum" else None
    rank = math.ceil(Fraction(meter.get("percentile") or 100) / 100 * len(values))
    return {
        "min": Fraction(min(values)),
        "max": Fraction(max(values)),
        "avg": Fraction(sum(values)) / len(values),
        "latest": Fraction(max(inside)[2]),
        "percentile": Fraction(sorted(values)[rank - 1]),
    }[name]


def weighted_sum(
    values: list[tuple[datetime, Position, Fraction]], start: datetime, end: datetime, per: str
) -> Fraction | None:
    """Level times time over the period; a level before it is carried into it."""
    if not values:
        return None
    whole = Fraction(0)
    changes = [*sorted(values), (end, (0, 0, 0, 0), Fraction(0))]
    for (since, _, level), (until, _, _) in pairwise(changes):
        micros = (until - max(since, start)) // timedelta(microseconds=1)
        whole += level * max(0, micros)
    return whole / MICROS[per]
