"""A question about a meter in OpenMeter's words, its answer as JSON and as CSV."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from fastapi import Request
from pydantic import AwareDatetime, BaseModel, Field

from catalog.meter_definition import MeterDefinition
from core.clock import epoch_micros
from core.cloudevents.instants import instant_text
from core.errors import ValidationError
from core.instants import check_instant
from core.period import Period
from usage.grouped import Grouping, grouped_usage
from usage.reader import UsageReader
from usage.unmeterable import ALL_TIME

SUBJECT: Final = "subject"
_FILTER: Final = "filterGroupBy"
_FILTER_KEY: Final = re.compile(r"filterGroupBy\[([^\]]+)\]")
_FILTER_CHARACTERS_MAX: Final = 4096
_ZERO_IF_NOTHING: Final = frozenset({"count", "unique_count"})
_MINUTE: Final = timedelta(minutes=1)


class QueryBody(BaseModel):
    """The body of `POST …/query`."""

    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    window_size: Annotated[str | None, Field(alias="windowSize")] = None
    subject: list[str] | None = None
    customers: Annotated[list[str] | None, Field(alias="filterCustomerId")] = None
    group_by: Annotated[list[str] | None, Field(alias="groupBy")] = None
    where: Annotated[dict[str, list[str]] | None, Field(alias=_FILTER)] = None
    advanced: Annotated[dict[str, Any] | None, Field(alias="advancedMeterGroupByFilters")] = None

    def question(self) -> Question:
        """What is asked. Raises `ValidationError`."""
        unsupported = {
            "windowSize": self.window_size,
            "filterCustomerId": self.customers,
            "advancedMeterGroupByFilters": self.advanced,
        }
        return question_of(
            self.start, self.end, self.subject or (), self.group_by or (), self.where or {},
            unsupported,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """A period without windows, and the groups that are asked for; None: without an end there."""

    start: datetime | None
    end: datetime | None
    subjects: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def by_subject(self) -> bool:
        """Whether rows are told apart by subject: asked for, or because some are picked."""
        return bool(self.subjects) or SUBJECT in self.group_by

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What else they are told apart by."""
        return tuple(dict.fromkeys(name for name in self.group_by if name != SUBJECT))


@dataclass(frozen=True, slots=True)
class Row:
    """One group's total; `subject` is None where rows are not told apart by it."""

    value: str
    subject: str | None
    group: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of an answer, and the time that they are about."""

    start: str
    end: str
    rows: list[Row]


def question_of(
    start: datetime | None,
    end: datetime | None,
    subjects: Sequence[str],
    group_by: Sequence[str],
    where: Mapping[str, Sequence[str]],
    unsupported: Mapping[str, object],
) -> Question:
    """A question that can be answered. Raises `ValidationError` naming what stands against it."""
    for name, value in unsupported.items():
        if value:
            raise ValidationError(f"{name}: not supported; leave it out", field=name)
    if "customer_id" in group_by:
        raise ValidationError("groupBy: customer_id is not supported; group by subject")
    start = None if start is None else check_instant(start, "from")
    end = None if end is None else check_instant(end, "to")
    if (start or ALL_TIME.start) >= (end or ALL_TIME.end):
        raise ValidationError("to: must lie after from", field="to")
    return Question(start, end, tuple(subjects), tuple(group_by), where)


def filters_of(request: Request) -> dict[str, list[str]]:
    """`filterGroupBy[model]=a` of a query string, and what a client makes of a dict: its repr."""
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name == _FILTER:
            for key, texts in _repr_of_dict(value).items():
                found.setdefault(key, []).extend(texts)
        elif match := _FILTER_KEY.fullmatch(name):
            found.setdefault(match[1], []).append(value)
    return found


def ask(reader: UsageReader, meter: MeterDefinition, question: Question) -> Result:
    """The answer at the newest cut. Raises as `grouped_usage`."""
    period = Period(question.start or ALL_TIME.start, question.end or ALL_TIME.end)
    subjects = question.subjects or None
    grouping = Grouping(question.by_subject, question.dimensions, question.where)
    cut = reader.cut()
    usage = grouped_usage(reader, meter, period, cut, grouping, subjects)
    times = None
    if question.start is None or question.end is None:
        times = reader.event_times(meter, cut, subjects)
    rows = [
        Row(
            _decimal_text(row["quantity"]),
            row["subject"] if question.by_subject else None,
            tuple(msgspec.json.decode(row["dimensions"])),
        )
        for row in usage.to_dicts()
        if row["event_count"]
    ]
    alone = not question.by_subject and not question.dimensions
    if not rows and alone and meter.aggregation in _ZERO_IF_NOTHING:
        rows = [Row("0", None, ())]
    return Result(*_window(question, times), rows)


def as_json(question: Question, result: Result) -> dict[str, Any]:
    """The answer; its values are the exact decimals."""
    asked = {"from": question.start, "to": question.end}
    echo = {name: _text(at) for name, at in asked.items() if at is not None}
    data = [
        {
            "value": msgspec.Raw(row.value.encode()),
            "windowStart": result.start,
            "windowEnd": result.end,
            "subject": row.subject,
            "groupBy": dict(zip(question.dimensions, row.group, strict=True)),
        }
        for row in result.rows
    ]
    return {**echo, "data": data}


def as_csv(question: Question, result: Result) -> str:
    """The same as a table."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    subject = [SUBJECT] if question.by_subject else []
    table.writerow(["window_start", "window_end", *subject, *question.dimensions, "value"])
    for row in result.rows:
        name = [row.subject] if question.by_subject else []
        table.writerow([result.start, result.end, *name, *row.group, row.value])
    return out.getvalue()


def _repr_of_dict(text: str) -> dict[str, list[str]]:
    """`{'model': 'a'}`, as a client's code wrote it. Raises `ValidationError` for anything else."""
    refused = ValidationError(f"{_FILTER}: write {_FILTER}[model]=large", field=_FILTER)
    if len(text) > _FILTER_CHARACTERS_MAX:
        raise refused
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise refused from None
    if not isinstance(found, dict):
        raise refused
    pairs = {key: [some] if isinstance(some, str) else some for key, some in found.items()}
    for key, some in pairs.items():
        if not isinstance(some, list) or not all(isinstance(each, str) for each in (key, *some)):
            raise refused
    return pairs


def _window(question: Question, times: tuple[datetime, datetime] | None) -> tuple[str, str]:
    """From when to when; without an end there, the minutes of the first and the last event."""
    first, last = times or (ALL_TIME.start, ALL_TIME.start)
    start = question.start or first.replace(second=0, microsecond=0)
    end = question.end or last.replace(second=0, microsecond=0) + _MINUTE
    return _text(start), _text(end)


def _text(at: datetime) -> str:
    return instant_text(epoch_micros(at.astimezone(UTC)))


def _decimal_text(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
